# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Trees, cypresses, bushes and grass: a few meshes of real leaves, thousands of objects."""

from __future__ import annotations

import math
import random
from typing import Any

import bpy
from mathutils import Matrix, Vector

from tsr_ros.replay.render.blender.landscape import ground_point
from tsr_ros.replay.render.blender.meshes import Shape, add_object
from tsr_ros.replay.render.blender.nodes import (
    finish_surface,
    new_material,
    plain_material,
    snow_on,
)
from tsr_ros.replay.render.road import Road

_BARK, _LEAVES = 0, 1
_TREES_PER_M, _FAR_TREES_PER_M, _BUSHES_PER_M, _TUFTS_PER_M = 0.5, 0.6, 0.9, 19.0


class Plants:
    """The meshes that all plants of a scene share."""

    def __init__(self, seed: int, snow: bool = False):
        bark = plain_material('bark', (0.06, 0.045, 0.03), 0.9)
        broad = _leaf_material('leaves', (0.035, 0.07, 0.012), (0.09, 0.12, 0.03), snow)
        dark = _leaf_material('needles', (0.02, 0.045, 0.015), (0.045, 0.075, 0.03), snow)
        straw = _leaf_material('grass', (0.10, 0.11, 0.03), (0.24, 0.19, 0.08), snow)
        rng = random.Random(f'plants {seed}')
        self.trees = [_tree(rng).mesh('tree', [bark, broad]) for _ in range(3)]
        self.trees += [_cypress(rng).mesh('cypress', [bark, dark]) for _ in range(2)]
        self.bushes = [_bush(rng).mesh('bush', [bark, broad]) for _ in range(3)]
        self.tufts = [_tuft(rng).mesh('tuft', [straw]) for _ in range(4)]
        self.bark = bark


def add_vegetation(plan: dict[str, Any], road: Road, plants: Plants) -> None:
    """Scatter plants on both sides, denser near the road."""
    rng = random.Random(f'vegetation {plan["seed"]}')
    first, last = plan['first_m'] - 10, plan['last_m']

    def scatter(meshes: list, count: float, until: float, nearest: float, mean_m: float,
                sink_m: float, scales: tuple[float, float]) -> None:
        for _ in range(int(count)):
            along = rng.uniform(first, until)
            across = rng.choice((-1, 1)) * (nearest + rng.expovariate(1 / mean_m))
            add_object(rng.choice(meshes), ground_point(road, along, across, -sink_m),
                       (0, 0, rng.uniform(0, 2 * math.pi)), rng.uniform(*scales))

    span = last - first
    scatter(plants.trees, _TREES_PER_M * (span + 360), last + 360, 9, 22, 0.1, (0.8, 1.6))
    scatter(plants.trees, _FAR_TREES_PER_M * (span + 550), last + 550, 40, 70, 0.2, (0.9, 1.8))
    scatter(plants.bushes, _BUSHES_PER_M * (span + 130), last + 130, 7.2, 9, 0.05, (0.5, 1.3))
    scatter(plants.tufts, _TUFTS_PER_M * (span + 45), last + 45, 5.7, 4, 0.03, (0.7, 1.4))


def add_cover(plants: Plants, sign: dict[str, Any], road: Road) -> None:
    """Let a sapling or a post stand before a sign, so that part of it is hidden."""
    before, across = sign['along_m'] - 1.6, sign['across_m']
    outward = math.copysign(1, across)
    if sign['hidden_by'] == 'post':
        place = road.point(before - 1.5, across - 0.15 * outward, -0.5)
        shape = Shape()
        shape.tube((0, 0, 0), (0, 0, 6.5), 0.1, 0.08, 12)
        add_object(shape.mesh('pole', [plants.bark], smooth=True), place)
        return
    # seen from the lane, what stands before a sign appears farther out than the sign
    beside = across + (0.4 * sign['size_m'][0] - 0.2) * outward
    x, y, z = road.point(before, beside, sign['up_m'] - 0.65)
    add_object(plants.bushes[sign['track_id'] % len(plants.bushes)], (x, y, z),
               (0, 0, sign['track_id']), 0.62)
    trunk = Shape()
    trunk.tube((x, y, z - sign['up_m'] - 0.2), (x, y, z + 0.4), 0.035, 0.02, 6)
    add_object(trunk.mesh('sapling', [plants.bark], smooth=True))


def _leaf_material(name: str, dark: tuple, light: tuple,
                   snow: bool) -> bpy.types.Material:
    """Return foliage: most light reflected, some let through; each plant of another tone."""
    material, g = new_material(name)
    random_tone = g.node('ObjectInfo').outputs['Random']
    place = g.node('TexCoord').outputs['Object']
    tone = g.add(g.times(random_tone, 0.5), g.times(g.noise(place, 1.1, 2), 0.5))
    colour = g.mix(tone, (*dark, 1), (*light, 1))
    if snow:  # it lies on what looks up, whichever side of a leaf that is
        up = g.separate(g.node('NewGeometry').outputs['Normal'])[2]
        lying = g.times(g.smoothstep(g.absolute(up), 0.3, 0.8),
                        g.smoothstep(g.noise(place, 2.5, 3), 0.40, 0.55))
        colour = snow_on(g, colour, lying)
    shader = g.node('MixShader', {0: 0.3, 1: g.node('BsdfDiffuse', {0: colour}),
                                  2: g.node('BsdfTranslucent', {0: colour})})
    finish_surface(g, shader)
    return material


