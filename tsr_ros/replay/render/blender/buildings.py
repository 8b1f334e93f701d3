# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Plain houses of one to four storeys, some windows lit at night."""

from __future__ import annotations

import random
from typing import Any

import bpy

from tsr_ros.replay.render.blender.landscape import ground_height
from tsr_ros.replay.render.blender.meshes import Shape, add_object
from tsr_ros.replay.render.blender.nodes import finish_surface, new_material, plain_material
from tsr_ros.replay.render.road import Road

_WINDOW_PITCH_M, _STOREY_M = 2.6, 3.0


def add_buildings(plan: dict[str, Any], road: Road) -> None:
    """Set houses along the second half of the drive and beyond it."""
    rng = random.Random(f'buildings {plan["seed"]}')
    facade = _facade(plan['time_of_day'] == 'night')
    roof = plain_material('roof', (0.25, 0.13, 0.09), 0.9)
    concrete = plain_material('concrete', (0.35, 0.34, 0.32), 0.9)
    along = plan['first_m'] + 65
    while along < plan['last_m'] + 260:
        side = rng.choice((-1, 1, 1))
        across = side * rng.uniform(16, 30)
        columns, storeys = rng.randint(3, 5), rng.randint(1, 4)
        depth_columns = rng.randint(3, 4)
        house = _house(columns, depth_columns, storeys).mesh(
            'house', [facade, roof, concrete], uv=None)
        _facade_uv(house, columns, depth_columns, storeys)
        add_object(house, road.point(along, across, ground_height(along, across)),
                   (0, 0, rng.uniform(-0.05, 0.05) - road.heading(along)))
        along += rng.uniform(11, 19)


def _house(columns: int, depth_columns: int, storeys: int) -> Shape:
    half_w, half_d = columns * _WINDOW_PITCH_M / 2, depth_columns * _WINDOW_PITCH_M / 2
    height = storeys * _STOREY_M
    shape = Shape()
    corners = [(-half_w, -half_d), (half_w, -half_d), (half_w, half_d), (-half_w, half_d)]
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1]):
        shape.add([(x0, y0, -1.5), (x1, y1, -1.5), (x1, y1, height), (x0, y0, height)],
                  [(0, 1, 2, 3)], 0)
    shape.add([(x, y, height) for x, y in corners], [(0, 1, 2, 3)], 1)
    for i, (x, y) in enumerate(corners):  # parapet
        x1, y1 = corners[(i + 1) % 4]
        shape.box((min(x, x1) - 0.12, min(y, y1) - 0.12, height),
                  (max(x, x1) + 0.12, max(y, y1) + 0.12, height + 0.45), 2)
    for storey in range(1, storeys):  # balconies and eaves break the flat front
        z = storey * _STOREY_M
        shape.box((-half_w * 0.7, -half_d - 0.9, z - 0.12), (-half_w * 0.1, -half_d, z + 0.02), 2)
        shape.box((-half_w * 0.7, -half_d - 0.9, z), (-half_w * 0.1, -half_d - 0.84, z + 0.9), 2)
    return shape


def _facade_uv(mesh: bpy.types.Mesh, columns: int, depth_columns: int, storeys: int) -> None:
    """Give the four walls coordinates in metres."""
    layer = mesh.uv_layers.new(name='UVMap')
    for wall in range(4):
        length = (columns, depth_columns)[wall % 2] * _WINDOW_PITCH_M
        for corner, loop in enumerate(mesh.polygons[wall].loop_indices):
            layer.data[loop].uv = ((0, -1.5), (length, -1.5), (length, storeys * _STOREY_M),
                                   (0, storeys * _STOREY_M))[corner]


def _facade(night: bool) -> bpy.types.Material:
    material, g = new_material('facade')
    place = g.node('UVMap').outputs[0]
    x, z, _ = g.separate(place)
    tone = g.node('ObjectInfo').outputs['Random']
    column, storey = g.math('DIVIDE', x, _WINDOW_PITCH_M), g.math('DIVIDE', z, _STOREY_M)

    def within(value: Any, middle: float, half: float) -> Any:
        offset = g.math('SUBTRACT', g.math('FRACT', value), middle)
        return g.math('LESS_THAN', g.absolute(offset), half)

    above_ground = g.math('GREATER_THAN', z, 0.1)
    window = g.times(within(column, 0.5, 0.20), within(storey, 0.55, 0.23), above_ground)
    frame = g.times(within(column, 0.5, 0.23), within(storey, 0.55, 0.26), above_ground)
    cell = g.node('CombineXYZ', {0: g.math('FLOOR', column), 1: g.math('FLOOR', storey),
                                 2: g.times(tone, 97.0)})
    chance = g.node('TexWhiteNoise', {0: cell})
    wall = g.multiplied(g.mix(tone, (0.42, 0.33, 0.24, 1), (0.62, 0.58, 0.52, 1)),
                        g.grey(g.scaled(g.noise(place, 0.6, 4, 0.65), 0.8, 0.5)))
    colour = g.mix(window, g.mix(frame, wall, (0.5, 0.5, 0.48, 1)), (0.02, 0.025, 0.03, 1))
    inputs = {'Base Color': colour, 'Roughness': g.mix_value(window, 0.9, 0.08)}
    if night:
        lit = g.math('GREATER_THAN', chance.outputs[0], 0.72)
        inputs['Emission Color'] = g.mix(chance.outputs[1], (1, 0.62, 0.28, 1),
                                         (0.9, 0.85, 0.7, 1))
        # no two rooms have the same lamp, and curtains let through more here and less there
        lamp = g.node('SeparateColor', {0: chance.outputs[1]}).outputs[2]
        curtain = g.scaled(g.noise(place, 2.2, 2), 1.6, 0.2)
        inputs['Emission Strength'] = g.times(window, lit, curtain, g.scaled(lamp, 0.2, 0.04))
    finish_surface(g, g.node('BsdfPrincipled', inputs))
    material.cycles.emission_sampling = 'NONE'
    return material
