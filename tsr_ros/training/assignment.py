# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Which predictions answer for which objects: SimOTA over YOLOv7's candidates.

Ge et al., 'YOLOX: Exceeding YOLO Series in 2021', for SimOTA; Wang et al., 'YOLOv7', 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from tsr_ros.training.boxes import iou
from tsr_ros.yolov7.decode import decode_boxes

LARGEST_RATIO = 4.0  # of an object's side to an anchor's: wh = (2 sigmoid)^2 * anchor ends there
IOU_WEIGHT = 3.0
MOST_MATCHES = 10


class Assignment(NamedTuple):
    """The positives: P predictions and the object each answers for."""

    target: Tensor  # (P,) rows of the targets
    level: Tensor  # (P,)
    image: Tensor  # (P,)
    anchor: Tensor  # (P,)
    row: Tensor  # (P,)
    column: Tensor  # (P,)


def find_candidates(
    targets: Tensor, shapes: Sequence[tuple[int, int]], anchors: Tensor, strides: Sequence[int]
) -> Tensor:
    """
    Return candidate pairs (K, 6): target, level, image, anchor, row, column.

    A target's candidates are the anchors within a factor of four of its sides, in the cell of its
    centre and in the two nearest neighbours.

    :param targets: (M, 6) image, class, centre x, centre y, width, height in pixels
    :param shapes: height and width of the three maps
    """
    pairs = []
    device = targets.device
    for level, ((height, width), stride) in enumerate(zip(shapes, strides)):
        ratio = targets[:, None, 4:6] / anchors[level].to(device)
        fits = torch.maximum(ratio, 1 / ratio).amax(-1) < LARGEST_RATIO
        target, anchor = fits.nonzero(as_tuple=True)
        centre = targets[target, 2:4] / stride
        cell = centre.floor()
        side = torch.where(centre - cell < 0.5, -1, 1)
        for step_x, step_y in ((0, 0), (1, 0), (0, 1)):
            column = (cell[:, 0] + side[:, 0] * step_x).long()
            row = (cell[:, 1] + side[:, 1] * step_y).long()
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            image = targets[target, 0].long()
            levels = torch.full_like(row, level)
            pair = torch.stack((target, levels, image, anchor, row, column), 1)
            pairs.append(pair[inside])
    return torch.cat(pairs)


@torch.no_grad()
def assign(
    raw_maps: Sequence[Tensor], targets: Tensor, anchors: Tensor, strides: Sequence[int]
) -> Assignment:
    """
    Choose for each target its dynamic number of cheapest candidates; each answers for one target.

    :param raw_maps: three maps (N, 3, H, W, 5 + C), raw
    :param targets: (M, 6) image, class, centre x, centre y, width, height in pixels
    """
    shapes = [raw.shape[2:4] for raw in raw_maps]
    pairs = find_candidates(targets, shapes, anchors, strides)
    if not len(pairs):
        return Assignment(*pairs.T)
    cells, cell_of_pair = pairs[:, 1:].unique(dim=0, return_inverse=True)
    allowed = torch.zeros(len(targets), len(cells), dtype=torch.bool, device=targets.device)
    allowed[pairs[:, 0], cell_of_pair] = True

    raw = gather(raw_maps, cells)
    boxes = decode_cells(raw, cells, anchors, strides)
    overlap = iou(targets[:, None, 2:6], boxes[None]) * allowed

    score = (raw[:, 5:].sigmoid() * raw[:, 4:5].sigmoid()).sqrt()
    num_classes = score.shape[1]
    wanted = functional.one_hot(targets[:, 1].long(), num_classes).float()
    negative = functional.binary_cross_entropy(
        score, torch.zeros_like(score), reduction='none'
    )
    positive = functional.binary_cross_entropy(score, torch.ones_like(score), reduction='none')
    class_cost = negative.sum(1)[None] + wanted @ (positive - negative).T
    cost = class_cost - IOU_WEIGHT * (overlap + 1e-8).log()
    cost = cost.masked_fill(~allowed, torch.inf)

    most = min(MOST_MATCHES, len(cells))
    matches = overlap.topk(most, 1).values.sum(1).int().clamp(min=1)
    rank = cost.argsort(dim=1, stable=True).argsort(dim=1)
    chosen = (rank < matches[:, None]) & allowed
    cheapest = torch.where(chosen, cost, torch.inf).argmin(0)
    used = chosen.any(0).nonzero()[:, 0]
    return Assignment(cheapest[used], *cells[used].T)


def gather(raw_maps: Sequence[Tensor], cells: Tensor) -> Tensor:
    """Return the raw predictions (U, 5 + C) at cells (U, 5): level, image, anchor, row, column."""
    raw = raw_maps[0].new_empty(len(cells), raw_maps[0].shape[-1])
    for level, raw_map in enumerate(raw_maps):
        here = cells[:, 0] == level
        raw[here] = raw_map[tuple(cells[here, 1:].T)]
    return raw


def decode_cells(raw: Tensor, cells: Tensor, anchors: Tensor, strides: Sequence[int]) -> Tensor:
    """Return the boxes (U, 4) predicted at cells (U, 5)."""
    stride = torch.tensor(strides, device=raw.device)[cells[:, 0], None]
    anchor_wh = anchors.to(raw.device)[cells[:, 0], cells[:, 2]]
    return decode_boxes(raw[:, :4], cells[:, [4, 3]], anchor_wh, stride)
