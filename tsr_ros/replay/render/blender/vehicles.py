# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cars and vans, with lamps as the light outside asks for."""

from __future__ import annotations

import math
from typing import Any

import bpy

from tsr_ros.replay.render.blender.headlamps import add_spot
from tsr_ros.replay.render.blender.meshes import Shape, add_object
from tsr_ros.replay.render.blender.nodes import plain_material

_PAINTS = ((0.35, 0.36, 0.38), (0.03, 0.05, 0.12), (0.35, 0.03, 0.02), (0.75, 0.75, 0.73),
           (0.02, 0.02, 0.02), (0.30, 0.24, 0.15))
_PAINT, _GLASS, _BLACK, _HEAD, _TAIL, _PLATE, _RIM = range(7)
_LIT_ONCOMING = 2  # more cars than these show lamps, but do not light the road
# (y, half width, bottom, top) of cross sections, rear to front, in metres
_SALOON_BODY = ((-2.20, 0.66, 0.40, 0.82), (-2.12, 0.82, 0.26, 0.95), (-1.70, 0.89, 0.20, 1.00),
                (-0.60, 0.91, 0.19, 0.98), (0.60, 0.91, 0.19, 0.95), (1.30, 0.90, 0.20, 0.91),
                (1.90, 0.85, 0.22, 0.78), (2.15, 0.74, 0.28, 0.66), (2.22, 0.55, 0.38, 0.56))
_SALOON_CABIN = ((-1.98, 0.70, 0.90, 0.95), (-1.35, 0.66, 0.90, 1.38), (-0.70, 0.64, 0.90, 1.47),
                 (0.15, 0.64, 0.90, 1.46), (0.50, 0.66, 0.90, 1.38), (1.22, 0.74, 0.88, 0.93))


def add_vehicles(plan: dict[str, Any]) -> list[bpy.types.Object]:
    """Add the planned cars and return them in the plan's order; they look towards +Y."""
    night = plan['time_of_day'] == 'night'
    dim = plan['overcast'] or plan['wetness'] > 0
    materials = _materials(night, dim)
    paints = [plain_material('paint', colour, 0.25, 0.3, coat=1.0) for colour in _PAINTS]
    meshes: dict[tuple[str, int], bpy.types.Mesh] = {}
    cars = []
    lit = 0
    for car in plan['cars']:
        key = car['model'], car['paint']
        if key not in meshes:
            build = _van if car['model'] == 'van' else _saloon
            meshes[key] = build([paints[car['paint']], *materials])
        vehicle = add_object(meshes[key])
        if night and car['oncoming'] and lit < _LIT_ONCOMING:
            lit += 1
            for side in (-1, 1):
                add_spot((side * 0.6, 2.3, 0.62), (math.radians(88.2), 0, 0), 1500, 110, vehicle)
        cars.append(vehicle)
    return cars


def _materials(night: bool, dim: bool) -> list[bpy.types.Material]:
    head = 32.0 if night else (6.0 if dim else 0.0)
    tail = 7.0 if night else (1.2 if dim else 0.0)
    return [
        plain_material('glass', (0.01, 0.012, 0.015), 0.03),
        plain_material('black', (0.012, 0.012, 0.012), 0.6),
        plain_material('head lamp', (0.9, 0.9, 0.9), 0.1, emission=head,
                       emission_colour=(1, 0.95, 0.85)),
        plain_material('tail lamp', (0.25, 0.005, 0.005), 0.2, emission=tail,
                       emission_colour=(1, 0.02, 0.01), lights_scene=night),
        plain_material('number plate', (0.7, 0.7, 0.68), 0.5,
                       emission=0.25 if night else 0.0),
        plain_material('rim', (0.4, 0.4, 0.42), 0.3, 0.8),
    ]


def _loft(shape: Shape, sections: tuple, side_material: int, top_material: int) -> None:
    """Append a hull through cross sections of eight points each."""
    points = []
    for y, half, bottom, top in sections:
        height, round_m = top - bottom, min(0.12, (top - bottom) * 0.4)
        points += [(-half * 0.93, y, bottom), (-half, y, bottom + 0.3 * height),
                   (-half * 0.98, y, top - round_m), (-half * 0.86, y, top),
                   (half * 0.86, y, top), (half * 0.98, y, top - round_m),
                   (half, y, bottom + 0.3 * height), (half * 0.93, y, bottom)]
    for ring in range(len(sections) - 1):
        for i in range(8):
            face = (8 * ring + i, 8 * ring + (i + 1) % 8, 8 * (ring + 1) + (i + 1) % 8,
                    8 * (ring + 1) + i)
            shape.faces.append(tuple(len(shape.vertices) + k for k in face))
            shape.materials.append(top_material if i == 3 else side_material)
    last = 8 * (len(sections) - 1)
    for cap in (range(8), range(last + 7, last - 1, -1)):
        shape.faces.append(tuple(len(shape.vertices) + k for k in cap))
        shape.materials.append(side_material)
    shape.vertices.extend(points)


def _subdivided(shape: Shape, materials: list[bpy.types.Material],
                levels: int) -> bpy.types.Mesh:
    """Return a smooth mesh after Catmull-Clark subdivision."""
    rough = add_object(shape.mesh('hull', materials, smooth=True))
    modifier = rough.modifiers.new('round', 'SUBSURF')
    modifier.levels = modifier.render_levels = levels
    graph = bpy.context.evaluated_depsgraph_get()
    mesh = bpy.data.meshes.new_from_object(rough.evaluated_get(graph))
    bpy.data.objects.remove(rough)
    return mesh


