# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import inspect
import json
import math

import numpy as np
import pytest

from tsr_ros.evaluation.ground_truth import GroundTruth
from tsr_ros.nodes.parameters import SETTINGS
from tsr_ros.replay.run import Answer, Run, in_labels_of
from tsr_ros.replay.score import passing_ns, score_run
from tsr_ros.replay.tables import conditions_tables
from tsr_ros.tracking.sign_tracker import SignTracker
from tsr_ros.vision.detections import Detections

LABELS = ('red', 'green')
STEP_NS = 100_000_000
SIGN = (24, 40, 40, 56)
ELSEWHERE = (100, 10, 116, 26)


def make_run(*frames):
    """Each frame: (what is found or None, ground truth or None); boxes (xyxy, score, class)."""
    answers = []
    for number, (found, truth) in enumerate(frames):
        if found is not None:
            xyxy, score, class_id = zip(*found) if found else ((), (), ())
            found = Detections(np.array(xyxy, np.float32).reshape(-1, 4),
                               np.array(score, np.float32), np.array(class_id, np.int32))
        answers.append(Answer(str(number), 10**9 + number * STEP_NS, truth, found, {}))
    return Run('offline', 'made', 'recording', 'night', 10.0, 0.0, LABELS, {}, 0.35, 0.01,
               answers, {}, [])


def sign(ahead_m, right_m=0.0, track_id='a'):
    return GroundTruth.of([SIGN], [0], [track_id], [(right_m, 0, ahead_m)])


NOTHING = GroundTruth.of()
HIT = (SIGN, 0.9, 0)


def test_nothing_at_all():
    score = score_run(make_run())
    assert (score.signs, score.false_alarms, score.false_signs) == ((), 0, 0)
    assert math.isnan(score.false_alarms_per_minute)
    assert math.isnan(score.scores.overall.ap50)


def test_distances_and_times_worked_by_hand():
    # 10 m/s, 30 m ahead at first, 3 m to the right: passed after 3 s. Found in frames 1, 3, 4, 5
    # and so confirmed in frame 4, the third within five.
    score = score_run(make_run(*(
        ([HIT] if number in (1, 3, 4, 5) else [], sign(30.0 - number, 3.0))
        for number in range(6))))
    (seen,) = score.signs
    assert (seen.track_id, seen.label, seen.frames, seen.detected_frames) == ('a', 'red', 6, 4)
    assert seen.visible == pytest.approx((math.hypot(30, 3), 3.0), abs=1e-5)
    assert seen.last == pytest.approx((math.hypot(25, 3), 2.5), abs=1e-5)
    assert seen.detected == pytest.approx((math.hypot(29, 3), 2.9), abs=1e-5)
    assert seen.confirmed == pytest.approx((math.hypot(26, 3), 2.6), abs=1e-5)
    assert score.scores.overall.recall == pytest.approx(4 / 6)
    assert (score.missed, score.unconfirmed, score.false_alarms) == (0, 0, 0)


@pytest.mark.parametrize(('found', 'missed', 'alarms', 'wrong'), [
    ([], 1, 0, 0),
    ([HIT], 0, 0, 0),
    ([(SIGN, 0.3, 0)], 1, 0, 0),  # below the score that counts
    ([(SIGN, 0.9, 1)], 1, 0, 1),  # another class
    ([(ELSEWHERE, 0.9, 0)], 1, 1, 0),
    ([(ELSEWHERE, 0.9, 0), HIT], 0, 1, 0),
    ([((32, 40, 48, 56), 0.9, 0)], 1, 1, 0),  # overlaps by a third
    ([HIT, (SIGN, 0.8, 0)], 0, 1, 0),  # found twice
])
def test_one_frame(found, missed, alarms, wrong):
    score = score_run(make_run((found, sign(20))))
    assert (score.missed, score.false_alarms, score.wrong_class) == (missed, alarms, wrong)
    # one frame at 10 Hz lasts a 600th of a minute
    assert score.false_alarms_per_minute == pytest.approx(600 * alarms)


def test_a_false_alarm_that_stays_becomes_a_false_sign():
    score = score_run(make_run(*(([HIT, (ELSEWHERE, 0.8, 1)], sign(20 - n)) for n in range(6))))
    assert (score.false_alarms, score.false_signs) == (6, 1)
    assert score.false_signs_per_minute == pytest.approx(100)


