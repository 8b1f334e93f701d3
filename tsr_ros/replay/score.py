# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How right a replay was, frame by frame and, what counts on the road, sign by sign."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tsr_ros.evaluation.matching import ImageResult, match_results
from tsr_ros.evaluation.metrics import Scores, score_matches
from tsr_ros.evaluation.mistakes import find_mistakes
from tsr_ros.replay.run import Run
from tsr_ros.report.files import or_none
from tsr_ros.tracking.sign_track import SignTrack
from tsr_ros.tracking.sign_tracker import SignTracker

_NEWEST = 5          # last sights of a sign that say how fast it comes nearer
_STANDING_M_S = 0.1  # slower than this, a sign is never passed
_AHEAD_S = 1.0       # so far from a sign, a drive ends before it


class Sight(NamedTuple):
    """A sign at one moment."""

    distance_m: float         # from the camera; NaN where not known
    before_passing_s: float   # see passing_ns; NaN where it is never passed


class SignScore(NamedTuple):
    """One sign along the road, and when it was seen."""

    track_id: str
    label: str
    frames: int              # in which it is to be seen
    detected_frames: int     # in which it was found
    visible: Sight           # when it can first be told apart, by the ground truth
    last: Sight              # when it is last to be seen
    detected: Sight | None   # first found; None: missed
    confirmed: Sight | None  # first found and confirmed; None: never
    ahead: bool              # the drive ends more than a second before it is passed, if ever


