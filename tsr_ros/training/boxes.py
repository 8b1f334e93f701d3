# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Overlap of boxes as tensors; all boxes are centre x, centre y, width, height in pixels."""

from __future__ import annotations

import math

import torch
from torch import Tensor

EPS = 1e-7


def corners(cxcywh: Tensor) -> tuple[Tensor, Tensor]:
    """Return the top left and bottom right corners, each (..., 2)."""
    half = cxcywh[..., 2:] / 2
    return cxcywh[..., :2] - half, cxcywh[..., :2] + half


def iou(first: Tensor, second: Tensor) -> Tensor:
    """Return the intersection over union of (..., 4) and (..., 4), broadcast."""
    first_low, first_high = corners(first)
    second_low, second_high = corners(second)
    overlap = (torch.minimum(first_high, second_high) - torch.maximum(first_low, second_low))
    overlap = overlap.clamp(min=0).prod(-1)
    union = first[..., 2:].prod(-1) + second[..., 2:].prod(-1) - overlap
    return overlap / (union + EPS)


def complete_iou(predicted: Tensor, target: Tensor) -> Tensor:
    """
    Return CIoU of (N, 4) and (N, 4): IoU less the centre distance and the aspect difference.

    Zheng et al., 'Distance-IoU Loss', 2020.
    """
    overlap = iou(predicted, target)
    predicted_low, predicted_high = corners(predicted)
    target_low, target_high = corners(target)
    hull = torch.maximum(predicted_high, target_high) - torch.minimum(predicted_low, target_low)
    distance = (predicted[..., :2] - target[..., :2]).square().sum(-1)
    distance = distance / (hull.square().sum(-1) + EPS)
    angle = torch.atan2(target[..., 2], target[..., 3])
    angle = angle - torch.atan2(predicted[..., 2], predicted[..., 3])
    aspect = (2 / math.pi * angle).square()
    with torch.no_grad():
        weight = aspect / (1 - overlap + aspect + EPS)
    return overlap - distance - weight * aspect
