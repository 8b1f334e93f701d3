# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The cloud of fine drops that wheels throw up behind a car on a wet road."""

from __future__ import annotations

from typing import Any

import numpy as np

from tsr_ros.replay.render.blur import blurred
from tsr_ros.replay.render.projection import focal_length_px, project, rotation_matrix, to_camera

_FARTHEST_M = 70.0
_REAR_AXLE_M = -1.4
_PUFFS = 9
_DENSITY = 0.34   # optical depth in the middle of a puff


def add_spray(linear: np.ndarray, depth_m: np.ndarray, plan: dict[str, Any],
              pose: dict[str, Any], rng: np.random.Generator) -> np.ndarray:
    """Return a linear picture (H, W, 3) with spray behind each near car, hidden where it must be.

    The cloud is a trail of puffs, each a Gaussian of optical depth tau; light passes as
    exp(-tau), and the rest is the surroundings' light, scattered.
    """
    height, width = linear.shape[:2]
    focal_px = focal_length_px(plan['horizontal_fov_deg'], width)
    tau = np.zeros((height, width), np.float32)
    for car in pose['cars']:
        matrix = rotation_matrix(car['rotation'])
        for puff in range(_PUFFS):
            behind = 0.4 + puff * rng.uniform(0.6, 0.85)
            size_m = 0.35 + 0.11 * puff
            for side in (-0.75, 0.75):
                spot = [side + rng.normal(0, 0.15), _REAR_AXLE_M - behind, 0.25 + 0.07 * puff]
                place = matrix @ spot + car['location']
                optical = to_camera(place, pose['camera']['location'],
                                    pose['camera']['rotation'])
                distance = float(optical[0, 2])
                if not 2.0 < distance < _FARTHEST_M:
                    continue
                x, y = project(optical, focal_px, (width, height))[0]
                strength = _DENSITY * (1 - puff / _PUFFS) * rng.uniform(0.6, 1.2)
                _add_puff(tau, depth_m, x, y, size_m * focal_px / distance, distance, strength)
    passing = np.exp(-tau)[..., None]
    # lamps shine through the cloud, but do not light all of it
    around = blurred(np.minimum(linear, 4 * linear.mean()), 40 * width / 960)
    return linear * passing + around * 1.05 * (1 - passing)


def _add_puff(tau: np.ndarray, depth_m: np.ndarray, x: float, y: float, sigma_px: float,
              distance_m: float, strength: float) -> None:
    height, width = tau.shape
    reach = 3 * sigma_px
    x0, x1 = max(0, int(x - reach)), min(width, int(x + reach) + 1)
    y0, y1 = max(0, int(y - reach)), min(height, int(y + reach) + 1)
    if x0 >= x1 or y0 >= y1:
        return
    rows, columns = np.mgrid[y0:y1, x0:x1]
    cloud = strength * np.exp(-((columns - x) ** 2 + 1.6 * (rows - y) ** 2) / (2 * sigma_px**2))
    in_front = depth_m[y0:y1, x0:x1] > distance_m - 0.5
    tau[y0:y1, x0:x1] += (cloud * in_front).astype(np.float32)
