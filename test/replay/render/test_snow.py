# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import sys
from pathlib import Path

import numpy as np
import pytest

from tsr_ros.replay.render.drive import render_drive
from tsr_ros.replay.render.plan import make_plan, plan_key
from tsr_ros.replay.render.scene import SceneError, parse_scene
from tsr_ros.replay.render.snow import (
    add_flakes,
    fall_speed,
    flakes_per_m3,
    snowed,
    streak_opacity,
    stuck_share,
)

STAND_IN = [sys.executable, str(Path(__file__).with_name('stand_in.py'))]
DAY = {'name': 'road', 'length_s': 0.2, 'resolution_wh': [320, 180], 'random_signs': 3}


@pytest.mark.parametrize(('visibility_m', 'expected'), [
    # 0.003912 / m by 2 * pi / 4 * 2 * 9e-6 m^2 = 2.8274e-5 m^2
    (1000, 138.36),
    (500, 276.72),
])
def test_flakes_per_m3(visibility_m, expected):
    assert flakes_per_m3(visibility_m) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(('diameter_m', 'expected'), [
    (0.001, 0.8), (0.004, 0.99866), (0.01, 1.15635),  # 0.8 * 4 ** 0.16, 0.8 * 10 ** 0.16
])
def test_fall_speed(diameter_m, expected):
    assert fall_speed(diameter_m) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(('width_px', 'length_px', 'expected'), [
    (3, 0, 1), (4, np.pi, 0.5), (1, 3 * np.pi / 4, 0.25),
])
def test_streak_opacity(width_px, length_px, expected):
    assert streak_opacity(width_px, length_px) == pytest.approx(expected)


def flakes(depth_m, visibility_m=500, speed_m_s=13.9, shutter_s=0.008):
    light = np.zeros((180, 320, 3), np.float32)
    return add_flakes(light, np.full((180, 320), depth_m, np.float32),
                      np.random.default_rng(1), visibility_m, 256, speed_m_s, shutter_s,
                      np.array([0.4, 0.5, 0.6], np.float32))


def test_flakes_have_the_light_of_the_air_and_hide_behind_what_is_nearer():
    assert flakes(1.0).max() == 0
    near, far = flakes(3.0), flakes(100.0)
    assert 0 < near.sum() < far.sum()
    assert (far <= np.array([0.4, 0.5, 0.6]) + 1e-6).all()


def test_flakes_cover_more_the_lower_the_visibility():
    cover = [flakes(100, visibility_m=v).mean() for v in (4000, 2000)]
    assert cover[1] == pytest.approx(2 * cover[0], rel=0.2)


@pytest.mark.parametrize('seed', [0, 1, 7])
def test_snow_sticks_to_a_part_of_a_sign(seed):
    face = np.zeros((128, 128, 3), np.uint8)
    covered = snowed(face, seed)
    np.testing.assert_array_equal(covered, snowed(face, seed))
    assert 0 <= stuck_share(seed) <= 0.25
    assert (covered[..., 0] > 116).mean() == pytest.approx(stuck_share(seed), abs=0.02)


def test_snow_has_light_of_its_own_whatever_the_visibility():
    def key(**values):
        return plan_key(make_plan(parse_scene({**DAY, **values})))

    assert key(weather='snow') != key(weather='rain', road_wetness=0.6)
    assert key(weather='snow') == key(weather='snow', visibility_m=200)


def test_labels_are_dimmed_by_the_snowfall(tmp_path):
    scene = parse_scene({**DAY, 'weather': 'snow', 'visibility_m': 300})
    frames = list(render_drive(scene, tmp_path, 1, command=STAND_IN, progress=False))
    assert len(frames) == 2
    label = frames[0].labels[0]
    assert label.transmission == pytest.approx(0.02 ** (label.distance_m / 300))


def test_no_snow_by_night():
    with pytest.raises(SceneError, match='weather: snow is made by day only'):
        parse_scene({**DAY, 'weather': 'snow', 'time_of_day': 'night'})
