# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Boxes as arrays: `xyxy` is (N, 4) left, top, right, bottom in pixels, edges not centres."""

import numpy as np


def cxcywh_to_xyxy(cxcywh):
    """Return the corners of boxes given as centre, width and height, (N, 4)."""
    cxcywh = np.asarray(cxcywh)
    half = cxcywh[:, 2:] / 2
    return np.concatenate([cxcywh[:, :2] - half, cxcywh[:, :2] + half], axis=1)


def box_area(xyxy):
    """Return each box's area in square pixels, (N,); an inverted box has none."""
    size = np.maximum(xyxy[:, 2:] - xyxy[:, :2], 0)
    return size[:, 0] * size[:, 1]


def box_iou(first_xyxy, second_xyxy):
    """Return the intersection over union of every pair, (N, M); 0 where both boxes are empty."""
    left_top = np.maximum(first_xyxy[:, None, :2], second_xyxy[None, :, :2])
    right_bottom = np.minimum(first_xyxy[:, None, 2:], second_xyxy[None, :, 2:])
    size = np.maximum(right_bottom - left_top, 0)
    intersection = size[..., 0] * size[..., 1]
    union = box_area(first_xyxy)[:, None] + box_area(second_xyxy)[None, :] - intersection
    return intersection / np.maximum(union, np.finfo(np.float32).tiny)
