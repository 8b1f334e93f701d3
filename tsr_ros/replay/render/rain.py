# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Falling rain: streaks that catch the light behind them."""

from __future__ import annotations

import math

import cv2
import numpy as np

from tsr_ros.replay.render.blur import blurred

_SLANT = math.tan(math.radians(8))
_SUBPIXEL_BITS = 4


def add_rain(linear: np.ndarray, rng: np.random.Generator, night: bool) -> np.ndarray:
    """Return a linear picture (H, W, 3) with one exposure's rain in it.

    Streaks slant away from the point that the car drives towards, and show the blurred background
    brightened a little; by night only what lamps shine on.
    """
    height, width = linear.shape[:2]
    scale = width / 960
    streaks = np.zeros((height, width), np.float32)
    count, longest = (260, 48) if night else (420, 34)
    for _ in range(count):
        x, y = rng.uniform(0, width), rng.uniform(-20 * scale, height)
        length = rng.uniform(10, longest) * scale
        drift = (x - width / 2) / width * 0.5 * length + _SLANT * length * 0.5
        ends = [(round(px * 2**_SUBPIXEL_BITS), round(py * 2**_SUBPIXEL_BITS))
                for px, py in ((x, y), (x + drift, y + length))]
        cv2.line(streaks, *ends, float(rng.uniform(0.15, 0.8)), 1, cv2.LINE_AA, _SUBPIXEL_BITS)
    streaks = cv2.GaussianBlur(streaks, (0, 0), max(0.4, 0.7 * scale))[..., None]
    behind = blurred(linear, 10 * scale)
    return linear * (1 - 0.25 * streaks) + streaks * (0.5 * behind + (0.004 if night else 0.05))
