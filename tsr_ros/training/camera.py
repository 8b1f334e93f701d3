# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What lens, sensor and codec do to light: (H, W, 3) float32, linear, BGR, white 1.

Functions on pixels say so: (H, W, 3) uint8 BGR.
"""

from __future__ import annotations

import cv2
import numpy as np

from tsr_ros.training.light import spread

# shares of stray light and how far it goes, as a share of the image's width: sums of Gaussians
# near the 1 / angle^2 of the eye and of lenses (Vos, 'Disability glare', 1984; Spencer et al.,
# 'Physically-based glare effects for digital images', 1995)
STRAY = ((0.003, 0.5), (0.012, 0.3), (0.05, 0.2))


def jitter_colour(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Vary a picture's colours: hue as a share of the circle, the others as factors. On pixels."""
    factors = 1 + rng.uniform(-1, 1, 3) * (0.015, 0.5, 0.4)  # hue, saturation, brightness
    levels = np.arange(256)
    shift = (factors[0] - 1) * 180
    table = np.empty((1, 256, 3), np.uint8)
    table[0, :, 0] = np.round(levels + shift) % 180
    table[0, :, 1] = np.clip(levels * factors[1], 0, 255)
    table[0, :, 2] = np.clip(levels * factors[2], 0, 255)
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    return cv2.cvtColor(cv2.LUT(hsv, table), cv2.COLOR_HSV2BGR)


def change_gamma(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Vary the tone curve. On pixels."""
    gamma = np.exp(rng.uniform(-0.6, 0.6))
    table = (np.linspace(0, 1, 256) ** gamma * 255).astype(np.uint8)
    return cv2.LUT(image, table)


def scatter(light: np.ndarray, amount: float) -> np.ndarray:
    """Spread a share of the light around: the bloom of lamps. The sum of all light stays."""
    result = light * (1 - amount)
    for share_of_width, share in STRAY:
        blurred = spread(light, max(share_of_width * light.shape[1], 0.5))
        result = cv2.scaleAdd(blurred, amount * share, result)
    return result


def motion_kernel(length_px: float, angle: float) -> np.ndarray:
    """Return the path of a point (k, k) float32 during the exposure, its sum 1."""
    size = int(np.ceil(length_px)) | 1
    kernel = np.zeros((size, size), np.uint8)
    step = np.array([np.cos(angle), np.sin(angle)]) * (length_px - 1) / 2
    ends = np.round(((size - 1) / 2 + np.stack((-step, step))) * 16).astype(int).tolist()
    cv2.line(kernel, ends[0], ends[1], 255, 1, cv2.LINE_AA, 4)
    return kernel.astype(np.float32) / kernel.sum()


def blur_motion(rng: np.random.Generator, light: np.ndarray) -> np.ndarray:
    """Move the camera during the exposure, mostly along a level road: up, down or aside."""
    kernel = motion_kernel(rng.uniform(2.5, 9), rng.uniform(0, np.pi))
    return cv2.filter2D(light, -1, kernel, borderType=cv2.BORDER_REFLECT_101)


def blur_lens(rng: np.random.Generator, light: np.ndarray) -> np.ndarray:
    """Put the scene out of focus."""
    return cv2.GaussianBlur(light, (0, 0), rng.uniform(0.4, 1.2))


def expose(
    rng: np.random.Generator,
    light: np.ndarray,
    full_well_e: float,
    read_noise_e: float,
    gain: float = 1.0,
) -> np.ndarray:
    """
    Return what a sensor reads: light times gain, with shot noise and read noise, in place.

    The linear model of EMVA standard 1288: the variance is that of counting electrons, which
    equals their number, plus the read noise's; the gain amplifies both.
    """
    noise = np.empty_like(light)
    cv2.setRNGSeed(int(rng.integers(1, 2**31)))
    cv2.randn(noise, (0, 0, 0), (1, 1, 1))
    variance = np.maximum(light, 0)
    variance *= 1 / full_well_e
    variance += (read_noise_e / full_well_e) ** 2
    noise *= cv2.sqrt(variance)
    light += noise
    light *= gain
    return light


def compress(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Compress as JPEG. On pixels."""
    quality = int(rng.integers(30, 90))
    _, data = cv2.imencode('.jpg', image, (cv2.IMWRITE_JPEG_QUALITY, quality))
    return cv2.imdecode(data, cv2.IMREAD_COLOR)
