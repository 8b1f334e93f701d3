# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Falling snow: flakes in the space before the car, and flakes that stick to signs.

Near flakes are drawn one by one; those farther off are too small and many and are what
`fog.add_fog` makes of the same visibility.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from tsr_ros.replay.render.fog import KOSCHMIEDER

MEAN_DIAMETER_M = 0.003    # of an exponential distribution (K. Gunn, J. Marshall, 1958)
_LARGEST_M = 0.012
_NEAREST_M, _FARTHEST_M = 1.2, 8.0   # from the windscreen to where flakes are half a pixel
_EXTINCTION = 2.0          # of what is far larger than a wavelength (H. van de Hulst, 1957)
_WIND_M_S, _TURBULENCE_M_S = 1.0, 0.4
_APERTURE_M = 0.0018       # 3.6 mm lens at f/2, focused on infinity
_SUBPIXEL_BITS = 4
_MOST_COVERED = 0.25       # of a sign's face


def flakes_per_m3(visibility_m: float) -> float:
    """Return the number N of flakes that leaves a visibility V: 3.912 / V = N Q pi <D^2> / 4.

    With exponential diameters of mean D0, <D^2> = 2 D0^2.
    """
    cross_section_m2 = math.pi / 4 * 2 * MEAN_DIAMETER_M**2
    return KOSCHMIEDER / visibility_m / (_EXTINCTION * cross_section_m2)


def fall_speed(diameter_m: np.ndarray | float) -> np.ndarray | float:
    """Return metres a second: 0.8 D^0.16, D in mm (J. Locatelli, P. Hobbs, 1974, dendrites)."""
    return 0.8 * (1000 * np.asarray(diameter_m)) ** 0.16


def streak_opacity(width_px: np.ndarray | float,
                   length_px: np.ndarray | float) -> np.ndarray | float:
    """Return the part of the exposure for which a disc covers a place on its way.

    The disc's area by that of its streak: (pi/4 w^2) / (pi/4 w^2 + w l).
    """
    return math.pi * width_px / (math.pi * width_px + 4 * np.asarray(length_px))


def add_flakes(linear: np.ndarray, depth_m: np.ndarray, rng: np.random.Generator,
               visibility_m: float, focal_px: float, speed_m_s: float, shutter_s: float,
               flake_light: np.ndarray) -> np.ndarray:
    """Return a linear picture (H, W, 3) with one exposure's flakes, hidden behind what is nearer.

    :param flake_light: (3,) light that a flake scatters, the same as that of the air full of them
    """
    height, width = linear.shape[:2]
    x, y, z, diameter_m = _flakes(rng, visibility_m, width / focal_px, height / focal_px)
    velocity = np.stack([_WIND_M_S + rng.normal(0, _TURBULENCE_M_S, len(z)),
                         fall_speed(diameter_m) + rng.normal(0, _TURBULENCE_M_S, len(z)),
                         np.full(len(z), -speed_m_s)])
    ends = []
    for time_s in (-shutter_s / 2, shutter_s / 2):
        away = z + velocity[2] * time_s
        ends.append(np.stack([width / 2 + focal_px * (x + velocity[0] * time_s) / away,
                              height / 2 + focal_px * (y + velocity[1] * time_s) / away], 1))
    sharp_px = focal_px * diameter_m / z
    width_px = np.hypot(sharp_px, focal_px * _APERTURE_M / z)
    opacity = streak_opacity(width_px, np.linalg.norm(ends[1] - ends[0], axis=1))
    opacity *= (sharp_px / width_px) ** 2 * np.minimum(1, width_px)
    cover = _drawn(ends, z, width_px, opacity, depth_m)[..., None]
    return linear * (1 - cover) + np.asarray(flake_light, np.float32) * cover


def _flakes(rng: np.random.Generator, visibility_m: float, wide: float,
            high: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return x, y, z and diameters in metres, evenly spread in the pyramid that is seen."""
    volume_m3 = wide * high * (_FARTHEST_M**3 - _NEAREST_M**3) / 3
    count = rng.poisson(flakes_per_m3(visibility_m) * volume_m3)
    z = rng.uniform(_NEAREST_M**3, _FARTHEST_M**3, count) ** (1 / 3)
    x = rng.uniform(-0.5, 0.5, count) * wide * z
    y = rng.uniform(-0.5, 0.5, count) * high * z
    return x, y, z, np.minimum(rng.exponential(MEAN_DIAMETER_M, count), _LARGEST_M)


def _drawn(ends: list[np.ndarray], z: np.ndarray, width_px: np.ndarray, opacity: np.ndarray,
           depth_m: np.ndarray) -> np.ndarray:
    """Return the part 0..1 of each pixel that flakes cover, the nearest ones last."""
    height, width = depth_m.shape
    middle = ((ends[0] + ends[1]) / 2).astype(int)
    seen = (z < depth_m[np.clip(middle[:, 1], 0, height - 1), np.clip(middle[:, 0], 0, width - 1)])
    order = np.argsort(-z)
    order = order[seen[order] & (opacity[order] > 0.01)]
    start, end = (np.round(e * 2**_SUBPIXEL_BITS).astype(int).tolist() for e in ends)
    thick = np.maximum(1, np.round(width_px)).astype(int).tolist()
    cover = np.zeros((height, width), np.float32)
    for i in order.tolist():
        cv2.line(cover, start[i], end[i], float(opacity[i]), thick[i], cv2.LINE_AA,
                 _SUBPIXEL_BITS)
    return cv2.GaussianBlur(cover, (0, 0), 0.6)


def stuck_share(seed: int) -> float:
    """Return the part of a sign's face that snow sticks to: some have none, none is hidden."""
    return _MOST_COVERED * float(np.random.default_rng([seed, 31]).random())


def snowed(face_rgb: np.ndarray, seed: int) -> np.ndarray:
    """Return a face (H, W, 3) uint8 with snow stuck to `stuck_share` of it, the lower edge first.

    The same seed gives the same snow.
    """
    rng = np.random.default_rng([seed, 32])
    height, width = face_rgb.shape[:2]
    lumps = sum(cv2.resize(rng.random((cells, cells), dtype=np.float32), (width, height),
                           interpolation=cv2.INTER_CUBIC) * weight
                for cells, weight in ((6, 0.5), (24, 0.3), (80, 0.2)))
    lumps = lumps + 0.5 * np.linspace(0, 1, height, dtype=np.float32)[:, None] ** 3
    level = np.quantile(lumps, 1 - stuck_share(seed))
    snow = np.clip((lumps - level) / 0.04 + 0.5, 0, 1)[..., None]
    white = np.array([232, 236, 242], np.float32)
    return (face_rgb * (1 - snow) + white * snow + 0.5).astype(np.uint8)
