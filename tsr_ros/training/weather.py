# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What light, weather, lens and sensor do to an image. Images are (H, W, 3) uint8 BGR."""

from __future__ import annotations

import cv2
import numpy as np


def jitter_colour(
    rng: np.random.Generator,
    image: np.ndarray,
    hue: float = 0.015,
    saturation: float = 0.5,
    brightness: float = 0.4,
) -> np.ndarray:
    """Vary white balance and exposure: hue as a share of the circle, the others as factors."""
    factors = 1 + rng.uniform(-1, 1, 3) * (hue, saturation, brightness)
    levels = np.arange(256)
    shift = (factors[0] - 1) * 180
    table = np.empty((1, 256, 3), np.uint8)
    table[0, :, 0] = np.round(levels + shift) % 180
    table[0, :, 1] = np.clip(levels * factors[1], 0, 255)
    table[0, :, 2] = np.clip(levels * factors[2], 0, 255)
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    return cv2.cvtColor(cv2.LUT(hsv, table), cv2.COLOR_HSV2BGR)


def change_gamma(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Vary the tone curve."""
    gamma = np.exp(rng.uniform(-0.6, 0.6))
    table = (np.linspace(0, 1, 256) ** gamma * 255).astype(np.uint8)
    return cv2.LUT(image, table)


def blur_motion(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Blur along a line, as when the camera moves during the exposure."""
    length = int(rng.integers(3, 8))
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0, np.pi)
    half = (length - 1) / 2
    step = np.array([np.cos(angle), np.sin(angle)]) * half
    start, end = half - step, half + step
    cv2.line(kernel, start.round().astype(int).tolist(), end.round().astype(int).tolist(), 1.0)
    return cv2.filter2D(image, -1, kernel / kernel.sum())


def blur_lens(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Blur evenly, as when out of focus."""
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.2))


def add_noise(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Add read noise and shot noise, whose variance grows with the light."""
    read, shot = rng.uniform(1, 6), rng.uniform(0, 0.6)
    deviation = np.sqrt(read**2 + shot * image.astype(np.float32))
    noise = rng.standard_normal(image.shape, np.float32)
    return np.clip(image + deviation * noise, 0, 255).astype(np.uint8)


def compress(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Compress as JPEG."""
    quality = int(rng.integers(30, 90))
    _, data = cv2.imencode('.jpg', image, (cv2.IMWRITE_JPEG_QUALITY, quality))
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def add_fog(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """
    Veil the scene: I = J t + A (1 - t), t = exp(-beta d), Koschmieder's law.

    Depth d of a road scene is taken as that of a flat ground up to the horizon at mid-height and
    as even above it.
    """
    height = len(image)
    rows = np.arange(height, dtype=np.float32) / height
    horizon = rng.uniform(0.35, 0.6)
    depth = 1 / np.maximum((rows - horizon) / (1 - horizon), 0.15) / 6.7
    transmission = np.exp(-rng.uniform(0.3, 1.3) * depth)[:, None, None]
    airlight = rng.uniform(150, 235) + rng.uniform(-6, 6, 3)
    return (image * transmission + airlight * (1 - transmission)).astype(np.uint8)


def darken(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Turn day into night: less light in linear intensity, warmer or colder, noise of the gain."""
    linear = (np.arange(256) / 255) ** 2.2
    gain = np.exp(rng.uniform(np.log(0.04), np.log(0.35)))
    tint = 1 + rng.uniform(-0.15, 0.15, 3)
    table = np.clip(linear[:, None] * gain * tint, 0, 1) ** (1 / 2.2) * 255
    return add_noise(rng, cv2.LUT(image, table.astype(np.uint8)[None]))


EFFECTS = (
    (jitter_colour, 0.9),
    (change_gamma, 0.3),
    (add_fog, 0.07),
    (darken, 0.08),
    (blur_lens, 0.1),
    (blur_motion, 0.1),
    (add_noise, 0.1),
    (compress, 0.1),
)


def vary(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Apply each effect with its probability."""
    for effect, probability in EFFECTS:
        if rng.random() < probability:
            image = effect(rng, image)
    return image
