# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The course of the road: everything in a scene is placed relative to its centre line."""

import math
import random


class Road:
    """A gently winding two-lane road towards +Y.

    Position on it: `along` metres from the start (measured on the Y axis), `across` metres to the
    right of the centre line, `up` metres above the surface at the centre.
    """

    lane_centre_m = 1.75

    def __init__(self, seed: int):
        rng = random.Random(f'road {seed}')
        self._bend_m = rng.uniform(10.0, 17.0) * rng.choice((-1, 1))
        self._bend_period_m = rng.uniform(70.0, 90.0)
        self._bend_phase = rng.uniform(-0.4, 0.4)
        self._rise_m = rng.uniform(0.8, 1.4)
        self._rise_period_m = rng.uniform(110.0, 140.0)

    def centre(self, along: float) -> tuple[float, float]:
        """Return x and z of the centre line in metres."""
        return (self._bend_m * math.sin(along / self._bend_period_m + self._bend_phase),
                self._rise_m * math.sin(along / self._rise_period_m))

    def heading(self, along: float) -> float:
        """Return the direction of travel in radians, clockwise from +Y seen from above."""
        angle = along / self._bend_period_m + self._bend_phase
        return math.atan(self._bend_m / self._bend_period_m * math.cos(angle))

    def slope(self, along: float) -> float:
        """Return the gradient angle in radians, positive uphill."""
        return math.atan(self._rise_m / self._rise_period_m
                         * math.cos(along / self._rise_period_m)
                         * math.cos(self.heading(along)))

    def point(self, along: float, across: float = 0.0,
              up: float = 0.0) -> tuple[float, float, float]:
        """Return the world coordinates in metres of a place beside or on the road."""
        x, z = self.centre(along)
        heading = self.heading(along)
        return (x + across * math.cos(heading), along - across * math.sin(heading), z + up)

    def advance(self, along: float, distance_m: float) -> float:
        """Return `along` after travelling a (signed) distance measured on the road itself."""
        steps = max(1, math.ceil(abs(distance_m)))
        for _ in range(steps):
            along += distance_m / steps * math.cos(self.heading(along))
        return along
