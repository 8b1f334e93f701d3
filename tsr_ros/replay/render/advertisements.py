# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Invented advertising, made to be mistaken for signs: red rings, blue squares, bold numbers."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

from tsr_ros.replay.render.canvas import BLACK, BLUE, GREEN, RED, WHITE, YELLOW, Canvas


def draw_advertisement(design: int, aspect: float, height_px: int = 384) -> Image.Image:
    """Return the picture of a billboard; designs repeat."""
    canvas = Canvas(WHITE, aspect, height_px)
    _DESIGNS[design % len(_DESIGNS)](canvas)
    return canvas.image()


def _coffee(canvas: Canvas) -> None:
    middle = canvas.aspect / 2
    canvas.rectangle(0, 0, canvas.aspect, 1, (60, 34, 20))
    canvas.disc(middle, 0.42, 0.32, RED)
    canvas.disc(middle, 0.42, 0.25, (240, 225, 200))
    canvas.text('قهوة', middle, 0.42, 0.24, (60, 34, 20), 0.42)
    canvas.text('CAFÉ ATLAS', middle, 0.87, 0.16, (240, 225, 200), canvas.aspect - 0.1)


def _sale(canvas: Canvas) -> None:
    middle = canvas.aspect / 2
    canvas.rectangle(0, 0, canvas.aspect, 1, YELLOW)
    canvas.disc(middle, 0.36, 0.3, RED)
    canvas.text('-60%', middle, 0.36, 0.24, WHITE, 0.5)
    canvas.text('تخفيضات', middle, 0.76, 0.18, BLACK, canvas.aspect - 0.1)
    canvas.text('SOLDES', middle, 0.91, 0.13, BLACK, canvas.aspect - 0.1)


def _telephone(canvas: Canvas) -> None:
    middle = canvas.aspect / 2
    canvas.rectangle(0, 0, canvas.aspect, 1, BLUE)
    canvas.polygon([(middle - 0.28, 0.62), (middle, 0.12), (middle + 0.28, 0.62)], WHITE)
    canvas.text('5G', middle, 0.48, 0.18, BLUE)
    canvas.text('هاتف', middle, 0.84, 0.2, WHITE, canvas.aspect - 0.1)


def _water(canvas: Canvas) -> None:
    middle = canvas.aspect / 2
    canvas.rectangle(0, 0, canvas.aspect, 0.7, (150, 200, 225))
    canvas.rectangle(0, 0.7, canvas.aspect, 1, GREEN)
    canvas.rectangle(middle - 0.09, 0.18, middle + 0.09, 0.68, (70, 140, 190), 0.05)
    canvas.rectangle(middle - 0.05, 0.08, middle + 0.05, 0.2, BLUE, 0.01)
    canvas.text('ماء', middle, 0.45, 0.11, WHITE, 0.16)
    canvas.text('EAU DE SOURCE', middle, 0.85, 0.15, WHITE, canvas.aspect - 0.1)


_DESIGNS: tuple[Callable[[Canvas], None], ...] = (_coffee, _sale, _telephone, _water)
