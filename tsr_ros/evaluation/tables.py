# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An evaluation as tables of text, for the terminal and for a page."""

from __future__ import annotations

from tsr_ros.evaluation.metrics import SIZES, ClassScore
from tsr_ros.evaluation.mistakes import KINDS as MISTAKES
from tsr_ros.evaluation.mistakes import count_mistakes
from tsr_ros.evaluation.run import Evaluation
from tsr_ros.report.text_table import NOTHING, number, text_table

Row = tuple[str, ...]
SCORE_HEADINGS = ('objects', 'images', 'precision', 'recall', 'F1', 'AP@0.5', 'AP@0.5:0.95')
KINDS = {'condition': 'light and weather', 'size': 'size of sign', 'source': 'source of images'}


def score_cells(row: ClassScore) -> Row:
    """Return the cells below SCORE_HEADINGS."""
    return (str(row.objects), str(row.images), *(
        number(value) for value in (row.precision, row.recall, row.f1, row.ap50, row.ap50_95)))


def title(evaluation: Evaluation) -> str:
    """Return what was judged on what, in a few words."""
    subject = evaluation.subject
    return f'{subject.model} on {subject.data}{", split " if subject.split else ""}{subject.split}'


def circumstances(evaluation: Evaluation) -> str:
    """Return what ran and how."""
    subject = evaluation.subject
    backend, (width, height) = subject.backend, subject.input_wh
    return (f'{backend.name} {backend.version}, {backend.precision} on {backend.device}, '
            f'input {width} x {height}; boxes of one class overlapping by more than '
            f'{subject.nms_iou:g} merged; model file sha256 {subject.model_sha256[:16]}…')


def class_table(evaluation: Evaluation) -> tuple[Row, list[Row]]:
    """Return headings and rows: each class, and the means."""
    rows = [*evaluation.scores.classes, evaluation.scores.overall]
    return ('class', *SCORE_HEADINGS, 'threshold'), [
        (row.label, *score_cells(row), number(row.threshold)) for row in rows]


def group_table(evaluation: Evaluation, kind: str) -> tuple[Row, list[Row]]:
    """Return headings and rows: the means over the classes in each group."""
    return (kind, *SCORE_HEADINGS), [
        (group_name(kind, group), *score_cells(scores.overall))
        for group, scores in evaluation.groups[kind].items()]


def group_class_table(evaluation: Evaluation, kind: str) -> tuple[Row, list[Row]]:
    """Return headings and rows: AP@0.5 of each class in each group, with the number of objects."""
    return (kind, *evaluation.labels), [
        (group_name(kind, group), *(
            f'{number(row.ap50)} ({row.objects})' if row.objects else NOTHING
            for row in scores.classes))
        for group, scores in evaluation.groups[kind].items()]


def group_name(kind: str, group: str) -> str:
    """Return a group's name for a reader."""
    if kind != 'size':
        return group or 'not known'
    low, high = (round(area ** 0.5) for area in SIZES[group])
    if not low:
        return f'{group} (below {high} x {high} px)'
    return f'{group} (from {low} x {low} px)'


def kinds(evaluation: Evaluation) -> list[str]:
    """Return the kinds of groups that say something: sizes, and others with two or more groups."""
    return [kind for kind, groups in evaluation.groups.items()
            if kind == 'size' or len(groups) > 1]


def mistake_rows(evaluation: Evaluation) -> list[Row]:
    """Return each kind of mistake and how often it was made."""
    counts = count_mistakes(evaluation.matches, evaluation.mistakes)
    return [(MISTAKES[kind], str(count)) for kind, count in counts.items()]


def as_text(evaluation: Evaluation) -> str:
    """Return the tables for a terminal."""
    threshold = number(evaluation.scores.threshold)
    parts = [title(evaluation), circumstances(evaluation), '',
             text_table(*class_table(evaluation))]
    for kind in kinds(evaluation):
        parts += ['', f'By {KINDS[kind]}, all at the threshold {threshold}',
                  text_table(*group_table(evaluation, kind))]
    parts += ['', text_table(('mistakes', f'at {threshold}'), mistake_rows(evaluation))]
    return '\n'.join(parts)
