# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a sun in view does to the picture: its disc, and the veil of scattered light."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tsr_ros.replay.render.fog import SKY_M
from tsr_ros.replay.render.projection import to_camera
from tsr_ros.replay.render.sun import Sun

_RADIUS = math.radians(0.27)
_NEAREST_DEG = 1.0       # the formula's range begins here


def veiling_light(irradiance: np.ndarray | float, angle_deg: np.ndarray) -> np.ndarray:
    """Return the light that a glaring source spreads over the view, L = 10 E / angle^2.

    J. Holladay (1926), W. Stiles (1929), CIE 146:2002: of the eye, from 1 degree on; windscreen
    and lens scatter alike.
    """
    return 10.0 * irradiance / np.maximum(angle_deg, _NEAREST_DEG) ** 2


def add_sun(linear: np.ndarray, depth_m: np.ndarray, sun: Sun, camera: dict[str, Any],
            focal_px: float) -> np.ndarray:
    """Return a linear picture (H, W, 3) with the sun's disc where the sky is and its veil.

    The veil weakens by the part of the disc that something hides; a sun outside the picture is
    taken to shine freely, one behind the camera does nothing.
    """
    height, width = linear.shape[:2]
    place = np.add(camera['location'], sun.direction)
    x, y, z = to_camera(place, camera['location'], camera['rotation'])[0]
    if z <= 0:
        return linear
    right = (np.arange(width, dtype=np.float32) + 0.5 - width / 2) / focal_px
    down = ((np.arange(height, dtype=np.float32) + 0.5 - height / 2) / focal_px)[:, None]
    along = (right * x + down * y + z) / np.sqrt(right**2 + down**2 + 1)
    angle = np.arccos(np.clip(along, -1, 1))
    # at least one pixel, however coarse they are
    disc = angle <= max(_RADIUS, 0.75 / focal_px)
    free = 1.0
    light = linear
    colour = np.asarray(sun.colour, np.float32)
    if disc.any():
        visible = disc & (depth_m > SKY_M)
        free = visible.sum() / disc.sum()
        # irradiance E over the disc's solid angle, which is pixels / focal length squared
        light = linear + visible[..., None] * colour * np.float32(
            sun.energy * focal_px**2 / disc.sum())
    veil = veiling_light(sun.energy * free * z, np.degrees(angle))[..., None]
    return (light + veil * colour).astype(np.float32)
