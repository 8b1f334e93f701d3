# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from tsr_ros.benchmark.peak import Peak, floor_ms
from tsr_ros.benchmark.statistics import summarise


@pytest.mark.parametrize(('durations_ms', 'expected'), [
    # runs, lowest, average, highest, median, p95, p99, spread
    ([4.0], (1, 4, 4, 4, 4, 4, 4, 0)),
    ([3.0, 1.0, 2.0], (3, 1, 2, 3, 2, 2.9, 2.98, 0.5)),
    ([1.0] * 9 + [101.0], (10, 1, 11, 101, 1, 56, 92, 0)),
    (range(101), (101, 0, 50, 100, 50, 95, 99, 1)),
])
def test_statistics(durations_ms, expected):
    assert summarise(list(durations_ms)) == pytest.approx(expected)


def test_nothing_measured_is_an_error():
    with pytest.raises(ValueError, match='nothing was measured'):
        summarise([])


@pytest.mark.parametrize(('gflop', 'gflops', 'expected_ms'), [(13.06, 225, 58.04), (0.0, 1, 0)])
def test_the_floor_is_work_over_peak(gflop, gflops, expected_ms):
    assert floor_ms(gflop, Peak(gflops, 'any')) == pytest.approx(expected_ms, abs=0.01)