class RunScore(NamedTuple):
    """A run against its ground truth. Frames that were dropped count for signs alone."""

    scores: Scores                # of the frames that were answered
    signs: tuple[SignScore, ...]  # in the order in which they come into sight
    false_alarms: int             # detections that hit no object: see find_mistakes
    wrong_class: int              # detections on an object of another class
    false_signs: int              # confirmed where ground truth is known, and never on an object
    minutes: float                # that the frames with ground truth cover; of pictures 0

    @property
    def passed(self) -> list[SignScore]:
        """The signs that the drive passes: of the others it is not known what it would miss."""
        return [sign for sign in self.signs if not sign.ahead]

    @property
    def missed(self) -> int:
        """Number of signs passed and never found."""
        return sum(sign.detected is None for sign in self.passed)

    @property
    def unconfirmed(self) -> int:
        """Number of signs passed and never confirmed, those never found included."""
        return sum(sign.confirmed is None for sign in self.passed)

    @property
    def false_alarms_per_minute(self) -> float:
        """Detections that hit no object, per minute of the drive."""
        return self.false_alarms / self.minutes if self.minutes else math.nan

    @property
    def false_signs_per_minute(self) -> float:
        """Signs confirmed where nothing is, per minute of the drive."""
        return self.false_signs / self.minutes if self.minutes else math.nan

    @property
    def detected_m(self) -> float:
        """Median distance at which signs were first found, metres; see _median_m."""
        return _median_m(self.passed, [sign.detected for sign in self.passed])

    @property
    def confirmed_m(self) -> float:
        """Median distance at which signs were first confirmed, metres; see _median_m."""
        return _median_m(self.passed, [sign.confirmed for sign in self.passed])

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it; None for NaN."""
        return {
            **self.scores.as_dict(),
            'signs': [_plain(sign) for sign in self.signs],
            'passed_signs': len(self.passed),
            'missed_signs': self.missed, 'unconfirmed_signs': self.unconfirmed,
            'false_alarms': self.false_alarms, 'wrong_class': self.wrong_class,
            'false_signs': self.false_signs, 'minutes': self.minutes,
            'false_alarms_per_minute': or_none(self.false_alarms_per_minute),
            'false_signs_per_minute': or_none(self.false_signs_per_minute),
            'detected_m': or_none(self.detected_m), 'confirmed_m': or_none(self.confirmed_m),
        }


def score_run(run: Run) -> RunScore:
    """
    Judge a run whose source has ground truth.

    A detection is right if it overlaps an object of its class by half (intersection over union).
    A sign is confirmed by the rules that the node has unless its parameters change them.
    """
    # frames are told apart by their number: some cameras give one stamp to several
    judged = [number for number, answer in enumerate(run.answers)
              if answer.detections is not None and answer.ground_truth is not None]
    results = [ImageResult(answer.name, run.condition, answer.detections, answer.ground_truth)
               for answer in (run.answers[number] for number in judged)]
    matches = match_results(results, len(run.labels))
    mistakes = find_mistakes(matches, run.confidence)
    scores = score_matches(matches, run.labels, len(results), run.confidence)

    with_truth = {number for number, answer in enumerate(run.answers)
                  if answer.ground_truth is not None}
    confirmed, tracks = _follow(run)
    objects = matches.objects
    # (frame's number, track id): whether the detection that hit it belongs to a confirmed sign
    found: dict[tuple[int, str], bool] = {}
    real = set()
    for detection in (*mistakes.found, *mistakes.confused[:, 0]):
        real.add(tracks[judged[matches.image[detection]], matches.row[detection]])
    for detection in mistakes.found:
        number = judged[matches.image[detection]]
        track_id = run.answers[number].ground_truth.track_id[
            objects.row[matches.matched[detection, 0]]]
        found[number, track_id] = (number, matches.row[detection]) in confirmed
    # minutes are those of the frames with ground truth, so signs have to be, too
    false_signs = {tracks[key] for key in confirmed if key[0] in with_truth} - real
    minutes = len(with_truth) * run.duration_s / max(len(run.answers), 1) / 60
    return RunScore(
        scores, _sign_scores(run, found), len(mistakes.false_alarms), len(mistakes.confused),
        # the pace of single pictures is made up: nothing happens so and so often a minute in them
        len(false_signs), 0.0 if run.kind == 'images' else minutes)


def _median_m(signs: Sequence[SignScore], sights: Sequence[Sight | None]) -> float:
    """
    Return the median distance, one that never was counting as 0 m; NaN where no place is known.

    Left out, the signs that only good light shows would make bad light look the better.
    """
    distances_m = [sight.distance_m if sight else 0.0
                   for sign, sight in zip(signs, sights, strict=True)
                   if not math.isnan(sign.visible.distance_m)]
    return float(np.median(distances_m)) if distances_m else math.nan


def _follow(run: Run) -> tuple[set[tuple[int, int]], dict[tuple[int, int], SignTrack]]:
    """
    Follow and confirm as the node does.

    :return: which (frame's number, row of its detections) belong to a confirmed sign, and the sign
        of each.
    """
    confirmed, tracks = set(), {}
    tracker = SignTracker()
    for number, answer in enumerate(run.answers):
        if answer.detections is None:
            continue
        rows = np.flatnonzero(answer.detections.score >= np.float32(run.confidence))
        followed = tracker.update(answer.detections.select(rows), answer.stamp_ns)
        for row, track in zip(rows.tolist(), followed, strict=True):
            # a tracker that begins anew may number anew: the object, not its number, is the sign
            tracks[number, row] = track
            if track.confirmed:
                confirmed.add((number, row))
    return confirmed, tracks


def _sign_scores(run: Run, found: dict[tuple[int, str], bool]) -> tuple[SignScore, ...]:
    sights: dict[str, list[tuple[int, int, np.ndarray]]] = {}
    end_ns = 0
    for number, answer in enumerate(run.answers):
        truth = answer.ground_truth
        if truth is None:
            continue
        end_ns = answer.stamp_ns
        for track_id, class_id, position_m in zip(truth.track_id, truth.class_id.tolist(),
                                                  truth.position_m, strict=True):
            if track_id:
                sights.setdefault(track_id, []).append((number, class_id, position_m))
    return tuple(_sign_score(run, track_id, seen, found, end_ns)
                 for track_id, seen in sights.items())


def _sign_score(run: Run, track_id: str, seen: Sequence[tuple[int, int, np.ndarray]],
                found: dict[tuple[int, str], bool], end_ns: int) -> SignScore:
    stamps_ns = [run.answers[number].stamp_ns for number, _, _ in seen]
    passed_ns = passing_ns(stamps_ns, [float(position[2]) for _, _, position in seen])
    sights = {number: Sight(float(np.linalg.norm(position)), (passed_ns - stamp_ns) / 1e9)
              for stamp_ns, (number, _, position) in zip(stamps_ns, seen, strict=True)}
    detected = [number for number in sights if (number, track_id) in found]
    confirmed = [number for number in detected if found[number, track_id]]
    return SignScore(
        track_id, run.labels[seen[0][1]], len(seen), len(detected), sights[seen[0][0]],
        sights[seen[-1][0]],
        sights[detected[0]] if detected else None, sights[confirmed[0]] if confirmed else None,
        # so that NaN, never passed, is ahead too
        not passed_ns <= end_ns + _AHEAD_S * 1e9)


def passing_ns(stamps_ns: Sequence[int], ahead_m: Sequence[float]) -> float:
    """
    Return the time at which a sign is passed: when it is 0 m ahead, its pace as at last.

    The pace is the slope of a straight line through the last five (least squares). Where places
    are not known, or all stamps are one, it is when the sign is last to be seen; where it comes
    no nearer, NaN.
    """
    stamps = np.asarray(stamps_ns[-_NEWEST:], np.int64)
    ahead = np.asarray(ahead_m[-_NEWEST:], float)
    if not np.isfinite(ahead).all() or np.ptp(stamps) == 0:
        return float(stamps[-1])
    seconds = (stamps - stamps[-1]) / 1e9
    speed, offset = np.polyfit(seconds, ahead, 1)
    if speed > -_STANDING_M_S:
        return math.nan
    return float(stamps[-1] - offset / speed * 1e9)


def _plain(sign: SignScore) -> dict[str, Any]:
    return {name: {key: or_none(number) for key, number in value._asdict().items()}
            if isinstance(value, Sight) else value for name, value in sign._asdict().items()}
