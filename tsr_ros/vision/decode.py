# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np


class HeadDecoder:
    """
    Turns the raw head maps of one image into boxes, scores and classes.

    YOLOv7: xy = (2 sigmoid(t_xy) - 0.5 + grid_xy) stride, wh = (2 sigmoid(t_wh))^2 anchor_wh,
    score = sigmoid(objectness) sigmoid(class); where there is one class, YOLOv7 trains no output
    for it, and the score is the objectness. A score never exceeds its objectness, so only the few
    places whose objectness passes the threshold are looked at further, and none is lost.
    """

    def __init__(self, anchors, strides, num_classes):
        self.anchors = np.asarray(anchors, np.float32)  # (level, anchor, wh), pixels of the input
        self.strides = [int(stride) for stride in strides]
        self.num_classes = int(num_classes)
        if self.anchors.shape[0] != len(self.strides) or self.anchors.shape[2:] != (2,):
            raise ValueError('anchors must be (level, anchor, 2) with one level for each of {} '
                             'strides, not {}'.format(len(self.strides), self.anchors.shape))

    def __call__(self, maps, thresholds, max_candidates=3000):
        """
        Decode maps, each (anchors * (5 + classes), H, W) float32, of one image.

        `thresholds` is one number or one for each class; a place is given its best class and kept
        if the score reaches that class's threshold. Returns xyxy (N, 4) in pixels of the input,
        score (N,) float32 and class_id (N,) int32, not sorted; the best `max_candidates` of them.
        """
        thresholds = np.broadcast_to(np.asarray(thresholds, np.float32), (self.num_classes,))
        rows, places = [], []
        limit = logit(float(thresholds.min()))
        for level, head in enumerate(maps):
            found = self._survivors(level, head, limit)
            if found is not None:
                rows.append(found[0])
                places.append(found[1])
        if not rows:
            return np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32)
        rows, places = np.concatenate(rows), np.concatenate(places)

        class_id = rows[:, 5:].argmax(axis=1)
        score = sigmoid(rows[:, 4])
        if self.num_classes > 1:
            score *= sigmoid(rows[np.arange(len(rows)), 5 + class_id])
        keep = np.flatnonzero((score >= thresholds[class_id]) & ~np.isnan(rows).any(axis=1))
        if len(keep) > max_candidates:
            keep = keep[np.argpartition(-score[keep], max_candidates)[:max_candidates]]
        rows, places = rows[keep], places[keep]
        box = sigmoid(rows[:, :4])
        grid, anchor, stride = places[:, :2], places[:, 2:4], places[:, 4:]
        centre = (2 * box[:, :2] - 0.5 + grid) * stride
        half = 2 * box[:, 2:] ** 2 * anchor  # half of (2 sigmoid)^2 anchor
        xyxy = np.concatenate([centre - half, centre + half], axis=1)
        return xyxy, score[keep], class_id[keep].astype(np.int32)

    def _survivors(self, level, head, limit):
        """Return the rows (K, 5 + classes) over the limit and their grid, anchor and stride."""
        anchors = self.anchors[level]
        height, width = head.shape[-2:]
        expected = len(anchors) * (5 + self.num_classes)
        if head.ndim != 3 or head.shape[0] != expected:
            raise ValueError('head map {} has shape {}; {} classes need ({}, H, W)'.format(
                level, head.shape, self.num_classes, expected))
        head = head.reshape(len(anchors), 5 + self.num_classes, height * width)
        # not (x < limit) would let NaN through: a broken network must not become a box
        anchor, cell = np.nonzero(head[:, 4] >= limit)
        if len(cell) == 0:
            return None
        place = np.empty((len(cell), 5), np.float32)
        place[:, 0] = cell % width
        place[:, 1] = cell // width
        place[:, 2:4] = anchors[anchor]
        place[:, 4] = self.strides[level]
        return head[anchor, :, cell], place


def sigmoid(x):
    """Return 1 / (1 + exp(-x)), without overflow."""
    return 1 / (1 + np.exp(-np.clip(x, -80, 80)))


def logit(p):
    """Return the x whose sigmoid is p; for 0 and 1 the infinities."""
    if p <= 0:
        return -math.inf
    return math.inf if p >= 1 else math.log(p / (1 - p))
