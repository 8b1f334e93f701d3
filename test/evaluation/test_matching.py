# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from tsr_ros.evaluation.ground_truth import GroundTruth
from tsr_ros.evaluation.matching import (
    IOU_THRESHOLDS,
    ImageResult,
    match_results,
    pair_overlap,
    pairs_in_groups,
    rank_in_group,
)
from tsr_ros.vision.detections import Detections


def result(found=(), there=(), name='image', **options):
    """Return a result; `found` rows are (xyxy, score, class_id), `there` rows (xyxy, class_id)."""
    xyxy, score, class_id = zip(*found) if found else ((), (), ())
    objects, object_class = zip(*there) if there else ((), ())
    return ImageResult(
        name, options.pop('condition', ''),
        Detections(np.array(xyxy, np.float32).reshape(-1, 4), np.array(score, np.float32),
                   np.array(class_id, np.int32)),
        GroundTruth.of(objects, object_class), **options)


BOX = (0, 0, 10, 10)
HALF = (0, 0, 10, 5)       # IoU 0.5 with BOX
MOST = (0, 0, 10, 8)       # IoU 0.8 with BOX, 5/8 with HALF
LOW = (0, 2, 10, 10)       # IoU 0.8 with BOX, 6/10 with MOST
FAR = (50, 50, 60, 60)
NOTHING = -1


@pytest.mark.parametrize(('found', 'there', 'at_50', 'at_75'), [
    ([], [], [], []),
    ([], [(BOX, 0)], [], []),
    ([(BOX, .9, 0)], [], [NOTHING], [NOTHING]),
    ([(BOX, .9, 0)], [(BOX, 0)], [0], [0]),
    ([(BOX, .9, 1)], [(BOX, 0)], [NOTHING], [NOTHING]),  # another class
    ([(HALF, .9, 0)], [(BOX, 0)], [0], [NOTHING]),  # an IoU of just 0.5 is enough
    ([(BOX, .9, 0), (MOST, .8, 0)], [(BOX, 0)], [0, NOTHING], [0, NOTHING]),  # each object once
    # the best detection chooses first, even if the next fits better
    ([(MOST, .9, 0), (BOX, .8, 0)], [(BOX, 0)], [0, NOTHING], [0, NOTHING]),
    # it takes the object that it overlaps most, the next what is left
    ([(BOX, .9, 0), (BOX, .8, 0)], [(MOST, 0), (BOX, 0)], [1, 0], [1, 0]),
    ([(MOST, .9, 0), (BOX, .8, 0)], [(BOX, 0), (HALF, 0)], [0, 1], [0, NOTHING]),
    # of two that it overlaps equally the last
    ([(BOX, .9, 0), (BOX, .8, 0)], [(MOST, 0), (LOW, 0)], [1, 0], [1, 0]),
    ([(FAR, .9, 0), (BOX, .8, 0)], [(BOX, 0)], [NOTHING, 0], [NOTHING, 0]),
])
def test_match(found, there, at_50, at_75):
    matches = match_results([result(found, there)], 2)
    assert matches.matched.shape == (len(found), len(IOU_THRESHOLDS))
    assert matches.matched[:, 0].tolist() == at_50
    assert matches.matched[:, 5].tolist() == at_75
    assert matches.hit.tolist() == (matches.matched >= 0).tolist()
    assert not matches.ignored.any()


def test_images_are_kept_apart_and_detections_ordered():
    matches = match_results([
        result([(BOX, .3, 0)], [(FAR, 0)]),
        result(),
        result([(BOX, .6, 1), (FAR, .4, 0)], [(FAR, 0), (BOX, 1)]),
    ], 2)
    assert matches.score.tolist() == pytest.approx([.6, .4, .3])
    assert matches.image.tolist() == [2, 2, 0]
    assert matches.row.tolist() == [0, 1, 0]
    assert matches.matched[:, 0].tolist() == [2, 1, NOTHING]
    assert matches.objects.image.tolist() == [0, 2, 2]


@pytest.mark.parametrize(('found', 'there', 'hit', 'ignored'), [
    # in the range of 32 x 32 pixels and more only the large object counts
    ([((0, 0, 40, 40), .9, 0)], [((0, 0, 40, 40), 0)], [True], [False]),
    ([(BOX, .9, 0)], [(BOX, 0)], [False], [True]),  # on a small object: neither right nor wrong
    ([(BOX, .9, 0)], [], [False], [True]),  # small itself, and on nothing
    ([((0, 0, 40, 40), .9, 0)], [], [False], [False]),
    # an object that counts goes before one that does not, though it overlaps it less
    ([((0, 0, 31, 33), .9, 0)], [((0, 0, 31, 33), 0), ((0, 0, 36, 36), 0)], [True], [False]),
])
def test_sizes_out_of_range_are_ignored(found, there, hit, ignored):
    matches = match_results([result(found, there)], 1, area_range=(32.0**2, 1e10))
    assert matches.hit[:, 0].tolist() == hit
    assert matches.ignored[:, 0].tolist() == ignored


def test_classes_that_are_not_labelled_are_left_out():
    found = [(BOX, .9, 0), (BOX, .8, 1)]
    there = [(FAR, 0), (FAR, 1)]
    matches = match_results(
        [result(found, there, labelled=np.array([True, False])), result(found, there)], 2)
    assert matches.class_id.tolist() == [0, 0, 1]
    assert matches.image.tolist() == [0, 1, 1]
    assert matches.objects.class_id.tolist() == [0, 0, 1]


@pytest.mark.parametrize(('found', 'there', 'words'), [
    ([(BOX, .9, 2)], [], 'bad: detection of class 2'),
    ([(BOX, .9, -1)], [], 'bad: detection of class -1'),
    ([], [(BOX, 2)], 'bad: object of class 2'),
])
def test_a_class_that_is_not_there_is_refused(found, there, words):
    with pytest.raises(ValueError, match=words):
        match_results([result(), result(found, there, name='bad')], 2)


def test_at_most_100_detections_of_a_class_in_an_image():
    found = [(FAR, 1 - i / 1000, 0) for i in range(120)] + [(BOX, .1, 1)]
    matches = match_results([result(found)], 2)
    assert np.bincount(matches.class_id).tolist() == [100, 1]
    assert matches.score.min() == pytest.approx(.1)
    assert matches.score[matches.class_id == 0].min() == pytest.approx(.901)


@pytest.mark.parametrize(('first', 'second', 'expected'), [
    ([], [], []),
    ([1, 2], [], []),
    ([], [1, 2], []),
    ([7, 8, 7], [9, 7, 8, 7], [(0, 1), (0, 3), (1, 2), (2, 1), (2, 3)]),
])
def test_pairs_in_groups(first, second, expected):
    pairs = pairs_in_groups(np.array(first, int), np.array(second, int))
    assert list(zip(*(side.tolist() for side in pairs))) == expected


def test_rank_in_group():
    assert rank_in_group(np.array([], int)).tolist() == []
    assert rank_in_group(np.array([5, 3, 5, 5, 3])).tolist() == [0, 0, 1, 2, 1]


@pytest.mark.parametrize(('box', 'other', 'expected'), [
    (BOX, FAR, 0), (BOX, BOX, 1), (BOX, HALF, 0.5), (HALF, BOX, 0.5), ((5, 5, 5, 5), BOX, 0),
    ((5, 5, 5, 5), (5, 5, 5, 5), 0), (BOX, (5, 5, 15, 15), 25 / 175),
])
def test_pair_overlap(box, other, expected):
    overlap = pair_overlap(np.array([box], float), np.array([other], float))
    assert overlap == pytest.approx([expected])
