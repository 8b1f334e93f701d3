# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The faces of the catalogue's signs, after the Vienna Convention in Morocco's form."""

from __future__ import annotations

import math
from collections.abc import Callable

from PIL import Image

from tsr_ros.replay.render import pictograms
from tsr_ros.replay.render.canvas import BLACK, BLUE, GREEN, RED, WHITE, YELLOW, Canvas
from tsr_ros.replay.render.catalogue import FACES

_MIDDLE = (0.5, 0.5)
_TRIANGLE_MIDDLE = (0.5, 0.64)


def draw_face(name: str, height_px: int = 512) -> Image.Image:
    """Return a new sign's face as an RGB picture that fills the plate's bounding rectangle.

    Outside the plate's outline the picture only continues the rim, since the plate cuts it.

    :raises KeyError: a traffic light (built, not drawn) or an unknown name
    """
    width_m, height_m = FACES[name].size_m
    return _DRAWERS[name](width_m / height_m, height_px).image()


def _red_ring(height_px: int) -> Canvas:
    canvas = Canvas(WHITE, 1.0, height_px)
    canvas.disc(*_MIDDLE, 0.485, RED)
    canvas.disc(*_MIDDLE, 0.375, WHITE)
    return canvas


def _speed_limit(value: int) -> Callable:
    def draw(_: float, height_px: int) -> Canvas:
        canvas = _red_ring(height_px)
        canvas.text(str(value), *_MIDDLE, 0.42, BLACK, 0.6, condensed=True)
        return canvas
    return draw


def _no_entry(_: float, height_px: int) -> Canvas:
    canvas = Canvas(WHITE, 1.0, height_px)
    canvas.disc(*_MIDDLE, 0.485, RED)
    canvas.rectangle(0.15, 0.41, 0.85, 0.59, WHITE)
    return canvas


def _no_overtaking(_: float, height_px: int) -> Canvas:
    canvas = _red_ring(height_px)
    pictograms.car_front(canvas, (0.36, 0.5), 0.25, RED, WHITE)
    pictograms.car_front(canvas, (0.64, 0.5), 0.25, BLACK, WHITE)
    return canvas


def _no_left_turn(_: float, height_px: int) -> Canvas:
    canvas = _red_ring(height_px)
    pictograms.bent_arrow(canvas, (0.5, 0.5), 0.42, BLACK, mirrored=True)
    canvas.line([(0.25, 0.25), (0.75, 0.75)], 0.08, RED)
    return canvas


def _no_parking(_: float, height_px: int) -> Canvas:
    canvas = Canvas(WHITE, 1.0, height_px)
    canvas.disc(*_MIDDLE, 0.485, RED)
    canvas.disc(*_MIDDLE, 0.385, BLUE)
    canvas.line([(0.23, 0.23), (0.77, 0.77)], 0.1, RED)
    return canvas


def _stop(_: float, height_px: int) -> Canvas:
    canvas = Canvas(WHITE, 1.0, height_px)
    radius = 0.465 / math.cos(math.pi / 8)
    canvas.polygon([(0.5 + radius * math.cos(a), 0.5 + radius * math.sin(a))
                    for a in (math.pi / 8 + i * math.pi / 4 for i in range(8))], RED)
    canvas.text('قف', 0.5, 0.32, 0.34, WHITE)
    canvas.text('STOP', 0.5, 0.68, 0.27, WHITE, 0.72, condensed=True)
    return canvas


def _obligation(symbol: Callable[[Canvas], None]) -> Callable:
    def draw(_: float, height_px: int) -> Canvas:
        canvas = Canvas(WHITE, 1.0, height_px)
        canvas.disc(*_MIDDLE, 0.48, BLUE)
        symbol(canvas)
        return canvas
    return draw


def _warning(symbol: Callable[[Canvas], None]) -> Callable:
    def draw(aspect: float, height_px: int) -> Canvas:
        canvas = Canvas(WHITE, aspect, height_px)
        middle_x, centroid_y = aspect / 2, 2 / 3
        for shrink, colour in ((0.95, RED), (0.66, WHITE)):
            canvas.polygon([(middle_x + shrink * dx, centroid_y + shrink * dy) for dx, dy in
                            ((0, -2 / 3), (-aspect / 2, 1 / 3), (aspect / 2, 1 / 3))], colour)
        symbol(canvas)
        return canvas
    return draw


def _blue_plate(symbol: Callable[[Canvas], None]) -> Callable:
    def draw(aspect: float, height_px: int) -> Canvas:
        canvas = Canvas(WHITE, aspect, height_px)
        canvas.rectangle(0.035, 0.035, aspect - 0.035, 0.965, BLUE, 0.05)
        symbol(canvas)
        return canvas
    return draw


