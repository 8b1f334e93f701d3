# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A drawing surface for sign faces; coordinates in units of its height."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, features

RED = (171, 20, 30)
BLUE = (14, 64, 142)
WHITE = (236, 236, 230)
BLACK = (20, 20, 20)
GREEN = (20, 120, 60)
YELLOW = (240, 180, 20)
Point = tuple[float, float]
_OVERSAMPLING = 2


class FontMissingError(RuntimeError):
    """No font with Arabic letters, or a Pillow that cannot join them."""


@cache
def font_file(condensed: bool = False) -> str:
    """Return the path of DejaVu Sans Bold, which has Latin and Arabic letters.

    :raises FontMissingError: neither the system nor matplotlib carries it
    """
    name = 'DejaVuSansCondensed-Bold.ttf' if condensed else 'DejaVuSans-Bold.ttf'
    try:
        return ImageFont.truetype(name, 10).path
    except OSError:
        pass
    try:
        import matplotlib
    except ImportError:
        raise FontMissingError('sign faces need the font DejaVu Sans Bold: '
                          'apt install fonts-dejavu-core, or pip install matplotlib') from None
    return str(Path(matplotlib.get_data_path()) / 'fonts/ttf/DejaVuSans-Bold.ttf')


class Canvas:
    """An RGB picture `height_px` high and `aspect` times as wide; (0, 0) is its top left.

    x runs from 0 to `aspect`, y from 0 to 1.
    """

    def __init__(self, background: tuple, aspect: float = 1.0, height_px: int = 512):
        self.aspect = aspect
        self._size_px = (round(height_px * aspect), height_px)
        self._scale = height_px * _OVERSAMPLING
        self._image = Image.new(
            'RGB', (self._size_px[0] * _OVERSAMPLING, self._scale), background)
        self._draw = ImageDraw.Draw(self._image)

    def polygon(self, points: Sequence[Point], colour: tuple) -> None:
        """Fill a polygon."""
        self._draw.polygon([(x * self._scale, y * self._scale) for x, y in points], fill=colour)

    def disc(self, x: float, y: float, radius: float, colour: tuple) -> None:
        """Fill a circle."""
        self.polygon([(x + radius * math.cos(a), y + radius * math.sin(a))
                      for a in (2 * math.pi * i / 128 for i in range(128))], colour)

    def rectangle(self, x0: float, y0: float, x1: float, y1: float, colour: tuple,
                  radius: float = 0.0) -> None:
        """Fill a rectangle, its corners rounded by `radius`."""
        box = [value * self._scale for value in (x0, y0, x1, y1)]
        self._draw.rounded_rectangle(box, radius * self._scale, fill=colour)

    def line(self, points: Sequence[Point], width: float, colour: tuple) -> None:
        """Draw a polyline with round joints and ends."""
        self._draw.line([(x * self._scale, y * self._scale) for x, y in points],
                        fill=colour, width=max(1, round(width * self._scale)), joint='curve')
        for x, y in (points[0], points[-1]):
            self.disc(x, y, width / 2, colour)

    def text(self, text: str, x: float, y: float, height: float, colour: tuple,
             max_width: float | None = None, condensed: bool = False) -> None:
        """Write one line centred on (x, y); Arabic is joined and runs from right to left.

        :raises FontMissingError: no such font, or a Pillow without libraqm for Arabic
        """
        arabic = any('\u0600' <= letter <= '\u06ff' for letter in text)
        if arabic and not features.check('raqm'):
            raise FontMissingError('Pillow without libraqm cannot join Arabic letters: '
                              'pip install --upgrade pillow')
        shaping = {'direction': 'rtl', 'language': 'ar'} if arabic else {}
        path = font_file(condensed and not arabic)
        size = height * self._scale
        if max_width is not None:
            wide = ImageFont.truetype(path, size).getlength(text, **shaping) / self._scale
            size *= min(1.0, max_width / wide)
        self._draw.text((x * self._scale, y * self._scale), text, fill=colour, anchor='mm',
                        font=ImageFont.truetype(path, size), **shaping)

    def image(self) -> Image.Image:
        """Return the picture at its final size."""
        return self._image.resize(self._size_px, Image.Resampling.LANCZOS)
