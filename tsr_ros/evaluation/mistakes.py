# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What goes wrong at a score threshold: missed objects, false alarms, and classes mistaken."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tsr_ros.evaluation.matching import Matches, Objects, match, pair_overlap, pairs_in_groups

POOR_IOU = 0.1  # from here on a false alarm is said to mean an object that it does not hit

# name: what a reader is told
KINDS = {
    'missed_unseen': 'missed, not seen at all',
    'missed_low_score': 'missed, score below the threshold',
    'wrong_class': 'taken for another class',
    'false_second_box': 'false alarm, second box on a sign',
    'false_poor_box': 'false alarm, box too far off',
    'false_nothing': 'false alarm, nothing there',
}


class Mistakes(NamedTuple):
    """Row numbers into a Matches and its objects; best score first, large objects first."""

    found: np.ndarray  # (K,) detections that hit an object of their class
    confused: np.ndarray  # (L, 2) detection, and the object of another class that it lies on
    false_alarms: np.ndarray  # (M,) detections that are none of these
    missed: np.ndarray  # (N,) objects that nothing was found on


def find_mistakes(matches: Matches, threshold: float) -> Mistakes:
    """
    Sort detections with at least this score, and the objects, into right and wrong.

    Both are matched class by class at an IoU of 0.5, as for precision and recall; what is left
    over of the detections is then matched to what is left over of the objects, of any class.
    """
    objects = matches.objects
    strong = matches.score >= threshold
    hit = matches.hit[:, 0] & strong
    missed = ~objects.ignored
    missed[matches.matched[hit, 0]] = False
    missed = np.flatnonzero(missed)
    left = np.flatnonzero(strong & ~hit & ~matches.ignored[:, 0])
    rest = Objects(*(column[missed] for column in objects))
    taken = match(matches.xyxy[left], matches.image[left], rest, rest.image, np.array([0.5]))[:, 0]
    confused = taken >= 0
    mistaken = missed[taken[confused]]
    missed = np.setdiff1d(missed, mistaken)
    size = (objects.xyxy[missed, 2:] - objects.xyxy[missed, :2]).prod(axis=1)
    return Mistakes(
        np.flatnonzero(hit), np.stack([left[confused], mistaken], axis=1), left[~confused],
        missed[np.argsort(-size, kind='stable')])


def confusion_matrix(matches: Matches, mistakes: Mistakes, num_classes: int) -> np.ndarray:
    """
    Count what objects (rows) were taken for (columns), (C + 1, C + 1) int.

    The last row and column are the background: false alarms and missed objects.
    """
    matrix = np.zeros((num_classes + 1, num_classes + 1), int)
    object_class, class_id = matches.objects.class_id, matches.class_id
    found, (detection, thing) = class_id[mistakes.found], mistakes.confused.T
    np.add.at(matrix, (found, found), 1)
    np.add.at(matrix, (object_class[thing], class_id[detection]), 1)
    np.add.at(matrix, (num_classes, class_id[mistakes.false_alarms]), 1)
    np.add.at(matrix, (object_class[mistakes.missed], num_classes), 1)
    return matrix


def best_score_on(matches: Matches, objects: np.ndarray) -> np.ndarray:
    """Return the score (N,) of the detection that hits each of these objects, 0 for none."""
    score = np.zeros(len(matches.objects.image))
    hit = matches.hit[:, 0]
    score[matches.matched[hit, 0]] = matches.score[hit]
    return score[objects]


def overlap_with_own_class(matches: Matches, detections: np.ndarray) -> np.ndarray:
    """Return how far each of these detections overlaps an object of its class at most, (N,)."""
    objects = matches.objects
    num_classes = 1 + int(np.concatenate([matches.class_id, objects.class_id, [0]]).max())
    box, thing = pairs_in_groups(
        matches.image[detections] * num_classes + matches.class_id[detections],
        objects.image * num_classes + objects.class_id)
    overlap = pair_overlap(matches.xyxy[detections[box]], objects.xyxy[thing])
    best = np.zeros(len(detections))
    np.maximum.at(best, box, overlap)
    return best


def count_mistakes(matches: Matches, mistakes: Mistakes) -> dict[str, int]:
    """Return how many mistakes there are of each kind, by the names in KINDS."""
    weak = best_score_on(matches, mistakes.missed)
    overlap = overlap_with_own_class(matches, mistakes.false_alarms)
    counts = (
        np.sum(weak == 0), np.sum(weak > 0), len(mistakes.confused), np.sum(overlap >= 0.5),
        np.sum((overlap >= POOR_IOU) & (overlap < 0.5)), np.sum(overlap < POOR_IOU))
    return dict(zip(KINDS, map(int, counts)))
