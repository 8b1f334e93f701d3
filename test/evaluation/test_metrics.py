# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import contextlib
import io
import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tsr_ros.evaluation.ground_truth import GroundTruth
from tsr_ros.evaluation.matching import ImageResult
from tsr_ros.evaluation.metrics import (
    SIZES,
    by_group,
    by_size,
    precision_at_recalls,
    score,
    score_curve,
)
from tsr_ros.vision.detections import Detections

BOX, MOST, FAR = (0, 0, 10, 10), (0, 0, 10, 8), (50, 50, 60, 60)  # IoU of the first two: 0.8
NAN = float('nan')


def result(found=(), there=(), name='image', condition='', **options):
    """Return a result; `found` rows are (xyxy, score, class_id), `there` rows (xyxy, class_id)."""
    xyxy, scores, class_id = zip(*found) if found else ((), (), ())
    objects, object_class = zip(*there) if there else ((), ())
    return ImageResult(
        name, condition,
        Detections(np.array(xyxy, np.float32).reshape(-1, 4), np.array(scores, np.float32),
                   np.array(class_id, np.int32)),
        GroundTruth.of(objects, object_class), **options)


def scattered(seed, images, classes, ties=False, least=0, most=8, seen=4):
    """Return random objects, detections near them, and detections anywhere."""
    rng = np.random.default_rng(seed)
    results = []
    for image in range(images):
        count = rng.integers(least, most)
        size = rng.choice([10, 20, 40, 80, 150], (count, 1)) * rng.uniform(0.7, 1.4, (count, 2))
        corner = rng.uniform(0, 800, (count, 2))
        objects = np.concatenate([corner, corner + size], axis=1).astype(np.float32)
        object_class = rng.integers(0, classes, count)
        times = rng.integers(0, seen, count)
        near = np.repeat(objects, times, axis=0)
        near += rng.normal(0, 0.08, near.shape) * np.repeat(size.max(axis=1), times)[:, None]
        stray = rng.integers(0, 3 * seen)
        corner, size = rng.uniform(0, 800, (stray, 2)), rng.uniform(8, 200, (stray, 2))
        xyxy = np.concatenate([near, np.concatenate([corner, corner + size], axis=1)])
        class_id = np.concatenate(
            [np.repeat(object_class, times), rng.integers(0, classes, stray)])
        scores = rng.uniform(0, 1, len(xyxy))
        if ties:
            scores = np.round(scores, 1)
        order = np.argsort(-scores, kind='stable')
        results.append(ImageResult(
            f'{image}', '', Detections(xyxy[order].astype(np.float32), scores[order],
                                       class_id[order].astype(np.int32)),
            GroundTruth.of(objects, object_class)))
    return results


def coco_precision(results, num_classes):
    """Return pycocotools' precision (IoU threshold, recall, class, size), -1 where none."""
    objects, found = [], []
    for image, result in enumerate(results):
        for xyxy, class_id in zip(result.ground_truth.xyxy, result.ground_truth.class_id):
            left, top, right, bottom = map(float, xyxy)
            objects.append({
                'id': len(objects) + 1, 'image_id': image, 'category_id': int(class_id),
                'bbox': [left, top, right - left, bottom - top], 'iscrowd': 0,
                'area': (right - left) * (bottom - top)})
        for xyxy, value, class_id in zip(*result.detections):
            left, top, right, bottom = map(float, xyxy)
            found.append({
                'image_id': image, 'category_id': int(class_id), 'score': float(value),
                'bbox': [left, top, right - left, bottom - top]})
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            'images': [{'id': image} for image in range(len(results))], 'annotations': objects,
            'categories': [{'id': c} for c in range(num_classes)]}
        truth.createIndex()
        judge = COCOeval(truth, truth.loadRes(found) if found else COCO(), 'bbox')
        judge.evaluate()
        judge.accumulate()
    return judge.eval['precision'][..., 2]


def mean(precision):
    return precision[precision > -1].mean() if (precision > -1).any() else NAN


