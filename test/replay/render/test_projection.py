# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest

from tsr_ros.replay.render.projection import (
    bounding_box,
    focal_length_px,
    hull_area,
    optical_pose,
    project,
    quaternion_xyzw,
    rotation_matrix,
    to_camera,
)

AHEAD = [math.pi / 2, 0, 0]  # Blender's camera looks down; turned up by 90 degrees it looks to +Y


@pytest.mark.parametrize(('fov_deg', 'width_px', 'expected'), [
    (90, 2, 1.0), (90, 960, 480.0), (60, 960, 831.384), (64, 960, 768.161), (64, 640, 512.107)])
def test_focal_length(fov_deg, width_px, expected):
    assert focal_length_px(fov_deg, width_px) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(('rotation', 'point', 'expected'), [
    ([0, 0, 0], [1, 2, 3], [1, 2, 3]),
    ([math.pi / 2, 0, 0], [0, 1, 0], [0, 0, 1]),
    ([0, math.pi / 2, 0], [1, 0, 0], [0, 0, -1]),
    ([0, 0, math.pi / 2], [1, 0, 0], [0, 1, 0]),
    ([math.pi / 2, 0, math.pi / 2], [0, 0, 1], [1, 0, 0]),  # about x first: to -y; then about z
])
def test_rotation(rotation, point, expected):
    np.testing.assert_allclose(rotation_matrix(rotation) @ point, expected, atol=1e-12)


@pytest.mark.parametrize(('points', 'location', 'rotation', 'expected'), [
    (np.zeros((0, 3)), [0, 0, 0], AHEAD, np.zeros((0, 3))),
    ([[0, 10, 0]], [0, 0, 0], AHEAD, [[0, 0, 10]]),
    ([[2, 10, 3]], [0, 0, 1], AHEAD, [[2, -2, 10]]),          # higher than the camera: y < 0
    ([[0, 10, 0]], [0, 0, 0], [math.pi / 2, 0, -math.pi / 2], [[-10, 0, 0]]),  # it looks right
    ([[0, -5, 0]], [0, 0, 0], AHEAD, [[0, 0, -5]]),
])
def test_to_camera(points, location, rotation, expected):
    np.testing.assert_allclose(to_camera(points, location, rotation), expected, atol=1e-12)


@pytest.mark.parametrize(('point', 'expected'), [
    ([0, 0, 10], [480, 270]),
    ([1, 0, 10], [580, 270]),
    ([0, -1, 10], [480, 170]),
    ([-2, 1, 40], [430, 295]),
])
def test_project(point, expected):
    np.testing.assert_allclose(project(point, 1000, (960, 540)), [expected])


@pytest.mark.parametrize('distance_m', [5, 20, 77, 200])
@pytest.mark.parametrize('size_m', [0.6, 0.8, 1.8])
def test_a_plate_appears_f_times_size_over_distance_wide(size_m, distance_m):
    focal_px = focal_length_px(64, 960)
    half = size_m / 2
    corners = [[1.5 - half, -1, distance_m], [1.5 + half, -1, distance_m]]
    left, right = project(corners, focal_px, (960, 540))[:, 0]
    assert right - left == pytest.approx(768.161 * size_m / distance_m, rel=1e-5)


def test_bounding_box_and_hull_area():
    points = np.array([[1, 5], [4, 2], [1, 2], [4, 5], [2, 3.0]])
    np.testing.assert_array_equal(bounding_box(points), [1, 2, 4, 5])
    assert hull_area(points) == 9


@pytest.mark.parametrize(('rotation', 'expected'), [
    ([0, 0, 0], [0, 0, 0, 1]),
    ([math.pi / 2, 0, 0], [0.5**0.5, 0, 0, 0.5**0.5]),
    ([0, 0, math.pi], [0, 0, 1, 0]),
    ([math.pi, 0, 0], [1, 0, 0, 0]),
    ([0, math.pi, 0], [0, 1, 0, 0]),
])
def test_quaternion(rotation, expected):
    found = np.array(quaternion_xyzw(rotation_matrix(rotation)))
    np.testing.assert_allclose(found * np.sign(found @ expected), expected, atol=1e-9)


def test_optical_pose_turns_the_optical_frame_into_the_map():
    location, rotation = [3, 4, 1.3], [math.pi / 2 - 0.02, 0.01, 0.3]
    position, (x, y, z, w) = optical_pose(location, rotation)
    matrix = np.array([  # of a unit quaternion
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]])
    world = np.array([5, 40, 2.5])
    optical = to_camera(world, location, rotation)[0]
    np.testing.assert_allclose(matrix @ optical + position, world, atol=1e-9)
