# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Outlines of plates and lights in metres: built by the renderer, projected as ground truth."""

import math

THICKNESS_M = 0.012
LIGHT_DEPTH_M = 0.22
LENS_RADIUS_M = 0.105
LENS_PITCH_M = 0.31
HOOD_RADIUS_M = 0.125
HOOD_LENGTH_M = 0.17
_CORNER = 0.05


def plate_outline(shape: str, size_m: tuple) -> list:
    """Return the corners (x right, z up) of a plate around its centre, counter-clockwise.

    `shape`: disc, octagon, triangle (rounded corners) or rectangle.
    """
    half_w, half_h = size_m[0] / 2, size_m[1] / 2
    if shape == 'disc':
        return [(half_w * math.cos(a), half_h * math.sin(a))
                for a in (2 * math.pi * i / 64 for i in range(64))]
    if shape == 'octagon':
        radius = half_w / math.cos(math.pi / 8)
        return [(radius * math.cos(a), radius * math.sin(a))
                for a in (math.pi / 8 + i * math.pi / 4 for i in range(8))]
    if shape == 'triangle':
        return _rounded([(0, half_h), (-half_w, -half_h), (half_w, -half_h)],
                        _CORNER * size_m[0])
    if shape == 'rectangle':
        return [(-half_w, -half_h), (half_w, -half_h), (half_w, half_h), (-half_w, half_h)]
    raise ValueError(f'unknown plate shape {shape!r}')


def advertisement_key(board: dict) -> str:
    """Return what a billboard's picture is known by: a design is drawn for one size."""
    width_m, height_m = board['size_m']
    return f'advertisement {board["design"]} {width_m:g} x {height_m:g}'


def plate_vertices(shape: str, size_m: tuple) -> list:
    """Return the (x, y, z) of a plate's front and back corners; the face looks towards -Y."""
    outline = plate_outline(shape, size_m)
    return ([(x, 0.0, z) for x, z in outline]
            + [(x, THICKNESS_M, z) for x, z in outline])


def light_vertices(size_m: tuple) -> list:
    """Return the (x, y, z) of a traffic light's housing and of its three hoods."""
    half_w, half_h = size_m[0] / 2, size_m[1] / 2
    vertices = [(x, y, z) for y in (0.0, LIGHT_DEPTH_M)
                for z in (-half_h, half_h) for x in (-half_w, half_w)]
    for centre_z in lens_heights():
        for x, z in hood_arc():
            vertices.append((x, -HOOD_LENGTH_M, centre_z + z))
    return vertices


def lens_heights() -> list:
    """Return the heights of the red, yellow and green lens over the housing's centre."""
    return [LENS_PITCH_M, 0.0, -LENS_PITCH_M]


def hood_arc(steps: int = 14) -> list:
    """Return the (x, z) of a hood's rim around its lens, open below."""
    angles = [math.pi * (-0.1 + 1.2 * i / steps) for i in range(steps + 1)]
    return [(HOOD_RADIUS_M * math.cos(a), HOOD_RADIUS_M * math.sin(a)) for a in angles]


def object_vertices(shape: str, size_m: tuple) -> list:
    """Return all the vertices whose projection bounds a sign or a light."""
    return light_vertices(size_m) if shape == 'light' else plate_vertices(shape, size_m)


def _rounded(corners: list, radius: float, steps: int = 6) -> list:
    """Replace each corner of a convex polygon by an arc that touches both its sides."""
    points = []
    for i, (x, z) in enumerate(corners):
        before, after = corners[i - 1], corners[(i + 1) % len(corners)]
        to_before = math.atan2(before[1] - z, before[0] - x)
        to_after = math.atan2(after[1] - z, after[0] - x)
        half = ((to_after - to_before + math.pi) % (2 * math.pi) - math.pi) / 2
        middle = to_before + half
        reach = radius / abs(math.sin(half))
        centre = (x + reach * math.cos(middle), z + reach * math.sin(middle))
        turn = math.copysign(math.pi / 2 - abs(half), half)
        for k in range(steps + 1):
            angle = middle + math.pi + turn * (1 - 2 * k / steps)
            points.append((centre[0] + radius * math.cos(angle),
                           centre[1] + radius * math.sin(angle)))
    return points