@pytest.mark.parametrize(('images', 'classes', 'options'), [
    (1, 1, {}),
    (40, 1, {}),
    (40, 5, {}),
    (40, 5, {'ties': True}),
    (60, 20, {'ties': True}),
    (40, 3, {'most': 1}),             # no objects
    (40, 3, {'seen': 1}),             # hardly a detection that hits
    (30, 2, {'least': 20, 'most': 40, 'seen': 9}),  # crowded: more than 100 of a class
    (40, 60, {'most': 4}),            # classes without objects, images without anything
])
@pytest.mark.parametrize('seed', [1, 2])
def test_average_precision_is_that_of_pycocotools(images, classes, options, seed):
    results = scattered(seed, images, classes, **options)
    labels = [f'class {c}' for c in range(classes)]
    precision = coco_precision(results, classes)
    whole = score(results, labels)
    for k, scores in enumerate([whole, *by_size(results, labels, 0.5).values()]):
        assert scores.overall.ap50 == pytest.approx(mean(precision[0, ..., k]), abs=1e-9,
                                                    nan_ok=True)
        assert scores.overall.ap50_95 == pytest.approx(mean(precision[..., k]), abs=1e-9,
                                                       nan_ok=True)
        for c, row in enumerate(scores.classes):
            expected = mean(precision[0, :, c, k]), mean(precision[:, :, c, k])
            assert (row.ap50, row.ap50_95) == pytest.approx(expected, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize(('hit', 'objects', 'expected'), [
    ([], 0, NAN),
    ([1], 0, NAN),
    ([], 1, 0),
    ([0, 0], 1, 0),
    ([1], 1, 1),
    ([1], 2, 51 / 101),         # recalls 0, 0.01 … 0.5
    ([0, 1], 1, 0.5),
    ([1, 0, 1], 2, (51 + 50 * 2 / 3) / 101),
    ([0, 1, 1], 2, 2 / 3),      # the precision of 1/2 on the way is lifted to the later 2/3
])
def test_precision_at_recalls(hit, objects, expected):
    hit = np.array(hit, bool).reshape(-1, 1)
    precision = precision_at_recalls(hit, ~hit, objects)
    assert precision.shape == (1, 101)
    assert precision.mean() == pytest.approx(expected, nan_ok=True)


def test_ignored_detections_change_nothing():
    hit, wrong = np.array([[1, 0, 0, 1]]).T == 1, np.array([[0, 0, 1, 0]]).T == 1
    kept = [0, 2, 3]
    assert precision_at_recalls(hit, wrong, 2) == pytest.approx(
        precision_at_recalls(hit[kept], wrong[kept], 2))


def test_curve_counts_equal_scores_together():
    curve = score_curve(np.array([.9, .5, .5, .2]), np.array([True, False, True, False]),
                        np.array([False, True, False, True]), 4)
    assert curve.threshold.tolist() == [.9, .5, .2]
    assert curve.precision == pytest.approx([1, 2 / 3, 1 / 2])
    assert curve.recall == pytest.approx([1 / 4, 2 / 4, 2 / 4])
    assert curve.f1 == pytest.approx([2 / 5, 4 / 7, 4 / 8])
    at = curve.at(np.array([1.0, .9, .7, .5, .1]))
    assert at[0] == pytest.approx([0, 1, 1, 2 / 3, 1 / 2])
    assert at[1] == pytest.approx([0, 1 / 4, 1 / 4, 2 / 4, 2 / 4])


def test_no_images():
    scores = score([], ['a', 'b'])
    assert scores.overall.objects == scores.overall.images == 0
    assert np.isnan([scores.overall.ap50, scores.overall.f1, scores.threshold]).all()
    assert scores.confusion.tolist() == [[0] * 3] * 3
    json.loads(json.dumps(scores.as_dict(), allow_nan=False))


# two classes; a: 2 objects, found at 0.9, a false alarm at 0.8; b: found at 0.6 (IoU 0.8);
# c has no object, and a false alarm at 0.7
RESULTS = [
    result([(BOX, .9, 0), (FAR, .8, 0)], [(BOX, 0), ((80, 0, 90, 9), 0)], condition='day'),
    result([(FAR, .7, 2), (MOST, .6, 1)], [(BOX, 1)], condition='night'),
]
LABELS = ['a', 'b', 'c']


def test_scores_by_hand():
    scores = score(RESULTS, LABELS)
    a, b, c = scores.classes
    assert (a.label, a.objects, a.images) == ('a', 2, 1)
    assert a[3:] == pytest.approx((1, 1 / 2, 2 / 3, .9, 51 / 101, 51 / 101))
    # IoU 0.8 is enough for 0.5, 0.55 … 0.8: seven of ten
    assert b[3:] == pytest.approx((1, 1, 1, .6, 1, .7), abs=1e-6)
    assert (c.objects, c.images) == (0, 0)
    assert np.isnan(c[3:]).all()
    # mean F1: at 0.9 (2/3 + 0) / 2, at 0.6 (2/4 + 1) / 2; c has no object and does not count
    assert scores.overall.threshold == pytest.approx(.6)
    assert scores.overall[3:6] == pytest.approx((3 / 4, 3 / 4, 3 / 4))
    assert (scores.overall.objects, scores.overall.images) == (3, 2)
    assert scores.overall.ap50 == pytest.approx((51 / 101 + 1) / 2)
    assert scores.overall.ap50_95 == pytest.approx((51 / 101 + .7) / 2)
    assert scores.confusion.tolist() == [[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0], [1, 0, 1, 0]]


def test_a_threshold_holds_for_all_classes():
    scores = score(RESULTS, LABELS, threshold=.85)
    a, b, _ = scores.classes
    assert a[3:7] == pytest.approx((1, 1 / 2, 2 / 3, .85))
    assert b[3:7] == pytest.approx((0, 0, 0, .85))
    assert scores.overall[3:7] == pytest.approx((1 / 2, 1 / 4, 1 / 3, .85))
    assert scores.confusion.tolist() == [[1, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_groups():
    groups = by_group(RESULTS, ['day', 'night'], LABELS, .6)
    assert list(groups) == ['day', 'night']
    assert groups['day'].overall[1:7] == pytest.approx((2, 1, 1 / 2, 1 / 2, 1 / 2, .6))
    assert groups['night'].overall[1:7] == pytest.approx((1, 1, 1, 1, 1, .6))
    assert list(by_group(RESULTS, ['x', 'x'], LABELS, .6)) == ['x']
    with pytest.raises(ValueError):
        by_group(RESULTS, ['x'], LABELS, .6)


def test_sizes():
    sides = {'small': 31, 'medium': 33, 'large': 97}
    results = [result(
        [((x, 0, x + side, side), .9, 0) for x, side in zip((0, 100, 200), sides.values())],
        [((x, 0, x + side, side), 0) for x, side in zip((0, 100, 200), sides.values())])]
    for name, scores in by_size(results, ['a'], .5).items():
        assert scores.overall.objects == 1, name
        assert scores.overall[3:6] == (1, 1, 1), name
        assert scores.confusion.tolist() == [[1, 0], [0, 0]], name
    assert list(SIZES) == list(sides)


def test_a_class_that_is_not_labelled_in_an_image_does_not_count_there():
    labelled = np.array([True, False])
    known = result([(BOX, .9, 0)], [(BOX, 0)])
    partly = result([(BOX, .9, 0), (FAR, .8, 1)], [(BOX, 0)], labelled=labelled)
    wholly = result([(BOX, .9, 0), (FAR, .8, 1)], [(BOX, 0)])
    assert score([known, partly], LABELS[:2]).confusion.tolist() == [[2, 0, 0], [0] * 3, [0] * 3]
    assert score([known, wholly], LABELS[:2], .5).confusion.tolist() == [
        [2, 0, 0], [0] * 3, [0, 1, 0]]
