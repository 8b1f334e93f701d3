# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Plates with their faces, traffic lights, and what could be mistaken for either."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import bpy

from tsr_ros.replay.render.blender.meshes import Shape, add_object
from tsr_ros.replay.render.blender.nodes import (
    NodeGraph,
    Value,
    finish_surface,
    new_material,
    plain_material,
)
from tsr_ros.replay.render.plates import (
    HOOD_LENGTH_M,
    LENS_RADIUS_M,
    LIGHT_DEPTH_M,
    advertisement_key,
    hood_arc,
    lens_heights,
    plate_outline,
    plate_vertices,
)

_LENSES = ('light_red', 'light_yellow', 'light_green')
_LENS_COLOURS = ((1, 0.03, 0.01), (1, 0.45, 0.02), (0.02, 0.9, 0.45))
_BACK = 0.045  # the post stands behind the plate


def add_signs(plan: dict[str, Any], textures: dict[str, str]) -> None:
    """Add all signs; a pixel's object index is the sign's track id."""
    night = plan['time_of_day'] == 'night'
    steel = plain_material('galvanised', (0.32, 0.33, 0.34), 0.4, 0.6)
    for sign in plan['signs']:
        if sign['shape'] == 'light':
            _add_light(sign, steel, night)
        else:
            face = _face_material(textures[str(sign['track_id'])],
                                  sign['reflectivity'] if night else 0.0)
            plate = _add_plate(sign, [face, steel])
            plate.pass_index = sign['track_id']
            _add_post(sign, steel)
    for back in plan['backs']:
        _add_plate(back, [steel, steel])
        _add_post(back, steel)


def add_distractors(plan: dict[str, Any], textures: dict[str, str]) -> None:
    """Add billboards and round lamps."""
    night = plan['time_of_day'] == 'night'
    steel = plain_material('steel', (0.2, 0.2, 0.21), 0.5, 0.6)
    for board in plan['billboards']:
        face = _face_material(textures[advertisement_key(board)], 0.0,
                              glow=0.22 if night else 0.0)
        _add_plate({**board, 'shape': 'rectangle'}, [face, steel])
        half = board['size_m'][0] * 0.35
        posts = Shape()
        for x in (-half, half):
            posts.tube((x, 0.1, -board['up_m'] - 1.5), (x, 0.1, 0), 0.07, 0.07, 8)
        add_object(posts.mesh('posts', [steel], smooth=True), board['location'],
                   board['rotation'])
    for lamp in plan['round_lamps']:
        colour = lamp['colour']
        glowing = plain_material('round lamp', tuple(0.4 * c for c in colour), 0.2,
                                 emission=8.0 if night else 1.5, emission_colour=tuple(colour))
        globe = Shape()
        _add_globe(globe, lamp['radius_m'])
        add_object(globe.mesh('globe', [glowing], smooth=True), lamp['location'])
        post = Shape()
        post.tube((0, 0.05, -lamp['up_m'] - 0.8), (0, 0.05, 0), 0.04, 0.03, 8)
        add_object(post.mesh('post', [steel], smooth=True), lamp['location'])


def _add_plate(sign: dict[str, Any], materials: Sequence) -> bpy.types.Object:
    """Add a plate: the first material in front, the second behind and on the edge."""
    outline = plate_outline(sign['shape'], sign['size_m'])
    count = len(outline)
    shape = Shape()
    front, back = tuple(range(count)), tuple(range(2 * count - 1, count - 1, -1))
    edge = [(i, count + i, count + (i + 1) % count, (i + 1) % count) for i in range(count)]
    shape.add(plate_vertices(sign['shape'], sign['size_m']), [front, back, *edge])
    shape.materials = [0] + [1] * (count + 1)
    width, height = sign['size_m']
    uv = [(0.5 + x / width, 0.5 + z / height) for x, z in outline] * 2
    return add_object(shape.mesh('plate', materials, uv=uv), sign['location'], sign['rotation'])


def _add_post(sign: dict[str, Any], steel: bpy.types.Material) -> None:
    half_w, half_h = sign['size_m'][0] / 2, sign['size_m'][1] / 2
    shape = Shape()
    wide = half_w > 0.6
    for x in ((-half_w * 0.6, half_w * 0.6) if wide else (0.0,)):
        shape.tube((x, _BACK, -sign['up_m'] - 0.8), (x, _BACK, half_h * 0.8), 0.03, 0.03, 10)
    for z in (-half_h * 0.35, half_h * 0.35):
        shape.box((-half_w * 0.45, 0.013, z - 0.02), (half_w * 0.45, _BACK, z + 0.02))
    add_object(shape.mesh('post', [steel]), sign['location'], sign['rotation'])


