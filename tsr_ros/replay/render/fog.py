# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Haze and fog by depth, after Koschmieder's law.

H. Koschmieder, 'Theorie der horizontalen Sichtweite' (1924): I = J t + A (1 - t) with
t = exp(-beta d), where the visibility V is the distance at which contrast falls to 2 %, so that
beta = -ln(0.02) / V = 3.912 / V.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from tsr_ros.replay.render.blur import blurred

KOSCHMIEDER = -math.log(0.02)
SKY_M = 1e5  # the renderer gives the sky a far greater distance
_LONGEST_M = 20_000.0


def transmission(distance_m: np.ndarray | float, visibility_m: float) -> np.ndarray | float:
    """Return t = exp(-3.912 d / V), the part of the light that arrives straight."""
    return np.exp(-KOSCHMIEDER / visibility_m * distance_m)


def path_length(depth_m: np.ndarray, layer_m: float | None, horizon_row: float,
                focal_px: float) -> np.ndarray:
    """Return the metres of air that each pixel looks through, (H, W) float32.

    To objects that is their depth; towards the sky, H / sin(elevation) through a layer `layer_m`
    high, or 0 where it is None (the sky picture then holds its own haze).
    """
    rows = np.arange(depth_m.shape[0], dtype=np.float32)[:, None]
    elevation = np.maximum((horizon_row - rows) / focal_px, 0.004)
    upward = 0.0 if layer_m is None else np.minimum(layer_m / elevation, _LONGEST_M)
    return np.where(depth_m > SKY_M, upward, depth_m).astype(np.float32)


def smooth_edges(depth_m: np.ndarray) -> np.ndarray:
    """Return the distance with near things a pixel wider.

    Distance is sampled once in a pixel, light many times over pixel and exposure; without this,
    thin posts would be dotted lines.
    """
    return cv2.erode(depth_m, np.ones((3, 3), np.uint8))


def add_fog(linear: np.ndarray, path_m: np.ndarray, visibility_m: float, air_light: np.ndarray,
            halo: float = 0.0) -> np.ndarray:
    """Return a linear picture (H, W, 3) seen through fog.

    :param air_light: (3,) the colour of fog of infinite depth
    :param halo: part of the light scattered out of the straight path that returns as a halo round
        its source (multiple scattering; matters at night)
    """
    t = cv2.GaussianBlur(transmission(path_m, visibility_m).astype(np.float32), (0, 0), 0.8)
    t = t[..., None]
    foggy = linear * t + np.asarray(air_light, np.float32) * (1 - t)
    if halo:
        scattered = linear * (1 - t)
        scale = linear.shape[1] / 960
        foggy += halo * (0.6 * blurred(scattered, 14 * scale)
                         + 0.4 * blurred(scattered, 45 * scale))
    return foggy
