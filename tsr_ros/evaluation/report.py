# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An evaluation as one page to look at."""

from __future__ import annotations

from tsr_ros.evaluation import gallery, tables
from tsr_ros.evaluation.plots import PLOTS
from tsr_ros.evaluation.run import Evaluation
from tsr_ros.report.page import Page
from tsr_ros.report.text_table import number

COLUMNS = (
    'Precision: share of the alarms that are right. Recall: share of the signs that are found. '
    'F1: their harmonic mean. An alarm is right if it overlaps a sign of its class by an IoU of '
    'at least 0.5, each sign once. The three are given at a score threshold: for a class that '
    'where its F1 is best, in the last row one for all classes. AP: mean precision over all '
    'recalls, as COCO has it, at an IoU of 0.5, and as the mean for 0.5, 0.55 … 0.95.')


def evaluation_page(evaluation: Evaluation) -> Page:
    """Return a page with the scores, the curves, the groups and pictures of the mistakes."""
    page = Page(tables.title(evaluation), tables.circumstances(evaluation))
    overall, threshold = evaluation.scores.overall, evaluation.scores.threshold
    page.tiles([
        (number(overall.ap50), 'mAP@0.5'),
        (number(overall.ap50_95), 'mAP@0.5:0.95'),
        (number(overall.precision), 'mean precision'),
        (number(overall.recall), 'mean recall'),
        (number(threshold), 'threshold for these'),
        (f'{overall.objects}', f'objects in {overall.images} images'),
    ])
    page.table(*tables.class_table(evaluation))
    page.text(COLUMNS, 'soft')
    page.heading('Curves')
    for name in 'precision_recall', 'f1_over_threshold':
        _plot(page, evaluation, name)
    page.heading('Mistakes')
    _plot(page, evaluation, 'confusion')
    page.table(('kind', f'number at {number(threshold)}'),
               tables.mistake_rows(evaluation))
    for kind in tables.kinds(evaluation):
        page.heading(f'By {tables.KINDS[kind]}')
        page.text(f'Means over the classes that are there, all at the threshold '
                  f'{number(threshold)}.', 'soft')
        if kind == 'size':
            _plot(page, evaluation, 'by_size')
        page.table(*tables.group_table(evaluation, kind))
        page.text('AP@0.5 of each class, with the number of objects:', 'soft')
        page.table(*tables.group_class_table(evaluation, kind))
    _galleries(page, evaluation)
    return page


def _plot(page, evaluation, name):
    draw, caption = PLOTS[name]
    page.plot(draw(evaluation), caption)


def _galleries(page, evaluation):
    page.heading('Mistakes in pictures')
    threshold = number(evaluation.scores.threshold)
    page.text(f'White boxes are what is there, coloured ones what was found with a score of at '
              f'least {threshold}.', 'soft')
    for heading, note, total, pictures in (
            ('Missed', 'The largest first: small ones are expected to be missed.',
             len(evaluation.mistakes.missed), gallery.missed(evaluation)),
            ('False alarms', 'The surest first. Some may be signs that nobody labelled.',
             len(evaluation.mistakes.false_alarms), gallery.false_alarms(evaluation)),
            ('Taken for another class', 'The surest first.',
             len(evaluation.mistakes.confused), gallery.confused(evaluation))):
        page.heading(f'{heading}: {total}', 3)
        if pictures:
            shown = f' Shown: {len(pictures)}.' if len(pictures) < total else ''
            page.text(note + shown, 'soft')
            page.gallery(pictures)
        else:
            page.text('None.')
