# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stray light of lens and windscreen."""

from __future__ import annotations

import numpy as np

from tsr_ros.replay.render.blur import blurred

# (sigma in pixels of a picture 960 wide, share of the stray light)
_SPREAD = ((2.5, 0.5), (9, 0.3), (32, 0.15), (90, 0.05))


def add_glare(linear: np.ndarray, amount: float) -> np.ndarray:
    """Spread `amount` (0..1) of the light around; the sum of all light stays the same."""
    scale = linear.shape[1] / 960
    result = linear * (1 - amount)
    for sigma, share in _SPREAD:
        result += amount * share * blurred(linear, sigma * scale)
    return result
