# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Meshes from plain lists of vertices and faces."""

from __future__ import annotations

import math
from collections.abc import Sequence

import bpy
import numpy as np
from mathutils import Vector


class Shape:
    """Vertices and faces under construction, each face with the index of its material."""

    def __init__(self):
        self.vertices: list[tuple[float, float, float]] = []
        self.faces: list[tuple[int, ...]] = []
        self.materials: list[int] = []

    def add(self, vertices: Sequence, faces: Sequence, material: int = 0) -> None:
        """Append vertices and the faces among them."""
        first = len(self.vertices)
        self.vertices.extend(tuple(vertex) for vertex in vertices)
        self.faces.extend(tuple(first + i for i in face) for face in faces)
        self.materials.extend([material] * len(faces))

    def box(self, low: Sequence[float], high: Sequence[float], material: int = 0) -> None:
        """Append a box between two corners."""
        (x0, y0, z0), (x1, y1, z1) = low, high
        self.add([(x0, y0, z0), (x1, y0, z0), (x1, y1, z0), (x0, y1, z0),
                  (x0, y0, z1), (x1, y0, z1), (x1, y1, z1), (x0, y1, z1)],
                 [(0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7), (4, 5, 6, 7),
                  (3, 2, 1, 0)], material)

    def tube(self, start: Sequence[float], end: Sequence[float], radius_start: float,
             radius_end: float, sides: int = 8, material: int = 0, capped: bool = False) -> None:
        """Append a straight tube, open at its ends unless `capped`."""
        start, end = Vector(start), Vector(end)
        along = (end - start).normalized()
        a = along.orthogonal().normalized()
        b = along.cross(a)
        ring = [(math.cos(2 * math.pi * i / sides), math.sin(2 * math.pi * i / sides))
                for i in range(sides)]
        vertices = [origin + (a * cos + b * sin) * radius
                    for origin, radius in ((start, radius_start), (end, radius_end))
                    for cos, sin in ring]
        faces = [(i, (i + 1) % sides, sides + (i + 1) % sides, sides + i) for i in range(sides)]
        if capped:
            faces += [tuple(reversed(range(sides))), tuple(range(sides, 2 * sides))]
        self.add(vertices, faces, material)

    def mesh(self, name: str, materials: Sequence = (), smooth: bool = False,
             uv: Sequence | None = None) -> bpy.types.Mesh:
        """Return the Blender mesh; `uv` gives one pair per vertex."""
        mesh = bpy.data.meshes.new(name)
        mesh.from_pydata(self.vertices, [], self.faces)
        for material in materials:
            mesh.materials.append(material)
        mesh.polygons.foreach_set('material_index', np.array(self.materials, np.int32))
        mesh.polygons.foreach_set('use_smooth', np.full(len(mesh.polygons), smooth))
        if uv is not None:
            layer = mesh.uv_layers.new(name='UVMap')
            corners = np.empty(len(mesh.loops), np.int32)
            mesh.loops.foreach_get('vertex_index', corners)
            layer.data.foreach_set('uv', np.asarray(uv, np.float32)[corners].ravel())
        mesh.update()
        return mesh


def add_object(mesh: bpy.types.Mesh, location: Sequence[float] = (0, 0, 0),
               rotation: Sequence[float] = (0, 0, 0), scale: float = 1.0,
               parent: bpy.types.Object | None = None) -> bpy.types.Object:
    """Put a mesh (or light, or camera data) into the scene; many objects may share one mesh."""
    thing = bpy.data.objects.new(mesh.name, mesh)
    thing.location = location
    thing.rotation_euler = rotation
    thing.scale = (scale, scale, scale)
    thing.parent = parent
    bpy.context.scene.collection.objects.link(thing)
    return thing


def grid_faces(rows: int, columns: int) -> list[tuple[int, int, int, int]]:
    """Return the quads between `rows` x `columns` vertices stored row by row."""
    return [(r * columns + c, r * columns + c + 1, (r + 1) * columns + c + 1,
             (r + 1) * columns + c) for r in range(rows - 1) for c in range(columns - 1)]
