# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import itertools

import numpy as np
import pytest
import torch

from tsr_ros.evaluation.dataset import LabelledImage
from tsr_ros.training.config import Stage
from tsr_ros.training.copy_paste import Patch, cut_patches, fade, paste
from tsr_ros.training.drawn_signs import SignPicture
from tsr_ros.training.geometry import Sample
from tsr_ros.training.samples import Batches, Samples, class_frequencies, collate, mix

EVERYTHING = np.ones(3, bool)


def make_items(count=12, num_classes=3):
    """Return images of one colour with one white square each, and their labels."""
    rng = np.random.default_rng(5)
    items, images = [], []
    for k in range(count):
        image = np.full((80, 120, 3), rng.integers(0, 120, 3), np.uint8)
        x, y = rng.integers(20, 90), rng.integers(20, 50)
        image[y:y + 20, x:x + 20] = 255
        box = np.array([[(x + 10) / 120, (y + 10) / 80, 20 / 120, 20 / 80]], np.float32)
        items.append(LabelledImage(f'{k}.png', np.array([k % num_classes]), box, EVERYTHING))
        images.append(image)
    return items, images


def make_samples(stage, seed=0, **changes):
    items, images = make_items()
    items = [item._replace(**changes) for item in items]
    return Samples(items, images, stage, 96, 3, seed)


STAGES = {
    view: Stage(1.0, view=view, size=96, batch=4, paste=0.5, mixup=0.3)
    for view in ('mosaic', 'whole', 'crop')
}


@pytest.mark.parametrize('view', STAGES)
def test_a_sample_depends_on_seed_epoch_and_place_alone(view):
    samples, again = make_samples(STAGES[view]), make_samples(STAGES[view])
    for _ in range(5):
        again[0, 9, 4]  # what was drawn before does not matter
    first, second = samples[3, 7, 2], again[3, 7, 2]
    for a, b in zip(first, second):
        assert torch.equal(a, b)
    others = samples[4, 7, 2], samples[3, 8, 2], make_samples(STAGES[view], seed=1)[3, 7, 2]
    for other in others:
        assert not torch.equal(first[0], other[0])


@pytest.mark.parametrize('view', STAGES)
def test_form_of_a_sample(view):
    samples = make_samples(STAGES[view])
    for place in range(8):
        image, objects, labelled = samples[0, place, place]
        assert image.shape == (3, 96, 96)
        assert image.dtype == torch.uint8
        assert objects.shape[1] == 5
        assert set(objects[:, 0].tolist()) <= {-1, 0, 1, 2}
        low, high = objects[:, 1:3] - objects[:, 3:] / 2, objects[:, 1:3] + objects[:, 3:] / 2
        assert (low > -1e-3).all()
        assert (high < 96 + 1e-3).all()
        assert labelled.tolist() == [True] * 3


@pytest.mark.parametrize('view', STAGES)
def test_objects_lie_where_the_pixels_do(view):
    stage = Stage(1.0, view=view, size=96, batch=4, scale=(0.8, 1.2), weather=0)
    samples, seen = make_samples(stage), 0
    for place in range(12):
        image, objects, _ = samples[0, place, place]
        white = (image.numpy() > 200).all(0)
        for class_id, x, y, w, h in objects.tolist():
            if class_id < 0 or min(w, h) < 10:
                continue
            seen += 1
            inner = white[int(y - h / 4):int(y + h / 4) + 1, int(x - w / 4):int(x + w / 4) + 1]
            assert inner.all()
            white[int(max(y - h / 2 - 3, 0)):int(y + h / 2 + 4),
                  int(max(x - w / 2 - 3, 0)):int(x + w / 2 + 4)] = False
    assert seen >= 8


def test_a_mosaic_knows_what_all_its_images_know():
    some = np.array([True, False, True])
    items, images = make_items()
    items = [item._replace(labelled=some if k % 2 else EVERYTHING) for k, item in enumerate(items)]
    samples = Samples(items, images, STAGES['mosaic'], 96, 3, 0)
    kinds = {tuple(samples[0, place, 0][2].tolist()) for place in range(60)}
    assert kinds == {(True, False, True), (True, True, True)}
    # of an image in part labelled, no mosaic counts as wholly labelled
    assert {tuple(samples[0, place, 1][2].tolist()) for place in range(5)} == {tuple(some)}


