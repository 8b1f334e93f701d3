# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np

from .boxes import box_iou

_BATCHED = getattr(cv2.dnn, 'NMSBoxesBatched', None)  # OpenCV 4.7 and later


def class_aware_nms(xyxy, score, class_id, iou_threshold):
    """
    Suppress boxes that overlap a better one of their own class by more than `iou_threshold`.

    Takes (N, 4), (N,), (N,); returns the row numbers kept, best first.
    """
    if len(score) == 0:
        return np.zeros(0, np.intp)
    if _BATCHED is not None:
        return _nms_opencv(xyxy, score, class_id, iou_threshold)
    return nms_numpy(xyxy, score, class_id, iou_threshold)


def _nms_opencv(xyxy, score, class_id, iou_threshold):
    xywh = np.array(xyxy, np.float64)
    xywh[:, 2:] -= xywh[:, :2]
    # OpenCV sets the classes apart by shifting them, for which no box may start below 0
    xywh[:, :2] -= xywh[:, :2].min(axis=0)
    kept = _BATCHED(xywh, score.astype(np.float32), class_id.astype(np.int32), 0.0, iou_threshold)
    return np.asarray(kept, np.intp).reshape(-1)


def nms_numpy(xyxy, score, class_id, iou_threshold):
    """Do the same with NumPy alone, in memory that grows with N squared."""
    order = np.argsort(-score, kind='mergesort')
    xyxy, class_id = xyxy[order], class_id[order]
    rival = box_iou(xyxy, xyxy) > iou_threshold
    rival &= class_id[:, None] == class_id[None, :]
    keep = np.ones(len(order), bool)
    for row in range(len(order)):
        if keep[row]:
            keep[row + 1:] &= ~rival[row, row + 1:]
    return order[keep]
