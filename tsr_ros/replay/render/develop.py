# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A frame's way from rendered light to a picture: air, glass, lens, sensor, in this order."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tsr_ros.replay.render.atmosphere import atmosphere_of
from tsr_ros.replay.render.exposure import Exposure, meter
from tsr_ros.replay.render.fog import add_fog, path_length, smooth_edges
from tsr_ros.replay.render.glare import add_glare
from tsr_ros.replay.render.projection import focal_length_px
from tsr_ros.replay.render.rain import add_rain
from tsr_ros.replay.render.scene import Scene
from tsr_ros.replay.render.sensor import expose
from tsr_ros.replay.render.snow import add_flakes
from tsr_ros.replay.render.spray import add_spray
from tsr_ros.replay.render.sun import SUNS
from tsr_ros.replay.render.sun_glare import add_sun
from tsr_ros.replay.render.wet_glass import add_drops, add_wiper
from tsr_ros.replay.render.windscreen import Windscreen

_NOISE = 11
_APART = 23  # single views see the windscreen at moments far apart


class LinearFrame(NamedTuple):
    """What the renderer gives for one frame."""

    light: np.ndarray    # (H, W, 3) float32, linear RGB
    depth_m: np.ndarray  # (H, W) float32, infinite at the sky
    index: np.ndarray    # (H, W) uint16, track id of the sign at each pixel, else 0


def read_linear(path: Path) -> LinearFrame:
    """Read a rendered frame; arrays only, nothing in the file is executed."""
    with np.load(path, allow_pickle=False) as arrays:
        return LinearFrame(arrays['light'].astype(np.float32),
                           arrays['depth'].astype(np.float32), arrays['index'])


class Developer:
    """Develops the frames of one drive; only exposure depends on the frames before."""

    def __init__(self, scene: Scene, plan: dict[str, Any]):
        self._scene, self._plan = scene, plan
        self._atmosphere = atmosphere_of(scene)
        self._exposure = Exposure(self._atmosphere.key, self._atmosphere.max_gain, scene.rate_hz)
        self._focal_px = focal_length_px(plan['horizontal_fov_deg'], scene.resolution_wh[0])
        self._windscreen = None
        if scene.weather == 'rain':
            width, height = scene.resolution_wh
            self._windscreen = Windscreen(scene.seed, scene.rate_hz, width / height)

    def follow(self, metered: float) -> None:
        """Take note of a frame that was developed earlier, by its meter reading."""
        self._exposure.update(metered)

    def develop(self, frame: int, linear: LinearFrame,
                continuous: bool = True) -> tuple[np.ndarray, float]:
        """Return the picture (H, W, 3) uint8 BGR and its meter reading.

        :param continuous: False for single views, each exposed for itself
        """
        scene, air = self._scene, self._atmosphere
        rng = np.random.default_rng([scene.seed, frame, _NOISE])
        pose = self._plan['poses'][frame + 1]
        light = linear.light
        if scene.wetness > 0.3 and scene.speed_kmh > 20:
            light = add_spray(light, linear.depth_m, self._plan, pose, rng)
        light = add_fog(light, self._path(linear, pose), air.visibility_m,
                        np.array(air.air_light, np.float32), air.halo)
        if scene.time_of_day == 'low_sun' and not scene.is_overcast:
            light = add_sun(light, linear.depth_m, SUNS['low_sun'], pose['camera'],
                            self._focal_px)
        if scene.weather == 'snow':
            light = add_flakes(light, linear.depth_m, rng, air.visibility_m, self._focal_px,
                               scene.speed_kmh / 3.6,
                               self._plan['shutter_frames'] / scene.rate_hz,
                               np.array(air.air_light, np.float32))
        if scene.weather == 'rain':
            light = add_rain(light, rng, scene.is_night)
        if self._windscreen is not None:
            drops, wiper = self._windscreen.state(frame if continuous else _APART * frame)
            light = add_drops(light, drops)
            if wiper is not None:
                light = add_wiper(light, wiper, self._plan['shutter_frames'] / scene.rate_hz)
        light = add_glare(light, air.glare)
        metered = meter(light)
        if continuous:
            gain = self._exposure.update(metered)
        else:
            gain = Exposure(air.key, air.max_gain, scene.rate_hz).update(metered)
            gain *= float(np.exp(rng.normal(0, 0.2)))
        return expose(light, gain, air.white_balance, rng, scene.is_night), metered

    def _path(self, linear: LinearFrame, pose: dict[str, Any]) -> np.ndarray:
        """Return the metres of air before each pixel."""
        height = self._scene.resolution_wh[1]
        looking_up = pose['camera']['rotation'][0] - np.pi / 2
        horizon_row = height / 2 + np.tan(looking_up) * self._focal_px
        return path_length(smooth_edges(linear.depth_m), self._atmosphere.sky_layer_m,
                           horizon_row, self._focal_px)
