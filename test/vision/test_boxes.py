# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from tsr_ros.vision.boxes import (
    box_area,
    box_iou,
    cxcywh_to_xyxy,
)

EMPTY = np.zeros((0, 4), np.float32)


def boxes(*rows):
    return np.array(rows, np.float32).reshape(-1, 4)


@pytest.mark.parametrize(('xyxy', 'cxcywh'), [
    (EMPTY, EMPTY),
    (boxes([0, 0, 10, 20]), boxes([5, 10, 10, 20])),
    (boxes([-4, 2, 4, 3], [1, 1, 1, 1]), boxes([0, 2.5, 8, 1], [1, 1, 0, 0])),
])
def test_corners_of_centre_and_size(xyxy, cxcywh):
    np.testing.assert_array_equal(cxcywh_to_xyxy(cxcywh), xyxy)


@pytest.mark.parametrize(('xyxy', 'expected'), [
    (EMPTY, []), (boxes([0, 0, 2, 3]), [6]), (boxes([5, 5, 4, 9]), [0]),
])
def test_box_area(xyxy, expected):
    np.testing.assert_array_equal(box_area(xyxy), expected)


@pytest.mark.parametrize(('first', 'second', 'expected'), [
    (EMPTY, EMPTY, np.zeros((0, 0))),
    (EMPTY, boxes([0, 0, 1, 1]), np.zeros((0, 1))),
    (boxes([0, 0, 2, 2]), boxes([0, 0, 2, 2], [1, 0, 3, 2], [2, 0, 4, 2]), [[1, 1 / 3, 0]]),
    (boxes([1, 1, 1, 1]), boxes([1, 1, 1, 1]), [[0]]),
])
def test_box_iou(first, second, expected):
    np.testing.assert_allclose(box_iou(first, second), expected, rtol=1e-6)
