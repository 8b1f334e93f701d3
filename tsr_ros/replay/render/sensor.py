# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From light to a dashcam's JPEG: shot and read noise, tone curve, sharpening, compression."""

from __future__ import annotations

import cv2
import numpy as np

_READ_NOISE_E = 2.2
_FULL_WELL_DAY_E = 5000.0
_FULL_WELL_NIGHT_E = 2200.0
_SMALLEST_WELL_E = 120.0
_LOWEST_QUALITY = 20


def expose(linear: np.ndarray, gain: float, white_balance: tuple[float, float, float],
           rng: np.random.Generator, night: bool) -> np.ndarray:
    """Return the picture (H, W, 3) uint8 BGR that a sensor makes of linear RGB light."""
    signal = linear * gain * np.asarray(white_balance, np.float32)
    electrons = _FULL_WELL_NIGHT_E / max(gain, 1.0) ** 0.5 if night else _FULL_WELL_DAY_E
    electrons = max(electrons, _SMALLEST_WELL_E)
    noise = rng.standard_normal(signal.shape, np.float32)
    # demosaicing and noise reduction leave part of the noise in coarser blotches
    noise = 0.6 * noise + 0.88 * cv2.GaussianBlur(noise, (0, 0), 0.9)
    variance = np.maximum(signal, 0) / electrons + (_READ_NOISE_E / electrons) ** 2
    signal = signal + noise * np.sqrt(variance)
    picture = encode_srgb(tone_curve(np.maximum(signal, 0) * 0.8)).astype(np.float32)
    picture += 0.2 * (picture - cv2.GaussianBlur(picture, (0, 0), 1.1))
    picture *= _vignette(*picture.shape[:2])
    return (np.clip(picture, 0, 1)[..., ::-1] * 255 + 0.5).astype(np.uint8)


def tone_curve(linear: np.ndarray) -> np.ndarray:
    """Return light 0..infinity as 0..1 (K. Narkowicz, 'ACES Filmic Tone Mapping Curve', 2015)."""
    curve = linear * (2.51 * linear + 0.03) / (linear * (2.43 * linear + 0.59) + 0.14)
    return np.clip(curve, 0, 1)


def encode_srgb(linear: np.ndarray) -> np.ndarray:
    """Return 0..1 linear light as 0..1 sRGB values (IEC 61966-2-1)."""
    return np.where(linear < 0.0031308, 12.92 * linear,
                    1.055 * np.power(np.maximum(linear, 1e-8), 1 / 2.4) - 0.055)


def encode_jpeg(picture_bgr: np.ndarray, quality: int, max_bytes: int | None = None) -> bytes:
    """Return JPEG data of the best quality up to `quality` that fits in `max_bytes`.

    Where even the lowest usable quality does not fit, that is returned.
    """
    low, high = _LOWEST_QUALITY, max(quality, _LOWEST_QUALITY)
    best = _jpeg(picture_bgr, high)
    if max_bytes is None or len(best) <= max_bytes:
        return best
    best = _jpeg(picture_bgr, low)
    while high - low > 1:
        middle = (low + high) // 2
        data = _jpeg(picture_bgr, middle)
        if len(data) <= max_bytes:
            low, best = middle, data
        else:
            high = middle
    return best


def _jpeg(picture_bgr: np.ndarray, quality: int) -> bytes:
    _, data = cv2.imencode('.jpg', picture_bgr, [
        cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1])
    return data.tobytes()


def _vignette(height: int, width: int) -> np.ndarray:
    x = np.linspace(-1, 1, width, dtype=np.float32)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    return (1 - 0.1 * (x * x + y * y) ** 1.3)[..., None]
