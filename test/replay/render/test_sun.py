# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest

from tsr_ros.replay.render.sun import SUNS, Sun
from tsr_ros.replay.render.sun_glare import add_sun, veiling_light

# an upright camera that looks along +Y
CAMERA = {'location': [3.0, 20.0, 1.3], 'rotation': [math.pi / 2, 0.0, 0.0]}
WHITE = Sun(0, 0, 1, 2.0, (1, 1, 1))


def seen(sun, depth_m=np.inf):
    depth = np.full((181, 321), depth_m, np.float32)
    return add_sun(np.zeros((181, 321, 3), np.float32), depth, sun, CAMERA, 256)


@pytest.mark.parametrize(('irradiance', 'angle_deg', 'expected'), [
    (0, 5, 0), (3.6, 1, 36), (3.6, 6, 1), (3.6, 12, 0.25), (3.6, 0.1, 36),
])
def test_veiling_light(irradiance, angle_deg, expected):
    assert veiling_light(irradiance, angle_deg) == pytest.approx(expected)


@pytest.mark.parametrize(('elevation_deg', 'azimuth_deg', 'expected'), [
    (0, 0, (0, 1, 0)), (90, 0, (0, 0, 1)), (0, 90, (1, 0, 0)), (30, 0, (0, 0.8660, 0.5)),
])
def test_direction(elevation_deg, azimuth_deg, expected):
    sun = Sun(elevation_deg, azimuth_deg, 1, 1, (1, 1, 1))
    assert sun.direction == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(('elevation_deg', 'azimuth_deg', 'row', 'column'), [
    (0, 0, 90, 160),
    (7, 12, 90 - 32, 160 + 54),    # 256 tan 7 / cos 12 = 32.1; 256 tan 12 = 54.4
    (5, -20, 90 - 24, 160 - 93),   # 256 tan 5 / cos 20 = 23.8; 256 tan 20 = 93.2
])
def test_the_disc_is_where_the_sun_stands(elevation_deg, azimuth_deg, row, column):
    light = seen(Sun(elevation_deg, azimuth_deg, 1, 2.0, (1, 1, 1)))[..., 0]
    brightest = np.unravel_index(light.argmax(), light.shape)
    assert brightest == pytest.approx((row, column), abs=1)


def test_the_disc_holds_all_of_the_suns_light():
    light = seen(WHITE)[..., 0]
    disc = light > 1000
    # irradiance 2 = sum of light by the solid angle of a pixel, 1 / 256^2
    assert light[disc].sum() / 256**2 == pytest.approx(2, rel=0.01)


def test_what_hides_the_sun_takes_its_veil_away():
    assert seen(WHITE)[90, 240, 0] > 0.01
    assert seen(WHITE, depth_m=50).max() == 0


def test_a_sun_behind_does_nothing_and_one_outside_only_veils():
    assert seen(SUNS['day']).max() == 0   # azimuth 140
    beside = seen(Sun(0, 50, 1, 2.0, (1, 1, 1)))[..., 0]
    assert 0 < beside.max() < 0.1
    assert beside[90, 320] > beside[90, 0]