@pytest.mark.parametrize(('truths', 'false_signs'), [
    ([None] * 4 + [NOTHING], 1),  # confirmed in frame 2, and so it is still in frame 4
    ([NOTHING] * 2 + [None] * 3, 0),  # confirmed only where nobody knows what is there
    ([sign(20)] + [NOTHING] * 4, 1),
    ([None] * 5, 0),
])
def test_a_false_sign_is_one_where_ground_truth_is_known(truths, false_signs):
    score = score_run(make_run(*(([(ELSEWHERE, 0.9, 0)], truth) for truth in truths)))
    assert score.false_signs == false_signs
    known = sum(truth is not None for truth in truths)
    assert score.minutes == pytest.approx(known / 600)


def test_a_sign_taken_for_another_class_is_not_invented():
    score = score_run(make_run(*(([(SIGN, 0.8, 1)], sign(10 - n)) for n in range(6))))
    assert (score.wrong_class, score.false_signs, score.missed) == (6, 0, 1)


@pytest.mark.parametrize(('ahead_m', 'painted', 'expected'), [
    ([], [], math.nan),
    ([math.nan, math.nan], [True, False], math.nan),  # nobody knows where they are
    ([20], [False], 0),
    ([20, 30], [True, True], 25),
    # of the far one alone the median would be 30 m, as if less were seen from farther away
    ([20, 30], [False, True], 15),
    ([20, 30, math.nan], [True, True, False], 25),
])
def test_a_sign_never_found_is_found_from_0_m(ahead_m, painted, expected):
    boxes = [(40 * k, 40, 40 * k + 16, 56) for k in range(len(ahead_m))]
    truth = GroundTruth.of(boxes, [0] * len(boxes), [str(k) for k in range(len(boxes))],
                           [(0, 0, z) for z in ahead_m])
    found = [(box, 0.9, 0) for box, is_painted in zip(boxes, painted) if is_painted]
    score = score_run(make_run((found, truth)))
    assert score.detected_m == pytest.approx(expected, nan_ok=True)
    # one frame confirms nothing
    assert score.confirmed_m == pytest.approx(0 * expected, nan_ok=True)


@pytest.mark.parametrize(('seen_m', 'frames', 'ahead'), [
    ([12, 11, 10.5], 3, True),   # 10 m/s or 5 m/s: the drive ends a second or more before it
    ([12, 11, 10], 4, False),    # 10 m/s: 0.9 s are left at the end, it is as good as passed
    ([40, 39, 38], 4, True),     # hidden at the end, but 3.7 s are left
    ([21, 20, 19], 11, True),    # out of sight for 0.8 s of 1.9
    ([21, 20, 19], 13, False),   # for 1.0 s
    ([20, 20, 20], 3, True),     # the car stands: it is never passed
    ([20, 20, 20], 30, True),
    ([math.nan] * 3, 3, False),  # nobody knows
])
def test_a_sign_that_the_drive_does_not_reach_is_not_missed(seen_m, frames, ahead):
    score = score_run(make_run(*(
        ([], sign(seen_m[k]) if k < len(seen_m) else NOTHING) for k in range(frames))))
    assert score.signs[0].ahead == ahead
    assert (len(score.passed), score.missed, score.unconfirmed) == (1 - ahead,) * 3


def test_frames_of_one_stamp_are_told_apart():
    # as some cameras give it when they stall
    run = make_run(([HIT], sign(20)), ([(ELSEWHERE, 0.9, 0)], sign(20)), ([], NOTHING))
    run.answers[1] = run.answers[1]._replace(stamp_ns=run.answers[0].stamp_ns)
    score = score_run(run)
    assert (score.signs[0].frames, score.signs[0].detected_frames) == (2, 1)
    assert score.false_alarms == 1


def test_pictures_have_no_minutes():
    run = make_run(([(ELSEWHERE, 0.9, 0)], NOTHING))._replace(kind='images')
    score = score_run(run)
    assert score.false_alarms == 1
    assert score.as_dict()['false_alarms_per_minute'] is None


def drive(condition, *hits, alarms=()):
    """Return a run of 6 frames, at 10 m/s, with the sign found in some, and its score."""
    run = make_run(*(
        ([HIT] * (number in hits) + [(ELSEWHERE, 0.5, 0)] * (number in alarms),
         sign(14.0 - number)) for number in range(6)))._replace(
             source=f'{condition} 1', condition=condition)
    return run, score_run(run)


