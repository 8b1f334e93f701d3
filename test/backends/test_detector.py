# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
from typing import NamedTuple

import numpy as np
import pytest

from tsr_ros.backends.base import DeviceError
from tsr_ros.backends.detector import Detector, load_detector
from tsr_ros.backends.onnxruntime import OnnxRuntimeBackend


class FakeModelFile(NamedTuple):
    input_wh: tuple = (64, 32)
    labels: tuple = ('a', 'b')
    anchors: tuple = (((8, 8), (16, 16), (4, 4)),)
    strides: tuple = (8,)


class FakeBackend:
    """Finds two boxes of 8 x 8 (a, 0.81 and 0.49), one of 16 x 16 (b, 0.36) over the first."""

    closed = False

    def infer(self, batch):
        assert batch.shape == (1, 32, 64, 3)
        head = np.full((1, 21, 4, 8), -20, np.float32)
        for anchor, score, class_id, column in (0, 0.9, 0, 2), (0, 0.7, 0, 3), (0, 0.6, 1, 2):
            base = 7 * (anchor + class_id)
            value = np.log(score / (1 - score))
            head[0, base:base + 4, 1, column] = 0
            head[0, base + 4, 1, column] = value
            head[0, base + 5 + class_id, 1, column] = value
        return [head]

    def close(self):
        self.closed = True


def detect(**options):
    detector = Detector(FakeBackend(), FakeModelFile(), **options)
    return detector, detector.detect(np.zeros((64, 128, 3), np.uint8))


def test_boxes_come_back_in_source_pixels_best_first():
    detector, found = detect()
    # cell (2, 1) of 8 pixels, its middle, twice as large in the source
    np.testing.assert_allclose(found.xyxy, [[32, 16, 48, 32], [48, 16, 64, 32], [24, 8, 56, 40]])
    np.testing.assert_allclose(found.score, [0.81, 0.49, 0.36], rtol=1e-5)
    np.testing.assert_array_equal(found.class_id, [0, 0, 1])
    assert detector.labels == ['a', 'b']
    assert detector.timings.inference_ms > 0


# In the input the boxes are (16, 8, 24, 16), (24, 8, 32, 16) and (12, 4, 28, 20).
@pytest.mark.parametrize(('resolution_wh', 'xyxy', 'scores'), [
    # between bars of 8 at the top and the bottom: the third is cut
    ((64, 16), [[16, 0, 24, 8], [24, 0, 32, 8], [12, 0, 28, 12]], [0.81, 0.49, 0.36]),
    # between bars of 24 at the sides: the first ends where the image begins
    ((16, 32), [[0, 8, 8, 16], [0, 4, 4, 20]], [0.49, 0.36]),
    # between bars of 28: the first lies wholly in one, the third ends with it
    ((8, 32), [[0, 8, 4, 16]], [0.49]),
])
def test_boxes_are_cut_to_the_image_and_left_out_where_nothing_remains(
        resolution_wh, xyxy, scores):
    width, height = resolution_wh
    found = Detector(FakeBackend(), FakeModelFile()).detect(
        np.zeros((height, width, 3), np.uint8))
    np.testing.assert_allclose(found.xyxy, xyxy, atol=1e-4)
    np.testing.assert_allclose(found.score, scores, rtol=1e-5)
    assert found.class_id.dtype == np.int32
    assert len(found.class_id) == len(scores)


@pytest.mark.parametrize(('options', 'scores'), [
    ({'confidence': 0.5}, [0.81]),
    ({'confidence': 0.9}, []),
    ({'confidence': 0.4, 'class_confidence': {'b': 0.3}}, [0.81, 0.49, 0.36]),
    ({'class_confidence': {'a': 0.6}}, [0.81, 0.36]),
    ({'max_detections': 1}, [0.81]),
    ({'confidence': [0.5, 0.3]}, [0.81, 0.36]),
])
def test_thresholds(options, scores):
    np.testing.assert_allclose(detect(**options)[1].score, scores, rtol=1e-5)


def test_thresholds_change_between_calls():
    detector, _ = detect()
    image = np.zeros((64, 128, 3), np.uint8)
    detector.set_thresholds(0.8)
    assert len(detector.detect(image).score) == 1
    detector.set_thresholds([0.2, 1.0], iou=0.5, max_detections=300)
    assert len(detector.detect(image).score) == 2


@pytest.mark.parametrize('arguments', [
    {'confidence': 1.5}, {'confidence': -0.1}, {'confidence': [0.1, 2]}, {'confidence': [0.1] * 3},
    {'confidence': float('nan')}, {'confidence': 0.5, 'iou': 2},
])
def test_bad_thresholds_are_refused_and_the_old_stay(arguments):
    detector, before = detect()
    with pytest.raises(ValueError):
        detector.set_thresholds(**arguments)
    after = detector.detect(np.zeros((64, 128, 3), np.uint8))
    np.testing.assert_array_equal(after.score, before.score)


@pytest.mark.parametrize('image', [
    np.zeros((64, 128), np.uint8), np.zeros((64, 128, 4), np.uint8), np.zeros((0, 0, 3), np.uint8),
    np.zeros((64, 128, 3), np.float32),
])
def test_what_is_no_image_is_refused(image):
    with pytest.raises(ValueError, match='an image is'):
        detect()[0].detect(image)


def test_closing_closes_the_backend():
    with detect()[0] as detector:
        assert not detector.backend.closed
    assert detector.backend.closed


def test_what_fails_at_the_first_image_is_told_though_closing_fails_too(small_models, monkeypatch):
    def lost(self, *images):
        raise DeviceError('lost while it was closed' if not images else 'lost at an image')
    monkeypatch.setattr(OnnxRuntimeBackend, '_infer', lost)
    monkeypatch.setattr(OnnxRuntimeBackend, '_close', lost)
    with pytest.raises(DeviceError, match='lost at an image'):
        load_detector('small', models_dir=small_models, threads=1)
