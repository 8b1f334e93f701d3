# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest

from tsr_ros.replay.render.road import Road


@pytest.mark.parametrize('seed', [1, 58, 2**31 - 1])
def test_directions_are_the_slopes_of_the_centre_line(seed):
    road = Road(seed)
    for along in (-20.0, 0.0, 33.3, 140.0):
        (x0, z0), (x1, z1) = road.centre(along - 0.01), road.centre(along + 0.01)
        assert road.heading(along) == pytest.approx(math.atan2(x1 - x0, 0.02), abs=1e-5)
        length = math.hypot(x1 - x0, 0.02)
        assert road.slope(along) == pytest.approx(math.atan2(z1 - z0, length), abs=1e-4)


@pytest.mark.parametrize('across', [-3.5, 0.0, 5.3])
def test_points_lie_across_the_direction_of_travel(across):
    road = Road(58)
    centre, beside = np.array(road.point(50)), np.array(road.point(50, across, 1.5))
    offset = beside - centre
    assert math.hypot(*offset[:2]) == pytest.approx(abs(across))
    travel = [math.sin(road.heading(50)), math.cos(road.heading(50))]
    assert offset[:2] @ travel == pytest.approx(0, abs=1e-9)
    assert offset[2] == pytest.approx(1.5)


@pytest.mark.parametrize('distance_m', [0, 0.5, 100, -60])
def test_advance_is_measured_on_the_road(distance_m):
    road = Road(58)
    end = road.advance(20.0, distance_m)
    steps = np.linspace(20.0, end, 2001)
    places = np.array([road.centre(along)[0] for along in steps])
    travelled = np.hypot(np.diff(places), np.diff(steps)).sum()
    assert math.copysign(travelled, distance_m) == pytest.approx(distance_m, rel=2e-3)


def test_seeds_make_roads():
    assert Road(1).point(80) == Road(1).point(80)
    assert Road(1).point(80) != Road(2).point(80)
