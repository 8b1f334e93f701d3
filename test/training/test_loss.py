# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import importlib.util
from pathlib import Path

import pytest
import torch

from tsr_ros.training.assignment import assign
from tsr_ros.training.boxes import complete_iou, iou
from tsr_ros.training.loss import LossGains, yolov7_loss
from tsr_ros.yolov7.decode import split_anchors
from tsr_ros.yolov7.network import build_network

SPEC = importlib.util.spec_from_file_location('plain', Path(__file__).with_name('plain_loss.py'))
plain = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(plain)

STRIDES = (8, 16, 32)
ANCHORS = build_network('yolov7-tiny', 1).anchors
GAINS = LossGains()


def random_maps(seed, batch=2, num_classes=3, size=64, spread=1.0):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(batch, 3 * (5 + num_classes), size // s, size // s, generator=generator)
        * spread for s in STRIDES
    ]


def as_lists(maps):
    return [split_anchors(raw_map.double()).tolist() for raw_map in maps]


@pytest.mark.parametrize(('first', 'second', 'overlap', 'complete'), [
    ((5, 5, 10, 10), (5, 5, 10, 10), 1, 1),
    # apart: centres 20 apart, hull 30 x 10
    ((5, 5, 10, 10), (25, 5, 10, 10), 0, -400 / 1000),
    # half of it: intersection 50, union 150, centres 5 apart, hull 15 x 10
    ((5, 5, 10, 10), (10, 5, 10, 10), 1 / 3, 1 / 3 - 25 / 325),
    # same centre, intersection 10 x 5 of 150; v = 4 / pi^2 (atan 1 - atan 4)^2 = 0.11836,
    # alpha = v / (1 - 1/3 + v)
    ((5, 5, 10, 10), (5, 5, 20, 5), 1 / 3, 1 / 3 - 0.11836**2 / (2 / 3 + 0.11836)),
])
def test_overlap_by_hand(first, second, overlap, complete):
    a, b = torch.tensor([first]).float(), torch.tensor([second]).float()
    assert iou(a, b).item() == pytest.approx(overlap, abs=1e-5)
    assert complete_iou(a, b).item() == pytest.approx(complete, abs=1e-4)


