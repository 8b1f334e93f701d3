# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The asphalt: aggregate, wheel tracks, patches, cracks, worn paint, and water on it."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

from tsr_ros.replay.render.blender.meshes import Shape, add_object, grid_faces
from tsr_ros.replay.render.blender.nodes import (
    NodeGraph,
    finish_surface,
    new_material,
    snow_on,
)
from tsr_ros.replay.render.road import Road

_ACROSS_M = (-5.2, -4.6, -3.5, -1.75, 0, 1.75, 3.5, 4.6, 5.2)
_ZEBRA_BEFORE_LIGHT_M = 4.0
_ZEBRA_DEEP_M = 3.0


def add_road(plan: dict[str, Any], road: Road) -> None:
    """Add the strip of road; its UV coordinates are (across, along) in metres."""
    near = np.arange(plan['first_m'] - 60, plan['last_m'] + 150, 2.0)
    far = np.arange(near[-1] + 2, plan['last_m'] + 800, 6.0)
    shape, uv = Shape(), []
    vertices = []
    for along in (float(v) for v in np.concatenate([near, far])):
        for across in _ACROSS_M:
            camber = -0.02 * abs(across) - (0.03 if abs(across) > 5 else 0)
            vertices.append(road.point(along, across, camber))
            uv.append((across, along))
    shape.add(vertices, grid_faces(len(near) + len(far), len(_ACROSS_M)))
    material = _asphalt(plan['wetness'], plan['junctions_m'], plan.get('snow', False))
    add_object(shape.mesh('road', [material], smooth=True, uv=uv))


def _asphalt(wetness: float, junctions_m: list[float],
             snow: bool) -> bpy.types.Material:
    material, g = new_material('asphalt')
    place = g.node('UVMap').outputs[0]
    across, along, _ = g.separate(place)
    fine, middle, broad = (g.noise(place, 55, 2), g.noise(place, 1.3, 4, 0.6),
                           g.noise(place, 0.12, 2))
    from_lane_centre = g.math('SUBTRACT', g.absolute(across), 1.75)
    from_track = g.absolute(g.math('SUBTRACT', g.absolute(from_lane_centre), 0.8))
    track = g.inverted(g.smoothstep(from_track, 0.05, 0.45))
    oil = g.inverted(g.smoothstep(g.absolute(from_lane_centre), 0.0, 0.35))
    albedo = g.times(g.scaled(fine, 0.05, 0.028), g.scaled(middle, 0.7, 0.65),
                     g.scaled(broad, 0.8, 0.6), g.scaled(track, -0.22, 1.0),
                     g.scaled(oil, -0.12, 1.0), _patches(g, place),
                     _cracks(g, place, middle, broad))
    asphalt = g.node('CombineColor', {0: g.times(albedo, 1.03), 1: albedo,
                                      2: g.times(albedo, 0.96)}).outputs[0]
    paint = _paint(g, across, along, junctions_m)
    worn = g.smoothstep(g.add(g.times(g.noise(place, 9, 4, 0.7), 0.6), g.times(middle, 0.4)),
                        0.34, 0.52)
    paint = g.times(paint, g.scaled(worn, 0.8, 0.15))
    colour = g.mix(paint, asphalt, (0.55, 0.55, 0.52, 1))
    dust = g.times(g.smoothstep(g.absolute(across), 3.7, 4.9), g.smoothstep(middle, 0.3, 0.65))
    colour = g.mix(g.times(dust, 0.75), colour, (0.16, 0.125, 0.085, 1))
    height = g.add(g.times(fine, 0.4), g.times(middle, 0.6))
    roughness = g.mix_value(paint, g.scaled(track, -0.15, 0.85), 0.6)
    if wetness > 0:
        puddle = _puddles(g, place, across, track, wetness)
        dark = 1 - 0.55 * wetness
        colour = g.multiplied(colour, (dark, dark, dark * 1.03, 1))
        damp = g.scaled(fine, 0.22, 0.16 + 0.4 * (1 - wetness))
        roughness = g.mix_value(puddle, damp, 0.045)
        bump = g.node('Bump', {'Strength': g.mix_value(puddle, 0.55, 0.06), 'Distance': 0.006,
                               'Height': height})
    else:
        bump = g.node('Bump', {'Strength': 0.6, 'Distance': 0.008, 'Height': height})
    if snow:  # driven off in the wheel tracks, slush between them, whole beside the lanes
        beside = g.smoothstep(g.absolute(across), 3.0, 3.8)
        lying = g.add(g.times(g.inverted(track), 0.45), g.add(beside, g.times(middle, 0.7)))
        cover = g.smoothstep(lying, 0.62, 0.98)
        colour = snow_on(g, colour, cover)
        roughness = g.mix_value(cover, roughness, 0.9)
    finish_surface(g, g.node('BsdfPrincipled', {
        'Base Color': colour, 'Roughness': roughness, 'Normal': bump,
        'IOR': 1.33 if wetness > 0 else 1.45}))
    return material


def _patches(g: NodeGraph, place: Any) -> Any:
    """Return a factor that darkens rectangular repairs."""
    stretched = g.node('Mapping', {0: place, 'Scale': (0.28, 0.07, 1)})
    cells = g.node('TexVoronoi', {'Vector': stretched, 'Scale': 1.0}, distance='CHEBYCHEV')
    chosen = g.node('SeparateColor', {0: cells.outputs['Color']}).outputs[0]
    return g.inverted(g.times(g.math('GREATER_THAN', chosen, 0.78), 0.4))


def _cracks(g: NodeGraph, place: Any, middle: Any, broad: Any) -> Any:
    """Return a factor that darkens cracks, which occur in some stretches only."""
    edges = g.node('TexVoronoi', {'Vector': place, 'Scale': 0.33}, feature='DISTANCE_TO_EDGE')
    wobble = g.add(edges, g.scaled(middle, 0.1, -0.05))
    crack = g.inverted(g.smoothstep(g.absolute(wobble), 0.0, 0.012))
    return g.scaled(g.times(crack, g.smoothstep(broad, 0.52, 0.6)), -0.7, 1.0)


def _paint(g: NodeGraph, across: Any, along: Any, junctions_m: list[float]) -> Any:
    """Return 1 on edge lines, centre dashes and the zebra crossing before each light."""
    distance = g.absolute(across)
    edge = g.math('LESS_THAN', g.absolute(g.math('SUBTRACT', distance, 3.5)), 0.075)
    dash = g.times(g.math('LESS_THAN', distance, 0.065),
                   g.math('LESS_THAN', g.math('FRACT', g.math('DIVIDE', along, 13.0)), 0.24))
    paint = g.math('MAXIMUM', edge, dash)
    stripes = g.times(g.math('LESS_THAN', g.math('FRACT', across), 0.5),
                      g.math('LESS_THAN', distance, 3.3))
    for light_m in junctions_m:
        start = light_m - _ZEBRA_BEFORE_LIGHT_M
        here = g.times(g.math('GREATER_THAN', along, start),
                       g.math('LESS_THAN', along, start + _ZEBRA_DEEP_M))
        paint = g.math('MAXIMUM', paint, g.times(here, stripes))
    return paint


def _puddles(g: NodeGraph, place: Any, across: Any, track: Any, wetness: float) -> Any:
    """Return where water stands: hollows, wheel tracks and the road's edges first."""
    level = g.add(g.add(g.noise(place, 0.55, 3), g.times(track, 0.16)),
                  g.times(g.smoothstep(g.absolute(across), 3.2, 4.5), 0.1))
    dry = 0.25 * (1 - wetness)
    return g.smoothstep(level, 0.50 + dry, 0.66 + dry)