def test_what_light_and_weather_cost():
    drives = [drive('fog', 3, 4, 5, alarms=(0,)), drive('clear_day', *range(6)), drive('night')]
    side_by_side, costs, classes = conditions_tables(*zip(*drives))
    assert [row[0] for row in side_by_side.rows] == ['fog 1', 'clear_day 1', 'night 1']
    # half of it is found: the mean of the precision, 1, at the recalls 0, 0.01 … 0.5 of 101
    assert side_by_side.rows[0][2:] == (
        '0.750', '0.500', '0.505', '11.0', '9.0', '0 of 1', '100')
    assert costs.title == 'What light and weather cost against clear_day 1'
    assert costs.rows == [
        ('fog 1', 'fog', '-25.0', '-50.0', '-49.5', '-3.0', '-3.0', '0', '+100'),
        ('night 1', 'night', '-100.0', '-100.0', '-100.0', '-14.0', '-12.0', '+1', '0')]
    assert classes.headings == ('class', 'fog 1', 'clear_day 1', 'night 1')
    assert classes.rows == [('red', '0.505', '1.000', '0.000'), ('green', '–', '–', '–'),
                            ('all', '0.505', '1.000', '0.000')]


def test_live_it_is_said_of_how_many_frames_the_scores_are():
    runs, scores = zip(drive('fog', 1), drive('rain', 2))
    live = [run._replace(mode='live', answers=[*run.answers[:5], run.answers[5]._replace(
        detections=None)]) for run in runs]
    said = 'of the frames that were answered'
    assert said not in next(conditions_tables(runs, scores)).note
    assert f'{said}: 5 of 6, 5 of 6.' in next(conditions_tables(live, scores)).note


def test_without_a_clear_day_nothing_is_compared_with_it():
    titles = [table.title for table in conditions_tables(*zip(drive('fog', 1), drive('rain', 2)))]
    assert titles == ['Conditions side by side', 'mAP@0.5 of each class']


def test_dropped_frames_count_for_signs_alone():
    score = score_run(make_run((None, sign(20)), ([HIT], sign(19)), (None, sign(18))))
    assert score.scores.overall.recall == 1
    assert score.signs[0].frames == 3
    assert score.signs[0].detected.distance_m == pytest.approx(19)


def test_frames_without_ground_truth_are_not_judged():
    score = score_run(make_run(([(ELSEWHERE, 0.9, 0)], None), ([], NOTHING)))
    assert score.false_alarms == 0
    assert score.minutes == pytest.approx(0.1 / 60)


def test_signs_are_confirmed_as_by_the_node():
    defaults = {setting.name: setting.default for setting in SETTINGS}
    rules = inspect.signature(SignTracker).parameters.values()
    assert len(rules) == 3
    assert all(defaults[f'tracking.{rule.name}'] == rule.default for rule in rules)


@pytest.mark.parametrize(('stamps_s', 'ahead_m', 'passed_s'), [
    ([5], [10.0], 5),  # one sight says nothing of the pace
    ([5, 5], [20.0, 10.0], 5),  # nor do two at once
    ([0, 1], [20.0, 10.0], 2),
    ([0, 1, 2, 3, 4, 5, 6], [99.0, 99.0, 50.0, 40.0, 30.0, 20.0, 10.0], 7),  # the last five
    ([0, 1, 2], [5.0, 0.0, -5.0], 1),
    ([0, 1], [math.nan, math.nan], 1),  # last to be seen
    ([0, 1], [20.0, 20.0], math.nan),  # the car stands
    ([0, 1], [20.0, 25.0], math.nan),
])
def test_when_a_sign_is_passed(stamps_s, ahead_m, passed_s):
    passed = passing_ns([stamp * 10**9 for stamp in stamps_s], ahead_m)
    assert passed / 1e9 == pytest.approx(passed_s, nan_ok=True)


def test_the_score_is_json():
    run = make_run(([], sign(math.nan)), ([], sign(math.nan)))
    written = json.loads(json.dumps(score_run(run).as_dict(), allow_nan=False))
    assert written['missed_signs'] == 1
    assert written['signs'][0]['visible'] == {
        'distance_m': None, 'before_passing_s': pytest.approx(0.1)}


@pytest.mark.parametrize(('truth', 'expected'), [
    (None, None),
    (GroundTruth.of(), []),
    (GroundTruth.of([SIGN, ELSEWHERE], [1, 0]), [0]),
])
def test_classes_are_joined_by_name(truth, expected):
    joined = in_labels_of(truth, ('horse', 'red'), LABELS)
    assert (joined if joined is None else joined.class_id.tolist()) == expected
