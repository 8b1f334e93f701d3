# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0

import math

import pytest

from tsr_ros.nodes.diagnostics import (
    ERROR,
    OK,
    WARN,
    DelayWatch,
    Growth,
    Limits,
    Problem,
    RecentProblems,
    input_problems,
    latency_values,
    lost_problems,
    make_status,
)
from tsr_ros.nodes.frame_slot import Counts
from tsr_ros.nodes.latency_window import Percentiles

LIMITS = Limits(max_allowed_processing_time_ms=100.0, max_acceptable_consecutive_delay_ms=1000.0,
                max_image_gap_ms=500.0)


@pytest.mark.parametrize(
    ('problems', 'level', 'message'),
    [
        ([], OK, 'ok'),
        ([Problem(WARN, 'slow')], WARN, 'slow'),
        ([Problem(WARN, 'slow'), Problem(ERROR, 'broken')], ERROR, 'broken; slow'),
    ],
)
def test_make_status(problems, level, message):
    status = make_status('node: part', 'cpu', problems, [('count', 3)])
    assert (status.name, status.hardware_id) == ('node: part', 'cpu')
    assert (status.level, status.message) == (level, message)
    assert [(value.key, value.value) for value in status.values] == [('count', '3')]


@pytest.mark.parametrize(
    ('frames', 'busy_for', 'now', 'expected'),
    [
        ([], 0.0, 9.0, []),
        ([(99.0, 1.0)], 0.5, 1.0, []),
        ([(150.0, 1.0)], 0.0, 6.0, [Problem(WARN, 'processing takes 150 ms, allowed are 100')]),
        # no frame has come for a while: what was slow is no news
        ([(150.0, 1.0)], 0.0, 6.5, []),
        # one frame in time ends the run of delays
        ([(150.0, 1.0), (50.0, 2.0), (200.0, 3.0)], 0.0, 3.0,
         [Problem(WARN, 'processing takes 200 ms, allowed are 100')]),
        # delayed since 0.75, when the first delayed frame arrived
        ([(250.0, 1.0), (250.0, 1.25), (250.0, 2.0)], 0.0, 2.1,
         [Problem(ERROR, 'processing takes 250 ms, allowed are 100, for 1.2 s now')]),
        # a backend that hangs
        ([(50.0, 1.0)], 1.5, 9.0, [Problem(ERROR, 'no answer yet to an image taken 1.5 s ago')]),
    ],
)
def test_delay_watch(frames, busy_for, now, expected):
    watch = DelayWatch()
    for processing_time_ms, answered_at in frames:
        watch.add(processing_time_ms, answered_at, LIMITS)
    assert watch.problems(busy_for, now, LIMITS) == expected


def test_growth():
    growth = Growth(now=10.0)
    assert growth.look(Counts(0, 0, 0, 0, 0), 11.0) == (Counts(0, 0, 0, 0, 0), 1.0)
    assert growth.look(Counts(5, 3, 1, 0, 1), 13.0) == (Counts(5, 3, 1, 0, 1), 2.0)
    assert growth.look(Counts(9, 4, 1, 3, 1), 13.5) == (Counts(4, 1, 0, 3, 0), 0.5)


NOTHING = Counts(0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ('counts', 'grown', 'gap_ms', 'publishers', 'expected'),
    [
        (NOTHING, NOTHING, 500.0, 0, []),
        (NOTHING, NOTHING, 2000.0, 0,
         [Problem(WARN, 'no image yet for 2.0 s on /image: nobody publishes')]),
        (Counts(9, 9, 0, 0, 0), NOTHING, 800.0, 1,
         [Problem(WARN, 'no image for 0.8 s on /image: 1 publisher is there')]),
        (Counts(9, 9, 0, 0, 0), NOTHING, 800.0, 2,
         [Problem(WARN, 'no image for 0.8 s on /image: 2 publishers are there')]),
        (Counts(9, 6, 0, 3, 0), Counts(5, 2, 0, 3, 0), 1.0, 1,
         [Problem(WARN, '3 of 5 images dropped as older than max_frame_age')]),
    ],
)
def test_input_problems(counts, grown, gap_ms, publishers, expected):
    assert input_problems(counts, grown, gap_ms, publishers, '/image', LIMITS) == expected


def test_lost_problems():
    assert lost_problems(0) == []
    problem, = lost_problems(3)
    assert problem.level == WARN
    assert problem.text.startswith('3 images lost on their way here')


def test_latency_values_use_autowares_names():
    summary = {'inference': Percentiles(1.0, 2.0, 3.0, 4.0),
               'total': Percentiles(5.0, 6.0, 7.0, 8.125)}
    assert latency_values({}) == []
    assert latency_values(summary) == [
        ('inference_time_ms/p50', '1.00'), ('inference_time_ms/p95', '2.00'),
        ('inference_time_ms/p99', '3.00'), ('inference_time_ms/max', '4.00'),
        ('processing_time_ms/p50', '5.00'), ('processing_time_ms/p95', '6.00'),
        ('processing_time_ms/p99', '7.00'), ('processing_time_ms/max', '8.12')]


def test_recent_problems_are_held_and_replaced():
    recent = RecentProblems(hold=5.0)
    assert recent.problems(0.0) == []
    assert recent.note('image', Problem(WARN, 'first'), 1.0)
    assert not recent.note('image', Problem(WARN, 'second'), 2.0)  # no news
    assert recent.note('qos', Problem(ERROR, 'other'), 2.0)
    assert recent.problems(3.0) == [Problem(WARN, 'second'), Problem(ERROR, 'other')]
    recent.clear('qos')
    assert recent.problems(7.0) == [Problem(WARN, 'second')]
    assert recent.problems(7.5) == []
    assert recent.note('image', Problem(WARN, 'third'), 7.5)


def test_a_lasting_problem_stays_until_it_is_cleared():
    recent = RecentProblems(hold=5.0)
    assert recent.note('configure', Problem(ERROR, 'no file'), math.inf)
    assert recent.note('configure', Problem(ERROR, 'no model'), math.inf)  # it says more
    assert recent.problems(1e9) == [Problem(ERROR, 'no model')]
    recent.clear('configure')
    assert recent.problems(1e9) == []
    assert recent.note('configure', Problem(ERROR, 'no model'), math.inf)
