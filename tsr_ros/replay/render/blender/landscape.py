# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ground beside the road and the hills on the horizon."""

from __future__ import annotations

import math
from typing import Any

import bpy
import numpy as np

from tsr_ros.replay.render.blender.meshes import Shape, add_object, grid_faces
from tsr_ros.replay.render.blender.nodes import finish_surface, new_material, snow_on
from tsr_ros.replay.render.road import Road

_BESIDE_M = (5.1, 6.2, 7.5, 9.5, 12, 15, 19, 24, 30, 38, 48, 60, 75, 95, 120, 150, 190, 250, 330,
             420)
_STRAIGHT_FROM_M = 40.0  # farther out the ground no longer follows the bends
_HILL_RINGS = ((900, 6), (1300, 60), (1900, 120), (2600, 40))


def ground_height(along: float, across: float) -> float:
    """Return the ground's height over the road in metres: shoulder, ditch, then rolling land."""
    outside = max(0.0, abs(across) - 5.0)
    verge = (-0.17 + 0.05 * min(outside / 0.8, 1)
             - 0.22 * min(max(outside - 1.2, 0), 1.2) / 1.2)
    bumps = 0.075 * min(1.0, outside / 6) * math.sin(along * 0.4 + across)
    rolling = (math.sin(across * 0.021 + 1.3) * math.cos(along * 0.017 + 0.4)
               + 0.5 * math.sin(across * 0.053 + along * 0.031)
               + 0.25 * math.sin(across * 0.11 - along * 0.13))
    inland = 1 - math.exp(-(outside / 45) ** 2)
    return verge + bumps + inland * (4 * rolling + 3.0 + 0.02 * outside)


def ground_point(road: Road, along: float, across: float,
                 up: float = 0.0) -> tuple[float, float, float]:
    """Return the world coordinates of a place on the ground."""
    height = ground_height(along, across) + up
    if abs(across) <= _STRAIGHT_FROM_M:
        return road.point(along, across, height)
    x, z = road.centre(along)
    return x + across, along, z + height


def add_landscape(plan: dict[str, Any], road: Road) -> None:
    """Add the ground on both sides and the far hills."""
    material = _soil(plan['wetness'], plan.get('snow', False))
    near = np.arange(plan['first_m'] - 60, plan['last_m'] + 150, 3.0)
    far = np.arange(near[-1] + 3, plan['last_m'] + 900, 10.0)
    alongs = [float(v) for v in np.concatenate([near, far])]
    for side in (-1, 1):
        beside = [side * across for across in _BESIDE_M][::side]
        shape = Shape()
        shape.add([ground_point(road, along, across) for along in alongs for across in beside],
                  grid_faces(len(alongs), len(beside)))
        add_object(shape.mesh('ground', [material], smooth=True))
    _add_hills(plan, material)


def _add_hills(plan: dict[str, Any], material: bpy.types.Material, count: int = 161) -> None:
    vertices = []
    for ring, (radius, height) in enumerate(_HILL_RINGS):
        for i in range(count):
            angle = math.radians(-100 + 200 * i / (count - 1))
            profile = (0.55 + 0.3 * math.sin(angle * 7 + ring)
                       + 0.2 * math.sin(angle * 17 + 2 * ring)
                       + 0.1 * math.sin(angle * 41 + ring) + 0.05 * math.sin(angle * 97))
            vertices.append((radius * math.sin(angle),
                             radius * math.cos(angle) + plan['first_m'] + 100,
                             height * profile if ring else 4.0))
    shape = Shape()
    shape.add(vertices, grid_faces(len(_HILL_RINGS), count))
    add_object(shape.mesh('hills', [material], smooth=True))


def _soil(wetness: float, snow: bool) -> bpy.types.Material:
    """Return dry grass and earth; rain darkens it."""
    material, g = new_material('soil')
    place = g.node('NewGeometry').outputs['Position']
    broad, middle, fine = (g.noise(place, 0.02, 3), g.noise(place, 0.35, 4, 0.65),
                           g.noise(place, 4, 3, 0.7))
    ramp = g.node('ValToRGB', {0: g.add(g.times(broad, 0.7), g.times(middle, 0.4))})
    stops = ramp.color_ramp.elements
    stops[0].position, stops[0].color = 0.38, (0.055, 0.075, 0.018, 1)
    stops[1].position, stops[1].color = 0.72, (0.22, 0.16, 0.08, 1)
    stops.new(0.55).color = (0.12, 0.12, 0.035, 1)
    tone = 1 - 0.4 * wetness
    colour = g.multiplied(ramp, g.grey(g.scaled(fine, 1.2 * tone, 0.4 * tone)))
    if snow:
        colour = snow_on(g, colour, g.smoothstep(g.add(g.times(middle, 0.6), g.times(fine, 0.4)),
                                                 0.34, 0.46))
    bump = g.node('Bump', {'Strength': 0.8, 'Distance': 0.08, 'Height': g.add(fine, middle)})
    finish_surface(g, g.node('BsdfPrincipled', {
        'Base Color': colour, 'Roughness': 0.95, 'Normal': bump, 'Specular IOR Level': 0.2}))
    return material
