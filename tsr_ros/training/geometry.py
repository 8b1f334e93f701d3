# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Views of an image for training: the whole of it, or a part at the scale it has when deployed.

A view is one affine map from the source image to the training image, so pixels are resampled once.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from tsr_ros.vision.letterbox import GREY

IGNORE = -1  # class of a region that is neither object nor background
LEAST_VISIBLE = 0.4  # share of an object that must be in view for it to count as one
LEAST_SIDE = 3.0  # pixels


class Sample(NamedTuple):
    """A training image and its objects."""

    image: np.ndarray  # (H, W, 3) uint8 BGR
    class_id: np.ndarray  # (N,) int, -1 for a region that is neither object nor background
    boxes: np.ndarray  # (N, 4) float32 centre x, centre y, width, height in pixels
    labelled: np.ndarray  # (C,) bool


class ViewRange(NamedTuple):
    """How far views differ from the plain letterboxed image."""

    scale: tuple[float, float] = (0.5, 1.6)
    aspect: float = 0.1  # share by which width and height may differ
    rotation_deg: float = 4.0
    shift: float = 0.1  # of whole views, as a share of the image


def letterbox_scale(image: np.ndarray, size: int) -> float:
    """Return the factor by which letterboxing to a square of `size` resizes an image."""
    return size / max(image.shape[:2])


def affine_about(
    centre_xy: np.ndarray, scale_xy: np.ndarray, rotation_deg: float, to_xy: np.ndarray
) -> np.ndarray:
    """Return the map (2, 3) that scales and rotates about a point and moves it to another."""
    angle = np.deg2rad(rotation_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn * scale_xy
    return np.column_stack((linear, to_xy - linear @ centre_xy))


def draw_scale(rng: np.random.Generator, limits: ViewRange) -> tuple[float, np.ndarray]:
    """Return a random scale and its (x, y) form with a random aspect."""
    scale = log_uniform(rng, limits.scale)
    stretch = np.exp(rng.uniform(-limits.aspect, limits.aspect) / 2)
    return scale, np.array([scale * stretch, scale / stretch])


def whole_view(
    rng: np.random.Generator, image: np.ndarray, size: int, limits: ViewRange
) -> np.ndarray:
    """Return the map of the letterboxed image, randomly scaled, turned and shifted."""
    height, width = image.shape[:2]
    _, scale_xy = draw_scale(rng, limits)
    shift = rng.uniform(-limits.shift, limits.shift, 2) * size
    rotation = rng.uniform(-limits.rotation_deg, limits.rotation_deg)
    return affine_about(
        np.array([width, height]) / 2,
        scale_xy * letterbox_scale(image, size),
        rotation,
        np.full(2, size / 2) + shift,
    )


def crop_view(
    rng: np.random.Generator,
    image: np.ndarray,
    focus: np.ndarray | None,
    deployed_size: int,
    size: int,
    limits: ViewRange,
) -> np.ndarray:
    """
    Return the map of a part of the image at about the scale of its letterboxed whole.

    :param focus: (4,) object in source pixels that the view is to hold; None for any part
    :param deployed_size: side of the letterboxed image in operation
    :param size: side of the view
    """
    height, width = image.shape[:2]
    _, scale_xy = draw_scale(rng, limits)
    scale_xy = scale_xy * letterbox_scale(image, deployed_size)
    rotation = rng.uniform(-limits.rotation_deg, limits.rotation_deg)
    if focus is None:
        room = np.maximum(np.array([width, height]) * scale_xy - size, 0) / 2 / scale_xy
        centre = np.array([width, height]) / 2 + rng.uniform(-1, 1, 2) * room
        return affine_about(centre, scale_xy, rotation, np.full(2, size / 2))
    scale_xy = scale_xy * min(1.0, 0.85 * size / max(focus[2:] * scale_xy))
    margin = np.maximum(size - focus[2:] * scale_xy, 0) / 2
    place = np.full(2, size / 2) + rng.uniform(-0.95, 0.95, 2) * margin
    # where the image is larger than the view, fill the view; the object stays inside
    scaled_wh = np.array([width, height]) * scale_xy
    low = focus[:2] * scale_xy - place
    inside = low.clip(0, np.maximum(scaled_wh - size, 0))
    place = np.where(scaled_wh > size, focus[:2] * scale_xy - inside, place)
    return affine_about(focus[:2], scale_xy, rotation, place)


def apply_view(
    view: np.ndarray,
    image: np.ndarray,
    class_id: np.ndarray,
    boxes: np.ndarray,
    labelled: np.ndarray,
    size_wh: tuple[int, int],
) -> Sample:
    """
    Return what is seen through a view, an image of `size_wh`.

    :param boxes: (N, 4) in source pixels; turned boxes keep their own width and height, which
        suits round and upright signs at a few degrees better than their hull
    """
    # OpenCV counts from the middle of the first pixel, boxes from its corner
    by_middles = view.astype(float)
    by_middles[:, 2] += view[:, :2].sum(1) / 2 - 0.5
    pixels = cv2.warpAffine(
        image, by_middles, size_wh, flags=cv2.INTER_LINEAR, borderValue=(GREY,) * 3
    )
    scale_xy = np.hypot(view[0, :2], view[1, :2])
    centre = boxes[:, :2] @ view[:, :2].T + view[:, 2]
    return clip_objects(
        pixels, class_id, np.hstack((centre, boxes[:, 2:] * scale_xy)), labelled
    )


def clip_objects(
    image: np.ndarray, class_id: np.ndarray, boxes: np.ndarray, labelled: np.ndarray
) -> Sample:
    """Cut boxes at the border; small remains of objects become regions to ignore."""
    height, width = image.shape[:2]
    low = (boxes[:, :2] - boxes[:, 2:] / 2).clip(0, (width, height))
    high = (boxes[:, :2] + boxes[:, 2:] / 2).clip(0, (width, height))
    sides = high - low
    visible = sides.prod(1) / np.maximum(boxes[:, 2:].prod(1), 1e-9)
    poor = (visible < LEAST_VISIBLE) | (sides.min(1, initial=np.inf) < LEAST_SIDE)
    class_id = np.where(poor, IGNORE, class_id)
    kept = sides.min(1, initial=np.inf) > 0
    boxes = np.hstack(((low + high) / 2, sides)).astype(np.float32)
    return Sample(image, class_id[kept], boxes[kept], labelled)


def log_uniform(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    """Return a number between two, as likely to be doubled as to be halved."""
    return float(np.exp(rng.uniform(*np.log(limits))))


def free_place(
    rng: np.random.Generator, sample: Sample, width: int, height: int
) -> tuple[int, int] | None:
    """Return left and top of a random place in the image, None where it meets an object."""
    image_height, image_width = sample.image.shape[:2]
    if height >= image_height or width >= image_width:
        return None
    left = int(rng.integers(0, image_width - width))
    top = int(rng.integers(0, image_height - height))
    middle, size = np.array([left + width / 2, top + height / 2]), np.array([width, height])
    boxes = sample.boxes
    meets = (np.abs(middle - boxes[:, :2]) < (size + boxes[:, 2:]) / 2).all(1)
    return None if meets.any() else (left, top)


def with_objects(sample: Sample, class_id: int, boxes: np.ndarray) -> Sample:
    """Return the sample with more objects (K, 4) of one class."""
    return sample._replace(
        class_id=np.append(sample.class_id, [class_id] * len(boxes)).astype(int),
        boxes=np.concatenate((sample.boxes, boxes)).astype(np.float32),
    )
