# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0

import threading
from typing import Dict, NamedTuple

import numpy as np

STAGES = ('stamp_age', 'queue_wait', 'decode', 'preprocess', 'inference', 'postprocess',
          'publish', 'total')


class Percentiles(NamedTuple):
    """How long a stage takes, in milliseconds."""

    p50: float
    p95: float
    p99: float
    max: float


class LatencyWindow:
    """
    Remember the stage durations of the newest frames and summarise them.

    One thread adds, another may summarise.

    :param size: number of frames remembered.
    """

    def __init__(self, size: int):
        self._lock = threading.Lock()
        self._times_ms = np.full((size, len(STAGES)), np.nan)
        self._next = 0

    def add(self, times_ms: Dict[str, float]) -> None:
        """
        Remember one frame.

        :param times_ms: milliseconds for each of STAGES; NaN where not known.
        """
        with self._lock:
            row = self._next % len(self._times_ms)
            for column, stage in enumerate(STAGES):
                self._times_ms[row, column] = times_ms[stage]
            self._next += 1

    def summary(self) -> Dict[str, Percentiles]:
        """Return milliseconds per stage that has any value; empty before the first frame."""
        with self._lock:
            times_ms = self._times_ms[:min(self._next, len(self._times_ms))].copy()
        result = {}
        for column, stage in enumerate(STAGES):
            known = times_ms[:, column]
            known = known[~np.isnan(known)]
            if len(known):
                p50, p95, p99 = np.percentile(known, (50, 95, 99))
                result[stage] = Percentiles(p50, p95, p99, known.max())
        return result
