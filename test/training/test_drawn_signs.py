# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

from tsr_ros.evaluation.dataset import DataError
from tsr_ros.training.drawn_signs import (
    SignPicture,
    corners_seen,
    draw_sign,
    light_on,
    read_sign_pictures,
)


def red_disc(side=128):
    image = np.zeros((side, side, 4), np.uint8)
    cv2.circle(image, (side // 2, side // 2), side // 2 - 4, (0, 0, 255, 255), -1)
    image[..., 2] = 255  # the colour goes on outside of the plate
    return image


@pytest.mark.parametrize('height', [10.0, 40.0, 130.0])
def test_the_box_is_where_the_sign_is(height):
    for seed in range(20):
        drawing = draw_sign(np.random.default_rng(seed), SignPicture(red_disc(), 2), height)
        assert (drawing.class_id, drawing.boxes.shape) == (2, (1, 4))
        assert not drawing.shine.any()
        x, y, w, h = drawing.boxes[0]
        # a disc seen from the side is narrower, and never much larger than from the front
        assert 0.3 * height < w < 1.25 * height
        assert 0.8 * height < h < 1.25 * height
        # red, and not the grey of a post
        b, g, r = (drawing.image[..., k] for k in range(3))
        red = (r > 1.5 * np.maximum(g, b) + 1) & (drawing.alpha > 0.5)
        rows, columns = np.nonzero(red)
        assert abs(columns.min() - (x - w / 2)) <= 1
        assert abs(columns.max() + 1 - (x + w / 2)) <= 1
        assert abs(rows.min() - (y - h / 2)) <= 1
        assert abs(rows.max() + 1 - (y + h / 2)) <= 1


def test_corners():
    rng = np.random.default_rng(0)
    ratios, sides = [], []
    for _ in range(200):
        corners = corners_seen(rng, 40, 80)
        top, right, bottom, left = np.linalg.norm(np.roll(corners, -1, 0) - corners, axis=1)
        # clockwise from the top left, in an image whose y goes down
        edges = np.roll(corners, -1, 0) - corners
        turns = edges[:, 0] * np.roll(edges[:, 1], -1) - edges[:, 1] * np.roll(edges[:, 0], -1)
        assert (turns > 0).all()
        ratios.append((top + bottom) / (left + right))
        sides.append(right - left)
    # cos 1.1 = 0.45 is the narrowest that a plate of 1 : 2 becomes
    assert 0.2 < min(ratios) < 0.3
    assert 0.45 < max(ratios) < 0.53
    # now the right side is nearer, now the left
    assert min(sides) < -1
    assert max(sides) > 1


def test_light():
    rng = np.random.default_rng(0)
    image = np.full((20, 20, 3), (40, 80, 160), np.float32)
    lit = [light_on(rng, image) for _ in range(50)]
    assert all(one.min() >= 0 and one.max() <= 255 for one in lit)
    assert (image == (40, 80, 160)).all()
    means = np.array([one.mean((0, 1)) for one in lit])
    assert (means[:, 2] > means[:, 0]).mean() > 0.95  # it stays what it was
    assert means[:, 2].std() > 10


def test_pictures_are_read_by_label(tmp_path):
    for label, count in {'b': 2, 'a': 1}.items():
        (tmp_path / label).mkdir()
        for k in range(count):
            cv2.imwrite(str(tmp_path / label / f'{k}.png'), red_disc())
    (tmp_path / 'a' / 'notes.txt').write_text('not a picture')
    pictures = read_sign_pictures(tmp_path, ('b', 'c', 'a'))
    assert [picture.class_id for picture in pictures] == [2, 0, 0]
    assert np.array_equal(pictures[0].image, red_disc())


@pytest.mark.parametrize(('label', 'picture', 'message'), [
    (None, None, 'there are no pictures'),
    ('z', red_disc(), "'z' is none of the labels"),
    ('a', red_disc()[..., :3], '8 bits a channel, opacity among them'),
    ('a', red_disc().astype(np.uint16), '8 bits a channel, opacity among them'),
    ('a', b'no picture', '8 bits a channel, opacity among them'),
])
def test_what_is_no_picture_is_named(tmp_path, label, picture, message):
    if label:
        (tmp_path / label).mkdir()
        path = tmp_path / label / 'sign.png'
        if isinstance(picture, bytes):
            path.write_bytes(picture)
        else:
            cv2.imwrite(str(path), picture)
    with pytest.raises(DataError, match=message):
        read_sign_pictures(tmp_path, ('a', 'b'))
