# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from tsr_ros.training.drawings import Drawing, blend, put_in
from tsr_ros.training.geometry import Sample


def drawing_of(width=20, height=30, shine=0.0):
    """Return a grey plate with a margin of two pixels, the middle of which may shine."""
    alpha = np.zeros((height + 4, width + 4), np.float32)
    alpha[2:-2, 2:-2] = 1
    image = np.full((*alpha.shape, 3), 90, np.float32)
    shining = np.zeros_like(image)
    shining[height // 2 : height // 2 + 4, width // 2 : width // 2 + 4] = shine
    box = (width / 2 + 2, height / 2 + 2, width, height)
    return Drawing(image, shining, alpha, np.array([box], np.float32), 1)


def sample_of(grey, height=160, width=240):
    return Sample(np.full((height, width, 3), grey, np.uint8), np.array([0]),
                  np.array([[60, 60, 30, 30]], np.float32), np.ones(2, bool))


def test_drawings_are_put_where_nothing_is():
    rng = np.random.default_rng(0)
    empty = sample_of(200)
    result = put_in(rng, empty, drawing_of, 12)
    assert len(result.boxes) > 6
    assert result.class_id.tolist() == [0] + [1] * (len(result.boxes) - 1)
    assert result.boxes.dtype == np.float32
    assert (empty.image == 200).all()  # the source stays
    assert (result.image[45:75, 45:75] == 200).all()  # and so does what was an object
    low, high = (result.boxes[:, :2] + sign * result.boxes[:, 2:] / 2 for sign in (-1, 1))
    assert low.min() >= 0
    assert (high <= (240, 160)).all()
    for k, (x, y, w, h) in enumerate(result.boxes):
        for other in result.boxes[:k]:
            assert not (np.abs(other[:2] - (x, y)) < np.add(other[2:], (w, h)) / 2).all()
        if k:  # drawn inside of the box, and not half a box beside it
            assert (result.image[round(y - h / 4):round(y + h / 4), round(x)] != 200).all()


def test_an_image_that_is_too_small_stays():
    tiny = sample_of(128, 8, 8)
    result = put_in(np.random.default_rng(0), tiny, drawing_of, 5)
    assert (result.image == 128).all()
    assert result.class_id.tolist() == [0]


@pytest.mark.parametrize('seed', range(4))
def test_a_drawing_is_darker_in_the_dark(seed):
    drawing, means = drawing_of(), []
    for grey in (20, 200):
        area = np.full(drawing.image.shape, grey, np.uint8)
        mixed = blend(np.random.default_rng(seed), area, drawing)
        assert (area == grey).all()
        assert np.abs(mixed[0, 0].astype(int) - grey).max() <= 1  # two pixels away
        means.append(mixed[8:-8, 8:-8].mean())
    # 0.3 + 1.3 x brightness, as far as the haze leaves of it
    assert means[0] < 0.75 * means[1]


def test_what_shines_lights_up_its_surroundings():
    dark, bright = drawing_of(), drawing_of(shine=250.0)
    night = np.full(dark.image.shape, 10, np.uint8)
    difference = (blend(np.random.default_rng(1), night, bright).astype(int)
                  - blend(np.random.default_rng(1), night, dark))
    assert difference.min() >= 0
    assert difference[16:18, 13:15].mean() > 100
    assert difference[12, 14].any()  # beside the lamp


@pytest.mark.parametrize(('grey', 'shine', 'must_shine', 'is_drawn'), [
    (30, 0.0, True, False),
    (30, 250.0, True, True),
    (30, 0.0, False, True),
    (200, 0.0, True, True),
])
def test_in_the_dark_only_what_shines_is_drawn_of_what_must(grey, shine, must_shine, is_drawn):
    def draw():
        return drawing_of(shine=shine)._replace(must_shine=must_shine)

    result = put_in(np.random.default_rng(0), sample_of(grey), draw, 12)
    assert (len(result.boxes) > 1) == is_drawn
    assert (result.image != grey).any() == is_drawn