def _face_material(texture: str, reflectivity: float, glow: float = 0.0) -> bpy.types.Material:
    """Return a printed face; at night it sends the headlamps' light back to the driver."""
    material, g = new_material('face')
    image = bpy.data.images.load(texture, check_existing=True)
    face = g.node('TexImage', image=image, interpolation='Cubic', extension='EXTEND').outputs[0]
    shader = g.node('BsdfPrincipled', {'Base Color': face, 'Roughness': 0.45,
                                       'Emission Color': face, 'Emission Strength': glow})
    if reflectivity > 0:
        g.connect(shader.inputs['Emission Strength'], _retroreflection(g, reflectivity))
    finish_surface(g, shader)
    material.cycles.emission_sampling = 'NONE'
    return material


def _retroreflection(g: NodeGraph, reflectivity: float) -> Value:
    """Return the luminance sent back to the camera, L = R I(azimuth, elevation) cos^2 / d^2.

    The headlamps are taken to sit at the camera. Their light is wide in azimuth, and above the
    horizon only stray light is left, so a sign grows brighter as it comes near and fades when it
    leaves the beam.
    """
    camera = g.node('CameraData')
    x, y, z = g.separate(camera.outputs['View Vector'])
    distance = camera.outputs['View Distance']
    azimuth, elevation = g.math('ARCTAN2', x, z), g.math('ARCTAN2', y, z)
    sideways = g.math('DIVIDE', azimuth, 0.5)
    beam = g.times(g.exp(g.times(sideways, sideways, -1.0)),
                   g.scaled(g.inverted(g.smoothstep(elevation, -0.005, 0.03)), 0.91, 0.09))
    geometry = g.node('NewGeometry')
    cosine = g.math('MAXIMUM', g.node(
        'VectorMath', {0: geometry.outputs['Incoming'], 1: geometry.outputs['Normal']},
        operation='DOT_PRODUCT').outputs['Value'], 0.0)
    falling = g.math('DIVIDE', 1100.0 * reflectivity, g.scaled(distance, distance, 60.0))
    return g.times(beam, cosine, cosine, falling, g.node('LightPath').outputs['Is Camera Ray'])


def _add_light(sign: dict[str, Any], steel: bpy.types.Material, night: bool) -> None:
    """Add a traffic light with one of its three lenses lit."""
    black = plain_material('light housing', (0.01, 0.01, 0.01), 0.5)
    half_w, half_h = sign['size_m'][0] / 2, sign['size_m'][1] / 2
    housing = Shape()
    housing.box((-half_w, 0, -half_h), (half_w, LIGHT_DEPTH_M, half_h))
    arc = hood_arc()
    for centre_z in lens_heights():
        rim = [(x, y, centre_z + z) for x, z in arc for y in (0.0, -HOOD_LENGTH_M)]
        housing.add(rim, [(2 * i, 2 * i + 2, 2 * i + 3, 2 * i + 1) for i in range(len(arc) - 1)])
    parts = [add_object(housing.mesh('light', [black]), sign['location'], sign['rotation'])]
    for name, colour, centre_z in zip(_LENSES, _LENS_COLOURS, lens_heights()):
        lit = name == sign['face']
        lens = plain_material('lens', tuple(0.25 * c + 0.01 for c in colour), 0.15,
                              emission=(9.0 if night else 14.0) if lit else 0.0,
                              emission_colour=colour)
        disc = Shape()
        disc.add([(LENS_RADIUS_M * math.cos(a), -0.012, centre_z + LENS_RADIUS_M * math.sin(a))
                  for a in (2 * math.pi * i / 24 for i in range(24))], [tuple(range(24))])
        parts.append(add_object(disc.mesh('lens', [lens]), sign['location'], sign['rotation']))
    for part in parts:
        part.pass_index = sign['track_id']
    post = Shape()
    post.tube((0, 0.3, -sign['up_m'] - 0.8), (0, 0.3, 0.5), 0.06, 0.055, 12)
    post.box((-0.02, 0.2, -0.3), (0.02, 0.3, -0.26))
    add_object(post.mesh('post', [steel], smooth=True), sign['location'], sign['rotation'])


def _add_globe(shape: Shape, radius: float, rings: int = 10, sides: int = 20) -> None:
    """Append a sphere."""
    vertices = []
    for ring in range(rings + 1):
        polar = math.pi * ring / rings
        vertices += [(radius * math.sin(polar) * math.cos(2 * math.pi * i / sides),
                      radius * math.sin(polar) * math.sin(2 * math.pi * i / sides),
                      radius * math.cos(polar)) for i in range(sides)]
    shape.add(vertices, [(r * sides + i, (r + 1) * sides + i, (r + 1) * sides + (i + 1) % sides,
                          r * sides + (i + 1) % sides)
                         for r in range(rings) for i in range(sides)])
