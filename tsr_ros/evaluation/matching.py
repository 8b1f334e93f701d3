# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Which detections hit which objects, for a whole set of images at once.

The rules are those of COCO's evaluation (https://cocodataset.org/#detection-eval): within an image
and a class the best detection chooses first; it takes the free object that it overlaps most, and
an ignored one only where no other is left. Instead of going image by image, the n-th detections
of all images are treated together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tsr_ros.evaluation.ground_truth import GroundTruth
from tsr_ros.vision.boxes import box_area
from tsr_ros.vision.detections import Detections

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
MOST_DETECTIONS = 100  # of one class in one image, the best of them
ANY_AREA = (0.0, np.inf)


class ImageResult(NamedTuple):
    """What was found in one image, and what is really there, both in pixels of the image."""

    name: str
    condition: str  # of light and weather, such as 'night'; '' where not known
    detections: Detections  # down to a low score, 0.01 or less, so that curves are whole
    ground_truth: GroundTruth
    labelled: np.ndarray | None = None  # (C,) bool; None: the objects of all classes are labelled


class Objects(NamedTuple):
    """The objects of all images, one row each."""

    image: np.ndarray  # (G,) int, place in the sequence of results
    row: np.ndarray  # (G,) int, row of the image's ground truth
    class_id: np.ndarray  # (G,) int
    xyxy: np.ndarray  # (G, 4) float64
    ignored: np.ndarray  # (G,) bool, need not be found


class Matches(NamedTuple):
    """The detections of all images, best first, and the objects that they hit."""

    image: np.ndarray  # (D,) int, place in the sequence of results
    row: np.ndarray  # (D,) int, row of the image's detections
    class_id: np.ndarray  # (D,) int
    score: np.ndarray  # (D,) float64
    xyxy: np.ndarray  # (D, 4) float64
    matched: np.ndarray  # (D, T) int, row of `objects` at each IoU threshold, -1 for none
    hit: np.ndarray  # (D, T) bool
    ignored: np.ndarray  # (D, T) bool, neither right nor wrong
    objects: Objects


def match_results(results: Sequence[ImageResult], num_classes: int,
                  area_range: tuple[float, float] = ANY_AREA) -> Matches:
    """
    Match the detections of all images to their objects, class by class.

    Classes that are not labelled in an image are left out there. Objects outside `area_range`
    (square pixels) are ignored, and so are detections outside it that hit nothing.

    :raises ValueError: for a class that is not there, with the image's name
    """
    objects = _flatten_objects(results, num_classes, area_range)
    image, row, class_id, score, xyxy = _flatten_detections(results, num_classes)
    matched = match(xyxy, image * num_classes + class_id, objects,
                    objects.image * num_classes + objects.class_id)
    found = matched >= 0
    # one row more than there are objects, so that -1 reads something even where there are none
    on_ignored = np.append(objects.ignored, False)[matched]
    area = box_area(xyxy)
    outside = (area < area_range[0]) | (area > area_range[1])
    return Matches(image, row, class_id, score, xyxy, matched, found & ~on_ignored,
                   (found & on_ignored) | (~found & outside[:, None]), objects)


def match(xyxy: np.ndarray, group: np.ndarray, objects: Objects, object_group: np.ndarray,
          iou_thresholds: np.ndarray = IOU_THRESHOLDS) -> np.ndarray:
    """
    Return the row of `objects` that each box (D, 4) hits at each threshold, (D, T), -1 for none.

    Boxes come best first. Only boxes and objects of the same group, (D,) and (G,) int, can match.
    """
    matched = np.full((len(xyxy), len(iou_thresholds)), -1)
    box, thing = pairs_in_groups(group, object_group)
    overlap = pair_overlap(xyxy[box], objects.xyxy[thing])
    near = overlap >= min(iou_thresholds)
    box, thing, overlap = box[near], thing[near], overlap[near]
    taken = np.zeros((len(objects.image), len(iou_thresholds)), bool)
    # an object that counts goes before an ignored one, however they overlap
    preference = overlap + 2.0 * ~objects.ignored[thing]

    turn = turns(group, box)
    order = np.argsort(turn, kind='stable')
    for pairs in np.split(order, np.flatnonzero(np.diff(turn[order])) + 1):
        if not len(pairs):
            continue
        chosen = thing[pairs]
        possible = ~taken[chosen] & (overlap[pairs, None] >= iou_thresholds)
        value = np.where(possible, preference[pairs, None], -1.0)
        first = np.flatnonzero(np.diff(box[pairs], prepend=-1))
        best = np.maximum.reduceat(value, first)
        best = np.repeat(best, np.diff(first, append=len(pairs)), axis=0)
        # of equals the last, as COCO has it
        place = np.where(possible & (value == best), np.arange(len(pairs))[:, None], -1)
        place = np.maximum.reduceat(place, first)
        matched[box[pairs[first]]] = np.where(place >= 0, chosen[place], -1)
        winner, threshold = np.nonzero(place >= 0)
        taken[chosen[place[winner, threshold]], threshold] = True
    return matched


