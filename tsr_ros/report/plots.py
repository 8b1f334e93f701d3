# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The look that all plots share."""

from __future__ import annotations

from typing import Any

# Okabe and Ito 2008: told apart by colour-blind readers too
COLOURS = ('#0072b2', '#e69f00', '#009e73', '#d55e00', '#cc79a7', '#56b4e9', '#7f7f7f',
           '#b8a800', '#000000')

# where a legend of axes stands outside of them; `loc='outside …'` wants Matplotlib 3.7
_OUTSIDE = {'borderaxespad': 0, 'frameon': False}
BESIDE = {'loc': 'upper left', 'bbox_to_anchor': (1.01, 1), **_OUTSIDE}
ABOVE = {'loc': 'lower left', 'bbox_to_anchor': (0, 1.02), **_OUTSIDE}


def new_figure(width: float = 9.0, height: float = 4.0, **options: Any) -> tuple[Any, Any]:
    """Return a Matplotlib figure, inches wide and high, and its axes; `options` as `subplots`."""
    import matplotlib
    matplotlib.use('Agg')
    from cycler import cycler
    from matplotlib import pyplot

    look = {'axes.prop_cycle': cycler(color=COLOURS), 'axes.spines.top': False,
            'axes.spines.right': False, 'axes.grid': True, 'grid.color': '#e5e8eb',
            'axes.axisbelow': True, 'legend.frameon': False, 'font.size': 10}
    with matplotlib.rc_context(look):
        return pyplot.subplots(figsize=(width, height), layout='constrained', **options)


def add_legend(axes: Any, **options: Any) -> None:
    """
    Name the lines of `axes` in their legend.

    By itself Matplotlib leaves out those whose name begins with an underscore; older ones do so
    whoever names them, so the names are put in afterwards.
    """
    lines = axes.get_lines()
    legend = axes.legend(lines, ['name'] * len(lines), **options)
    for text, line in zip(legend.get_texts(), lines):
        text.set_text(line.get_label())
