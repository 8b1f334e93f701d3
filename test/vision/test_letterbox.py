# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

from tsr_ros.vision.letterbox import GREY, Letterbox, letterbox, letterbox_geometry


@pytest.mark.parametrize(('source_wh', 'input_wh', 'resized_wh', 'left', 'top'), [
    ((1, 1), (640, 640), (640, 640), 0, 0),
    ((1280, 720), (640, 640), (640, 360), 0, 140),
    ((720, 1280), (640, 640), (360, 640), 140, 0),
    ((640, 640), (640, 640), (640, 640), 0, 0),
    ((300, 400), (640, 640), (480, 640), 80, 0),
    ((1920, 1080), (640, 384), (640, 360), 0, 12),
    ((10000, 1), (640, 640), (640, 1), 0, 319),
])
def test_geometry(source_wh, input_wh, resized_wh, left, top):
    geometry = letterbox_geometry(source_wh, input_wh)
    assert geometry == (source_wh, resized_wh, left, top)


@pytest.mark.parametrize(('xyxy', 'expected'), [
    (np.zeros((0, 4)), np.zeros((0, 4))),
    ([[0, 140, 640, 500]], [[0, 0, 1280, 720]]),
    ([[10, 150, 20, 170]], [[20, 20, 40, 60]]),
    ([[-10, 100, 700, 600]], [[0, 0, 1280, 720]]),
])
def test_to_source(xyxy, expected):
    geometry = letterbox_geometry((1280, 720), (640, 640))
    np.testing.assert_array_equal(geometry.to_source(np.array(xyxy, np.float32)), expected)


def test_to_input_is_the_inverse_of_to_source():
    geometry = letterbox_geometry((1023, 577), (640, 384))
    xyxy = np.array([[0, 0, 1023, 577], [3, 5, 700, 400]], np.float32)
    np.testing.assert_allclose(geometry.to_source(geometry.to_input(xyxy)), xyxy, atol=1e-3)


def test_a_rectangle_comes_back_where_it_was():
    image = np.zeros((480, 700, 3), np.uint8)
    cv2.rectangle(image, (200, 100), (339, 219), (255, 255, 255), cv2.FILLED)
    batch, geometry = letterbox(image, (320, 256))
    ys, xs = np.nonzero(batch[geometry.top:geometry.top + geometry.resized_wh[1], :, 0] > 127)
    found = np.array([[xs.min(), ys.min() + geometry.top,
                       xs.max() + 1, ys.max() + 1 + geometry.top]], np.float32)
    # one pixel of the input is 2.2 of the source
    np.testing.assert_allclose(geometry.to_source(found), [[200, 100, 340, 220]], atol=1.2)


def test_the_buffer_is_reused_and_its_padding_renewed():
    fit = Letterbox((64, 64))
    wide, _ = fit(np.full((32, 64, 3), 200, np.uint8))
    assert wide.shape == (1, 64, 64, 3)
    assert (wide[0, :16] == GREY).all()
    assert (wide[0, 16:48] == 200).all()
    tall, geometry = fit(np.full((128, 64, 3), 50, np.uint8))
    assert tall is wide
    assert geometry.left == 16
    assert (tall[0, :, :16] == GREY).all()
    assert (tall[0, :, 16:48] == 50).all()
    assert (tall[0, :, 48:] == GREY).all()


def test_rows_with_padding_and_read_only_memory_are_taken():
    padded = np.arange(40 * 70 * 3, dtype=np.uint8).reshape(40, 70, 3)
    padded.flags.writeable = False
    view = padded[:, :50]
    expected, _ = letterbox(np.array(view), (32, 32))
    result, _ = Letterbox((32, 32))(view)
    np.testing.assert_array_equal(result[0], expected)
