# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from tsr_ros.benchmark import host


@pytest.mark.parametrize(('zones', 'expected'), [
    ({}, None),
    ({'intel-rapl:0': ('package-0', '2500000')}, 2.5),
    ({'intel-rapl:0': ('package-0', '2500000'), 'intel-rapl:1': ('package-1', '500000')}, 3.0),
    # parts of a package, and the whole board, hold what is counted already
    ({'intel-rapl:0': ('package-0', '2500000'), 'intel-rapl:0:0': ('core', '2000000'),
      'intel-rapl:1': ('psys', '9000000')}, 2.5),
    # only root may read it
    ({'intel-rapl:0': ('package-0', None)}, None),
])
def test_energy_of_the_packages(tmp_path, monkeypatch, zones, expected):
    monkeypatch.setattr(host, '_POWERCAP', tmp_path)
    for zone, (name, energy_uj) in zones.items():
        (tmp_path / zone).mkdir()
        (tmp_path / zone / 'name').write_text(name + '\n')
        if energy_uj is not None:
            (tmp_path / zone / 'energy_uj').write_text(energy_uj + '\n')
    assert host.read_activity().energy_j == expected


STAT = """\
cpu  1100 220 330 9000 90 44 55 66 7 8
cpu0 100 20 30 4000 40 4 5 6 7 8
cpu1 1000 200 300 5000 50 40 50 60 0 0
intr 15124092 0 0
"""


@pytest.mark.parametrize(('usable', 'busy_s', 'stolen_s'), [
    ({0}, 1.59, 0.06),  # (100 + 20 + 30 + 4 + 5) ticks of 10 ms
    ({1}, 15.9, 0.6),
    ({0, 1}, 17.49, 0.66),
    ({6, 7}, 17.49, 0.66),  # numbered as on the machine that holds the container
])
def test_only_the_processors_that_may_be_used_count(monkeypatch, usable, busy_s, stolen_s):
    monkeypatch.setattr(host, '_read', lambda path: STAT if path == '/proc/stat' else '')
    monkeypatch.setattr(host.os, 'sched_getaffinity', lambda process: usable)
    monkeypatch.setattr(host.os, 'sysconf', lambda name: 100)
    activity = host.read_activity()
    assert (activity.busy_s, activity.stolen_s) == pytest.approx((busy_s, stolen_s))


@pytest.mark.parametrize(('load_average', 'expected'), [
    (None, ''),  # as in results of older versions
    (0.5, ''),
    (3.604, 'Other programs were at work before it began (load average 3.6): if they still '
            'were, these times say little.'),
])
def test_a_computer_that_is_not_left_alone(load_average, expected):
    assert host.load_warning(load_average) == expected


def test_the_host_in_plain_data():
    described = host.describe_host()
    assert json.loads(json.dumps(described)) == described
    assert described['cpus'] >= 1
    assert described['memory_gib'] > 0
    assert described['versions']['numpy']


def test_the_counters_go_up():
    before = host.read_activity()
    sum(range(10**6))
    after = host.read_activity()
    assert after.own_s > before.own_s
    assert after.busy_s >= before.busy_s > 0
    assert host.resident_mb() > 1
