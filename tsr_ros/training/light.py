# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Between sRGB pixels and linear light, where light adds up (IEC 61966-2-1)."""

from __future__ import annotations

import cv2
import numpy as np

_LEVELS = np.arange(256) / 255
_TO_LINEAR = np.where(
    _LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4
).astype(np.float32)
_LIGHT = np.arange(65536) / 65535
_TO_SRGB = np.round(
    255 * np.where(_LIGHT <= 0.0031308, 12.92 * _LIGHT, 1.055 * _LIGHT ** (1 / 2.4) - 0.055)
).astype(np.uint8)[None]


def to_linear(image: np.ndarray) -> np.ndarray:
    """Return pixels (H, W, 3) uint8 as light (H, W, 3) float32, white 1."""
    return cv2.LUT(image, _TO_LINEAR)


def to_srgb(light: np.ndarray) -> np.ndarray:
    """Return light (H, W, 3) float32 as pixels uint8; more than white is white."""
    return cv2.LUT(np.clip(light * np.float32(65535), 0, 65535).astype(np.uint16), _TO_SRGB)


def spread(light: np.ndarray, sigma_px: float) -> np.ndarray:
    """Return light blurred evenly; wide blurs work on a smaller copy."""
    shrink = max(1, int(sigma_px / 2))
    if shrink == 1:
        return cv2.GaussianBlur(light, (0, 0), sigma_px)
    height, width = light.shape[:2]
    small_wh = max(width // shrink, 2), max(height // shrink, 2)
    small = cv2.resize(light, small_wh, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma_px / shrink)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
