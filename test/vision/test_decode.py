# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest

from tsr_ros.vision.decode import HeadDecoder, logit, sigmoid

ANCHORS = [[[10, 20], [30, 30], [5, 5]], [[40, 50], [60, 60], [7, 7]]]
STRIDES = [8, 16]
CLASSES = 2


def quiet_maps():
    """Two maps of a 64 x 32 input, where nothing is found."""
    return [np.full((21, 4, 8), -10, np.float32), np.full((21, 2, 4), -10, np.float32)]


def place(head, anchor, row, column, values):
    head[anchor * 7:(anchor + 1) * 7, row, column] = values


def decoder():
    return HeadDecoder(ANCHORS, STRIDES, CLASSES)


def test_nothing_found():
    xyxy, score, class_id = decoder()(quiet_maps(), 0.25)
    assert xyxy.shape == (0, 4)
    assert score.shape == class_id.shape == (0,)
    assert (xyxy.dtype, score.dtype, class_id.dtype) == (np.float32, np.float32, np.int32)


def test_values_worked_out_by_hand():
    maps = quiet_maps()
    # t = 0: the middle of the cell, the anchor's size; sigmoid(log 3) = 0.75
    place(maps[0], 0, 2, 5, [0, 0, 0, 0, math.log(3), 0, math.log(3)])
    # 2 * 0.75 - 0.5 = 1, (2 * 0.75)^2 = 2.25
    place(maps[1], 1, 0, 1, [math.log(3), 0, math.log(3), 0, 20, 20, -5])
    xyxy, score, class_id = decoder()(maps, 0.25)
    np.testing.assert_allclose(xyxy, [
        [5.5 * 8 - 5, 2.5 * 8 - 10, 5.5 * 8 + 5, 2.5 * 8 + 10],
        [2 * 16 - 67.5, 0.5 * 16 - 30, 2 * 16 + 67.5, 0.5 * 16 + 30],
    ], rtol=1e-5)
    np.testing.assert_allclose(score, [0.5625, 1], rtol=1e-5)
    np.testing.assert_array_equal(class_id, [1, 0])


def test_the_score_of_a_single_class_is_its_objectness():
    head = np.full((6, 1, 1), -10, np.float32)
    head[4:, 0, 0] = math.log(3), -1
    _, score, class_id = HeadDecoder([[[10, 20]]], [8], 1)([head], 0.7)
    np.testing.assert_allclose(score, [0.75], rtol=1e-5)
    assert class_id.tolist() == [0]


@pytest.mark.parametrize(('thresholds', 'kept'), [
    (0.0, 2), (0.56, 2), (0.57, 1), ([0.9, 0.57], 1), ([0.9, 0.5], 2), ([1.0, 0.5], 1), (1.0, 0),
])
def test_thresholds_of_all_and_of_each_class(thresholds, kept):
    maps = quiet_maps()
    place(maps[0], 0, 2, 5, [0, 0, 0, 0, math.log(3), 0, math.log(3)])  # class 1, 0.5625
    place(maps[1], 1, 0, 1, [0, 0, 0, 0, 3, 8, -5])  # class 0, 0.952
    xyxy, score, _ = decoder()(maps, thresholds)
    if thresholds == 0.0:
        kept = 3 * (4 * 8 + 2 * 4)  # everything
    assert len(xyxy) == len(score) == kept


def test_agrees_with_decoding_every_place():
    rng = np.random.default_rng(3) if hasattr(np.random, 'default_rng') else np.random
    maps = [rng.normal(0, 3, size=(21, 4, 8)).astype(np.float32),
            rng.normal(0, 3, size=(21, 2, 4)).astype(np.float32)]
    expected = []
    for level, head in enumerate(maps):
        for anchor in range(3):
            for row in range(head.shape[1]):
                for column in range(head.shape[2]):
                    p = [1 / (1 + math.exp(-v))
                         for v in head[anchor * 7:(anchor + 1) * 7, row, column].tolist()]
                    best = max(p[5:])
                    if p[4] * best < 0.3:
                        continue
                    x = (2 * p[0] - 0.5 + column) * STRIDES[level]
                    y = (2 * p[1] - 0.5 + row) * STRIDES[level]
                    w = (2 * p[2]) ** 2 * ANCHORS[level][anchor][0]
                    h = (2 * p[3]) ** 2 * ANCHORS[level][anchor][1]
                    expected.append([x - w / 2, y - h / 2, x + w / 2, y + h / 2, p[4] * best,
                                     p[5:].index(best)])
    expected = np.array(expected)
    assert 10 < len(expected) < 100
    xyxy, score, class_id = decoder()(maps, 0.3)
    np.testing.assert_allclose(xyxy, expected[:, :4], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(score, expected[:, 4], rtol=1e-5)
    np.testing.assert_array_equal(class_id, expected[:, 5])


def test_the_best_candidates_are_kept():
    maps = quiet_maps()
    for column in range(8):
        place(maps[0], 2, 1, column, [0, 0, 0, 0, column, 9, 0])
    _, score, _ = decoder()(maps, 0.1, max_candidates=3)
    np.testing.assert_allclose(
        sorted(score), [sigmoid(c) * sigmoid(9) for c in (5, 6, 7)], rtol=1e-5)


def test_not_a_number_is_not_a_box():
    maps = quiet_maps()
    maps[0][:] = np.nan
    assert len(decoder()(maps, 0.25)[0]) == 0
    for part in range(7):
        values = [0.0, 0.0, 0.0, 0.0, 9.0, 9.0, 9.0]
        values[part] = np.nan
        maps = quiet_maps()
        place(maps[0], 2, 1, 1, values)
        assert len(decoder()(maps, 0.25)[0]) == 0


@pytest.mark.parametrize('maps', [
    [np.zeros((18, 4, 8), np.float32)], [np.zeros((1, 21, 4, 8), np.float32)],
])
def test_maps_of_another_model_are_refused(maps):
    with pytest.raises(ValueError, match='2 classes need'):
        decoder()(maps, 0.25)


def test_anchors_must_fit_the_strides():
    with pytest.raises(ValueError, match='anchors'):
        HeadDecoder(ANCHORS, [8, 16, 32], 2)


@pytest.mark.parametrize(('p', 'expected'), [
    (0, -math.inf), (1, math.inf), (0.5, 0), (0.75, math.log(3)),
])
def test_logit(p, expected):
    assert logit(p) == pytest.approx(expected)


def test_sigmoid_does_not_overflow():
    with np.errstate(all='raise'):
        result = sigmoid(np.array([-1000, 0, 1000], np.float32))
    np.testing.assert_allclose(result, [0, 0.5, 1], atol=1e-30)