def _joined(name: str, meshes: list[bpy.types.Mesh]) -> bpy.types.Mesh:
    """Return one mesh of several with the same materials."""
    shape, smooth = Shape(), []
    for mesh in meshes:
        first = len(shape.vertices)
        shape.vertices.extend(tuple(vertex.co) for vertex in mesh.vertices)
        for face in mesh.polygons:
            shape.faces.append(tuple(first + i for i in face.vertices))
            shape.materials.append(face.material_index)
            smooth.append(face.use_smooth)
    joined = shape.mesh(name, meshes[0].materials)
    joined.polygons.foreach_set('use_smooth', smooth)
    return joined


def _saloon(materials: list[bpy.types.Material]) -> bpy.types.Mesh:
    body, cabin, details = Shape(), Shape(), Shape()
    _loft(body, _SALOON_BODY, _PAINT, _PAINT)
    _loft(cabin, _SALOON_CABIN, _GLASS, _PAINT)
    for side in (-1, 1):
        for (y0, z0), (y1, z1) in (((-1.9, 0.97), (-1.3, 1.36)), ((-0.35, 0.95), (-0.3, 1.44)),
                                   ((1.12, 0.95), (0.48, 1.38))):
            details.tube((side * 0.70, y0, z0), (side * 0.62, y1, z1), 0.035, 0.03, 6, _PAINT)
        details.box((side * 0.98 - 0.09, 0.70, 0.95), (side * 0.98 + 0.09, 0.83, 1.08), _PAINT)
        _lamp_pair(details, side, 2.06, 0.60, 0.74, -2.17, 0.70, 0.86)
    _wheels(details, 0.90, (-1.35, 1.38), 0.32)
    details.box((-0.80, -2.20, 0.30), (0.80, -2.0, 0.46), _BLACK)
    details.box((-0.72, 2.0, 0.26), (0.72, 2.215, 0.40), _BLACK)
    details.box((-0.26, -2.235, 0.58), (0.26, -2.15, 0.69), _PLATE)
    details.box((-0.22, -1.60, 1.345), (0.22, -1.52, 1.375), _TAIL)
    return _joined('saloon', [_subdivided(body, materials, 2), _subdivided(cabin, materials, 2),
                              details.mesh('details', materials)])


def _van(materials: list[bpy.types.Material]) -> bpy.types.Mesh:
    body, details = Shape(), Shape()
    sections = ((-2.6, 0.93, 0.35, 2.30), (-2.56, 0.97, 0.30, 2.36), (0.9, 0.97, 0.30, 2.36),
                (1.3, 0.96, 0.30, 2.20), (2.0, 0.95, 0.30, 1.30), (2.5, 0.88, 0.32, 1.10),
                (2.62, 0.75, 0.40, 0.95))
    _loft(body, sections, _PAINT, _PAINT)
    for side in (-1, 1):
        x0, x1 = sorted((side * 0.10, side * 0.80))
        details.box((x0, -2.63, 1.35), (x1, -2.55, 2.05), _GLASS)
        x0, x1 = sorted((side * 0.93, side * 0.985))
        details.box((x0, 0.5, 1.35), (x1, 1.25, 1.95), _GLASS)
        _lamp_pair(details, side, 2.55, 0.82, 0.98, -2.62, 0.85, 1.25, 0.72, 0.92)
    details.add([(-0.76, 1.40, 2.14), (0.76, 1.40, 2.14), (0.80, 2.00, 1.38),
                 (-0.80, 2.00, 1.38)], [(3, 2, 1, 0)], _GLASS)
    details.box((-0.55, 2.5, 0.55), (0.55, 2.66, 0.78), _BLACK)
    details.box((-0.9, 2.3, 0.28), (0.9, 2.66, 0.46), _BLACK)
    _wheels(details, 0.96, (-1.6, 1.6), 0.35)
    details.box((-0.93, -2.68, 0.30), (0.93, -2.5, 0.52), _BLACK)
    details.box((-0.26, -2.70, 0.60), (0.26, -2.6, 0.71), _PLATE)
    return _joined('van', [body.mesh('hull', materials), details.mesh('details', materials)])


def _lamp_pair(shape: Shape, side: int, head_y: float, head_low: float, head_high: float,
               tail_y: float, tail_low: float, tail_high: float,
               tail_inside: float = 0.52, tail_outside: float = 0.80) -> None:
    """Append the head and tail lamp of one side."""
    x0, x1 = sorted((side * 0.44, side * 0.74))
    shape.box((x0, head_y - 0.1, head_low), (x1, head_y + 0.09, head_high), _HEAD)
    x0, x1 = sorted((side * tail_inside, side * tail_outside))
    shape.box((x0, tail_y - 0.02, tail_low), (x1, tail_y + 0.12, tail_high), _TAIL)


def _wheels(shape: Shape, half_width: float, axles_y: tuple, radius: float) -> None:
    """Append four wheels and the dark arches round them."""
    for y in axles_y:
        for side in (-1, 1):
            outside, inside = side * (half_width + 0.01), side * (half_width - 0.22)
            shape.tube((side * (half_width - 0.3), y, radius + 0.04),
                       (side * (half_width + 0.005), y, radius + 0.04),
                       radius + 0.07, radius + 0.07, 20, _BLACK, capped=True)
            shape.tube((inside, y, radius), (outside, y, radius), radius, radius, 20, _BLACK,
                       capped=True)
            shape.tube((outside, y, radius), (outside + side * 0.01, y, radius), radius * 0.62,
                       radius * 0.6, 16, _RIM, capped=True)
