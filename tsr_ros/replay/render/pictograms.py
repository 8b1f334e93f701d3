# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The symbols on sign faces, drawn around a centre in units of their own height."""

from __future__ import annotations

import math

from tsr_ros.replay.render.canvas import Canvas, Point


def _placed(points: list[Point], centre: Point, size: float, turn_deg: float = 0,
            mirrored: bool = False) -> list[Point]:
    """Turn clockwise, mirror left to right, scale and move points given around (0, 0)."""
    cos, sin = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    flip = -1 if mirrored else 1
    return [(centre[0] + size * flip * (x * cos - y * sin), centre[1] + size * (x * sin + y * cos))
            for x, y in points]


def arrow(canvas: Canvas, centre: Point, size: float, colour: tuple, turn_deg: float = 0) -> None:
    """Draw a straight arrow; 0 degrees points up, 90 to the right."""
    canvas.polygon(_placed([(-0.08, 0.5), (0.08, 0.5), (0.08, -0.12), (0.28, -0.12), (0, -0.5),
                            (-0.28, -0.12), (-0.08, -0.12)], centre, size, turn_deg), colour)


def bent_arrow(canvas: Canvas, centre: Point, size: float, colour: tuple,
               mirrored: bool = False) -> None:
    """Draw an arrow that comes from below and turns right, or left when mirrored."""
    stem = [(-0.25, 0.5), (-0.25, 0.06), (-0.17, -0.1), (0.0, -0.15), (0.15, -0.15)]
    canvas.line(_placed(stem, centre, size, 0, mirrored), 0.17 * size, colour)
    head = [(0.12, -0.42), (0.5, -0.15), (0.12, 0.12)]
    canvas.polygon(_placed(head, centre, size, 0, mirrored), colour)


def circling_arrows(canvas: Canvas, centre: Point, size: float, colour: tuple) -> None:
    """Draw the three arrows of a roundabout, counter-clockwise as one drives on the right."""
    for turn in (0, 120, 240):
        arc = [(0.36 * math.cos(a), -0.36 * math.sin(a))
               for a in (math.radians(20 + 5 * i) for i in range(13))]
        canvas.line(_placed(arc, centre, size, turn), 0.13 * size, colour)
        head = [(0.36 * r * math.cos(math.radians(b)), -0.36 * r * math.sin(math.radians(b)))
                for r, b in ((1.45, 82), (1.0, 118), (0.55, 82))]
        canvas.polygon(_placed(head, centre, size, turn), colour)


def walker(canvas: Canvas, centre: Point, size: float, colour: tuple) -> None:
    """Draw a pedestrian walking to the left."""
    head = _placed([(0.02, -0.42)], centre, size)[0]
    canvas.disc(*head, 0.085 * size, colour)
    body = [(-0.05, -0.31), (0.1, -0.3), (0.12, 0.05), (-0.05, 0.05)]
    canvas.polygon(_placed(body, centre, size), colour)
    for limb, width in (([(0.0, 0.02), (-0.08, 0.24), (-0.24, 0.48)], 0.095),
                        ([(0.06, 0.02), (0.15, 0.24), (0.24, 0.48)], 0.095),
                        ([(-0.03, -0.26), (-0.15, -0.1), (-0.24, -0.06)], 0.07),
                        ([(0.08, -0.26), (0.2, -0.1), (0.18, 0.05)], 0.07)):
        canvas.line(_placed(limb, centre, size), width * size, colour)


def car_front(canvas: Canvas, centre: Point, size: float, colour: tuple, glass: tuple) -> None:
    """Draw a car seen from behind."""
    def box(x0: float, y0: float, x1: float, y1: float, fill: tuple, radius: float) -> None:
        (x0, y0), (x1, y1) = _placed([(x0, y0), (x1, y1)], centre, size)
        canvas.rectangle(x0, y0, x1, y1, fill, radius * size)
    box(-0.36, -0.45, 0.36, 0.1, colour, 0.12)
    box(-0.26, -0.36, 0.26, -0.1, glass, 0.05)
    box(-0.5, -0.08, 0.5, 0.34, colour, 0.1)
    for side in (-1, 1):
        box(side * 0.33 - 0.1, 0.2, side * 0.33 + 0.1, 0.5, colour, 0.04)


def bend(canvas: Canvas, centre: Point, size: float, colour: tuple,
         mirrored: bool = False) -> None:
    """Draw an arrow that bends to the right, or left when mirrored."""
    stem = [(-0.16, 0.5), (-0.16, 0.2), (-0.1, 0.05), (0.06, -0.12), (0.1, -0.2)]
    canvas.line(_placed(stem, centre, size, 0, mirrored), 0.15 * size, colour)
    head = [(-0.1, -0.24), (0.2, -0.55), (0.3, -0.1)]
    canvas.polygon(_placed(head, centre, size, 0, mirrored), colour)


def exclamation(canvas: Canvas, centre: Point, size: float, colour: tuple) -> None:
    """Draw an exclamation mark."""
    canvas.polygon(_placed([(-0.1, -0.5), (0.1, -0.5), (0.06, 0.2), (-0.06, 0.2)],
                           centre, size), colour)
    canvas.disc(centre[0], centre[1] + 0.4 * size, 0.1 * size, colour)


def bumps(canvas: Canvas, centre: Point, size: float, colour: tuple) -> None:
    """Draw the two humps of an uneven road."""
    outline = [(x / 40, 0.25 - 0.42 * abs(math.sin(math.pi * (x + 32) / 32)) ** 1.3)
               for x in range(-32, 33)]
    canvas.polygon(_placed([*outline, (0.8, 0.42), (-0.8, 0.42)], centre, size), colour)


def cross(canvas: Canvas, centre: Point, size: float, colour: tuple) -> None:
    """Draw the cross of a junction."""
    for dx, dy in ((0.35, 0.35), (-0.35, 0.35)):
        canvas.line(_placed([(-dx, -dy), (dx, dy)], centre, size), 0.2 * size, colour)


def picnic(canvas: Canvas, centre: Point, size: float, colour: tuple) -> None:
    """Draw a tree and a table for a resting place."""
    canvas.polygon(_placed([(-0.22, -0.5), (-0.48, 0.15), (0.04, 0.15)], centre, size), colour)
    canvas.polygon(_placed([(-0.26, 0.1), (-0.18, 0.1), (-0.18, 0.45), (-0.26, 0.45)],
                           centre, size), colour)
    canvas.line(_placed([(0.1, 0.18), (0.5, 0.18)], centre, size), 0.07 * size, colour)
    for x0, x1 in ((0.2, 0.1), (0.4, 0.5)):
        canvas.line(_placed([(x0, 0.18), (x1, 0.44)], centre, size), 0.05 * size, colour)
