# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What lines a road: guard rail, delineators, street lamps, cables on poles."""

from __future__ import annotations

import itertools
import math
from typing import Any

import bpy
import numpy as np

from tsr_ros.replay.render.blender.landscape import ground_point
from tsr_ros.replay.render.blender.meshes import Shape, add_object, grid_faces
from tsr_ros.replay.render.blender.nodes import plain_material
from tsr_ros.replay.render.road import Road

_SODIUM = (1, 0.62, 0.25)
_RAIL_PROFILE = ((0, 0.45), (0.05, 0.52), (0, 0.58), (0, 0.62), (0.05, 0.68), (0, 0.76))
_LAMP_PITCH_M, _POLE_PITCH_M, _DELINEATOR_PITCH_M = 36.0, 38.0, 25.0


def add_furniture(plan: dict[str, Any], road: Road) -> None:
    """Add everything along the whole drive."""
    steel = plain_material('zinc', (0.32, 0.33, 0.34), 0.4, 0.6)
    first, last = plan['first_m'], plan['last_m']
    _add_rail(road, first + 45, first + 115, steel)
    _add_delineators(road, first, last + 80)
    _add_street_lamps(road, first + 62, last + 190, steel, plan['time_of_day'] == 'night',
                      last + 90)
    _add_cables(road, first - 30, last + 300)


def _add_rail(road: Road, first: float, last: float, steel: bpy.types.Material) -> None:
    alongs = np.arange(first, last, 2.0)
    rail = Shape()
    rail.add([road.point(float(along), -5.5 + out, z - 0.1)
              for along in alongs for out, z in _RAIL_PROFILE],
             grid_faces(len(alongs), len(_RAIL_PROFILE)))
    for along in alongs[::2]:
        x, y, z = road.point(float(along), -5.6)
        rail.box((x - 0.05, y - 0.05, z - 0.4), (x + 0.05, y + 0.05, z + 0.62))
    add_object(rail.mesh('guard rail', [steel]))


def _add_delineators(road: Road, first: float, last: float) -> None:
    white = plain_material('delineator', (0.7, 0.7, 0.68), 0.6)
    black = plain_material('delineator band', (0.02, 0.02, 0.02), 0.6)
    shape = Shape()
    shape.tube((0, 0, -0.4), (0, 0, 0.65), 0.055, 0.055, 8, 0)
    shape.tube((0, 0, 0.65), (0, 0, 0.83), 0.056, 0.056, 8, 1)
    shape.tube((0, 0, 0.83), (0, 0, 0.95), 0.055, 0.04, 8, 0, capped=True)
    mesh = shape.mesh('delineator', [white, black])
    for along in np.arange(first + 6, last, _DELINEATOR_PITCH_M):
        for across in (-5.3, 5.3):
            add_object(mesh, road.point(float(along), across))


def _add_street_lamps(road: Road, first: float, last: float, steel: bpy.types.Material,
                      night: bool, lit_until: float) -> None:
    """Add lamps on the right; those near the drive light the road at night."""
    lens = plain_material('street lamp', (0.5, 0.5, 0.5), 0.4, emission=30.0 if night else 0.0,
                          emission_colour=_SODIUM)
    shape = Shape()
    shape.tube((0, 0, -0.5), (0, 0, 7.6), 0.09, 0.06, 10)
    shape.tube((0, 0, 7.6), (-1.8, 0, 8.1), 0.05, 0.04, 8)
    shape.box((-2.4, -0.12, 8.03), (-1.7, 0.12, 8.16))
    shape.box((-2.38, -0.10, 8.0), (-1.72, 0.10, 8.03), 1)
    mesh = shape.mesh('street lamp', [steel, lens])
    for along in (float(v) for v in np.arange(first, last, _LAMP_PITCH_M)):
        add_object(mesh, road.point(along, 6.6), (0, 0, -road.heading(along)))
        if night and along < lit_until:
            light = bpy.data.lights.new('street lamp', 'SPOT')
            light.energy, light.color = 1500, (1, 0.6, 0.25)
            light.spot_size, light.spot_blend = math.radians(150), 0.6
            light.shadow_soft_size = 0.2
            add_object(light, road.point(along, 4.55, 7.95))


def _add_cables(road: Road, first: float, last: float) -> None:
    """Add poles on the left with three sagging cables."""
    dark = plain_material('cable', (0.02, 0.018, 0.015), 0.9)
    shape = Shape()
    alongs = [float(v) for v in np.arange(first, last, _POLE_PITCH_M)]
    for along, following in itertools.pairwise(alongs):
        x, y, z = ground_point(road, along, -11.0)
        end = ground_point(road, following, -11.0)
        shape.tube((x, y, z - 0.5), (x, y, z + 8.5), 0.14, 0.09, 8)
        shape.box((x - 0.9, y - 0.05, z + 7.9), (x + 0.9, y + 0.05, z + 8.0))
        for beside in (-0.8, 0.0, 0.8):
            spots = [(x + (end[0] - x) * f + beside, y + (end[1] - y) * f,
                      z + (end[2] - z) * f + 8.05 - 2.8 * f * (1 - f))
                     for f in (k / 8 for k in range(9))]
            for start, stop in itertools.pairwise(spots):
                shape.tube(start, stop, 0.014, 0.014, 3)
    add_object(shape.mesh('poles and cables', [dark]))
