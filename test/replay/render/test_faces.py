# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import math

import cv2
import numpy as np
import pytest

from tsr_ros.evaluation.ground_truth import LABELS
from tsr_ros.replay.render.canvas import BLUE, RED, WHITE, Canvas
from tsr_ros.replay.render.catalogue import FACES, LIGHT, faces_of_class
from tsr_ros.replay.render.cutouts import cutout
from tsr_ros.replay.render.faces import draw_face
from tsr_ros.replay.render.plates import advertisement_key, object_vertices, plate_outline
from tsr_ros.replay.render.textures import write_textures
from tsr_ros.replay.render.wear import worn

DRAWN = [name for name, face in FACES.items() if face.class_id != LIGHT]


def share(face, colour):
    """Return the share of pixels of a colour."""
    return float((np.abs(face.astype(int) - colour).max(axis=2) < 12).mean())


def test_every_class_has_faces():
    for class_id in range(len(LABELS)):
        assert len(faces_of_class(class_id)) >= 3


@pytest.mark.parametrize('name', DRAWN)
def test_the_colour_tells_the_class(name):
    face = np.asarray(draw_face(name, 128))
    kind = FACES[name]
    assert face.shape[0] == 128
    assert face.shape[1] == pytest.approx(128 * kind.size_m[0] / kind.size_m[1], abs=1)
    red, blue = share(face, RED), share(face, BLUE)
    if LABELS[kind.class_id] in ('prohibition', 'warning'):
        assert red > 0.12
    else:
        assert blue > 0.25
        assert red < 0.01
    assert share(face, WHITE) > 0.05


def test_faces_differ():
    faces = {name: np.asarray(draw_face(name, 64)).tobytes() for name in DRAWN}
    assert len(set(faces.values())) == len(DRAWN)


def test_a_light_is_built_not_drawn():
    with pytest.raises(KeyError):
        draw_face('light_red')


def test_arabic_letters_are_joined():
    canvas = Canvas(WHITE, 4.0, 64)
    canvas.text('مستشفى', 2.0, 0.5, 0.6, (0, 0, 0))  # each letter joins the next
    (columns,) = (np.asarray(canvas.image()).min(axis=2) < 128).any(axis=0).nonzero()
    assert len(columns) > 64
    assert (np.diff(columns) == 1).all()


@pytest.mark.parametrize('wear', [0.0, 0.3, 1.0])
def test_wear_is_the_same_for_the_same_seed(wear):
    face = np.asarray(draw_face('stop', 96))
    first, again = worn(face, wear, 5), worn(face, wear, 5)
    np.testing.assert_array_equal(first, again)
    assert (first.shape, first.dtype) == (face.shape, np.uint8)
    assert (first != face).any() == (wear > 0)


def test_older_is_farther_from_new_and_less_red():
    face = np.asarray(draw_face('no_entry', 96))
    distances, redness = [], []
    for wear in (0.1, 0.5, 1.0):
        old = worn(face, wear, 5).astype(int)
        distances.append(np.abs(old - face).mean())
        redness.append((old[..., 0] - old[..., 1:].mean(axis=2)).mean())
    assert distances == sorted(distances)
    assert redness == sorted(redness, reverse=True)


@pytest.mark.parametrize(('shape', 'size_m', 'area_m2'), [
    ('rectangle', (1.8, 0.9), 1.62),
    ('disc', (0.8, 0.8), math.pi * 0.16),
    ('octagon', (0.9, 0.9), 2 * math.sqrt(2) * (0.45 / math.cos(math.pi / 8)) ** 2),
    # with round corners of 5 % of the width: each loses r^2 (cot(a / 2) - (pi - a) / 2)
    ('triangle', (1.0, 0.875), None),
])
def test_plates(shape, size_m, area_m2):
    corners = np.array(plate_outline(shape, size_m))
    x, z = corners.T
    area = 0.5 * float(x @ np.roll(z, -1) - z @ np.roll(x, -1))  # the shoelace formula
    if area_m2 is None:
        base, side = math.atan2(0.875, 0.5), math.pi - 2 * math.atan2(0.875, 0.5)
        lost = sum(0.05**2 * (1 / math.tan(a / 2) - (math.pi - a) / 2)
                   for a in (base, base, side))
        area_m2 = 0.4375 - lost
    assert area == pytest.approx(area_m2, rel=0.01)
    assert np.ptp(x) <= size_m[0] + 1e-9
    assert np.ptp(z) <= size_m[1] + 1e-9


@pytest.mark.parametrize('name', sorted(FACES))
def test_vertices_fill_the_size(name):
    face = FACES[name]
    vertices = np.array(object_vertices(face.shape, face.size_m))
    width, _, height = np.ptp(vertices, axis=0)
    room = 0.07 * face.size_m[0] if face.shape == 'triangle' else 0.002
    assert face.size_m[0] - 2 * room <= width <= face.size_m[0] + 1e-9
    assert face.size_m[1] - 2 * room <= height <= face.size_m[1] + 1e-9


def test_textures_of_a_plan(tmp_path):
    plan = {'signs': [
        {'track_id': 3, 'shape': 'disc', 'face': 'stop', 'wear': 0.5, 'seed': 1},
        {'track_id': 4, 'shape': 'light', 'face': 'light_red', 'wear': 0, 'seed': 2}],
        'billboards': [{'design': 1, 'size_m': [1.2, 1.7]}, {'design': 1, 'size_m': [4.0, 3.0]},
                       {'design': 1, 'size_m': [1.2, 1.7]}]}
    textures = write_textures(plan, tmp_path)
    names = {'3': 'sign_3.png', 'advertisement 1 1.2 x 1.7': 'advertisement_1_1.2_x_1.7.png',
             'advertisement 1 4 x 3': 'advertisement_1_4_x_3.png'}
    assert textures == {key: str(tmp_path / name) for key, name in names.items()}
    assert {file.name for file in tmp_path.iterdir()} == set(names.values())
    for board in plan['billboards']:  # each for its own board's shape
        height, width = cv2.imread(textures[advertisement_key(board)]).shape[:2]
        assert width / height == pytest.approx(board['size_m'][0] / board['size_m'][1], abs=0.01)


@pytest.mark.parametrize(('name', 'covered'), [
    ('no_entry', math.pi / 4),
    ('stop', 2 * math.sqrt(2) - 2),  # an octagon in its square
    ('parking', 1.0),
    ('bend_left', 0.5),
])
def test_a_cutout_ends_with_the_plate(name, covered):
    picture = cutout(name, wear=0.0, seed=1)
    opacity = picture[..., 3] / 255
    assert opacity.mean() == pytest.approx(covered, abs=0.015)
    assert (opacity[128, 126:130] == 1).all()
    face = np.asarray(draw_face(name, 256))
    assert np.array_equal(picture[..., 2::-1], face)  # BGR, whole
    worn_one, again, other = (cutout(name, 0.8, seed) for seed in (1, 1, 2))
    assert np.array_equal(worn_one, again)
    assert not np.array_equal(worn_one, other)
    assert np.array_equal(worn_one[..., 3], picture[..., 3])
