# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Low beams: spots with the cut-off of a car's headlamp."""

from __future__ import annotations

import math
from collections.abc import Sequence

import bpy

from tsr_ros.replay.render.blender.meshes import add_object
from tsr_ros.replay.render.blender.nodes import NodeGraph


def add_spot(location: Sequence[float], rotation: Sequence[float], power_w: float,
             angle_deg: float, parent: bpy.types.Object) -> None:
    """Add a headlamp that moves with `parent`; it shines along its own -Z, up is +Y."""
    light = bpy.data.lights.new('low beam', 'SPOT')
    light.energy = power_w
    light.spot_size = math.radians(angle_deg)
    light.spot_blend = 0.4
    light.shadow_soft_size = 0.06
    _shape_beam(light)
    add_object(light, location, rotation, parent=parent)


def add_own_headlamps(camera: bpy.types.Object) -> None:
    """Add the pair of the car that carries the camera."""
    for side in (-1, 1):
        add_spot((side * 0.62, -0.65, -0.9), (math.radians(-1.0), 0, 0), 5200, 120, camera)


def _shape_beam(light: bpy.types.Light) -> None:
    """Spread the light wide and low: a soft fall-off sideways, a sharp one above the horizon."""
    light.use_nodes = True
    g = NodeGraph(light.node_tree)
    x, y, z = g.separate(g.node('TexCoord').outputs['Normal'])
    azimuth = g.math('ARCTAN2', x, g.absolute(z))
    elevation = g.math('ARCTAN2', y, g.absolute(z))
    below = g.inverted(g.smoothstep(elevation, -0.012, 0.006))
    vertical = g.exp(g.times(g.absolute(elevation), -9.0))
    sideways = g.math('DIVIDE', azimuth, 0.4)
    horizontal = g.add(g.exp(g.times(sideways, sideways, -1.0)), 0.12)
    strength = g.times(g.scaled(below, 0.97, 0.03), vertical, horizontal)
    emission = g.node('Emission', {'Color': (1, 0.93, 0.82, 1), 'Strength': strength})
    g.connect(g.node('OutputLight').inputs[0], emission)
