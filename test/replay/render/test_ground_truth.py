# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest

from tsr_ros.replay.render.check import compare_boxes
from tsr_ros.replay.render.ground_truth import (
    Label,
    label_frame,
    mask_box,
    projected_signs,
    recognisable,
)

# 90 degrees over 1000 pixels: f = 500
CAMERA = {'location': [0, 0, 0], 'rotation': [math.pi / 2, 0, 0]}


def plan_of(*signs):
    return {'resolution_wh': [1000, 600], 'horizontal_fov_deg': 90,
            'signs': list(signs), 'poses': [{'camera': CAMERA}] * 3}


def sign_at(x, y, z, track_id=1, yaw=0.0, shape='rectangle', size_m=(0.8, 0.8)):
    return {'track_id': track_id, 'class_id': 3, 'face': 'parking', 'shape': shape,
            'size_m': list(size_m), 'location': [x, y, z], 'rotation': [0, 0, yaw]}


def mask_of(xyxy, track_id=1):
    mask = np.zeros((600, 1000), np.uint16)
    x0, y0, x1, y1 = xyxy
    mask[y0:y1, x0:x1] = track_id
    return mask


NOTHING = np.zeros((600, 1000), np.uint16)


def test_no_signs():
    assert label_frame(plan_of(), CAMERA, NOTHING) == []


def test_a_sign_ahead():
    # 0.8 m at 10 m: 40 pixels, centre 2 m to the right and 1 m up: 100 and 50 pixels
    (label,) = label_frame(plan_of(sign_at(2, 10, 1)), CAMERA, mask_of([580, 230, 620, 270]))
    assert label.xyxy == pytest.approx((580, 230, 620, 270), abs=0.1)
    assert label.position_m == pytest.approx((2, -1, 10))
    assert label.distance_m == pytest.approx(math.sqrt(105))
    assert label.visibility == pytest.approx(1, abs=0.01)
    assert label.transmission == 1
    assert label.is_recognisable


@pytest.mark.parametrize(('shown', 'visibility', 'is_recognisable'), [
    ([580, 230, 600, 270], 0.5, True),
    ([580, 230, 592, 270], 0.3, False),   # 480 of a little more than 1600 pixels, with the edge
    ([580, 230, 594, 270], 0.35, True),
    ([580, 230, 580, 270], 0, False),
])
def test_hidden_in_part(shown, visibility, is_recognisable):
    (label,) = label_frame(plan_of(sign_at(2, 10, 1)), CAMERA, mask_of(shown))
    assert label.visibility == pytest.approx(visibility, abs=0.01)
    assert label.is_recognisable == is_recognisable


@pytest.mark.parametrize(('sign', 'why'), [
    (sign_at(0, -10, 0), 'behind'),
    (sign_at(0, 0.2, 0), 'too near to be projected'),
    (sign_at(11, 10, 0), 'beside the picture'),
    (sign_at(0, 10, 8), 'above it'),
    (sign_at(0, 10, 0, yaw=math.pi), 'turned away'),
    (sign_at(0, 10, 0, yaw=math.radians(80)), 'seen edge on'),
])
def test_what_is_not_in_sight(sign, why):
    assert projected_signs(plan_of(sign), CAMERA) == [], why


def test_boxes_end_at_the_edge_of_the_picture():
    (label,) = label_frame(plan_of(sign_at(10, 10, 0)), CAMERA, mask_of([980, 280, 1000, 320]))
    # the left edge belongs to the plate's back, 12 mm farther away: 500 + 500 * 9.6 / 10.012
    assert label.xyxy == pytest.approx((979.42, 280, 1000, 320), abs=0.01)
    assert label.visibility == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(('distance_m', 'is_recognisable'), [(50, True), (58, False)])
def test_smaller_than_seven_pixels(distance_m, is_recognisable):
    half = 0.4 * 500 / distance_m
    mask = np.ones((600, 1000), np.uint16)
    (label,) = label_frame(plan_of(sign_at(0, distance_m, 0)), CAMERA, mask)
    assert label.xyxy == pytest.approx((500 - half, 300 - half, 500 + half, 300 + half), abs=0.1)
    assert label.is_recognisable == is_recognisable


@pytest.mark.parametrize(('visibility_m', 'transmission', 'is_recognisable'), [
    (None, 1, True), (90, 0.4192, True), (20, 0.02, False), (26.2, 0.0505, True),
    (25.9, 0.0488, False)])
def test_fog(visibility_m, transmission, is_recognisable):
    (label,) = label_frame(plan_of(sign_at(0, 20, 0)), CAMERA, np.ones((600, 1000), np.uint16),
                           visibility_m)
    assert label.transmission == pytest.approx(transmission, abs=1e-3)
    assert label.is_recognisable == is_recognisable


def test_recognisable():
    seen = Label(7, 4, 'light_red', (0, 0, 10, 20), (1, 2, 30), 0.75, 0.5)
    hidden = seen._replace(track_id=8, visibility=0.1)
    truth = recognisable([hidden, seen])
    assert truth.track_id == ('light_red_7',)
    np.testing.assert_array_equal(truth.xyxy, [[0, 0, 10, 20]])
    np.testing.assert_array_equal(truth.position_m, [[1, 2, 30]])
    assert truth.visible.tolist() == [0.75]
    assert len(recognisable([]).class_id) == 0


def test_mask_box():
    assert mask_box(NOTHING, 1) is None
    np.testing.assert_array_equal(mask_box(mask_of([3, 4, 10, 6]), 1), [3, 4, 10, 6])
    assert mask_box(mask_of([3, 4, 10, 6]), 2) is None


@pytest.mark.parametrize(('shown', 'differences'), [
    ([580, 230, 620, 270], [0]),
    ([583, 230, 623, 270], [3]),           # a wrong box is noticed
    ([580, 230, 600, 270], []),            # hidden in part: not compared
])
def test_compare_boxes(shown, differences):
    checks = compare_boxes(plan_of(sign_at(2, 10, 1)), 0, mask_of(shown))
    assert [check.difference_px for check in checks] == pytest.approx(differences, abs=0.1)
