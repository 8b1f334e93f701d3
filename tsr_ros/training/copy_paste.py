# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Copies of signs put into other images, for classes that are rare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from tsr_ros.training.geometry import Sample, free_place, log_uniform, with_objects

MARGIN = 0.12  # of background kept around a sign, as a share of its side
LEAST_SIDE = 18  # pixels a sign needs in its image to be copied
LARGEST_PATCH = 160  # pixels
PASTED_PX = (9.0, 110.0)  # side of a sign that is pasted


class Patch(NamedTuple):
    """A sign cut out with a margin."""

    image: np.ndarray  # (h, w, 3) uint8 BGR
    class_id: int
    box: tuple[float, float, float, float]  # centre and size as shares of the image's


def cut_patches(image: np.ndarray, class_id: np.ndarray, boxes: np.ndarray) -> list[Patch]:
    """Return the signs of an image that are large enough; boxes (N, 4) in pixels."""
    patches = []
    height, width = image.shape[:2]
    for k, (x, y, w, h) in zip(class_id, boxes):
        left, top = x - w * (0.5 + MARGIN), y - h * (0.5 + MARGIN)
        right, bottom = x + w * (0.5 + MARGIN), y + h * (0.5 + MARGIN)
        if min(w, h) < LEAST_SIDE or left < 0 or top < 0 or right > width or bottom > height:
            continue
        top, bottom, left, right = int(top), round(bottom), int(left), round(right)
        patch = image[top:bottom, left:right]
        rows, columns = patch.shape[:2]
        box = ((x - left) / columns, (y - top) / rows, w / columns, h / rows)
        scale = LARGEST_PATCH / max(patch.shape[:2])
        if scale < 1:
            patch = cv2.resize(patch, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        patches.append(Patch(patch.copy(), int(k), box))
    return patches


def paste(
    rng: np.random.Generator,
    sample: Sample,
    patches: Sequence[Patch],
    weights: np.ndarray,
    count: int,
) -> Sample:
    """
    Return the sample with up to `count` signs pasted where none was, faded in at their margin.

    :param weights: (len(patches),) probabilities
    """
    sample = sample._replace(image=sample.image.copy())
    for _ in range(count):
        patch = patches[rng.choice(len(patches), p=weights)]
        side = log_uniform(rng, PASTED_PX)
        scale = min(side * (1 + 2 * MARGIN) / max(patch.image.shape[:2]), 1.3)
        stretch = np.exp(rng.uniform(-0.12, 0.12) / 2)
        h = round(patch.image.shape[0] * scale / stretch)
        w = round(patch.image.shape[1] * scale * stretch)
        place = free_place(rng, sample, w, h) if min(h, w) >= 5 else None
        if place is None:
            continue
        left, top = place
        shrink = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        pixels = cv2.resize(patch.image, (w, h), interpolation=shrink)
        area = sample.image[top : top + h, left : left + w]
        alpha = fade(w, h)
        area[:] = (pixels * alpha + area * (1 - alpha)).astype(np.uint8)
        x, y, width, height = patch.box
        box = np.array([[left + w * x, top + h * y, w * width, h * height]], np.float32)
        sample = with_objects(sample, patch.class_id, box)
    return sample


def fade(width: int, height: int) -> np.ndarray:
    """Return opacity (h, w, 1): 1 over the sign, falling to 0 over the margin."""
    share = MARGIN / (1 + 2 * MARGIN)
    x = np.minimum(np.arange(width) + 0.5, width - np.arange(width) - 0.5) / (width * share)
    y = np.minimum(np.arange(height) + 0.5, height - np.arange(height) - 0.5) / (height * share)
    return np.clip(np.minimum(y[:, None], x[None]), 0, 1)[..., None].astype(np.float32)
