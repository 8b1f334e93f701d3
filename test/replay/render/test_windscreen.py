# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest

from tsr_ros.replay.render.wet_glass import add_drops, add_wiper
from tsr_ros.replay.render.windscreen import Drop, Windscreen, Wiper


def angle_of(drop):
    """Return the angle over the horizontal at which the blade meets a drop."""
    return math.atan2(0.80 - drop.y, drop.x - 0.16)


def test_same_seed_same_drops_in_any_order():
    in_order, at_once, back = (Windscreen(3, 10) for _ in range(3))
    states = [in_order.state(frame) for frame in range(25)]
    assert at_once.state(24) == states[24]
    back.state(20)
    assert back.state(5) == states[5]
    assert Windscreen(4, 10).state(24) != states[24]


def test_most_drops_stay_from_one_frame_to_the_next():
    glass = Windscreen(3, 10)
    stayed = wiped = 0
    for frame in range(40):
        (before, _), (after, wiper) = glass.state(frame), glass.state(frame + 1)
        same = len({drop.character for drop in before} & {drop.character for drop in after})
        if wiper is None:
            assert same > 0.8 * len(before)
            stayed += 1
        else:
            wiped += 1
    assert stayed > 10
    assert wiped > 10


def test_the_blade_wipes_what_it_passes():
    glass, cleaned = Windscreen(3, 50), 0
    for frame in range(200):
        before, wiper = glass.state(frame)
        after, next_wiper = glass.state(frame + 1)
        if wiper is None or next_wiper is None:
            continue
        low, high = sorted((wiper.angle, next_wiper.angle))
        passed = {drop.character for drop in before if low < angle_of(drop) < high}
        left = passed & {drop.character for drop in after}
        cleaned += len(passed) - len(left)
        assert len(left) <= max(2, 0.3 * len(passed))
    assert cleaned > 50


def test_the_blade_rests_between_wipes():
    glass = Windscreen(3, 100)
    wipers = [glass.state(frame)[1] for frame in range(190)]  # one round of 1.9 s
    angles = [math.degrees(wiper.angle) for wiper in wipers if wiper is not None]
    assert len(angles) == pytest.approx(85, abs=3)  # of which it moves 0.85 s
    assert min(angles) == pytest.approx(-4, abs=1)
    assert max(angles) == pytest.approx(118, abs=1)


def test_drops_are_of_plausible_size_and_within_the_picture():
    for frame in (0, 30, 77):
        drops, _ = Windscreen(3, 10).state(frame)
        assert 20 < len(drops) < 400
        for drop in drops:
            assert 0.0015 < drop.radius <= 0.014
            assert -0.05 < drop.x < 1.05
            assert -0.05 < drop.y < 9 / 16 + 0.03


def test_touching_drops_become_one_of_their_volume():
    glass = Windscreen(3, 10)
    glass._drops = [Drop(0.5, 0.2, 0.003, 1.0)]
    glass._land(Drop(0.504, 0.2, 0.004, 2.0))
    glass._land(Drop(0.6, 0.2, 0.004, 3.0))
    merged, apart = glass._drops
    assert merged.radius == pytest.approx((0.003**3 + 0.004**3) ** (1 / 3))
    assert (merged.x, apart.x) == (0.5, 0.6)


def test_heavy_drops_run_down_and_light_ones_hold():
    glass = Windscreen(3, 10)
    glass._drops = [Drop(0.3, 0.1, 0.013, 1.0), Drop(0.7, 0.1, 0.004, 2.0)]
    glass._flow(0.5)
    heavy = next(drop for drop in glass._drops if drop.character == 1.0)
    light = next(drop for drop in glass._drops if drop.character == 2.0)
    assert heavy.y > 0.11
    assert light.y == 0.1


def test_glass_without_drops_changes_nothing():
    light = np.random.default_rng(0).random((54, 96, 3), np.float32)
    np.testing.assert_array_equal(add_drops(light, []), light)


def test_a_drop_shows_the_view_upside_down_and_only_where_it_is():
    light = np.zeros((270, 480, 3), np.float32)
    light[:135] = 1  # bright sky, dark road
    seen = add_drops(light, [Drop(0.5, 0.28125, 0.03, 0.0)])  # right on the horizon
    assert seen[127, 240, 0] < 0.4   # upper half of the drop: the road
    assert seen[143, 240, 0] > 0.5   # lower half: the sky
    np.testing.assert_array_equal(seen[:, :200], light[:, :200])


def test_the_blade_is_dark_and_its_smear_wider_and_fainter():
    light = np.ones((540, 960, 3), np.float32)
    slow = add_wiper(light, Wiper((0.16, 0.80), math.radians(50), 0.0), 0.02)
    fast = add_wiper(light, Wiper((0.16, 0.80), math.radians(50), 8.0), 0.02)
    assert slow.min() < 0.3
    assert slow.min() < fast.min() < 0.9
    assert (fast < 0.99).sum() > 1.5 * (slow < 0.99).sum()
    assert slow[50, 900] == pytest.approx(1)