def test_one_object_by_hand():
    # all raw outputs 0: each cell predicts its anchor's box at its own centre
    maps = [torch.zeros(1, 3 * 6, 64 // s, 64 // s) for s in STRIDES]
    # as large as the middle anchor of stride 8, (16, 30), centred in the cell of column 3, row 4
    targets = torch.tensor([[0, 0, 28.0, 36, *ANCHORS[0, 1].tolist()]])
    found = assign([split_anchors(m) for m in maps], targets, ANCHORS, STRIDES)
    places = set(zip(*(part.tolist() for part in found[1:])))
    assert (0, 0, 1, 4, 3) in places  # the perfect one: overlap 1
    assert set(found.target.tolist()) == {0}
    assert (places - {(0, 0, 1, 4, 3)}) <= {
        (level, 0, anchor, row, column) for level, (rows, columns) in
        enumerate([((4, 5), (3, 4)), ((2, 1, 3), (1, 2, 0)), ((1, 0), (0, 1))])
        for anchor in range(3) for row in rows for column in columns}
    loss = yolov7_loss(maps, targets, torch.ones(1, 1, dtype=torch.bool), ANCHORS, STRIDES, GAINS)
    assert loss.positives == len(places)
    assert loss.classes == pytest.approx(0.693147, abs=1e-5)  # -log 0.5
    # objectness: every cell -log 0.5 whatever its target, three levels weighted 4, 1, 0.4
    assert loss.objectness == pytest.approx(5.4 * 0.693147, abs=1e-4)


CASES = {
    'nothing there': ([], None, []),
    'one object': ([(0, 1, 30, 30, 20, 24)], None, []),
    'objects in both images, two of them alike': (
        [(0, 1, 30, 30, 20, 24), (0, 2, 33, 31, 22, 22), (1, 0, 12, 50, 9, 8),
         (1, 0, 60, 60, 8, 8), (1, 2, 32, 32, 60, 62)], None, []),
    'at the very border': ([(0, 0, 0.5, 63.5, 10, 12), (1, 1, 63.9, 0.1, 30, 14)], None, []),
    'too small for any anchor': ([(0, 0, 20, 20, 0.9, 0.9)], None, []),
    'two classes labelled in the second image': (
        [(0, 1, 30, 30, 20, 24), (1, 0, 12, 50, 9, 8)],
        [[True, True, True], [True, False, True]], []),
    'a region to ignore': (
        [(0, 1, 30, 30, 20, 24)], None, [(0, 50, 10, 24, 17), (1, 5, 5, 30, 30)]),
}


@pytest.mark.parametrize('name', CASES)
@pytest.mark.parametrize('spread', [0.3, 2.0])
def test_loss_equals_the_plain_one(name, spread):
    objects, labelled, regions = CASES[name]
    labelled = labelled or [[True] * 3] * 2
    maps = random_maps(len(name), spread=spread)
    rows = [*objects, *((image, -1, *box) for image, *box in regions)]
    targets = torch.tensor(rows, dtype=torch.float32).reshape(-1, 6)
    result = yolov7_loss(maps, targets, torch.tensor(labelled), ANCHORS, STRIDES, GAINS)
    expected = plain.loss(
        as_lists(maps), objects, labelled, ANCHORS.tolist(), STRIDES, GAINS, regions)
    got = (result.total.item(), result.box, result.objectness, result.classes)
    assert got == pytest.approx(expected, rel=1e-4, abs=1e-5)
    if not objects:
        assert result.positives == 0


def test_a_single_class_is_not_learnt():
    maps = [m.requires_grad_() for m in random_maps(6, num_classes=1)]
    objects = [(0, 0, 30, 30, 20, 24), (1, 0, 12, 50, 9, 8)]
    result = yolov7_loss(
        maps, torch.tensor(objects).float(), torch.ones(2, 1, dtype=torch.bool), ANCHORS, STRIDES,
        GAINS)
    result.total.backward()
    assert all((split_anchors(m.grad)[..., 5] == 0).all() for m in maps)
    lists = as_lists([m.detach() for m in maps])
    expected = plain.loss(lists, objects, [[True]] * 2, ANCHORS.tolist(), STRIDES, GAINS)
    assert result.total.item() == pytest.approx(expected[0], rel=1e-4)


def test_assignment_equals_the_plain_one():
    generator = torch.Generator().manual_seed(4)
    for seed in range(5):
        maps = random_maps(seed, size=96, spread=1.5)
        count = 12
        targets = torch.stack((
            torch.randint(2, (count,), generator=generator).float(),
            torch.randint(3, (count,), generator=generator).float(),
            *(torch.rand(2, count, generator=generator) * 96),
            *(4 + torch.rand(2, count, generator=generator) ** 2 * 80)), 1)
        found = assign([split_anchors(m) for m in maps], targets, ANCHORS, STRIDES)
        result = {place: m for m, *place in zip(*(part.tolist() for part in found))
                  for place in [tuple(place)]}
        assert result == plain.assign(as_lists(maps), targets.tolist(), ANCHORS.tolist(), STRIDES)


def test_classes_that_are_not_labelled_teach_nothing():
    maps = [m.requires_grad_() for m in random_maps(1, batch=1)]
    labelled = torch.tensor([[True, True, False]])
    targets = torch.tensor([[0, 1, 30.0, 30, 20, 24]])
    yolov7_loss(maps, targets, labelled, ANCHORS, STRIDES, GAINS).total.backward()
    for raw_map in maps:
        gradient, raw = split_anchors(raw_map.grad), split_anchors(raw_map.detach())
        assert (gradient[..., 5 + 2] == 0).all()  # the class itself
        thinks_so = raw[..., 5:].argmax(-1) == 2
        no_positive = (gradient[..., :4] == 0).all(-1)
        assert (gradient[..., 4][thinks_so & no_positive] == 0).all()
        assert (gradient[..., 4][~thinks_so] != 0).all()


def test_a_step_against_the_gradient_lowers_the_loss():
    maps = [m.requires_grad_() for m in random_maps(2)]
    targets = torch.tensor([[0, 1, 30.0, 30, 20, 24], [1, 2, 40, 20, 33, 30]])
    labelled = torch.ones(2, 3, dtype=torch.bool)

    def loss(values):
        return yolov7_loss(values, targets, labelled, ANCHORS, STRIDES, GAINS).total

    before = loss(maps)
    before.backward()
    with torch.no_grad():
        assert loss([m - 0.5 * m.grad for m in maps]) < before


@pytest.mark.parametrize('value', [torch.nan, torch.inf])
def test_a_broken_network_has_no_loss(value):
    maps = random_maps(0)
    maps[1][0, 0, 0, 0] = value
    targets = torch.tensor([[0, 1, 30.0, 30, 20, 24]])
    labelled = torch.ones(2, 3, dtype=torch.bool)
    assert yolov7_loss(maps, targets, labelled, ANCHORS, STRIDES, GAINS).total.isnan()
