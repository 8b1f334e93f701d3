# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Objects that were drawn, put into photographs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

from tsr_ros.training.geometry import Sample, free_place, with_objects

DARK = 50.0  # mean of a part of an image in which only what shines is seen


class Drawing(NamedTuple):
    """Objects of one class on their post, cut out."""

    image: np.ndarray  # (H, W, 3) float32 BGR of what reflects light
    shine: np.ndarray  # (H, W, 3) float32 BGR of what shines
    alpha: np.ndarray  # (H, W) float32 opacity
    boxes: np.ndarray  # (K, 4) float32 of the objects, centre form
    class_id: int
    must_shine: bool = False  # to be seen in the dark


def blend(rng: np.random.Generator, area: np.ndarray, drawing: Drawing) -> np.ndarray:
    """Return an image's part (H, W, 3) with a drawing in it, about as bright as the part is."""
    bright = float(area.mean()) / 255
    gain = min(0.3 + 1.3 * bright, 1.3) * np.exp(rng.uniform(-0.4, 0.4))
    haze = rng.uniform(0, 0.35) if rng.random() < 0.5 else 0.0
    body = drawing.image * (gain * (1 - haze)) + area.mean((0, 1)) * haze
    sigma = rng.uniform(0.3, 1.1)
    alpha = cv2.GaussianBlur(drawing.alpha, (0, 0), sigma)[..., None]
    body = cv2.GaussianBlur(body * drawing.alpha[..., None], (0, 0), sigma)
    mixed = area * (1 - alpha) + body
    if drawing.shine.any():
        shine = cv2.GaussianBlur(drawing.shine, (0, 0), sigma)
        spread = max(float(drawing.boxes[0, 2]) * rng.uniform(0.1, 0.5), 0.5)
        glow = cv2.GaussianBlur(drawing.shine, (0, 0), spread)
        # a camera's aperture is wide open at night
        mixed += shine * rng.uniform(0.7, 1.1) + glow * (rng.uniform(0, 1.2) * (1.2 - bright))
    return np.clip(mixed, 0, 255).astype(np.uint8)


def put_in(
    rng: np.random.Generator, sample: Sample, draw: Callable[[], Drawing], count: int
) -> Sample:
    """Return the sample with up to `count` drawings where no object was."""
    sample = sample._replace(image=sample.image.copy())
    for _ in range(count):
        drawing = draw()
        h, w = drawing.alpha.shape
        place = free_place(rng, sample, w, h)
        if place is None:
            continue
        left, top = place
        area = sample.image[top : top + h, left : left + w]
        if drawing.must_shine and area.mean() < DARK and not drawing.shine.any():
            continue
        area[:] = blend(rng, area, drawing)
        boxes = drawing.boxes + np.array([left, top, 0, 0], np.float32)
        sample = with_objects(sample, drawing.class_id, boxes)
    return sample
