# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How good a network is during training: average precision at an overlap of 0.5."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch

from tsr_ros.evaluation.dataset import LabelledImage
from tsr_ros.training.geometry import GREY, letterbox_scale
from tsr_ros.training.samples import to_pixels
from tsr_ros.yolov7.decode import decode_maps
from tsr_ros.yolov7.network import Network

LEAST_SCORE = 0.005
NMS_IOU = 0.6
MOST_DETECTIONS = 100
LEAST_IOU = 0.5


def letterbox(image: np.ndarray, size: int) -> tuple[np.ndarray, float, np.ndarray]:
    """Return the letterboxed image (S, S, 3), the scale and the offset (x, y) in pixels."""
    height, width = image.shape[:2]
    scale = letterbox_scale(image, size)
    new_wh = np.array([round(width * scale), round(height * scale)])
    resized = cv2.resize(image, new_wh.tolist(), interpolation=cv2.INTER_LINEAR)
    canvas = np.full((size, size, 3), GREY, np.uint8)
    x, y = (size - new_wh) // 2
    canvas[y : y + new_wh[1], x : x + new_wh[0]] = resized
    return canvas, scale, np.array([x, y])


def detect(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """
    Return boxes (D, 4) centre form, scores (D,) and class ids (D,), best first.

    :param rows: (R, 5 + C) decoded predictions of one image
    """
    rows = rows[rows[:, 4] > LEAST_SCORE]
    scores = rows[:, 4:5] * rows[:, 5:]
    row, class_id = np.nonzero(scores > LEAST_SCORE)
    score, boxes = scores[row, class_id], rows[row, :4]
    if not len(score):
        return boxes, score, class_id
    corner_wh = boxes.copy()
    corner_wh[:, :2] -= boxes[:, 2:] / 2
    kept = cv2.dnn.NMSBoxesBatched(
        corner_wh.tolist(), score.tolist(), class_id.tolist(), LEAST_SCORE, NMS_IOU
    )
    kept = np.array(kept, int).reshape(-1)
    kept = kept[np.argsort(-score[kept], kind='stable')][:MOST_DETECTIONS]
    return boxes[kept], score[kept], class_id[kept]


def overlap_matrix(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the intersection over union (A, B) of boxes (A, 4) and (B, 4), centre form."""
    first, second = first[:, None], second[None]
    low = np.maximum(first[..., :2] - first[..., 2:] / 2, second[..., :2] - second[..., 2:] / 2)
    high = np.minimum(first[..., :2] + first[..., 2:] / 2, second[..., :2] + second[..., 2:] / 2)
    shared = (high - low).clip(0).prod(-1)
    union = first[..., 2:].prod(-1) + second[..., 2:].prod(-1) - shared
    return shared / np.maximum(union, 1e-9)


def match(boxes: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """Return which detections (D,), best first, hit an object of (G, 4) that is still free."""
    overlap = overlap_matrix(boxes, objects)
    hit = np.zeros(len(boxes), bool)
    for i in range(len(boxes)):
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


@torch.no_grad()
def validate(
    network: Network,
    items: Sequence[LabelledImage],
    images: Sequence[np.ndarray],
    size: int,
    batch: int = 8,
    device: str = 'cpu',
) -> np.ndarray:
    """Return the average precision (C,) at IoU 0.5 per class, nan for one without objects."""
    was_training = network.training
    network.eval()
    records: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    objects = np.zeros(network.num_classes, int)
    for start in range(0, len(items), batch):
        boxed = [letterbox(image, size) for image in images[start : start + batch]]
        pixels = np.stack([image for image, _, _ in boxed])[..., ::-1].transpose(0, 3, 1, 2)
        x = torch.from_numpy(np.ascontiguousarray(pixels)).to(device).float() / 255
        maps = network(x.contiguous(memory_format=torch.channels_last))
        decoded = decode_maps(maps, network.anchors, network.strides).float().cpu().numpy()
        for k, (_, scale, offset) in enumerate(boxed):
            item, image = items[start + k], images[start + k]
            truth = to_pixels(item, image) * scale
            truth[:, :2] += offset
            boxes, score, class_id = detect(decoded[k])
            hit = np.zeros(len(boxes), bool)
            for c in range(network.num_classes):
                hit[class_id == c] = match(boxes[class_id == c], truth[item.class_id == c])
            known = item.labelled[class_id]
            records.append((class_id[known], score[known], hit[known]))
            objects += np.bincount(item.class_id, minlength=network.num_classes)
    network.train(was_training)
    class_id, score, hit = (np.concatenate(parts) for parts in zip(*records))
    return np.array(
        [
            average_precision(score[class_id == c], hit[class_id == c], objects[c])
            for c in range(network.num_classes)
        ]
    )