def _random_direction(rng: random.Random, flatness: float = 1.0) -> Vector:
    return Vector((rng.gauss(0, 1), rng.gauss(0, 1), rng.gauss(0, flatness))).normalized()


def _add_leaf(shape: Shape, centre: Vector, along: Vector, size: float, width: float) -> None:
    across = along.orthogonal().normalized() * width * size
    tip = along * size
    shape.add([centre - tip, centre + across, centre + tip, centre - across], [(0, 1, 2, 3)],
              _LEAVES)


def _tree(rng: random.Random, leaves: int = 15000) -> Shape:
    """Return a broad-leaved tree of 5 to 7 m: branches by recursion, leaves round their tips."""
    shape, tips = Shape(), []

    def branch(start: Vector, direction: Vector, length: float, radius: float,
               depth: int) -> None:
        end = start.copy()
        for k in range(3):
            wander = (rng.uniform(-0.18, 0.18), rng.uniform(-0.18, 0.18), rng.uniform(-.02, .12))
            direction = (direction + Vector(wander)).normalized()
            following = end + direction * length / 3
            thick = radius * (1 - 0.25 * k / 3)
            shape.tube(end, following, thick, thick * 0.86, 6 if depth < 2 else 4, _BARK)
            end = following
            if depth >= 2:
                tips.append((end.copy(), 0.9))
        if depth == 3:
            tips.append((end, 1.1))
            return
        for _ in range(rng.randint(3, 5)):
            angle = rng.uniform(0, 2 * math.pi)
            outward = Vector((math.cos(angle), math.sin(angle),
                              rng.uniform(0.1, 0.9))).normalized()
            fork = end - direction * length * rng.uniform(0, 0.45)
            branch(fork, (direction * 0.55 + outward).normalized(),
                   length * rng.uniform(0.55, 0.75), radius * 0.5, depth + 1)

    branch(Vector((0, 0, 0)), Vector((0, 0, 1)), rng.uniform(1.8, 2.8), 0.17, 0)
    for _ in range(leaves):
        tip, spread = rng.choice(tips)
        scatter = Vector((rng.gauss(0, 0.3), rng.gauss(0, 0.3), rng.gauss(0, 0.24)))
        _add_leaf(shape, tip + scatter * spread, _random_direction(rng, 0.6),
                  rng.uniform(0.035, 0.085), 0.6)
    return shape


def _cypress(rng: random.Random, leaves: int = 6000) -> Shape:
    """Return a slender cypress of 8 m."""
    shape = Shape()
    shape.tube((0, 0, 0), (0, 0, 1.2), 0.12, 0.1, 7, _BARK)
    for _ in range(leaves):
        z = 0.5 + 7.5 * rng.random() ** 1.1
        hull = 0.85 * min(1, z / 1.6) * (1 - z / 8.6) ** 0.7
        angle = rng.uniform(0, 2 * math.pi)
        reach = hull * math.sqrt(rng.uniform(0.35, 1))
        centre = Vector((reach * math.cos(angle), reach * math.sin(angle), z))
        up = Vector((math.cos(angle) * 0.4 + rng.gauss(0, 0.2),
                     math.sin(angle) * 0.4 + rng.gauss(0, 0.2), 1)).normalized()
        across = up.orthogonal().normalized()
        across.rotate(Matrix.Rotation(rng.uniform(0, 2 * math.pi), 3, up))
        size = rng.uniform(0.1, 0.2)
        shape.add([centre - up * size, centre + across * size * 0.4, centre + up * size,
                   centre - across * size * 0.4], [(0, 1, 2, 3)], _LEAVES)
    return shape


def _bush(rng: random.Random, leaves: int = 2600) -> Shape:
    """Return a bush about a metre high and two wide."""
    shape = Shape()
    clumps = [(Vector((rng.gauss(0, 0.5), rng.gauss(0, 0.5), rng.uniform(0.2, 0.7))),
               rng.uniform(0.3, 0.6)) for _ in range(6)]
    for _ in range(leaves):
        middle, radius = rng.choice(clumps)
        centre = middle + _random_direction(rng) * radius * rng.uniform(0.6, 1.05)
        if centre.z > 0:
            _add_leaf(shape, centre, _random_direction(rng), rng.uniform(0.04, 0.09), 0.55)
    return shape


def _tuft(rng: random.Random, blades: int = 380) -> Shape:
    """Return a patch of grass of 2 m x 2 m, each blade bent over once."""
    shape = Shape()
    for _ in range(blades):
        x, y = rng.uniform(-1, 1), rng.uniform(-1, 1)
        height = rng.uniform(0.06, 0.32) * (1.4 if rng.random() < 0.1 else 1)
        angle, lean, half = rng.uniform(0, 2 * math.pi), rng.uniform(0.1, 0.6) * height, 0.008
        cos, sin = math.cos(angle), math.sin(angle)
        knee_x, knee_y = x + cos * lean * 0.4, y + sin * lean * 0.4
        shape.add([(x - half * sin, y + half * cos, 0), (x + half * sin, y - half * cos, 0),
                   (knee_x - 0.7 * half * sin, knee_y + 0.7 * half * cos, height * 0.6),
                   (knee_x + 0.7 * half * sin, knee_y - 0.7 * half * cos, height * 0.6),
                   (x + cos * lean, y + sin * lean, height)], [(0, 1, 3, 2), (2, 3, 4)])
    return shape
