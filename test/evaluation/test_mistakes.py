# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from tsr_ros.evaluation.ground_truth import GroundTruth
from tsr_ros.evaluation.matching import ImageResult, match_results
from tsr_ros.evaluation.mistakes import confusion_matrix, count_mistakes, find_mistakes
from tsr_ros.vision.detections import Detections

BOX, FAR, TALL = (0, 0, 10, 10), (50, 50, 60, 60), (0, 20, 10, 60)
NEAR = (0, 0, 10, 4)  # IoU 0.4 with BOX


def matched(found, there, **options):
    """Match rows (xyxy, score, class_id) to rows (xyxy, class_id) of one image, two classes."""
    xyxy, score, class_id = zip(*found) if found else ((), (), ())
    objects, object_class = zip(*there) if there else ((), ())
    return match_results([ImageResult(
        'image', '', Detections(np.array(xyxy, np.float32).reshape(-1, 4), np.array(score),
                                np.array(class_id, int)),
        GroundTruth.of(objects, object_class), **options)], 2)


@pytest.mark.parametrize(('found', 'there', 'confusion', 'counts'), [
    ([], [], [[0, 0, 0], [0, 0, 0], [0, 0, 0]], [0, 0, 0, 0, 0, 0]),
    # right
    ([(BOX, .9, 0)], [(BOX, 0)], [[1, 0, 0], [0, 0, 0], [0, 0, 0]], [0, 0, 0, 0, 0, 0]),
    # taken for another class, and at 0.5 not found any more
    ([(BOX, .9, 1)], [(BOX, 0)], [[0, 1, 0], [0, 0, 0], [0, 0, 0]], [0, 0, 1, 0, 0, 0]),
    ([(BOX, .4, 0)], [(BOX, 0)], [[0, 0, 1], [0, 0, 0], [0, 0, 0]], [0, 1, 0, 0, 0, 0]),
    ([], [(BOX, 0)], [[0, 0, 1], [0, 0, 0], [0, 0, 0]], [1, 0, 0, 0, 0, 0]),
    # its own class goes first, though another is surer: that is a false alarm then
    ([(BOX, .9, 1), (BOX, .8, 0)], [(BOX, 0)],
     [[1, 0, 0], [0, 0, 0], [0, 1, 0]], [0, 0, 0, 0, 0, 1]),
    # a second box, one too far off, and one on nothing
    ([(BOX, .9, 0), (BOX, .8, 0), (NEAR, .7, 0), (FAR, .6, 0)], [(BOX, 0)],
     [[1, 0, 0], [0, 0, 0], [3, 0, 0]], [0, 0, 0, 1, 1, 1]),
    # of two that could be the mistaken one, the surer
    ([(BOX, .9, 1), (BOX, .8, 1)], [(BOX, 0), (FAR, 1)],
     [[0, 1, 0], [0, 0, 1], [0, 1, 0]], [1, 0, 1, 0, 0, 1]),
])
def test_confusion_matrix(found, there, confusion, counts):
    matches = matched(found, there)
    mistakes = find_mistakes(matches, 0.5)
    assert confusion_matrix(matches, mistakes, 2).tolist() == confusion
    assert list(count_mistakes(matches, mistakes).values()) == counts


def test_the_worst_come_first():
    matches = matched([(FAR, .6, 0), (FAR, .9, 1)], [(BOX, 0), (TALL, 0)])
    mistakes = find_mistakes(matches, 0.5)
    assert matches.class_id[mistakes.false_alarms].tolist() == [1, 0]
    assert matches.objects.xyxy[mistakes.missed].tolist() == [list(TALL), list(BOX)]
