# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How good a network is during training: average precision at 0.5, as `tsr evaluate` has it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from tsr_ros.evaluation.dataset import LabelledImage, ground_truth
from tsr_ros.evaluation.matching import MOST_DETECTIONS, ImageResult
from tsr_ros.evaluation.metrics import score
from tsr_ros.evaluation.run import LEAST_SCORE, NMS_IOU
from tsr_ros.vision.decode import HeadDecoder
from tsr_ros.vision.detections import Detections
from tsr_ros.vision.letterbox import letterbox
from tsr_ros.vision.nms import class_aware_nms
from tsr_ros.yolov7.network import Network


@torch.no_grad()
def detect(
    network: Network,
    images: Sequence[np.ndarray],
    size: int,
    device: torch.device | str = 'cpu',
    batch: int = 8,
) -> list[Detections]:
    """Return what a network finds in each image, by the robot's own way of reading head maps."""
    was_training = network.training
    network.eval()
    decode = HeadDecoder(network.anchors.tolist(), network.strides, network.num_classes)
    found, most = [], MOST_DETECTIONS * network.num_classes
    for start in range(0, len(images), batch):
        chosen = [images[k] for k in range(start, min(start + batch, len(images)))]
        boxed = [letterbox(image, (size, size)) for image in chosen]
        pixels = np.stack([image for image, _ in boxed])[..., ::-1].transpose(0, 3, 1, 2)
        x = torch.from_numpy(np.ascontiguousarray(pixels)).to(device).float() / 255
        maps = network(x.contiguous(memory_format=torch.channels_last))
        maps = [np.ascontiguousarray(raw_map.float().cpu().numpy()) for raw_map in maps]
        for k, (_, geometry) in enumerate(boxed):
            xyxy, scores, class_id = decode([raw_map[k] for raw_map in maps], LEAST_SCORE)
            kept = class_aware_nms(xyxy, scores, class_id, NMS_IOU)[:most]
            found.append(geometry.detections(xyxy[kept], scores[kept], class_id[kept]))
    network.train(was_training)
    return found


def average_precisions(
    items: Sequence[LabelledImage],
    resolutions_wh: Sequence[tuple[int, int]],
    detections: Sequence[Detections],
    num_classes: int,
) -> np.ndarray:
    """Return the average precision (C,) at IoU 0.5 per class, nan for one without objects."""
    results = [
        ImageResult(
            item.path.name, item.condition, found, ground_truth(item, size), item.labelled
        )
        for item, size, found in zip(items, resolutions_wh, detections, strict=True)
    ]
    scores = score(results, [str(c) for c in range(num_classes)])
    return np.array([row.ap50 for row in scores.classes])
