# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0

import math

import pytest

from tsr_ros.nodes.latency_window import STAGES, LatencyWindow, Percentiles


def times(value, **others):
    return dict(dict.fromkeys(STAGES, value), **others)


@pytest.mark.parametrize(
    ('rows', 'size', 'expected'),
    [
        ([], 4, None),
        ([7.0], 4, Percentiles(7, 7, 7, 7)),
        # linear interpolation between ranks: rank 0.95 * 4 = 3.8 of 0, 10, 20, 30, 40
        ([40.0, 0.0, 30.0, 10.0, 20.0], 5, Percentiles(20, 38, 39.6, 40)),
        # the oldest ones leave
        ([1000.0, 1000.0, 1.0, 2.0, 3.0], 3, Percentiles(2, 2.9, 2.98, 3)),
    ],
)
def test_summary(rows, size, expected):
    window = LatencyWindow(size)
    for value in rows:
        window.add(times(value))
    summary = window.summary()
    if expected is None:
        assert summary == {}
        return
    assert set(summary) == set(STAGES)
    for percentiles in summary.values():
        assert percentiles == pytest.approx(expected)


def test_unknown_times_are_left_out():
    window = LatencyWindow(3)
    window.add(times(5.0, stamp_age=math.nan))
    assert 'stamp_age' not in window.summary()
    window.add(times(5.0, stamp_age=8.0))
    assert window.summary()['stamp_age'] == (8, 8, 8, 8)
