# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of signs put into photographs, seen from the side and lit as they may be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from tsr_ros.evaluation.dataset import DataError
from tsr_ros.training.drawings import Drawing
from tsr_ros.training.geometry import log_uniform

HEIGHTS = (10.0, 130.0)  # pixels
FARTHEST = 6.0  # times its own height from which a sign is seen in perspective, at least
MARGIN = 2  # pixels around a drawing


class SignPicture(NamedTuple):
    """A sign from the front, cut out."""

    image: np.ndarray  # (H, W, 4) uint8 BGR and opacity
    class_id: int


def read_sign_pictures(folder: Path, labels: Sequence[str]) -> list[SignPicture]:
    """
    Return the pictures <folder>/<label>/*.png.

    :raises DataError: where there are none, a folder is no label, or a picture has no opacity
    """
    pictures = []
    for path in sorted(folder.glob('*/*.png')):
        if path.parent.name not in labels:
            raise DataError(f'{path.parent}: {path.parent.name!r} is none of the labels')
        data = np.fromfile(path, np.uint8)  # imread takes no names that are not UTF-8
        image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if len(data) else None
        if image is None or image.ndim != 3 or image.shape[2] != 4 or image.dtype != np.uint8:
            raise DataError(f'{path}: expected a PNG with 8 bits a channel, opacity among them')
        pictures.append(SignPicture(image, list(labels).index(path.parent.name)))
    if not pictures:
        raise DataError(f'{folder}: there are no pictures <label>/*.png')
    return pictures


def corners_seen(rng: np.random.Generator, width: float, height: float) -> np.ndarray:
    """Return where the corners (4, 2) of a plate appear, from top left clockwise."""
    yaw, pitch, roll = rng.uniform(-1.1, 1.1), rng.uniform(-0.25, 0.25), rng.normal(0, 0.06)
    points = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (width / 2, height / 2)
    distance = height * FARTHEST * rng.uniform(1, 4)
    away = points[:, 0] * np.sin(yaw) + points[:, 1] * np.sin(pitch)
    nearer = distance / (distance + away)
    seen = points * (np.cos(yaw), np.cos(pitch)) * nearer[:, None]
    c, s = np.cos(roll), np.sin(roll)
    return seen @ np.array([(c, s), (-s, c)])


def light_on(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Return a picture (H, W, 3) float32 as bleached, tinted and shaded as it may be."""
    grey = image.mean(2, keepdims=True)
    image = np.clip(grey + (image - grey) * rng.uniform(0.45, 1.1), 0, 255)
    image = 255 * (image / 255) ** rng.uniform(0.7, 1.5) * rng.uniform(0.8, 1.1, 3)
    height, width = image.shape[:2]
    slope = rng.normal(0, 0.15, 2)
    across = np.linspace(-1, 1, width)[None, :, None] * slope[0]
    down = np.linspace(-1, 1, height)[:, None, None] * slope[1]
    return np.clip(image * (1 + across + down), 0, 255).astype(np.float32)


def draw_sign(
    rng: np.random.Generator, picture: SignPicture, height_px: float | None = None
) -> Drawing:
    """Return a sign about `height_px` high, by default any height, mostly on a post."""
    height_px = height_px or log_uniform(rng, HEIGHTS)
    source = picture.image
    # a first step near to its size, for the map below looks at four pixels only
    shrink = min(2 * height_px / source.shape[0], 1.0)
    source = cv2.resize(source, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    height, width = source.shape[:2]
    seen = corners_seen(rng, height_px * width / height, height_px)
    low, high = seen.min(0), seen.max(0)
    post = height_px * rng.uniform(0.3, 3) if rng.random() < 0.6 else 0.0
    size = np.ceil(high - low + np.array((0, post)) + 2 * MARGIN).astype(int).tolist()
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    to = cv2.getPerspectiveTransform(corners, (seen - low + MARGIN).astype(np.float32))
    lit = light_on(rng, source[..., :3].astype(np.float32))
    opacity = source[..., 3].astype(np.float32) / 255
    front = cv2.warpPerspective(lit * opacity[..., None], to, size)
    alpha = cv2.warpPerspective(opacity, to, size)
    rows, columns = np.nonzero(alpha > 0.5)
    if not len(rows):
        return Drawing(front, np.zeros_like(front), alpha, np.zeros((0, 4), np.float32), -1)
    box = (
        (columns.min() + columns.max() + 1) / 2,
        (rows.min() + rows.max() + 1) / 2,
        columns.max() + 1 - columns.min(),
        rows.max() + 1 - rows.min(),
    )
    image, behind = front, np.zeros(alpha.shape, np.float32)
    if post:
        half = max(height_px * rng.uniform(0.02, 0.06), 0.5)
        left, right = round(box[0] - half), max(round(box[0] + half), round(box[0] - half) + 1)
        behind[rows.min() + 1 :, left:right] = 1
        image = front + (behind * (1 - alpha) * rng.uniform(40, 190))[..., None]
    cover = alpha + behind * (1 - alpha)
    # colours as they are where a drawing covers its ground, for `blend` weighs them by alpha
    image = image / np.maximum(cover, 1e-3)[..., None]
    return Drawing(
        image, np.zeros_like(image), cover, np.array([box], np.float32), picture.class_id
    )