def pairs_in_groups(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows (P,), (P,) of all pairs of equal group, in the order of the first."""
    order = np.argsort(second, kind='stable')
    start = np.searchsorted(second[order], first, 'left')
    count = np.searchsorted(second[order], first, 'right') - start
    rows = np.repeat(np.arange(len(first)), count)
    within = np.arange(len(rows)) - np.repeat(count.cumsum() - count, count)
    return rows, order[np.repeat(start, count) + within]


def pair_overlap(xyxy: np.ndarray, object_xyxy: np.ndarray) -> np.ndarray:
    """Return each pair's intersection over union (P,)."""
    left_top = np.maximum(xyxy[:, :2], object_xyxy[:, :2])
    right_bottom = np.minimum(xyxy[:, 2:], object_xyxy[:, 2:])
    intersection = (right_bottom - left_top).clip(0).prod(axis=1)
    union = box_area(xyxy) + box_area(object_xyxy) - intersection
    return intersection / np.maximum(union, np.finfo(float).tiny)


def turns(group: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Return when each pair's box has its turn in its group (P,), 0 for the best."""
    boxes, place = np.unique(box, return_inverse=True)
    return rank_in_group(group[boxes])[place]


def rank_in_group(group: np.ndarray) -> np.ndarray:
    """Return how many earlier rows have the same group, (N,)."""
    order = np.argsort(group, kind='stable')
    start = np.searchsorted(group[order], group[order], 'left')
    rank = np.empty(len(group), int)
    rank[order] = np.arange(len(group)) - start
    return rank


def _flatten_detections(results, num_classes):
    """Return image, row, class_id, score (D,) and xyxy (D, 4) of what counts, best first."""
    count = [len(result.detections.score) for result in results]
    image = np.repeat(np.arange(len(results)), count)
    row = np.concatenate([np.arange(n) for n in count] or [np.zeros(0, int)])
    class_id = _join([result.detections.class_id for result in results], int)
    score = _join([result.detections.score for result in results], float)
    xyxy = _join([result.detections.xyxy for result in results], float, 4)
    _check_classes(results, image, class_id, num_classes, 'detection')
    order = np.argsort(-score, kind='stable')
    order = order[_labelled(results, num_classes)[image[order], class_id[order]]]
    group = image[order] * num_classes + class_id[order]
    order = order[rank_in_group(group) < MOST_DETECTIONS]
    return image[order], row[order], class_id[order], score[order], xyxy[order]


def _flatten_objects(results, num_classes, area_range):
    count = [len(result.ground_truth.class_id) for result in results]
    image = np.repeat(np.arange(len(results)), count)
    row = np.concatenate([np.arange(n) for n in count] or [np.zeros(0, int)])
    class_id = _join([result.ground_truth.class_id for result in results], int)
    xyxy = _join([result.ground_truth.xyxy for result in results], float, 4)
    _check_classes(results, image, class_id, num_classes, 'object')
    known = _labelled(results, num_classes)[image, class_id]
    image, row, class_id, xyxy = image[known], row[known], class_id[known], xyxy[known]
    area = box_area(xyxy)
    ignored = (area < area_range[0]) | (area > area_range[1])
    return Objects(image, row, class_id, xyxy, ignored)


def _join(parts, dtype, columns=None):
    shape = (-1,) if columns is None else (-1, columns)
    return np.concatenate(
        [np.asarray(part, dtype).reshape(shape) for part in parts]
        or [np.zeros(0, dtype).reshape(shape)])


def _labelled(results, num_classes):
    """Return which classes are labelled, (images, C) bool."""
    everything = np.ones(num_classes, bool)
    return np.array([everything if result.labelled is None else result.labelled
                     for result in results], bool).reshape(-1, num_classes)


def _check_classes(results, image, class_id, num_classes, what):
    wrong = np.flatnonzero((class_id < 0) | (class_id >= num_classes))
    if len(wrong):
        raise ValueError(f'{results[image[wrong[0]]].name}: {what} of class {class_id[wrong[0]]}, '
                         f'which is not one of 0 to {num_classes - 1}')
