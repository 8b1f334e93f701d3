# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class LatencyStatistics(NamedTuple):
    """What a series of durations comes to, in milliseconds."""

    runs: int
    lowest_ms: float
    average_ms: float
    highest_ms: float
    median_ms: float
    p95_ms: float
    p99_ms: float
    spread: float  # interquartile range as a share of the median


def summarise(durations_ms: Sequence[float]) -> LatencyStatistics:
    """
    Return the statistics of durations in milliseconds.

    Percentiles are interpolated linearly between the ordered values, as NumPy does by default.

    :raises ValueError: where there is no duration
    """
    values = np.asarray(durations_ms, float)
    if not len(values):
        raise ValueError('no durations: nothing was measured')
    low, median, high, p95, p99 = np.percentile(values, (25, 50, 75, 95, 99))
    return LatencyStatistics(
        len(values), float(values.min()), float(values.mean()), float(values.max()),
        float(median), float(p95), float(p99), float((high - low) / median) if median else 0.0)