def test_what_a_mosaic_shows_of_an_object_counts_against_all_of_it():
    # one object of 60 x 60 pixels in a mosaic of 96 (its sides vary, its area does not), which its
    # quarter and the mosaic's border both cut
    image, box = np.zeros((64, 64, 3), np.uint8), np.array([[0.5, 0.5, 0.5, 0.5]], np.float32)
    item = LabelledImage('a.png', np.array([0]), box, EVERYTHING)
    stage = Stage(1.0, size=96, batch=1, scale=(1.25, 1.25), weather=0)
    samples, seen = Samples([item], [image], stage, 96, 3, 0), []
    for place in range(40):
        for class_id, _, _, w, h in samples[0, place, 0][1].tolist():
            assert class_id == (0 if w * h >= 0.4 * 60 ** 2 else -1)
            seen.append(class_id)
    assert 20 < seen.count(-1) < 140


def test_no_sample_is_flipped():
    # left half dark, right half bright, as the arrow of a sign: no view may swap them
    image = np.zeros((96, 96, 3), np.uint8)
    image[:, 48:] = 255
    box = np.array([[0.5, 0.5, 0.6, 0.6]], np.float32)
    item = LabelledImage('a.png', np.array([0]), box, EVERYTHING)
    for view in STAGES:
        stage = Stage(1.0, view=view, size=96, batch=1, weather=0, paste=0.5)
        samples = Samples([item], [image], stage, 96, 3, 0)
        for place in range(20):
            pixels, objects, _ = samples[0, place, 0]
            for class_id, x, y, w, h in objects.tolist():
                if class_id < 0 or min(w, h) < 20:
                    continue
                left = pixels[0, int(y), int(x - w / 2 + 1)]
                right = pixels[0, int(y), int(min(x + w / 2 - 2, 95))]
                assert left <= right


@pytest.mark.parametrize(('emphasis', 'expected', 'mean'), [
    (None, {2, 3}, 2.5),  # weights 1 and sqrt(0.9 / 0.1) = 3: of 10 places 10 * 3 / 12
    ([1, 3, 1], {5}, 5),  # 1 and 9: 10 * 9 / 18
    ([2, 1, 1], {1, 2}, 1.43),  # 2 and 3: 10 * 3 / 21
])
def test_rare_and_emphasised_classes_come_oftener(emphasis, expected, mean):
    class_ids = [0] * 9 + [1]
    items = [LabelledImage(f'{k}', np.array([c]), np.array([[0.5, 0.5, 0.2, 0.2]]), EVERYTHING)
             for k, c in enumerate(class_ids)]
    assert class_frequencies(items, 3).tolist() == [0.9, 0.1, 0.1]  # none counts as one
    images = [np.zeros((32, 32, 3), np.uint8)] * 10
    samples = Samples(items, images, Stage(1.0, size=32, batch=2), 32, 3, 0, emphasis)
    counts = []
    for epoch in range(40):
        order = samples.order(epoch)
        assert len(order) == 10
        counts.append(int((order == 9).sum()))
    assert set(counts) == expected
    assert np.mean(counts) == pytest.approx(mean, abs=0.2)


def test_an_emphasised_class_is_pasted_oftener():
    items, images = make_items(2, 2)
    stage = Stage(1.0, size=96, batch=2, paste=0.5)
    samples = Samples(items, images, stage, 96, 2, 0, [1, 3])
    assert [patch.class_id for patch in samples.patches] == [0, 1]
    assert samples.patch_weights.tolist() == pytest.approx([0.25, 0.75])


@pytest.mark.parametrize('view', ['mosaic', 'whole', 'crop'])
@pytest.mark.parametrize('kind', ['drawn_lights', 'drawn_signs'])
def test_objects_are_drawn_as_often_as_asked(view, kind):
    items, images = make_items(2, 2)
    stage = Stage(1.0, view=view, size=320, batch=2, weather=0, **{kind: 0.5})
    plate = SignPicture(np.full((64, 64, 4), 255, np.uint8), 2)
    samples = Samples(items, images, stage, 320, 3, 0, light_class=2, sign_pictures=[plate])
    drawn = [int((samples[0, place, 0][1][:, 0] == 2).sum()) for place in range(100)]
    # none finds a place in some of them
    assert 25 < np.count_nonzero(drawn) < 65


@pytest.mark.parametrize(('ranks', 'batch'), [(1, 4), (2, 2), (3, 1)])
def test_batches_of_an_epoch(ranks, batch):
    samples = make_samples(STAGES['whole'])
    parts = [Batches(samples, batch, rank=rank, ranks=ranks) for rank in range(ranks)]
    total = 12 // (batch * ranks)
    assert all(part.total == total for part in parts)
    whole = [list(itertools.islice(part, 2 * total)) for part in parts]
    keys = [key for step in zip(*whole) for keys in step for key in keys]
    # every rank its own part, in order, and then the next epoch's
    assert [key[:2] for key in keys] == [(epoch, place) for epoch in (0, 1) for place in range(12)]
    assert [key[2] for key in keys[12:]] == samples.order(1).tolist()
    resumed = Batches(samples, batch, epoch=0, first=2, ranks=ranks)
    assert list(itertools.islice(resumed, 2 * total - 2)) == whole[0][2:]


