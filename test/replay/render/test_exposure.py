# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest

from tsr_ros.replay.render.exposure import Exposure, meter


def test_meter_looks_below_the_sky():
    light = np.full((100, 10, 3), 0.25, np.float32)
    light[:30] = 500
    assert meter(light) == pytest.approx(math.log(0.25), abs=1e-3)


@pytest.mark.parametrize(('rgb', 'luminance'), [
    ([1, 0, 0], 0.2126), ([0, 1, 0], 0.7152), ([0, 0, 1], 0.0722)])
def test_meter_weighs_colours_as_bt_709(rgb, luminance):
    light = np.tile(np.array(rgb, np.float32), (10, 10, 1))
    assert meter(light) == pytest.approx(math.log(luminance), abs=2e-3)


@pytest.mark.parametrize(('metered', 'gain'), [
    (math.log(0.2), 1.0), (math.log(0.1), 2.0), (math.log(1e-4), 8.0), (math.log(1e4), 0.05)])
def test_first_frame_is_right_at_once(metered, gain):
    assert Exposure(key=0.2, max_gain=8, rate_hz=10).update(metered) == pytest.approx(gain)


def test_a_step_is_followed_with_a_time_constant_of_two_and_a_half_seconds():
    exposure = Exposure(key=1, max_gain=100, rate_hz=10)
    exposure.update(0.0)
    gains = [exposure.update(-1.0) for _ in range(250)]
    assert math.log(gains[24]) == pytest.approx(1 - math.exp(-1))
    assert math.log(gains[-1]) == pytest.approx(1, abs=1e-3)
    assert gains == sorted(gains)


def test_a_passing_headlamp_hardly_moves_it():
    exposure = Exposure(key=0.05, max_gain=22, rate_hz=10)
    before = exposure.update(math.log(0.01))
    during = exposure.update(math.log(0.02))  # twice the light for a frame
    assert 0.97 < during / before < 1
