# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from tsr_ros.training import camera, conditions, weather
from tsr_ros.training.geometry import Sample
from tsr_ros.training.light import spread, to_linear, to_srgb

NO_BOXES = np.zeros((0, 4))


def flat_road(shape, boxes=NO_BOXES, horizon=20.0, focal_px=50.0, beyond_m=100.0):
    return weather.Road(horizon, focal_px, beyond_m, boxes, boxes)


def grey(level=0.2, shape=(64, 96)):
    return np.full((*shape, 3), level, np.float32)


def test_light_and_pixels():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, 2)
    assert np.array_equal(to_srgb(to_linear(levels)), levels)
    assert to_linear(levels)[7, 15, 0] == pytest.approx(0.2122, abs=1e-4)  # of 127
    assert to_srgb(grey(7.0)).min() == 255
    assert to_srgb(grey(-1.0)).max() == 0


@pytest.mark.parametrize('sigma_px', [0.8, 5, 20])
def test_spread_keeps_the_light(sigma_px):
    light = np.zeros((128, 128, 3), np.float32)
    light[60:68, 60:68] = 9
    result = spread(light, sigma_px)
    assert result.sum() == pytest.approx(light.sum(), rel=0.05)
    assert result.max() < 9.001


def test_bloom_keeps_the_light_and_falls_with_distance():
    light = np.zeros((200, 200, 3), np.float32)
    light[100, 100] = 100
    result = camera.scatter(light, 0.3)
    assert result.sum() == pytest.approx(300, rel=0.05)
    assert result[100, 100, 0] == pytest.approx(70, abs=25)
    around = result[100, [102, 106, 112, 125], 0]
    assert (np.diff(around) < 0).all()
    assert around[-1] > 0


def test_fog_follows_koschmieder():
    light, air = grey(0.2), np.full(3, 0.8, np.float32)
    # at the distance of visibility, 2 % of the contrast is left
    depth = np.full((64, 96), 150, np.float32)
    result = weather.veil(light, depth, weather.KOSCHMIEDER / 150, air)
    assert (0.8 - result) / (0.8 - 0.2) == pytest.approx(0.02, abs=1e-4)
    assert weather.veil(light, depth * 0, 1.0, air) == pytest.approx(light)


def test_depth_of_a_road():
    boxes = np.array([[48, 12, 10, 10], [80, 40, 20, 20]], float)
    depth = weather.depth_m(flat_road((64, 96), boxes), (64, 96))
    # focal length 50, camera 1.4 m up: row 27.5, 7.5 rows below the horizon, is 9.33 m away
    assert depth[27, 3] == pytest.approx(50 * 1.4 / 7.5, rel=0.02)
    assert depth[3, 3] == 100
    # a sign of 0.75 m that spans 10 pixels is 3.75 m away
    assert depth[12, 48] == pytest.approx(3.75, rel=0.02)
    assert (np.diff(depth[20:, 3]) <= 1e-4).all()


def test_near_signs_stand_out_in_fog():
    boxes = np.array([[48, 12, 10, 10]], float)
    light = grey(0.05)
    result = weather.add_fog(np.random.default_rng(0), light, flat_road((64, 96), boxes))
    assert result[12, 48].mean() < result[3, 3].mean() - 0.1


def test_wet_roads_mirror_most_where_they_are_far():
    light = grey(0.2)
    light[:20] = 1.0
    result = weather.wet_road(light, flat_road((64, 96)))
    assert np.array_equal(result[:20], light[:20])
    assert result[22, 50, 0] > result[40, 50, 0]
    assert result[60, 50, 0] < 0.2  # near the car it is only darker


def test_wet_roads_leave_signs_alone():
    boxes = np.array([[48, 45, 20, 20]], float)
    light = grey(0.4)
    result = weather.wet_road(light, flat_road((64, 96), boxes))
    assert result[45, 48] == pytest.approx(light[45, 48], abs=1e-3)


