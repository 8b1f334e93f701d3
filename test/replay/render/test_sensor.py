# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

from tsr_ros.replay.render.glare import add_glare
from tsr_ros.replay.render.rain import add_rain
from tsr_ros.replay.render.sensor import encode_jpeg, encode_srgb, expose, tone_curve


def picture(height=90, width=160):
    return np.random.default_rng(1).integers(0, 255, (height, width, 3), np.uint8)


@pytest.mark.parametrize(('linear', 'expected'), [
    (0, 0), (0.003, 0.03876), (0.0031308, 0.04045), (0.214041, 0.5), (1, 1)])
def test_srgb(linear, expected):  # values of IEC 61966-2-1
    assert encode_srgb(np.array(linear)) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(('linear', 'expected'), [
    (0, 0), (0.18, 0.2671), (1, 0.8038), (1000, 1)])
def test_tone_curve(linear, expected):
    assert tone_curve(np.array(linear, float)) == pytest.approx(expected, abs=1e-3)


def test_brighter_light_is_never_darker():
    shown = tone_curve(np.logspace(-4, 3, 200))
    assert (np.diff(shown) >= 0).all()


@pytest.mark.parametrize('night', [False, True])
def test_noise_grows_with_light_and_its_share_falls(night):
    deviations = []
    for level in (0.02, 0.2):
        light = np.full((120, 120, 3), level, np.float32)
        shown = expose(light, 1.0, (1, 1, 1), np.random.default_rng(0), night)
        deviations.append(shown[40:80, 40:80].std() / shown[40:80, 40:80].mean())
    assert deviations[0] > deviations[1] > 0


def test_night_is_noisier_than_day():
    light = np.full((120, 120, 3), 0.05, np.float32)
    day, night = (expose(light, 2.0, (1, 1, 1), np.random.default_rng(0), night).std()
                  for night in (False, True))
    assert night > day


def test_expose_gives_bgr():
    light = np.zeros((40, 40, 3), np.float32)
    light[..., 0] = 0.8  # red
    shown = expose(light, 1.0, (1, 1, 1), np.random.default_rng(0), False)
    assert shown[20, 20, 2] > 150 > 60 > shown[20, 20, 0]


@pytest.mark.parametrize('max_bytes', [None, 30_000, 9_000, 6_000])
def test_jpeg_size(max_bytes):
    data = encode_jpeg(picture(), 90, max_bytes)
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape == (90, 160, 3)
    assert max_bytes is None or len(data) <= max_bytes


def test_jpeg_takes_the_best_quality_that_fits():
    sizes = {quality: len(encode_jpeg(picture(), quality)) for quality in (40, 41, 42)}
    assert len(encode_jpeg(picture(), 90, sizes[41])) == sizes[41]
    assert len(encode_jpeg(picture(), 90, sizes[42] - 1)) == sizes[41]


def test_jpeg_of_the_lowest_quality_where_nothing_fits():
    assert encode_jpeg(picture(), 90, 10) == encode_jpeg(picture(), 20)


def test_glare_spreads_light_and_keeps_its_sum():
    light = np.zeros((540, 960, 3), np.float32)
    light[270, 480] = 1000
    spread = add_glare(light, 0.1)
    assert spread.sum() == pytest.approx(light.sum(), rel=0.01)
    assert spread[270, 480, 0] == pytest.approx(900, rel=0.05)
    assert 0 < spread[270, 580, 0] < spread[270, 490, 0]


def test_rain_is_the_same_for_the_same_seed_and_bright_over_the_dark():
    light = np.full((270, 480, 3), 0.001, np.float32)
    first, again, other = (add_rain(light, np.random.default_rng(seed), True)
                           for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert first.max() > 0.002
    assert np.median(first) == pytest.approx(0.001, rel=0.05)
