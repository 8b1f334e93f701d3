# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From raw head maps to boxes, differentiably; the robot's own decoder is tsr_ros.vision."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def decode_boxes(raw_xywh: Tensor, grid_xy: Tensor, anchor_wh: Tensor, stride: Tensor) -> Tensor:
    """
    Return boxes (..., 4) as centre x, centre y, width, height in pixels.

    xy = (2 sigmoid(t_xy) - 0.5 + grid_xy) * stride, wh = (2 sigmoid(t_wh))^2 * anchor_wh.
    """
    share = 2 * raw_xywh.sigmoid()
    xy = (share[..., :2] - 0.5 + grid_xy) * stride
    return torch.cat((xy, share[..., 2:] ** 2 * anchor_wh), -1)


def split_anchors(raw_map: Tensor) -> Tensor:
    """Raw map (N, 3 * K, H, W) to (N, 3, H, W, K)."""
    count, channels, height, width = raw_map.shape
    return raw_map.view(count, 3, channels // 3, height, width).permute(0, 1, 3, 4, 2)


def decode_maps(raw_maps: Sequence[Tensor], anchors: Tensor, strides: Sequence[int]) -> Tensor:
    """
    Return (N, 3 * cells, 5 + C): centre x, y, width, height in pixels, objectness, class scores.

    Rows run over levels, then anchors, then image rows, then columns; scores are probabilities.
    """
    decoded = []
    for raw_map, level_anchors, stride in zip(raw_maps, anchors, strides):
        raw = split_anchors(raw_map.float())
        height, width = raw.shape[2:4]
        y, x = torch.meshgrid(
            torch.arange(height, device=raw.device),
            torch.arange(width, device=raw.device),
            indexing='ij',
        )
        boxes = decode_boxes(
            raw[..., :4],
            torch.stack((x, y), -1),
            level_anchors.to(raw.device)[None, :, None, None],
            torch.tensor(stride, device=raw.device),
        )
        decoded.append(torch.cat((boxes, raw[..., 4:].sigmoid()), -1).flatten(1, 3))
    return torch.cat(decoded, 1)
