# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the air, the lens and the exposure are like in each weather and light."""

from __future__ import annotations

from typing import NamedTuple

from tsr_ros.replay.render.scene import Scene


class Atmosphere(NamedTuple):
    """Numbers that `develop` needs; colours are linear RGB in the renderer's units."""

    visibility_m: float
    air_light: tuple[float, float, float]
    sky_layer_m: float | None
    halo: float
    glare: float
    key: float
    max_gain: float
    white_balance: tuple[float, float, float]


_DAYLIGHT = (1.0, 1.0, 1.0)
_WARM = (1.06, 1.0, 0.93)
_LAMPLIGHT = (1.0, 1.0, 1.12)
_ATMOSPHERES = {
    ('day', 'clear'): Atmosphere(16_000, (0.56, 0.65, 0.77), None, 0, 0.05, 0.20, 8, _WARM),
    ('day', 'rain'): Atmosphere(900, (0.38, 0.40, 0.42), 250, 0, 0.12, 0.20, 8, _DAYLIGHT),
    ('day', 'fog'): Atmosphere(90, (0.40, 0.42, 0.44), 120, 0, 0.10, 0.30, 8, _DAYLIGHT),
    ('day', 'snow'): Atmosphere(600, (0.50, 0.52, 0.55), 250, 0, 0.08, 0.34, 8, _DAYLIGHT),
    ('low_sun', 'clear'): Atmosphere(5_000, (1.0, 0.75, 0.5), None, 0, 0.10, 0.20, 8, _WARM),
    ('night', 'clear'): Atmosphere(4_000, (5e-4, 5e-4, 5e-4), None, 0.15, 0.07, 0.05, 22,
                                   _LAMPLIGHT),
    ('night', 'rain'): Atmosphere(700, (5e-3, 4.5e-3, 5e-3), 250, 0.35, 0.10, 0.05, 22,
                                  _LAMPLIGHT),
    ('night', 'fog'): Atmosphere(110, (0.010, 0.009, 0.008), 120, 0.9, 0.08, 0.05, 22,
                                 _LAMPLIGHT),
}


def atmosphere_of(scene: Scene) -> Atmosphere:
    """Return the scene's atmosphere; a low sun behind rain, fog or snow is an overcast day."""
    time_of_day = scene.time_of_day
    if time_of_day == 'low_sun' and scene.is_overcast:
        time_of_day = 'day'
    atmosphere = _ATMOSPHERES[time_of_day, scene.weather]
    if scene.visibility_m is not None:
        atmosphere = atmosphere._replace(visibility_m=scene.visibility_m)
    return atmosphere
