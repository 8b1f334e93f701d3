# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sky and sun: clear day, low sun, overcast, night over a town."""

from __future__ import annotations

import math
from typing import Any

import bpy

from tsr_ros.replay.render.blender.meshes import add_object
from tsr_ros.replay.render.blender.nodes import NodeGraph, Value
from tsr_ros.replay.render.sun import SUNS, Sun


def add_sky(plan: dict[str, Any]) -> None:
    """Give the scene its world, and its sun where one shines."""
    world = bpy.data.worlds.new('sky')
    bpy.context.scene.world = world
    if world.node_tree is None:
        world.use_nodes = True
    g = NodeGraph(world.node_tree)
    direction = g.node('TexCoord').outputs['Generated']
    x, y, z = g.separate(direction)
    above = g.math('MAXIMUM', g.add(z, 0.04), 0.03)
    plane = g.node('CombineXYZ', {0: g.math('DIVIDE', x, above), 1: g.math('DIVIDE', y, above),
                                  2: 0.0}).outputs[0]
    strength = 1.0
    night = plan['time_of_day'] == 'night'
    if night:
        colour = _night(g, direction, plane, z, stars=not plan['overcast'])
    elif plan['overcast']:
        colour, strength = _overcast(g, plane, z), 0.75
    else:
        sun = SUNS[plan['time_of_day']]
        colour = _clear(g, plane, z, sun)
        _add_sun(sun)
    background = g.node('Background', {'Color': colour, 'Strength': strength})
    g.connect(g.node('OutputWorld').inputs[0], background)
    world.cycles.sampling_method = 'MANUAL'
    world.cycles.sample_map_resolution = 64 if night else 256


def _clear(g: NodeGraph, plane: Value, z: Value, sun: Sun) -> Value:
    sky = g.node('TexSky', sky_type='MULTIPLE_SCATTERING', sun_disc=False,
                 sun_elevation=math.radians(sun.elevation_deg),
                 sun_rotation=math.radians(sun.azimuth_deg))
    scaled = g.node('VectorMath', {0: sky, 'Scale': sun.sky_scale}, operation='SCALE').outputs[0]
    cover = g.times(g.smoothstep(g.noise(plane, 0.75, 7, 0.6), 0.50, 0.72),
                    g.smoothstep(z, 0.0, 0.12))
    cloud = g.grey(g.scaled(g.noise(plane, 2.2, 4, 0.6), 0.6, 0.75))
    return g.mix(g.times(cover, 0.9), scaled, cloud)


def _overcast(g: NodeGraph, plane: Value, z: Value) -> Value:
    """Return a grey sky, brighter at the zenith's foot than above (wet-season stratus)."""
    texture = g.scaled(g.smoothstep(g.noise(plane, 0.5, 6, 0.6), 0.3, 0.75), 0.45, 0.55)
    value = g.times(texture, g.scaled(g.math('MAXIMUM', z, 0.0), -0.25, 1.0))
    return g.node('CombineColor', {0: g.times(value, 0.92), 1: g.times(value, 0.97),
                                   2: g.times(value, 1.05)}).outputs[0]


def _night(g: NodeGraph, direction: Value, plane: Value, z: Value, stars: bool) -> Value:
    """Return a dark sky with the glow of a town on the horizon."""
    glow = g.exp(g.times(g.absolute(z), -14.0))
    clouds = g.noise(plane, 0.6, 5, 0.6)
    value = g.add(g.times(glow, 0.012), g.scaled(clouds, 0.0015, 0.0012))
    points: Value = 0.0
    if stars:
        cells = g.node('TexVoronoi', {'Vector': direction, 'Scale': 110.0})
        points = g.times(g.inverted(g.smoothstep(cells.outputs[0], 0.02, 0.07)), 0.05,
                         g.math('GREATER_THAN', clouds, 0.5))
    return g.node('CombineColor', {0: g.add(value, points), 1: g.add(g.times(value, 0.9), points),
                                   2: g.add(g.times(value, 1.05), points)}).outputs[0]


def _add_sun(sun: Sun) -> None:
    light = bpy.data.lights.new('sun', 'SUN')
    light.energy = sun.energy
    light.angle = math.radians(0.6)
    light.color = sun.colour
    # azimuth clockwise from +Y, as the sky's; a light shines along its own -Z
    add_object(light, rotation=(math.pi / 2 - math.radians(sun.elevation_deg), 0,
                                math.pi - math.radians(sun.azimuth_deg)))
