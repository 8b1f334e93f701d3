# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores as Matplotlib figures."""

from __future__ import annotations

from typing import Any

import numpy as np

from tsr_ros.evaluation.metrics import RECALLS
from tsr_ros.evaluation.run import Evaluation
from tsr_ros.report.plots import BESIDE, add_legend, new_figure
from tsr_ros.vision.draw import PALETTE

MOST_POINTS = 300  # of a curve; more are not seen, but make the file large
MEAN = {'color': 'black', 'linewidth': 2.5, 'label': 'mean'}


def precision_recall(evaluation: Evaluation) -> Any:
    """Draw the precision that is kept at each recall, by class."""
    figure, axes = new_figure(8.6, 4.2)
    scores = evaluation.scores
    present = [c for c, row in enumerate(scores.classes) if row.objects]
    for c in present:
        row = scores.classes[c]
        axes.plot(RECALLS, scores.precision_at_recall[c], color=_colour(c),
                  label=f'{row.label} {row.ap50:.3f}')
    if present:
        axes.plot(RECALLS, scores.precision_at_recall[present].mean(axis=0),
                  **{**MEAN, 'label': f'mean {scores.overall.ap50:.3f}'})
        add_legend(axes, title='AP@0.5', **BESIDE)
    axes.set(xlabel='recall: share of the signs that are found',
             ylabel='precision: share of the alarms that are right',
             xlim=(0, 1.01), ylim=(0, 1.02))
    return figure


def f1_over_threshold(evaluation: Evaluation) -> Any:
    """Draw F1 over the score threshold, by class, and the threshold with the best mean."""
    figure, axes = new_figure(8.6, 4.2)
    scores = evaluation.scores
    thresholds = np.linspace(0, 1, MOST_POINTS + 1)[1:]
    curves = {c: scores.curves[c].at(thresholds)[2]
              for c, row in enumerate(scores.classes) if row.objects}
    for c, f1 in curves.items():
        axes.plot(thresholds, f1, color=_colour(c), label=scores.classes[c].label)
    if curves:
        axes.plot(thresholds, np.mean(list(curves.values()), axis=0), **MEAN)
        add_legend(axes, **BESIDE)
    if not np.isnan(scores.threshold):
        axes.axvline(scores.threshold, color='#57606a', linestyle=':')
        axes.annotate(f' {scores.threshold:.3f}', (scores.threshold, 1.0), va='top')
    axes.set(xlabel='score threshold', ylabel='F1', xlim=(0, 1.01), ylim=(0, 1.02))
    return figure


def confusion(evaluation: Evaluation) -> Any:
    """Draw what objects were taken for, shaded by the share of each row."""
    counts = evaluation.scores.confusion
    names = [*evaluation.labels, 'background']
    size = len(names)
    figure, axes = new_figure(1.2 + 0.95 * size, 1.0 + 0.6 * size)
    axes.grid(False)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.pcolormesh(share, cmap='Blues', vmin=0, vmax=1.2, edgecolors='white', linewidth=1)
    for (row, column), count in np.ndenumerate(counts):
        if (row, column) != (size - 1, size - 1):
            axes.text(column + 0.5, row + 0.5, str(count), ha='center', va='center',
                      color='white' if share[row, column] > 0.6 else 'black')
    ticks = np.arange(size) + 0.5
    axes.set_xticks(ticks, [*names[:-1], 'missed'], rotation=25, ha='right')
    axes.set_yticks(ticks, [*names[:-1], 'nothing there'])
    axes.tick_params(length=0)
    axes.invert_yaxis()
    axes.set(xlabel='what it was taken for', ylabel='what it is')
    return figure


def by_size(evaluation: Evaluation) -> Any:
    """Draw the average precision of each class for small, medium and large objects."""
    figure, axes = new_figure(9, 3.2)
    groups = evaluation.groups['size']
    place = np.arange(len(evaluation.labels))
    width = 0.8 / len(groups)
    for k, (size, scores) in enumerate(groups.items()):
        left = place + (k - (len(groups) - 1) / 2) * width
        values = [0 if np.isnan(row.ap50) else row.ap50 for row in scores.classes]
        axes.bar(left, values, width * 0.92, color=('#9ecae1', '#4292c6', '#08519c')[k],
                 label=size)
        for x, value, row in zip(left, values, scores.classes):
            axes.annotate(str(row.objects), (x, value), ha='center', va='bottom', fontsize=8,
                          color='#57606a')
    axes.grid(False, axis='x')
    axes.set_xticks(place, evaluation.labels)
    axes.set(ylabel='AP@0.5', ylim=(0, 1.04))
    axes.legend(**BESIDE)
    return figure


# file name: (what draws it, what a reader is told below it)
PLOTS = {
    'precision_recall': (precision_recall, 'How many false alarms finding more signs costs. The '
                         'area below a curve is its average precision.'),
    'f1_over_threshold': (f1_over_threshold, 'What each score threshold gives. F1 is high where '
                          'precision and recall both are. Dotted: the threshold used here.'),
    'confusion': (confusion, 'Each row is what there is; each column what it was taken for, at '
                  'this threshold. Off the diagonal are the mistakes.'),
    'by_size': (by_size, 'Average precision by size of sign; small below 32 x 32 px of the '
                'image, large from 96 x 96 px. Above each bar: how many there are.'),
}


def _colour(class_id: int) -> str:
    """Return a class's colour, that of its boxes in pictures, darker since the paper is white."""
    blue, green, red = (value * 3 // 4 for value in PALETTE[class_id % len(PALETTE)])
    return f'#{red:02x}{green:02x}{blue:02x}'