def test_night_leaves_signs_brighter_than_their_surroundings():
    boxes = np.array([[30, 12, 12, 12]], float)
    for seed in range(5):
        light = grey(0.3)
        road = flat_road((64, 96), boxes)
        dark = weather.fall_night(np.random.default_rng(seed), light, road)
        assert dark[12, 30].mean() > 1.2 * np.median(dark[:10].mean(2))
        assert np.median(dark[:10]) < 0.08


def test_the_sun_veils_most_near_itself():
    rng = np.random.default_rng(3)
    result = weather.lower_sun(rng, grey(0.05, (96, 128)), flat_road((96, 128), horizon=60.0))
    columns = result[:10].mean((0, 2))
    assert columns.max() > 1.5 * columns.min()
    assert result.clip(0, 1.5).mean() <= 0.4


def test_motion_blur_keeps_the_light():
    for length in (1.0, 2.5, 4.2, 9.0):
        for angle in (0, 0.7, np.pi / 2):
            kernel = camera.motion_kernel(length, angle)
            assert kernel.sum() == pytest.approx(1)
            y, x = np.nonzero(kernel > 0.02 * kernel.max())
            assert max(np.ptp(x), np.ptp(y)) == pytest.approx(
                (length - 1) * max(np.cos(angle), np.sin(angle)), abs=1.6)


@pytest.mark.parametrize('level', [0.0, 0.05, 0.5])
def test_noise_follows_the_sensor_model(level):
    # EMVA 1288: variance of the signal = signal / full well + (read noise / full well)^2
    light = grey(level, (200, 200))
    result = camera.expose(np.random.default_rng(0), light.copy(), 1000, 5.0, gain=2.0)
    assert result.mean() == pytest.approx(2 * level, abs=2e-3)
    deviation = 2 * np.sqrt(level / 1000 + (5 / 1000) ** 2)
    assert result.std() == pytest.approx(deviation, rel=0.03)


@pytest.mark.parametrize('effect', [
    weather.add_fog, weather.add_rain, weather.fall_night, weather.lower_sun])
@pytest.mark.parametrize('shape', [(32, 32), (64, 96), (160, 160)])
def test_every_weather_repeats_and_stays_finite(effect, shape):
    boxes = np.array([[48, 30, 20, 20], [3, 3, 9, 9], [60, 60, 1, 2]], float)
    source = np.random.default_rng(7).random((*shape, 3)).astype(np.float32)
    before = source.copy()
    for seed in range(6):
        first, second = (
            effect(rng, source, weather.imagine_road(rng, shape, boxes))
            for rng in (np.random.default_rng(seed), np.random.default_rng(seed)))
        assert np.array_equal(first, second)
    assert np.array_equal(source, before)
    assert np.isfinite(first).all()
    assert first.dtype == np.float32
    assert not np.array_equal(first, source)


def sample(boxes=((20, 30, 16, 16),)):
    image = np.random.default_rng(1).integers(0, 256, (64, 96, 3)).astype(np.uint8)
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return Sample(image, np.zeros(len(boxes), int), boxes, np.ones(1, bool))


@pytest.mark.parametrize('boxes', [(), ((20, 30, 16, 16),)])
def test_conditions_change_nothing_but_pixels(boxes):
    source, changed = sample(boxes), 0
    for seed in range(60):
        result = conditions.vary(np.random.default_rng(seed), source, factor=2.0)
        assert result.image.shape == source.image.shape
        assert result.image.dtype == np.uint8
        assert result.boxes is source.boxes
        again = conditions.vary(np.random.default_rng(seed), source, factor=2.0)
        assert np.array_equal(again.image, result.image)
        changed += not np.array_equal(result.image, source.image)
    assert changed > 50


def test_no_conditions_at_factor_0():
    source = sample()
    for seed in range(20):
        assert conditions.vary(np.random.default_rng(seed), source, 0.0) is source
