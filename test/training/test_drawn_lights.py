# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import itertools

import numpy as np
import pytest

from tsr_ros.training.drawn_lights import (
    LAMPS,
    VISOR,
    box_faces,
    brightness,
    corners_of,
    draw_decoy,
    draw_lights,
    head_faces,
    lens_faces,
    make_heads,
    rotation,
    visor_faces,
)

HALF_PI = np.pi / 2


def area(points):
    """Return the area of a flat polygon, by Newell's method."""
    following = np.roll(points, -1, axis=0)
    return np.linalg.norm(np.cross(points, following).sum(0)) / 2


def test_a_box_has_six_flat_sides():
    faces = box_faces((0, 0, 0), (1, 2, 3), np.zeros(3))
    assert sorted(area(face.points) for face in faces) == pytest.approx([2, 2, 3, 3, 6, 6])
    for face in faces:  # each in a plane of its own, corners in order round it
        assert sum(np.ptp(face.points, axis=0) == 0) == 1
        assert all((np.diff(face.points, axis=0) != 0).sum(1) == 1)


@pytest.mark.parametrize(('turn', 'point', 'expected'), [
    ((HALF_PI, 0, 0), (0, 0, 1), (1, 0, 0)),  # the front looks to the right
    ((0, HALF_PI, 0), (0, 0, 1), (0, -1, 0)),  # the front looks up
    ((0, 0, HALF_PI), (1, 0, 0), (0, 1, 0)),  # what was right is below
    ((HALF_PI, HALF_PI, HALF_PI), (0, 0, 1), (0, 1, 0)),  # right, stays, below
])
def test_rotation(turn, point, expected):
    matrix = rotation(*turn)
    assert matrix @ point == pytest.approx(expected, abs=1e-12)
    assert matrix @ matrix.T == pytest.approx(np.eye(3))


FRONT = np.array([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)], float)
TOP = np.array([(0, 0, 0), (1, 0, 0), (1, 0, -1), (0, 0, -1)], float)

SEEN_FROM_ABOVE, SEEN_FROM_BELOW = (TOP @ rotation(0, tilt, 0).T for tilt in (-0.1, 0.1))


@pytest.mark.parametrize(('points', 'sun', 'expected'), [
    (FRONT, (0, 0, 0), 0.5),
    (FRONT[::-1], (0, 0, 0), 0.5),  # the order of corners does not matter
    (FRONT, (0, 0, 1), 1.0),
    (FRONT[::-1], (0, 0, 1), 1.0),
    (FRONT, (0, 0, -1), 0.5),  # the sun is behind it
    (FRONT, (0, 0, 1.6), 1.3),
    (SEEN_FROM_ABOVE, (0, 0, 0), 0.5 + 0.15 * np.cos(0.1)),  # more of the sky
    (SEEN_FROM_BELOW, (0, 0, 0), 0.5 - 0.15 * np.cos(0.1)),
    (SEEN_FROM_ABOVE, (0, -1, 0), 0.5 + 0.65 * np.cos(0.1)),
    (np.zeros((4, 3)), (0, 0, 1), 0.5),  # a visor of no length
])
def test_brightness(points, sun, expected):
    assert brightness(points, np.array(sun, float)) == pytest.approx(expected)


def test_lenses():
    rng = np.random.default_rng(0)
    (off,) = lens_faces(rng, 0.5, 0.4, (0, 0, 255), False, None)
    assert not off.shines
    assert np.linalg.norm(off.points[:, :2] - (0, 0.5), axis=1) == pytest.approx(0.4)
    rim, core = lens_faces(rng, 0.5, 0.4, (0, 0, 255), True, None)
    assert rim.shines
    assert core.shines
    assert area(core.points) < area(rim.points)
    symbol = np.array([(0, -1), (1, 1), (-1, 1)])
    dark, arrow = lens_faces(rng, 0.5, 0.4, (0, 0, 255), True, symbol)
    assert (dark.shines, arrow.shines) == (False, True)
    assert arrow.points == pytest.approx(
        np.array([(0, 0.2, 0.03), (0.3, 0.8, 0.03), (-0.3, 0.8, 0.03)]))


def test_a_visor_covers_a_lens_from_above():
    points = np.concatenate([face.points for face in visor_faces(2, 0.5, 0.7, np.zeros(3))])
    assert len(points) == 4 * (len(VISOR) - 1)
    assert set(points[:, 2]) == {0, 0.7}
    assert points[:, 1].min() == pytest.approx(2 - 0.54)
    assert points[:, 1].max() == pytest.approx(2 + 0.54 * np.sin(0.15 * np.pi))


def test_at_most_one_lamp_of_a_head_shines():
    rng = np.random.default_rng(0)
    shining = []
    for _ in range(60):
        faces = [face for face in head_faces(rng) if face.shines]
        middles = {round(float(face.points[:, 1].mean()), 2) for face in faces}
        shining.append(len(faces) > 0)
        # rim and core have one middle, a symbol stands for itself
        assert len(middles) <= 1
    assert 0.75 < np.mean(shining) < 0.99
    assert {count: len(hues) for count, hues in LAMPS.items()} == {2: 2, 3: 3, 4: 4}


def test_heads_stand_side_by_side():
    rng = np.random.default_rng(0)
    counts = set()
    for _ in range(40):
        heads = make_heads(rng)
        counts.add(len(heads))
        corners = [corners_of(head) for head in heads]
        assert corners[0][0][0] == pytest.approx(0)
        for (_, left), (right, _) in itertools.pairwise(corners):
            assert right[0] >= left[0] - 1e-9
    assert counts == {1, 2, 3}


@pytest.mark.parametrize('height', [10.0, 37.5, 120.0])
def test_boxes_are_where_the_lights_are(height):
    for seed in range(12):
        drawing = draw_lights(np.random.default_rng(seed), 3, height)
        assert drawing.class_id == 3
        assert drawing.boxes[0, 3] == pytest.approx(height, rel=1e-4)
        rows, columns = np.nonzero(drawing.alpha > 0.5)
        low, high = (drawing.boxes[:, :2] + sign * drawing.boxes[:, 2:] / 2 for sign in (-1, 1))
        assert abs(columns.min() - low[:, 0].min()) < 1.5
        assert abs(columns.max() + 1 - high[:, 0].max()) < 1.5
        assert abs(rows.min() - low[:, 1].min()) < 1.5
        for x, y, _, _ in drawing.boxes.astype(int):
            assert drawing.alpha[y, x] == 1
        assert not drawing.shine[drawing.alpha == 0].any()


def test_a_decoy_is_dark_upright_and_no_object():
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(40):
        decoy = draw_decoy(rng)
        rows, columns = np.nonzero(decoy.alpha)
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert len(decoy.boxes) == 0
        assert not decoy.shine.any()
        assert width <= height
        assert decoy.image.shape == (*decoy.alpha.shape, 3)
        shares.append(decoy.alpha.sum() / (height * width))
    assert max(shares) == 1  # a box
    assert min(shares) < 0.6  # a letter
