# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Precision, recall, F1 and average precision of detections, by class, condition and size.

Average precision as in COCO's evaluation (https://cocodataset.org/#detection-eval): the precision
at 101 recalls, each the best at that recall or a higher one. Numbers that do not exist, such as
the recall of a class without objects, are NaN and left out of means.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tsr_ros.evaluation.matching import ANY_AREA, ImageResult, Matches, match_results
from tsr_ros.evaluation.mistakes import confusion_matrix, find_mistakes
from tsr_ros.report.files import or_none

RECALLS = np.linspace(0, 1, 101)
# square pixels, as COCO has them: small below 32 x 32, medium below 96 x 96
SIZES = {'small': (0.0, 32.0**2), 'medium': (32.0**2, 96.0**2), 'large': (96.0**2, 1e10)}
ALL = 'all'


class Curve(NamedTuple):
    """
    What each score threshold gives at an IoU of 0.5: one row per distinct score, highest first.

    A detection counts if its score is at least the threshold.
    """

    threshold: np.ndarray  # (K,)
    precision: np.ndarray  # (K,)
    recall: np.ndarray  # (K,), NaN where there are no objects
    f1: np.ndarray  # (K,)

    def at(self, threshold: np.ndarray | float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return precision, recall and F1 at thresholds of any shape; nothing found gives 0."""
        count = np.searchsorted(-self.threshold, -np.asarray(threshold), 'right')
        return tuple(np.append(0.0, values)[count] for values in self[1:])


class ClassScore(NamedTuple):
    """The scores of one class, or the means over the classes that have objects."""

    label: str
    objects: int
    images: int  # with such an object; over all classes: images looked at
    precision: float  # at `threshold` and an IoU of 0.5, as are recall and F1
    recall: float
    f1: float
    threshold: float  # the one asked for, or where F1 is best; for the mean one for all classes
    ap50: float  # average precision at an IoU of 0.5
    ap50_95: float  # mean of the average precisions at IoU 0.5, 0.55, … 0.95


class Scores(NamedTuple):
    """How right a detector is on a set of images."""

    overall: ClassScore
    classes: tuple[ClassScore, ...]
    curves: tuple[Curve, ...]  # one for each class
    precision_at_recall: np.ndarray  # (C, 101) at an IoU of 0.5, for RECALLS
    threshold: float  # of the confusion matrix
    confusion: np.ndarray  # (C + 1, C + 1) int: what it is, what it was taken for; last: nothing

    def as_dict(self) -> dict:
        """Return the numbers as JSON takes them, without the curves; None for NaN."""
        return {
            'overall': _plain(self.overall), 'classes': [_plain(row) for row in self.classes],
            'confusion': {'threshold': or_none(self.threshold),
                          'labels': [*(row.label for row in self.classes), 'background'],
                          'counts': self.confusion.tolist()}}


def score(results: Sequence[ImageResult], labels: Sequence[str],
          threshold: float | None = None,
          area_range: tuple[float, float] = ANY_AREA) -> Scores:
    """
    Judge detections against what is really there.

    :param threshold: least score for precision, recall, F1 and confusion; None takes, for each
        class, that where its F1 is best, and for means and confusion, where the mean F1 is
    :param area_range: of objects that count, in square pixels; others are neither to be found nor
        wrong to find
    :raises ValueError: for a class that has no label, with the image's name
    """
    return score_matches(match_results(results, len(labels), area_range), labels, len(results),
                         threshold)


def by_group(results: Sequence[ImageResult], groups: Sequence[str], labels: Sequence[str],
             threshold: float) -> dict[str, Scores]:
    """Return the scores for the images of each group; `groups` names that of each image."""
    return {
        group: score([result for result, its in zip(results, groups, strict=True) if its == group],
                     labels, threshold)
        for group in sorted(set(groups))}


def by_size(results: Sequence[ImageResult], labels: Sequence[str],
            threshold: float) -> dict[str, Scores]:
    """Return the scores for objects of each size of SIZES."""
    return {name: score(results, labels, threshold, area_range)
            for name, area_range in SIZES.items()}


def score_matches(matches: Matches, labels: Sequence[str], num_images: int,
                  threshold: float | None = None) -> Scores:
    """Return the scores of detections that have been matched; see score."""
    counted = ~matches.objects.ignored
    object_class, object_image = matches.objects.class_id[counted], matches.objects.image[counted]
    classes, curves, precisions = [], [], []
    for c, label in enumerate(labels):
        objects = int(np.count_nonzero(object_class == c))
        mine = matches.class_id == c
        hit, wrong = matches.hit[mine], ~(matches.hit[mine] | matches.ignored[mine])
        precision = precision_at_recalls(hit, wrong, objects)
        curve = score_curve(matches.score[mine], hit[:, 0], wrong[:, 0], objects)
        best, at_best = _choose(curve, objects, threshold)
        classes.append(ClassScore(
            label, objects, len(np.unique(object_image[object_class == c])), *at_best, best,
            float(precision[0].mean()), float(precision.mean())))
        curves.append(curve)
        precisions.append(precision[0])
    overall = _overall(classes, curves, num_images, threshold)
    threshold = overall.threshold if threshold is None else threshold
    return Scores(overall, tuple(classes), tuple(curves),
                  np.array(precisions).reshape(-1, len(RECALLS)), threshold,
                  confusion_matrix(matches, find_mistakes(matches, threshold), len(labels)))


def precision_at_recalls(hit: np.ndarray, wrong: np.ndarray, objects: int) -> np.ndarray:
    """
    Return the precision (T, 101) at the recalls of RECALLS; their mean is the average precision.

    :param hit: (D, T) bool, for detections of one class, best first, and T ways of matching them
    :param wrong: (D, T) bool; a detection that is neither is ignored
    :param objects: how many there are to be found; 0 gives NaN
    """
    if not objects:
        return np.full((hit.shape[1], len(RECALLS)), np.nan)
    found = hit.cumsum(axis=0)
    precision = found / np.maximum(found + wrong.cumsum(axis=0), 1)
    precision = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    recall = found / objects
    return np.array([
        np.append(precision[:, t], 0.0)[np.searchsorted(recall[:, t], RECALLS)]
        for t in range(hit.shape[1])])


def score_curve(score: np.ndarray, hit: np.ndarray, wrong: np.ndarray, objects: int) -> Curve:
    """Return the curve of detections (D,) of one class, best first."""
    last = np.flatnonzero(np.diff(score, append=-np.inf))  # of each run of equal scores
    found, alarms = hit.cumsum()[last], (hit | wrong).cumsum()[last]
    missing = np.nan if not objects else 1.0
    return Curve(score[last], found / np.maximum(alarms, 1), missing * found / max(objects, 1),
                 missing * 2 * found / np.maximum(alarms + objects, 1))


def _choose(curve, objects, threshold):
    """Return the threshold, that with the best F1 if None, and the three values there."""
    if not objects:
        return np.nan if threshold is None else threshold, (np.nan,) * 3
    if threshold is None and not len(curve.threshold):
        return np.nan, (0.0,) * 3
    if threshold is None:
        threshold = curve.threshold[curve.f1.argmax()]  # of equals the highest
    return float(threshold), tuple(float(value) for value in curve.at(threshold))


def _overall(classes, curves, num_images, threshold):
    """Return the means over the classes that have objects."""
    present = [i for i, row in enumerate(classes) if row.objects]
    if not present:
        return ClassScore(ALL, 0, num_images, *(np.nan,) * 6)
    thresholds = np.unique(np.concatenate([curves[i].threshold for i in present]))[::-1]
    mean = Curve(thresholds, *np.mean([curves[i].at(thresholds) for i in present], axis=0))
    threshold, at_threshold = _choose(mean, 1, threshold)
    return ClassScore(
        ALL, sum(row.objects for row in classes), num_images, *at_threshold, threshold,
        float(np.mean([classes[i].ap50 for i in present])),
        float(np.mean([classes[i].ap50_95 for i in present])))


def _plain(row):
    return {name: value if isinstance(value, (str, int)) else or_none(value)
            for name, value in row._asdict().items()}
