# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Drops on the windscreen: they land, merge, run down and are wiped off.

Lengths are parts of the picture's width. The same seed gives the same drops, frame by frame.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

_LANDING_PER_S = 130.0
_SMALLEST, _LARGEST, _MEAN_RADIUS = 0.0016, 0.0140, 0.0026
_RUNNING_RADIUS = 0.0100   # larger drops are heavier than glass can hold
_WIPE_EVERY_S, _WIPE_S = 1.9, 0.85
_PARKED, _RAISED = math.radians(-4), math.radians(118)
_PIVOT = (0.16, 0.80)      # below a 16:9 picture
_LEFT_BEHIND = 0.05        # part of the drops that a worn blade passes over
_STEP_S = 0.02
_SETTLING_S = 3.0


class Drop(NamedTuple):
    """One drop: centre and radius, and a number of its own that gives it its outline."""

    x: float
    y: float
    radius: float
    character: float


class Wiper(NamedTuple):
    """The blade at the middle of an exposure, or None while it is parked."""

    pivot: tuple[float, float]
    angle: float
    angle_per_s: float


class Windscreen:
    """The glass over a drive; asking for frames in order is fastest, any order works."""

    def __init__(self, seed: int, rate_hz: float, aspect: float = 16 / 9):
        self._seed, self._interval_s, self._height = seed, 1 / rate_hz, 1 / aspect
        self._restart()

    def state(self, frame: int) -> tuple[list[Drop], Wiper | None]:
        """Return the drops and the wiper at a frame, counted from 0."""
        if frame < self._frame:
            self._restart()
        while self._frame < frame:
            self._frame += 1
            self._run(self._interval_s)
        return list(self._drops), self._wiper(self._time_s)

    def _restart(self) -> None:
        self._rng = np.random.default_rng([self._seed, 7])
        self._drops: list[Drop] = []
        self._time_s = -_SETTLING_S
        self._frame = 0
        self._run(_SETTLING_S)

    def _run(self, duration_s: float) -> None:
        steps = max(1, round(duration_s / _STEP_S))
        for _ in range(steps):
            self._step(duration_s / steps)

    def _step(self, duration_s: float) -> None:
        for _ in range(self._rng.poisson(_LANDING_PER_S * duration_s)):
            radius = min(_LARGEST, _SMALLEST + self._rng.exponential(_MEAN_RADIUS))
            self._land(Drop(self._rng.uniform(0, 1), self._rng.uniform(0, self._height),
                            radius, self._rng.uniform(0, 2 * math.pi)))
        self._flow(duration_s)
        before, after = (_blade_angle(t) for t in (self._time_s, self._time_s + duration_s))
        if before is not None and after is not None:
            self._wipe(min(before, after), max(before, after))
        self._time_s += duration_s

    def _land(self, drop: Drop) -> None:
        """Add a drop, or merge it with one that it touches: volumes add up."""
        for i, other in enumerate(self._drops):
            if math.hypot(drop.x - other.x, drop.y - other.y) < drop.radius + other.radius:
                radius = min(_LARGEST, (drop.radius**3 + other.radius**3) ** (1 / 3))
                self._drops[i] = other._replace(radius=radius)
                return
        self._drops.append(drop)

    def _flow(self, duration_s: float) -> None:
        """Let heavy drops run down; they lose water to the trail they leave."""
        flowing = []
        for drop in self._drops:
            if drop.radius > _RUNNING_RADIUS:
                fall = 40 * (drop.radius - _RUNNING_RADIUS + 0.0008) * duration_s
                sway = 0.25 * fall * math.sin(drop.y * 90 + drop.character)
                if self._rng.random() < 0.10:
                    flowing.append(Drop(drop.x, drop.y - drop.radius, _SMALLEST * 1.2,
                                        drop.character + drop.y))
                drop = drop._replace(x=drop.x + sway, y=drop.y + fall,
                                     radius=drop.radius * (1 - 0.15 * duration_s))
            if drop.y < self._height + 0.02:
                flowing.append(drop)
        self._drops = flowing

    def _wipe(self, low: float, high: float) -> None:
        self._drops = [drop for drop in self._drops
                       if not low <= _angle_of(drop) <= high
                       or self._rng.random() < _LEFT_BEHIND]

    def _wiper(self, time_s: float) -> Wiper | None:
        angle = _blade_angle(time_s)
        ahead = _blade_angle(time_s + _STEP_S)
        if angle is None or ahead is None:
            return None
        return Wiper(_PIVOT, angle, (ahead - angle) / _STEP_S)


def _blade_angle(time_s: float) -> float | None:
    """Return the blade's angle over the horizontal, None while it is parked."""
    since = time_s % _WIPE_EVERY_S
    if since >= _WIPE_S:
        return None
    return _PARKED + (_RAISED - _PARKED) * (1 - math.cos(2 * math.pi * since / _WIPE_S)) / 2


def _angle_of(drop: Drop) -> float:
    return math.atan2(_PIVOT[1] - drop.y, drop.x - _PIVOT[0])
