# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Gaussian blur that stays fast for wide kernels."""

import cv2
import numpy as np


def blurred(image: np.ndarray, sigma_px: float) -> np.ndarray:
    """Return (H, W, ...) float32 blurred; wide kernels work on a smaller copy."""
    shrink = max(1, int(sigma_px / 3))
    if shrink == 1:
        return cv2.GaussianBlur(image, (0, 0), max(sigma_px, 0.01))
    height, width = image.shape[:2]
    small_wh = (max(2, width // shrink), max(2, height // shrink))
    small = cv2.resize(image, small_wh, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma_px / shrink)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