def test_few_images_make_one_small_batch():
    batches = Batches(make_samples(STAGES['whole']), 16)
    assert [len(keys) for keys in itertools.islice(batches, 2)] == [12, 12]


def test_collate():
    first = torch.zeros(3, 4, 4, dtype=torch.uint8), torch.zeros(0, 5), torch.tensor([True])
    second = torch.ones(3, 4, 4, dtype=torch.uint8), torch.ones(2, 5), torch.tensor([False])
    images, targets, labelled = collate([first, second])
    assert images.shape == (2, 3, 4, 4)
    assert targets.tolist() == [[1] * 6] * 2
    assert labelled.tolist() == [[True], [False]]


def test_mix():
    def sample(value, class_id, labelled):
        return Sample(np.full((4, 4, 3), value, np.uint8), np.array(class_id, int),
                      np.zeros((len(class_id), 4), np.float32), np.array(labelled))

    mixed = mix(sample(200, [1], [True, True]), sample(100, [0, 0], [True, False]), 0.25)
    assert (mixed.image == 125).all()
    assert mixed.class_id.tolist() == [1, 0, 0]
    assert mixed.boxes.shape == (3, 4)
    assert mixed.labelled.tolist() == [True, False]


def test_patches_are_large_and_whole():
    image = np.zeros((100, 100, 3), np.uint8)
    boxes = np.array([[50, 50, 40, 40], [50, 50, 10, 40], [10, 50, 19, 30]], float)
    # the second is too small, the third has no margin in the image
    patches = cut_patches(image, np.array([2, 0, 1]), boxes)
    assert [patch.class_id for patch in patches] == [2]
    assert patches[0].image.shape == (50, 50, 3)  # 40 and a margin of 12 % on each side
    assert patches[0].box == pytest.approx((0.5, 0.5, 0.8, 0.8))
    assert cut_patches(image, np.zeros(0, int), np.zeros((0, 4))) == []


@pytest.mark.parametrize('side', [20, 47, 140])
def test_the_box_of_a_pasted_sign_is_its_own(side):
    # a white square, cut out and put elsewhere in another size
    image = np.zeros((400, 400, 3), np.uint8)
    image[100:100 + side, 150:150 + side] = 255
    box = np.array([[150 + side / 2, 100 + side / 2, side, side]])
    patch, = cut_patches(image, np.array([1]), box)
    empty = Sample(np.zeros((320, 320, 3), np.uint8), np.zeros(0, int),
                   np.zeros((0, 4), np.float32), EVERYTHING)
    for seed in range(20):
        found = paste(np.random.default_rng(seed), empty, [patch], np.ones(1), 1)
        for x, y, w, h in found.boxes:
            covered = found.image[..., 0] / 255  # edges that lie within pixels are grey
            assert covered.sum(1).max() == pytest.approx(w, abs=0.3)
            assert covered.sum(0).max() == pytest.approx(h, abs=0.3)
            rows, columns = covered.sum(1), covered.sum(0)
            assert (rows * (np.arange(320) + 0.5)).sum() / rows.sum() == pytest.approx(y, abs=0.2)
            assert (columns * (np.arange(320) + 0.5)).sum() / columns.sum() == pytest.approx(
                x, abs=0.2)


def test_pasted_signs_overlap_nothing():
    rng = np.random.default_rng(0)
    patch = Patch(np.full((50, 50, 3), 255, np.uint8), 1, (0.5, 0.5, 0.8, 0.8))
    empty = Sample(np.zeros((96, 96, 3), np.uint8), np.array([0]),
                   np.array([[48, 48, 30, 30]], np.float32), EVERYTHING)
    result = paste(rng, empty, [patch], np.ones(1), 8)
    assert len(result.boxes) > 2
    assert result.class_id.tolist() == [0] + [1] * (len(result.boxes) - 1)
    assert (empty.image == 0).all()  # the source stays
    for k, (x, y, w, h) in enumerate(result.boxes):
        for other in result.boxes[:k]:
            assert not (np.abs(other[:2] - (x, y)) < np.add(other[2:], (w, h)) / 2).all()
        if k:
            assert (result.image[int(y - h / 4):int(y + h / 4),
                                 int(x - w / 4):int(x + w / 4)] > 250).all()
    assert fade(100, 50).max() == 1
    assert fade(100, 50)[0, 0, 0] < 0.1
