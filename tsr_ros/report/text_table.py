# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

NOTHING = '–'  # where a number does not exist


def number(value: float, form: str = '.3f') -> str:
    """Return a number as text, a dash for NaN."""
    return NOTHING if math.isnan(value) else format(value, form)


def text_table(headings: Sequence[Any], rows: Sequence[Sequence[Any]], left: int = 1) -> str:
    """Return aligned columns for a terminal, the first `left` flush left, the others right."""
    lines = [tuple(map(str, row)) for row in (headings, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return '\n'.join('  '.join(
        cell.ljust(width) if k < left else cell.rjust(width)
        for k, (cell, width) in enumerate(zip(line, widths, strict=True))).rstrip()
        for line in lines)
