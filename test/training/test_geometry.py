# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from tsr_ros.training.geometry import (
    IGNORE,
    ViewRange,
    affine_about,
    apply_view,
    clip_objects,
    crop_view,
    letterbox_scale,
    whole_view,
)

STILL = ViewRange(scale=(1, 1), aspect=0, rotation_deg=0, shift=0)
EVERYTHING = np.ones(2, bool)


@pytest.mark.parametrize(('scale', 'rotation_deg', 'point', 'expected'), [
    ((1, 1), 0, (10, 20), (50, 60)),  # the centre goes where it is told
    ((1, 1), 0, (11, 22), (51, 62)),
    ((2, 3), 0, (11, 22), (52, 66)),
    ((1, 1), 90, (11, 20), (50, 61)),  # x turns to y
])
def test_affine_about(scale, rotation_deg, point, expected):
    view = affine_about(np.array([10, 20]), np.array(scale), rotation_deg, np.array([50, 60]))
    assert view[:, :2] @ np.array(point) + view[:, 2] == pytest.approx(expected)


def test_the_plain_whole_view_is_a_letterbox():
    rng = np.random.default_rng(0)
    image = np.zeros((50, 100, 3), np.uint8)
    assert letterbox_scale(image, 200) == 2
    view = whole_view(rng, image, 200, STILL)
    assert view == pytest.approx(np.array([[2, 0, 0], [0, 2, 50]]))
    boxes = np.array([[10, 10, 8, 6]], np.float32)
    sample = apply_view(view, image, np.array([1]), boxes, EVERYTHING, (200, 200))
    assert sample.image.shape == (200, 200, 3)
    assert (sample.image[:49] == 114).all()  # above the image
    assert (sample.image[51:149, 1:199] == 0).all()
    assert sample.boxes == pytest.approx(np.array([[20, 70, 16, 12]]))


def test_boxes_and_pixels_move_alike():
    image = np.zeros((64, 64, 3), np.uint8)
    image[20:30, 8:28] = 255
    box = np.array([[18, 25, 20, 10]], np.float32)
    for scale in (0.5, 1, 2):
        view = np.array([[scale, 0, 3], [0, scale, 5]])
        sample = apply_view(view, image, np.array([0]), box, EVERYTHING, (128, 128))
        y, x = np.mgrid[:128, :128] + 0.5
        near_x, near_y = sample.boxes[0, 2:] / 2 + 2
        near = (np.abs(x - sample.boxes[0, 0]) < near_x) & (
            np.abs(y - sample.boxes[0, 1]) < near_y)
        light = sample.image[..., 0] * near.astype(float)
        middle = (light * x).sum() / light.sum(), (light * y).sum() / light.sum()
        assert middle == pytest.approx(sample.boxes[0, :2], abs=0.02)
        assert light.sum() / 255 == pytest.approx(sample.boxes[0, 2:].prod(), rel=0.02)


def test_crops_hold_their_object():
    rng = np.random.default_rng(0)
    image = np.zeros((720, 1280, 3), np.uint8)
    for focus in ([20, 20, 20, 20], [1270, 700, 15, 30], [640, 360, 700, 700]):
        box = np.array([focus], np.float32)
        for _ in range(20):
            view = crop_view(rng, image, box[0], 640, 320, ViewRange())
            sample = apply_view(view, image, np.array([0]), box, EVERYTHING, (320, 320))
            assert sample.class_id.tolist() == [0]
            assert (sample.boxes[0, 2:] <= 320 * 0.86).all()


def test_a_crop_has_about_the_scale_of_the_deployed_image():
    image = np.zeros((720, 1280, 3), np.uint8)
    view = crop_view(np.random.default_rng(0), image, None, 640, 320, STILL)
    assert view[0, 0] == view[1, 1] == 0.5


@pytest.mark.parametrize(('box', 'class_id', 'clipped'), [
    ((50, 40, 20, 10), 1, (50, 40, 20, 10)),
    ((0, 40, 20, 10), 1, (5, 40, 10, 10)),  # half of it is in view
    ((-3, 40, 20, 10), IGNORE, (3.5, 40, 7, 10)),  # 35 % of it: neither object nor background
    ((50, 40, 2, 2), IGNORE, (50, 40, 2, 2)),  # too small to know
    ((-20, 40, 20, 10), None, None),  # out of view
])
def test_clip_objects(box, class_id, clipped):
    image = np.zeros((80, 100, 3), np.uint8)
    result = clip_objects(image, np.array([1]), np.array([box], float), EVERYTHING)
    assert result.class_id.tolist() == ([] if class_id is None else [class_id])
    if clipped:
        assert result.boxes == pytest.approx(np.array([clipped], np.float32))


def test_clip_no_objects():
    image = np.zeros((80, 100, 3), np.uint8)
    result = clip_objects(image, np.zeros(0, int), np.zeros((0, 4)), EVERYTHING)
    assert result.boxes.shape == (0, 4)