def _pedestrian_crossing(canvas: Canvas) -> None:
    canvas.polygon([(0.5, 0.12), (0.1, 0.84), (0.9, 0.84)], WHITE)
    pictograms.walker(canvas, (0.5, 0.54), 0.42, BLACK)
    for i in range(5):
        canvas.polygon([(0.27 + 0.1 * i, 0.76), (0.33 + 0.1 * i, 0.76),
                        (0.32 + 0.1 * i, 0.81), (0.25 + 0.1 * i, 0.81)], BLACK)


def _town(arabic: str, french: str, distance_km: int) -> Callable[[Canvas], None]:
    def symbol(canvas: Canvas) -> None:
        middle = canvas.aspect / 2
        canvas.text(arabic, middle + 0.15, 0.29, 0.36, WHITE, 1.1)
        canvas.text(french, middle - 0.2, 0.7, 0.3, WHITE, 1.1, condensed=True)
        canvas.text(str(distance_km), canvas.aspect - 0.27, 0.7, 0.3, WHITE, 0.4, condensed=True)
    return symbol


def _rest_area(canvas: Canvas) -> None:
    middle = canvas.aspect / 2
    canvas.rectangle(0.1, 0.1, canvas.aspect - 0.1, 0.64, WHITE, 0.03)
    pictograms.picnic(canvas, (middle, 0.37), 0.42, BLACK)
    canvas.text('استراحة', middle, 0.74, 0.16, WHITE, canvas.aspect - 0.14)
    canvas.text('REPOS', middle, 0.88, 0.12, WHITE, canvas.aspect - 0.14, condensed=True)


def _hospital(canvas: Canvas) -> None:
    canvas.text('H', 0.5, 0.42, 0.62, WHITE)
    canvas.text('مستشفى', 0.5, 0.82, 0.2, WHITE, 0.8)


def _lights(canvas: Canvas) -> None:
    x, y = canvas.aspect / 2, _TRIANGLE_MIDDLE[1]
    canvas.rectangle(x - 0.085, y - 0.24, x + 0.085, y + 0.24, BLACK, 0.03)
    for i, colour in enumerate((RED, YELLOW, GREEN)):
        canvas.disc(x, y - 0.155 + 0.155 * i, 0.06, colour)


def _in_triangle(pictogram: Callable, size: float = 0.36, **options: bool) -> Callable:
    return _warning(lambda canvas: pictogram(
        canvas, (canvas.aspect / 2, _TRIANGLE_MIDDLE[1]), size, BLACK, **options))


def _arrow_disc(turn_deg: float) -> Callable:
    return _obligation(lambda canvas: pictograms.arrow(canvas, _MIDDLE, 0.7, WHITE, turn_deg))


_DRAWERS: dict[str, Callable[[float, int], Canvas]] = {
    **{f'speed_limit_{value}': _speed_limit(value) for value in (40, 60, 80, 100)},
    'no_entry': _no_entry,
    'no_overtaking': _no_overtaking,
    'no_left_turn': _no_left_turn,
    'no_parking': _no_parking,
    'stop': _stop,
    'straight_ahead': _arrow_disc(0),
    'turn_right': _obligation(lambda c: pictograms.bent_arrow(c, (0.5, 0.52), 0.6, WHITE)),
    'turn_left': _obligation(lambda c: pictograms.bent_arrow(c, (0.5, 0.52), 0.6, WHITE, True)),
    'keep_right': _arrow_disc(135),
    'roundabout': _obligation(lambda c: pictograms.circling_arrows(c, _MIDDLE, 0.75, WHITE)),
    'bend_right': _in_triangle(pictograms.bend),
    'bend_left': _in_triangle(pictograms.bend, mirrored=True),
    'pedestrians': _in_triangle(pictograms.walker, 0.42),
    'other_danger': _in_triangle(pictograms.exclamation, 0.44),
    'uneven_road': _in_triangle(pictograms.bumps, 0.3),
    'crossroads': _in_triangle(pictograms.cross, 0.42),
    'lights_ahead': _warning(_lights),
    'parking': _blue_plate(lambda c: c.text('P', 0.5, 0.5, 0.8, WHITE)),
    'pedestrian_crossing': _blue_plate(_pedestrian_crossing),
    'hospital': _blue_plate(_hospital),
    'town_rabat': _blue_plate(_town('الرباط', 'RABAT', 42)),
    'town_fes': _blue_plate(_town('فاس', 'FES', 118)),
    'rest_area': _blue_plate(_rest_area),
}
