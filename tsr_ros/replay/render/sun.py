# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where the sun stands; imported by the renderer, too, so without image libraries."""

from __future__ import annotations

import math
from typing import NamedTuple


class Sun(NamedTuple):
    """Direction, azimuth clockwise from +Y; light in the renderer's units."""

    elevation_deg: float
    azimuth_deg: float
    sky_scale: float
    energy: float        # irradiance on a plane towards the sun
    colour: tuple

    @property
    def direction(self) -> tuple[float, float, float]:
        """Unit vector towards the sun in world coordinates (z up)."""
        elevation, azimuth = math.radians(self.elevation_deg), math.radians(self.azimuth_deg)
        return (math.sin(azimuth) * math.cos(elevation), math.cos(azimuth) * math.cos(elevation),
                math.sin(elevation))


SUNS = {'day': Sun(38, 140, 0.085, 5.2, (1, 0.95, 0.86)),
        'low_sun': Sun(7, 12, 0.16, 3.6, (1, 0.66, 0.38))}
