# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from tsr_ros.replay.render.fog import add_fog, path_length, transmission


@pytest.mark.parametrize(('distance_m', 'visibility_m', 'expected'), [
    (0, 90, 1),
    (90, 90, 0.02),            # Koschmieder: where contrast has fallen to 2 %
    (45, 90, 0.141421),        # sqrt(0.02)
    (180, 90, 0.0004),
    (69.08, 90, 0.049646),     # exp(-3.912 * 69.08 / 90)
    (100, 16_000, 0.975846),   # exp(-0.02445)
    (np.zeros(0), 90, np.zeros(0)),
])
def test_transmission(distance_m, visibility_m, expected):
    np.testing.assert_allclose(transmission(distance_m, visibility_m), expected, rtol=1e-3)


@pytest.mark.parametrize(('layer_m', 'expected'), [
    (None, [0, 0, 30]),
    # a sky pixel 100 rows over the horizon at f = 1000: 50 m / 0.1; at the horizon at most 20 km
    (50, [500, 50 / 0.004, 30]),
])
def test_path_length(layer_m, expected):
    depth_m = np.full((151, 1), np.inf, np.float32)
    depth_m[150] = 30
    path_m = path_length(depth_m, layer_m, horizon_row=100, focal_px=1000)
    np.testing.assert_allclose(path_m[[0, 100, 150], 0], expected, rtol=1e-6)


@pytest.mark.parametrize(('path_m', 'expected'), [
    (0, [1, 0.5, 0]),
    (90, [0.02 + 0.98 * 0.4, 0.01 + 0.98 * 0.4, 0.98 * 0.4]),
    (1e5, [0.4, 0.4, 0.4]),
])
def test_add_fog(path_m, expected):
    light = np.tile(np.array([1, 0.5, 0], np.float32), (20, 30, 1))
    foggy = add_fog(light, np.full((20, 30), path_m, np.float32), 90, np.full(3, 0.4))
    np.testing.assert_allclose(foggy[10, 15], expected, atol=1e-5)


def test_halo_gives_back_a_part_of_what_was_scattered():
    light = np.zeros((300, 960, 3), np.float32)
    light[150, 480] = 1000
    path_m = np.full((300, 960), 110, np.float32)
    plain = add_fog(light, path_m, 110, np.zeros(3))
    with_halo = add_fog(light, path_m, 110, np.zeros(3), halo=0.5)
    assert with_halo[140, 480, 0] > plain[140, 480, 0] == 0
    scattered = 980 * 0.5
    assert (with_halo - plain)[..., 0].sum() == pytest.approx(scattered, rel=0.02)
