# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How good a network is during training: average precision at an overlap of 0.5."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from tsr_ros.evaluation.dataset import LabelledImage
from tsr_ros.training.samples import to_pixels
from tsr_ros.vision.boxes import box_iou, cxcywh_to_xyxy
from tsr_ros.vision.decode import HeadDecoder
from tsr_ros.vision.detections import Detections
from tsr_ros.vision.letterbox import letterbox
from tsr_ros.vision.nms import class_aware_nms
from tsr_ros.yolov7.network import Network

LEAST_SCORE = 0.005
NMS_IOU = 0.6
MOST_DETECTIONS = 100
LEAST_IOU = 0.5


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
    found = []
    for start in range(0, len(images), batch):
        chosen = [images[k] for k in range(start, min(start + batch, len(images)))]
        boxed = [letterbox(image, (size, size)) for image in chosen]
        pixels = np.stack([image for image, _ in boxed])[..., ::-1].transpose(0, 3, 1, 2)
        x = torch.from_numpy(np.ascontiguousarray(pixels)).to(device).float() / 255
        maps = network(x.contiguous(memory_format=torch.channels_last))
        maps = [np.ascontiguousarray(raw_map.float().cpu().numpy()) for raw_map in maps]
        for k, (_, geometry) in enumerate(boxed):
            xyxy, score, class_id = decode([raw_map[k] for raw_map in maps], LEAST_SCORE)
            kept = class_aware_nms(xyxy, score, class_id, NMS_IOU)[:MOST_DETECTIONS]
            found.append(
                Detections(geometry.to_source(xyxy[kept]), score[kept], class_id[kept])
            )
    network.train(was_training)
    return found


def match(xyxy: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """Return which boxes (D, 4), best first, hit an object of (G, 4) that is still free."""
    overlap = box_iou(xyxy, objects)
    hit = np.zeros(len(xyxy), bool)
    for i in range(len(xyxy)):
        if overlap.shape[1] and overlap[i].max() >= LEAST_IOU:
            overlap[:, overlap[i].argmax()] = 0
            hit[i] = True
    return hit


def average_precision(score: np.ndarray, hit: np.ndarray, objects: int) -> float:
    """Return the area under the precision envelope at 101 recalls, as COCO has it."""
    if not objects:
        return float('nan')
    hit = hit[np.argsort(-score, kind='stable')]
    found = hit.cumsum()
    recall = found / objects
    precision = found / np.arange(1, len(hit) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    index = np.searchsorted(recall, np.linspace(0, 1, 101))
    return float(np.append(envelope, 0.0)[np.minimum(index, len(envelope))].mean())


def average_precisions(
    items: Sequence[LabelledImage],
    images: Sequence[np.ndarray],
    detections: Sequence[Detections],
    num_classes: int,
) -> np.ndarray:
    """Return the average precision (C,) at IoU 0.5 per class, nan for one without objects."""
    objects = np.zeros(num_classes, int)
    records = []
    for k, (item, found) in enumerate(zip(items, detections)):
        truth = cxcywh_to_xyxy(to_pixels(item, images[k]))
        hit = np.zeros(len(found.score), bool)
        for c in range(num_classes):
            mine = found.class_id == c
            hit[mine] = match(found.xyxy[mine], truth[item.class_id == c])
        known = item.labelled[found.class_id]
        records.append((found.class_id[known], found.score[known], hit[known]))
        objects += np.bincount(item.class_id, minlength=num_classes)
    class_id, score, hit = (np.concatenate(parts) for parts in zip(*records))
    return np.array(
        [
            average_precision(score[class_id == c], hit[class_id == c], objects[c])
            for c in range(num_classes)
        ]
    )
