# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a replay gave, as tables: the same in the terminal and on the page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tsr_ros.replay.run import DROPS, Run, percentiles_ms
from tsr_ros.replay.score import RunScore, Sight
from tsr_ros.report.text_table import NOTHING, number, text_table

CLEAR_DAY = 'clear_day'  # the condition that the others are compared with
STAGES = {
    'age_at_arrival': 'age of the image at the node, by the recording\'s clock',
    'queue_wait': 'waiting until the detector is free',
    'decode': 'file to picture',
    'preprocess': 'picture to the network\'s input',
    'inference': 'the network',
    'postprocess': 'its output to boxes',
    'publish': 'boxes to messages',
    'total': 'arrival at the node to answer',
    'end_to_end': 'image sent to answer received, in three processes',
}


class Table(NamedTuple):
    """A table with a title; the first `left` columns are words, the others numbers."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int = 1
    note: str = ''


def run_tables(run: Run, score: RunScore | None) -> Iterator[Table]:
    """Yield what became of the frames, how long it took, what was found and how right that is."""
    yield _account(run)
    yield _latency(run)
    yield _classes(run, score)
    if score is not None:
        if score.signs:
            yield _signs(score)
        yield _alarms(score)


def _account(run: Run) -> Table:
    sent = len(run.answers)

    def row(words: str, count: int) -> tuple[str, str, str]:
        return words, str(count), f'{100 * count / sent:.1f} %' if sent else ''

    rows = [row('sent' if run.mode == 'live' else 'read', sent), row('answered', run.answered)]
    rows += [row(f'dropped: {DROPS[cause]}', count) for cause, count in run.dropped.items()
             if count]
    if not any(run.dropped.values()):
        rows.append(row('dropped', 0))
    return Table('What became of the frames', ('frames', 'count', 'share'), rows)


def _latency(run: Run) -> Table:
    rows = []
    for stage in run.stages():
        times = percentiles_ms(run.times_ms(stage))
        words = STAGES[stage] if (run.mode, stage) != ('offline', 'total') else 'all of these'
        rows.append((stage.replace('_', ' '), words,
                     *(f'{times[name]:.1f}' for name in ('p50', 'p95', 'p99', 'max'))))
    return Table('How long it took, in ms', ('stage', 'from … to', 'p50', 'p95', 'p99', 'max'),
                 rows, left=2)


def _classes(run: Run, score: RunScore | None) -> Table:
    counts = run.detections_per_class()
    if score is None:
        rows = [(label, str(count)) for label, count in counts.items()]
        rows.append(('all', str(sum(counts.values()))))
        return Table('What was found', ('class', 'detections'), rows)
    rows = [(row.label, str(row.objects),
             str(counts[row.label] if row.label in counts else sum(counts.values())),
             number(row.precision), number(row.recall), number(row.ap50))
            for row in (*score.scores.classes, score.scores.overall)]
    note = ''
    if run.least_score >= run.confidence > 0.05:
        note = (f'The node publishes scores from {run.confidence:g} up, so that the average '
                'precision (mAP) lacks what lies below; an offline replay has it whole.')
    return Table(
        'What was found, in the frames that were answered',
        ('class', 'objects', 'detections', 'precision', 'recall', 'mAP@0.5'), rows, note=note)


def _signs(score: RunScore) -> Table:
    rows = [(sign.track_id, sign.label, *_sight(sign.visible, ''), *_sight(sign.last, ''),
             *_sight(sign.detected, 'ahead' if sign.ahead else 'missed'),
             *_sight(sign.confirmed, 'ahead' if sign.ahead else 'never'),
             f'{sign.detected_frames} of {sign.frames}')
            for sign in score.signs]
    return Table(
        'Each sign along the road',
        ('sign', 'class', 'visible from m', 's', 'to m', 's', 'detected m', 's', 'confirmed m',
         's', 'found in frames'), rows, left=2,
        note='m: distance at that moment; s: seconds left until the sign is passed (where its '
             'place is not known: until it is last to be seen); ahead: the drive ends before it.')


def _sight(sight: Sight | None, otherwise: str) -> tuple[str, str]:
    if sight is None:
        return otherwise, ''
    return number(sight.distance_m, '.1f'), number(sight.before_passing_s, '.1f')


def _alarms(score: RunScore) -> Table:
    rows = [
        ('false alarms: detections that hit no object', str(score.false_alarms),
         number(score.false_alarms_per_minute, '.1f')),
        ('detections of the wrong class', str(score.wrong_class),
         number(score.wrong_class / score.minutes if score.minutes else math.nan, '.1f')),
    ]
    if score.signs:
        rows += [('false signs: confirmed, but no object hit', str(score.false_signs),
                  number(score.false_signs_per_minute, '.1f')),
                 (f'signs never found, of {len(score.passed)} passed', str(score.missed), ''),
                 (f'signs never confirmed, of {len(score.passed)} passed',
                  str(score.unconfirmed), '')]
    return Table('What went wrong', ('', 'count', 'per minute'), rows)


def conditions_tables(runs: Sequence[Run], scores: Sequence[RunScore]) -> Iterator[Table]:
    """Yield what sets several runs side by side, and what they lose against the clear day."""
    yield _conditions(runs, scores)
    reference = next((k for k, run in enumerate(runs) if run.condition == CLEAR_DAY), None)
    if reference is not None and any(run.condition != CLEAR_DAY for run in runs):
        yield _costs(runs, scores, reference)
    yield _classes_side_by_side(runs, scores)


_MEASURES = ('precision', 'recall', 'mAP@0.5', 'detected m', 'confirmed m', 'missed',
             'false alarms/min')


def _conditions(runs: Sequence[Run], scores: Sequence[RunScore]) -> Table:
    rows = []
    for run, score in zip(runs, scores, strict=True):
        overall = score.scores.overall
        rows.append((
            run.source, run.condition, number(overall.precision), number(overall.recall),
            number(overall.ap50), number(score.detected_m, '.1f'),
            number(score.confirmed_m, '.1f'), f'{score.missed} of {len(score.passed)}',
            number(score.false_alarms_per_minute, '.0f')))
    note = ('detected and confirmed: from which distance, the median over the signs passed; one '
            'that never was counts as 0 m.')
    if any(run.mode == 'live' for run in runs):
        answered = ', '.join(f'{run.answered} of {len(run.answers)}' for run in runs)
        note += (' precision, recall and mAP@0.5 are of the frames that were answered: '
                 f'{answered}.')
    return Table('Conditions side by side', ('source', 'condition', *_MEASURES), rows, left=2,
                 note=note)


def _costs(runs: Sequence[Run], scores: Sequence[RunScore], reference: int) -> Table:
    clear = scores[reference]
    rows = []
    for run, score in zip(runs, scores, strict=True):
        if run.condition == CLEAR_DAY:
            continue
        points = [100 * (getattr(score.scores.overall, name)
                         - getattr(clear.scores.overall, name))
                  for name in ('precision', 'recall', 'ap50')]
        rows.append((
            run.source, run.condition, *(_difference(value, 1) for value in points),
            _difference(score.detected_m - clear.detected_m, 1),
            _difference(score.confirmed_m - clear.confirmed_m, 1),
            _difference(score.missed - clear.missed, 0),
            _difference(score.false_alarms_per_minute - clear.false_alarms_per_minute, 0)))
    return Table(
        f'What light and weather cost against {runs[reference].source}',
        ('source', 'condition', *_MEASURES), rows, left=2,
        note='Differences; precision, recall and mAP@0.5 in points, which are hundredths. They '
             'are the cost of light and weather where road and signs are the same, and a sign '
             'more or less among so few may be chance.')


def _classes_side_by_side(runs: Sequence[Run], scores: Sequence[RunScore]) -> Table:
    columns = [[number(row.ap50) for row in (*score.scores.classes, score.scores.overall)]
               for score in scores]
    labels = [*(row.label for row in scores[0].scores.classes), 'all']
    return Table('mAP@0.5 of each class', ('class', *(run.source for run in runs)),
                 list(zip(labels, *columns, strict=True)))


def _difference(value: float, digits: int) -> str:
    """Return a number with its sign; 0 has none."""
    if math.isnan(value):
        return NOTHING
    value = round(value, digits) + 0.0  # of -0.0 makes 0.0
    return f'{value:+.{digits}f}' if value else f'{value:.{digits}f}'


def as_text(table: Table) -> str:
    """Return a table for the terminal."""
    lines = text_table(table.headings, table.rows, table.left).splitlines()
    rule = '─' * max(map(len, lines))
    text = [table.title, rule, lines[0], rule, *lines[1:]]
    return '\n'.join(text + ([table.note] if table.note else []))
