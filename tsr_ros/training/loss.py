# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The loss of YOLOv7, for fully and for partly labelled images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, one_hot

from tsr_ros.training.assignment import assign, decode_cells, gather
from tsr_ros.training.boxes import complete_iou
from tsr_ros.training.geometry import IGNORE
from tsr_ros.yolov7.decode import split_anchors

LEVEL_BALANCE = (4.0, 1.0, 0.4)  # of objectness: small objects are many cells of which few count


class LossGains(NamedTuple):
    """
    Weights of the three parts, those that YOLOv7 was published with.

    Objectness is that of a 640 x 640 image, classes that of 80 classes.
    """

    box: float = 0.05
    objectness: float = 0.7
    classes: float = 0.3


class LossParts(NamedTuple):
    """The loss of a batch, to be minimised, and its parts for the record."""

    total: Tensor
    box: float
    objectness: float
    classes: float
    positives: int


def yolov7_loss(
    maps: Sequence[Tensor],
    targets: Tensor,
    labelled: Tensor,
    anchors: Tensor,
    strides: Sequence[int],
    gains: LossGains,
) -> LossParts:
    """
    Return the loss of raw head maps against objects.

    Box: 1 - CIoU of the positives. Objectness: cross-entropy of all cells towards the CIoU of the
    positives and 0 elsewhere. Class: cross-entropy of the positives, the mean over classes. Each
    is a mean over one level, and those of the levels are added up (Wang et al. 2022). A single
    class is not learnt: its objectness says all.

    Where a class is not labelled in an image, it gets no class term there, and a cell that takes
    itself for an object of that class is no negative: it may be right. Nor are cells inside
    regions of class -1.

    Maps that are not finite have the loss nan.

    :param maps: three raw maps (N, 3 * (5 + C), H, W)
    :param targets: (M, 6) image, class or -1, centre x, centre y, width, height in pixels
    :param labelled: (N, C) whether the class is labelled in the image
    """
    raw_maps = [split_anchors(raw_map.float()) for raw_map in maps]
    if not all(bool(raw.detach().isfinite().all()) for raw in raw_maps):
        return LossParts(raw_maps[0].sum() * torch.nan, *[float('nan')] * 3, 0)
    objects = targets[targets[:, 1] != IGNORE]
    regions = targets[targets[:, 1] == IGNORE]
    found = assign(raw_maps, objects, anchors, strides)
    cells = torch.stack(found[1:], 1)
    box_loss = class_loss = objectness_loss = raw_maps[0].sum() * 0
    closeness = box_loss.new_zeros(0)
    if len(cells):
        raw = gather(raw_maps, cells)
        matched = objects[found.target]
        ciou = complete_iou(decode_cells(raw, cells, anchors, strides), matched[:, 2:6])
        # of a level's positives each has the same weight, as have the levels that have any
        count = found.level.bincount(minlength=len(raw_maps))[found.level]
        box_loss = ((1 - ciou) / count).sum()
        closeness = ciou.detach().clamp(min=0)
        wanted = one_hot(matched[:, 1].long(), labelled.shape[1]).float()
        counted = labelled[found.image] | wanted.bool()
        entropy = binary_cross_entropy_with_logits(raw[:, 5:], wanted, reduction='none')
        class_loss = ((entropy * counted).mean(1) / count).sum()

    for level, raw in enumerate(raw_maps):
        here = found.level == level
        target = torch.zeros_like(raw[..., 4])
        index = tuple(cells[here, 1:].T)
        target[index] = closeness[here]
        counted = negatives_counted(raw.detach(), labelled, regions, strides[level])
        counted[index] = 1
        entropy = binary_cross_entropy_with_logits(raw[..., 4], target, reduction='none')
        # divided by all cells: a batch of ignored cells must not raise the weight of the others
        objectness_loss = objectness_loss + LEVEL_BALANCE[level] * (entropy * counted).mean()

    height, width = (side * strides[0] for side in raw_maps[0].shape[2:4])
    objectness_gain = gains.objectness * height * width / 640**2
    num_classes = labelled.shape[1]
    class_gain = gains.classes * num_classes / 80 if num_classes > 1 else 0
    total = gains.box * box_loss + objectness_gain * objectness_loss + class_gain * class_loss
    return LossParts(
        total * len(raw_maps[0]),
        float(box_loss.detach()),
        float(objectness_loss.detach()),
        float(class_loss.detach()),
        len(cells),
    )


@torch.no_grad()
def negatives_counted(raw: Tensor, labelled: Tensor, regions: Tensor, stride: int) -> Tensor:
    """Return (N, 3, H, W), 0 where a cell may not be called background, else 1."""
    counted = torch.ones_like(raw[..., 4])
    partly = (~labelled.all(1)).nonzero()[:, 0]
    if len(partly):
        predicted = raw[partly][..., 5:].argmax(-1)
        known = labelled[partly].gather(1, predicted.flatten(1)).view(predicted.shape)
        counted[partly] = known.float()
    height, width = raw.shape[2:4]
    for image, _, x, y, region_width, region_height in regions.tolist():
        left, right = (x - region_width / 2) / stride, (x + region_width / 2) / stride
        top, bottom = (y - region_height / 2) / stride, (y + region_height / 2) / stride
        rows = slice(max(int(top), 0), min(int(bottom) + 1, height))
        columns = slice(max(int(left), 0), min(int(right) + 1, width))
        counted[int(image), :, rows, columns] = 0
    return counted
