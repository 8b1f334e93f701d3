# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Automatic exposure that does not pump: metered each frame, followed slowly."""

from __future__ import annotations

import math

import numpy as np

_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)  # ITU-R BT.709
_SKY_PART = 0.3
_FLOOR = 1e-4
_TIME_CONSTANT_S = 2.5


def meter(linear: np.ndarray) -> float:
    """Return the mean natural logarithm of the luminance below the sky, of (H, W, 3) linear."""
    luminance = linear[int(linear.shape[0] * _SKY_PART):] @ _LUMINANCE
    return float(np.mean(np.log(luminance + _FLOOR)))


class Exposure:
    """The gain over a drive: right at once in the first frame, then a first-order low-pass."""

    def __init__(self, key: float, max_gain: float, rate_hz: float):
        self._key, self._max_gain = key, max_gain
        self._follow = 1 - math.exp(-1 / (rate_hz * _TIME_CONSTANT_S))
        self._level: float | None = None

    def update(self, metered: float) -> float:
        """Take the next frame's `meter` reading and return the gain for that frame."""
        if self._level is None:
            self._level = metered
        self._level += self._follow * (metered - self._level)
        return float(np.clip(self._key / math.exp(self._level), 0.05, self._max_gain))
