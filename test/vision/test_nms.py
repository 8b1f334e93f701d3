# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

from tsr_ros.vision import nms
from tsr_ros.vision.boxes import box_iou

WAYS = ['numpy'] + (['opencv'] if hasattr(cv2.dnn, 'NMSBoxesBatched') else [])


def suppress(way, *arguments):
    if way == 'numpy':
        return nms.nms_numpy(*arguments)
    return nms.class_aware_nms(*arguments)


@pytest.mark.parametrize('way', WAYS)
@pytest.mark.parametrize(('xyxy', 'score', 'class_id', 'iou', 'expected'), [
    ([], [], [], 0.5, []),
    ([[0, 0, 10, 10]], [0.1], [0], 0.5, [0]),
    ([[0, 0, 10, 10], [0, 0, 10, 10]], [0.3, 0.6], [0, 0], 0.5, [1]),
    ([[0, 0, 10, 10], [0, 0, 10, 10]], [0.3, 0.6], [0, 1], 0.5, [1, 0]),
    # a overlaps b (IoU 2/3) and b overlaps c, a not c: b goes, and with it its claim on c
    ([[0, 0, 10, 10], [2, 0, 12, 10], [4, 0, 14, 10]], [0.9, 0.8, 0.7], [0, 0, 0], 0.5, [0, 2]),
    ([[0, 0, 10, 10], [2, 0, 12, 10], [4, 0, 14, 10]], [0.9, 0.8, 0.7], [0, 0, 0], 0.7, [0, 1, 2]),
    ([[-90, -90, -80, -80], [0, 0, 10, 10], [-90, -90, -80, -80]], [0.5, 0.6, 0.4], [2, 2, 1], 0.5,
     [1, 0, 2]),
])
def test_kept_rows_best_first(way, xyxy, score, class_id, iou, expected):
    result = suppress(way, np.array(xyxy, np.float32).reshape(-1, 4), np.array(score, np.float32),
                      np.array(class_id, np.int32), iou)
    np.testing.assert_array_equal(result, expected)


def reference(xyxy, score, class_id, iou):
    kept = []
    for row in sorted(range(len(score)), key=lambda row: -score[row]):
        same = [k for k in kept if class_id[k] == class_id[row]]
        if all(box_iou(xyxy[[row]], xyxy[[k]])[0, 0] <= iou for k in same):
            kept.append(row)
    return kept


@pytest.mark.parametrize('way', WAYS)
def test_agrees_with_the_definition_on_many_boxes(way):
    rng = np.random.RandomState(5)
    corner = rng.uniform(-20, 200, (300, 2))
    xyxy = np.concatenate([corner, corner + rng.uniform(30, 60, (300, 2))], axis=1)
    xyxy = xyxy.astype(np.float32)
    score = rng.permutation(300).astype(np.float32) / 300 + 0.001
    class_id = rng.randint(0, 2, 300).astype(np.int32)
    expected = reference(xyxy, score, class_id, 0.45)
    assert 50 < len(expected) < 250
    np.testing.assert_array_equal(suppress(way, xyxy, score, class_id, 0.45), expected)
