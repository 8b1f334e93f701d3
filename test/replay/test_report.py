# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import re
import types
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from tsr_ros.evaluation.ground_truth import GroundTruth
from tsr_ros.replay.report import choose_answers, latency_figure, summary, write_report
from tsr_ros.replay.run import Answer, Run, percentiles_ms
from tsr_ros.replay.score import score_run
from tsr_ros.replay.tables import Table, as_text, run_tables
from tsr_ros.report.page import figure_svg
from tsr_ros.vision.detections import Detections

LABELS = ('red', 'green')


def make_run(*scores, mode='live', dropped=None, times_ms=None):
    """One frame for each: a tuple of its detections' scores, or None if it was dropped."""
    answers = []
    for number, found in enumerate(scores):
        detections = None if found is None else Detections(
            np.zeros((len(found), 4), np.float32), np.array(found, np.float32),
            np.zeros(len(found), np.int32))
        answers.append(Answer(str(number), 10**9 + number * 10**8, None, detections,
                              times_ms or {} if found is not None else {}))
    return Run(mode, 'made', 'film', 'unspecified', 10.0, 1.0, LABELS, {}, 0.35, 0.35, answers,
               dropped or {}, [])


@pytest.mark.parametrize(('scores', 'count', 'expected'), [
    ((), 3, []),
    ((None, None), 3, []),
    (((), (0.9,), (), (), (0.4, 0.4), (0.5,)), 2, ['1', '4']),
    (((0.9,), (), (), ()), 2, ['0']),  # nothing to see in the second half
    (((), (), (), ()), 2, ['0', '2']),  # nothing anywhere
    (((0.5,), None, (0.6,)), 5, ['0', '2']),
    (((0.2, 0.2, 0.2), (0.4,)), 1, ['1']),  # what does not count is not seen
])
def test_pictures_come_from_all_along_the_drive(scores, count, expected):
    assert [answer.name for answer in choose_answers(make_run(*scores), count)] == expected


@pytest.mark.parametrize(('table', 'expected'), [
    (Table('Empty', ('a', 'b'), []), ['Empty', '────', 'a  b', '────']),
    (Table('Two', ('name', 'n'), [('x', '10'), ('longer', '1')], note='Note.'),
     ['Two', '──────────', 'name     n', '──────────', 'x       10', 'longer   1', 'Note.']),
])
def test_tables_as_text(table, expected):
    assert as_text(table).splitlines() == expected


def test_the_account_adds_up():
    run = make_run((0.9,), None, None, (), dropped={'overwritten': 1, 'lost': 1, 'bad': 0})
    account = next(run_tables(run, None))
    assert [row[1:] for row in account.rows] == [
        ('4', '100.0 %'), ('2', '50.0 %'), ('1', '25.0 %'), ('1', '25.0 %')]


def test_percentiles():
    assert percentiles_ms(np.arange(101.0)) == {'p50': 50, 'p95': 95, 'p99': 99, 'max': 100}


def test_the_summary_says_what_counts():
    run = make_run((0.9,), (0.9, 0.2), None, times_ms={'end_to_end': 40.0})
    assert summary(run, None) == (
        'Of 3 frames 2 were answered and 1 dropped. Half of the answers were there 40 ms after '
        'an image was sent, 95\u00a0% within 40 ms. 2 signs and lights were found in them, all '
        'frames together.')


@pytest.mark.parametrize(('ahead_m', 'drawn'), [(20.0, True), (np.nan, False)])
def test_distances_are_drawn_where_they_are_known(tmp_path, ahead_m, drawn):
    run = make_run(())
    truth = GroundTruth.of([(0, 0, 9, 9)], [0], ['a'], [(0, 0, ahead_m)])
    run.answers[0] = run.answers[0]._replace(ground_truth=truth)
    run.detector.update(model='m', backend='b', precision='fp32', device='cpu', threads='1')
    nothing = types.SimpleNamespace(frames=lambda: iter(()))
    page = write_report(tmp_path / 'a.html', [run], [score_run(run)], [nothing], 'Made')
    assert ('From which distance' in page.read_text()) == drawn


@pytest.mark.parametrize('run', [
    make_run(),
    make_run(None, None),
    make_run((), None, (), times_ms={'inference': 20.0, 'total': 25.0, 'end_to_end': 30.0}),
    make_run((), times_ms={'decode': 1.0, 'total': 2.0}, mode='offline'),
], ids=['empty', 'all dropped', 'live', 'offline'])
def test_latency_is_drawn_whatever_came(run):
    svg = figure_svg(latency_figure(run))
    ET.fromstring(svg)
    assert ('frame dropped' in svg) == any(answer.detections is None for answer in run.answers)
    assert ('network' in svg) == any('inference' in answer.times_ms for answer in run.answers)
    assert not re.search(r'(href|src)="https?:', svg)
