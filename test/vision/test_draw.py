# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from tsr_ros.vision.detections import Detections
from tsr_ros.vision.draw import PALETTE, draw_detections

LABELS = ['prohibition', 'obligation']


def found(*rows):
    rows = np.array(rows, np.float32).reshape(-1, 6)
    return Detections(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int32))


def canvas():
    return np.full((200, 300, 3), 90, np.uint8)


def test_nothing_found_draws_nothing():
    image = draw_detections(canvas(), Detections.empty(), LABELS)
    np.testing.assert_array_equal(image, canvas())


def test_the_box_has_its_class_s_colour():
    image = canvas()
    result = draw_detections(image, found([50, 60, 120, 150, 0.9, 1]), LABELS)
    assert result is image
    for x, y in (50, 100), (120, 100), (80, 60), (80, 150):
        assert tuple(image[y, x]) == PALETTE[1]
    assert (image[100, 80] == 90).all()
    assert (image[30:58, 50:100] != 90).any()  # the tag above it


@pytest.mark.parametrize('row', [
    [-50, -50, 20, 20, 0.5, 0], [290, 190, 400, 300, 0.5, 1], [0, 0, 300, 200, 1.0, 0],
    [1e6, 1e6, 2e6, 2e6, 0.5, 0], [10, 10, 10, 10, 0.5, 7],
])
def test_boxes_at_and_beyond_the_edge(row):
    assert draw_detections(canvas(), found(row), LABELS).shape == (200, 300, 3)


def test_a_copy_leaves_the_image_alone_and_read_only_memory_is_copied():
    image = canvas()
    result = draw_detections(image, found([50, 60, 120, 150, 0.9, 1]), LABELS, copy=True)
    np.testing.assert_array_equal(image, canvas())
    image.flags.writeable = False
    np.testing.assert_array_equal(
        draw_detections(image, found([50, 60, 120, 150, 0.9, 1]), LABELS), result)


def test_the_best_lies_on_top():
    image = draw_detections(
        canvas(), found([50, 60, 120, 150, 0.9, 0], [50, 60, 120, 150, 0.3, 1]), LABELS)
    assert tuple(image[100, 50]) == PALETTE[0]


def test_selected_rows():
    both = found([1, 2, 3, 4, 0.9, 0], [5, 6, 7, 8, 0.3, 1])
    chosen = both.select(both.score > 0.5)
    np.testing.assert_array_equal(chosen.xyxy, [[1, 2, 3, 4]])
    np.testing.assert_array_equal(chosen.class_id, [0])
