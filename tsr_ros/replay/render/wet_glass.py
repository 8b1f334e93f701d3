# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How drops and the wiper look to a camera focused far behind the glass."""

from __future__ import annotations

import math

import cv2
import numpy as np

from tsr_ros.replay.render.blur import blurred
from tsr_ros.replay.render.windscreen import Drop, Wiper

_FIELD = 9.0            # a drop shows a field this many times its own width, upside down
_BLADE_HALF_WIDTH = 0.009
_BLADE_LENGTH = 1.3


def add_drops(linear: np.ndarray, drops: list[Drop]) -> np.ndarray:
    """Return a linear picture (H, W, 3) seen through drops: small, soft, inverted views."""
    height, width = linear.shape[:2]
    source_x, source_y = np.meshgrid(np.arange(width, dtype=np.float32),
                                     np.arange(height, dtype=np.float32))
    cover = np.zeros((height, width), np.float32)
    rim = np.zeros((height, width), np.float32)
    for drop in drops:
        _bend_light(drop, width, height, source_x, source_y, cover, rim)
    softness = max(0.5, 1.1 * width / 960)
    seen = cv2.remap(blurred(linear, 1.6 * width / 960), source_x, source_y, cv2.INTER_LINEAR,
                     borderMode=cv2.BORDER_REFLECT)
    seen *= (1 - 0.5 * cv2.GaussianBlur(rim, (0, 0), softness))[..., None]
    seen = cv2.GaussianBlur(seen, (0, 0), softness)
    cover = cv2.GaussianBlur(cover, (0, 0), softness)[..., None]
    return linear * (1 - cover) + seen * cover


def add_wiper(linear: np.ndarray, wiper: Wiper, shutter_s: float) -> np.ndarray:
    """Return a linear picture with the blade in it: dark, out of focus, smeared by its motion."""
    height, width = linear.shape[:2]
    pivot = np.array(wiper.pivot) * width
    smear = abs(wiper.angle_per_s) * shutter_s / 2
    spread = smear + _BLADE_HALF_WIDTH / 0.6
    corners = [pivot]
    for angle in (wiper.angle - spread, wiper.angle + spread):
        corners.append(pivot + np.array([math.cos(angle), -math.sin(angle)])
                       * _BLADE_LENGTH * width)
    blade = np.zeros((height, width), np.float32)
    cv2.fillPoly(blade, [np.round(np.array(corners) * 16).astype(np.int32)], 1.0, cv2.LINE_AA, 4)
    opacity = 0.96 * _BLADE_HALF_WIDTH / 0.6 / spread
    blade = blurred(blade, 5 * width / 960)[..., None] * opacity
    return linear * (1 - blade) + linear.mean(axis=(0, 1)) * 0.06 * blade


def _bend_light(drop: Drop, width: int, height: int, source_x: np.ndarray, source_y: np.ndarray,
                cover: np.ndarray, rim: np.ndarray) -> None:
    """Enter one drop: where each of its pixels looks, how much it covers, how near its rim."""
    x, y, radius = drop.x * width, drop.y * width, max(drop.radius * width, 0.8)
    reach = 1.5 * radius
    x0, x1 = max(0, int(x - reach)), min(width, int(x + reach) + 2)
    y0, y1 = max(0, int(y - reach)), min(height, int(y + reach) + 2)
    if x0 >= x1 or y0 >= y1:
        return
    here = slice(y0, y1), slice(x0, x1)
    rows, columns = np.mgrid[y0:y1, x0:x1].astype(np.float32)
    stretch = 1.0 + 0.25 * (0.5 + 0.5 * math.sin(3 * drop.character))
    dx, dy = (columns - x) / radius, (rows - y) / (radius * stretch)
    angle = np.arctan2(dy, dx)
    distance = np.hypot(dx, dy) * (1 + 0.09 * np.sin(2 * angle + drop.character)
                                   + 0.06 * np.sin(3 * angle + 2 * drop.character))
    alpha = np.clip((1 - distance) * radius / 1.3, 0, 1)
    mine = alpha > cover[here]
    bend = _FIELD * np.clip(distance, 0, 1)
    source_x[here] = np.where(mine, x - dx * radius * bend, source_x[here])
    source_y[here] = np.where(mine, y - dy * radius * bend, source_y[here])
    rim[here] = np.where(mine, np.clip(distance, 0, 1) ** 4, rim[here])
    cover[here] = np.maximum(cover[here], alpha)
