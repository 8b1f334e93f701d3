# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from tsr_ros.evaluation.gallery import SIDE, View, crop, view_around


@pytest.mark.parametrize(('xyxy', 'resolution_wh', 'expected'), [
    ((450, 350, 550, 450), (1000, 800), View(350, 250, 300)),   # three widths around the middle
    ((500, 400, 501, 401), (1000, 800), View(468, 368, 64)),    # not less than 64 pixels
    ((0, 0, 100, 50), (1000, 800), View(0, 0, 300)),            # moved into the image
    ((950, 750, 1000, 800), (1000, 800), View(850, 650, 150)),
    ((100, 100, 500, 500), (1000, 800), View(0, 0, 800)),       # not more than the image
    ((0, 0, 1000, 800), (1000, 800), View(-100, -200, 1200)),   # but a little around the box
    ((2, 2, 8, 8), (10, 10), View(-27, -27, 64)),
])
def test_view_around(xyxy, resolution_wh, expected):
    view = view_around(np.array(xyxy, float), resolution_wh)
    assert view == expected
    left, top = np.array(xyxy[:2]) - view[:2]
    right, bottom = np.array(xyxy[2:]) - view[:2]
    assert min(left, top) >= 0
    assert max(right, bottom) <= view.side


@pytest.mark.parametrize(('view', 'white'), [
    (View(0, 0, 64), 1), (View(20, 10, 20), 1), (View(-64, 0, 128), 1 / 4), (View(64, 0, 10), 0),
])
def test_crop(view, white):
    picture = crop(np.full((64, 64, 3), 255, np.uint8), view)
    assert picture.shape == (SIDE, SIDE, 3)
    assert np.mean(picture > 200) == pytest.approx(white, abs=0.01)
