# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training samples: each depends on the seed, the epoch and its place only, so runs repeat."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from tsr_ros.evaluation.dataset import LabelledImage
from tsr_ros.training.conditions import vary
from tsr_ros.training.config import Stage
from tsr_ros.training.copy_paste import cut_patches, paste
from tsr_ros.training.drawings import Drawing, put_in
from tsr_ros.training.drawn_lights import draw_decoy, draw_lights
from tsr_ros.training.drawn_signs import SignPicture, draw_sign
from tsr_ros.training.geometry import (
    Sample,
    ViewRange,
    apply_view,
    crop_view,
    whole_view,
)
from tsr_ros.vision.letterbox import GREY

FOCUS_SHARE = 0.85  # of crops that are taken around an object
MOST_PASTED = 3
MOST_DRAWN = 2  # posts
MOST_DECOYS = 2  # beside drawn lights
MIXUP_BETA = (8.0, 8.0)  # shares near a half: both images' objects stay visible


def to_pixels(item: LabelledImage, image: np.ndarray) -> np.ndarray:
    """Return an image's boxes (N, 4) in pixels."""
    height, width = image.shape[:2]
    return item.boxes * np.array([width, height, width, height], np.float32)


def class_frequencies(items: Sequence[LabelledImage], num_classes: int) -> np.ndarray:
    """Return the share of images (C,) that hold each class."""
    counts = np.zeros(num_classes)
    for item in items:
        counts[np.unique(item.class_id)] += 1
    return np.maximum(counts, 1) / max(len(items), 1)


def mix(first: Sample, second: Sample, share: float) -> Sample:
    """
    Return two samples laid over one another, the objects of both; `share` is the first's.

    Zhang et al., 'mixup: Beyond Empirical Risk Minimization', 2018, with whole labels as in
    Zhang et al., 'Bag of Freebies for Training Object Detection Neural Networks', 2019.
    """
    return Sample(
        cv2.addWeighted(first.image, share, second.image, 1 - share, 0),
        np.concatenate((first.class_id, second.class_id)),
        np.concatenate((first.boxes, second.boxes)),
        first.labelled & second.labelled,
    )


class Samples(Dataset):
    """
    The samples of one stage; epoch and place choose the run of random numbers.

    Images with rare classes come oftener: by the square root of how rare a class is, times its
    `emphasis` (C,), the largest of an image's classes. So do the objects crops are taken around.
    `light_class` is that of lights that are drawn, `sign_pictures` what signs are drawn from.
    """

    def __init__(
        self,
        items: Sequence[LabelledImage],
        images: Sequence[np.ndarray],
        stage: Stage,
        deployed_size: int,
        num_classes: int,
        seed: int,
        emphasis: Sequence[float] | None = None,
        light_class: int | None = None,
        sign_pictures: Sequence[SignPicture] = (),
    ) -> None:
        self.items, self.images, self.stage = items, images, stage
        self.deployed_size, self.num_classes, self.seed = deployed_size, num_classes, seed
        self.light_class, self.sign_pictures = light_class, sign_pictures
        self.limits = ViewRange(scale=stage.scale)
        frequency = class_frequencies(items, num_classes)
        emphasis = np.ones(num_classes) if emphasis is None else np.array(emphasis)
        self.weight_of_class = np.sqrt(frequency.max() / frequency) * emphasis
        weights = np.array(
            [self.weight_of_class[item.class_id].max(initial=1.0) for item in items]
        )
        self.weights = weights / weights.sum()
        self.patches = []
        if stage.paste:
            for item, image in zip(items, images):
                self.patches += cut_patches(image, item.class_id, to_pixels(item, image))
            counts = np.bincount([p.class_id for p in self.patches], minlength=num_classes)
            share = np.array(
                [emphasis[p.class_id] / counts[p.class_id] ** 0.75 for p in self.patches]
            )
            self.patch_weights = share / share.sum()

    def __len__(self) -> int:
        return len(self.items)

    def order(self, epoch: int) -> np.ndarray:
        """Return which image each place of an epoch takes: evenly spread by the weights."""
        rng = np.random.default_rng((self.seed, epoch))
        # systematic resampling: the count of each image differs by less than 1 from its share
        points = (np.arange(len(self.items)) + rng.random()) / len(self.items)
        shuffled = rng.permutation(len(self.items))
        chosen = shuffled[np.searchsorted(self.weights[shuffled].cumsum()[:-1], points)]
        return rng.permutation(chosen)

    def __getitem__(self, key: tuple[int, int, int]) -> tuple[Tensor, Tensor, Tensor]:
        """
        Return image (3, S, S) uint8 RGB, objects (M, 5) and labelled classes (C,).

        :param key: epoch, place in the epoch, index of the image
        """
        epoch, place, index = key
        rng = np.random.default_rng((self.seed, epoch, place))
        sample = vary(rng, self.draw(rng, index), self.stage.weather)
        pixels = np.ascontiguousarray(sample.image[:, :, ::-1].transpose(2, 0, 1))
        objects = np.hstack((sample.class_id[:, None], sample.boxes)).astype(np.float32)
        return torch.from_numpy(pixels), torch.from_numpy(objects), torch.from_numpy(
            sample.labelled
        )

    def draw(self, rng: np.random.Generator, index: int) -> Sample:
        """Return a sample before light and weather."""
        stage = self.stage
        take = self.mosaic if stage.view == 'mosaic' else self.view
        sample = take(rng, index)
        if stage.mixup and rng.random() < stage.mixup:
            other = int(rng.choice(len(self.items), p=self.weights))
            sample = mix(sample, take(rng, other), rng.beta(*MIXUP_BETA))
        if self.patches and rng.random() < stage.paste:
            count = int(rng.integers(1, MOST_PASTED + 1))
            sample = paste(rng, sample, self.patches, self.patch_weights, count)
        if stage.drawn_lights and rng.random() < stage.drawn_lights:
            count = int(rng.integers(1, MOST_DRAWN + 1))
            decoys = int(rng.integers(MOST_DECOYS + 1))
            sample = put_in(rng, sample, lambda: draw_decoy(rng), decoys)
            sample = put_in(rng, sample, lambda: draw_lights(rng, self.light_class), count)
        if stage.drawn_signs and rng.random() < stage.drawn_signs:
            count = int(rng.integers(1, MOST_DRAWN + 1))
            sample = put_in(rng, sample, lambda: self.draw_sign(rng), count)
        return sample

    def draw_sign(self, rng: np.random.Generator) -> Drawing:
        """Return one of the pictures of signs as it may be seen."""
        return draw_sign(rng, self.sign_pictures[rng.integers(len(self.sign_pictures))])

    def view(self, rng: np.random.Generator, index: int) -> Sample:
        """Return one image's view: whole or a crop."""
        item, image = self.items[index], self.images[index]
        boxes = to_pixels(item, image)
        if self.stage.view == 'whole':
            view = whole_view(rng, image, self.stage.size, self.limits)
        else:
            focus = None
            if len(boxes) and rng.random() < FOCUS_SHARE:
                share = self.weight_of_class[item.class_id]
                focus = boxes[rng.choice(len(boxes), p=share / share.sum())]
            view = crop_view(
                rng, image, focus, self.deployed_size, self.stage.size, self.limits
            )
        return apply_view(
            view, image, item.class_id, boxes, item.labelled, (self.stage.size,) * 2
        )

    def mosaic(self, rng: np.random.Generator, index: int) -> Sample:
        """Return four images around a point; a class counts as labelled if it is in all four."""
        size = self.stage.size
        canvas = np.full((size, size, 3), GREY, np.uint8)
        centre = rng.uniform(0.3, 0.7, 2) * size
        others = rng.choice(len(self.items), 3, p=self.weights)
        parts = []
        for corner, k in enumerate((index, *others)):
            item, image = self.items[k], self.images[k]
            boxes = to_pixels(item, image)
            view = whole_view(rng, image, size, self.limits._replace(shift=0.0))
            right, down = corner % 2, corner // 2
            low = np.where((right, down), centre, 0).astype(int)
            high = np.where((right, down), size, centre).astype(int)
            # the image's own middle, or an object, comes to the middle of its quarter
            focus = boxes[rng.integers(len(boxes)), :2] if len(boxes) else None
            anchor = np.array(image.shape[1::-1]) / 2 if focus is None else focus
            jitter = rng.uniform(-0.3, 0.3, 2) * (high - low)
            view[:, 2] += (low + high) / 2 + jitter - (view[:, :2] @ anchor + view[:, 2])
            # drawn by itself, so that boxes are cut once: what remains counts against the whole
            view[:, 2] -= low
            quarter_wh = tuple((high - low).tolist())
            part = apply_view(view, image, item.class_id, boxes, item.labelled, quarter_wh)
            canvas[low[1] : high[1], low[0] : high[0]] = part.image
            in_canvas = part.boxes + np.array([*low, 0, 0], np.float32)
            parts.append(part._replace(boxes=in_canvas))
        return Sample(
            canvas,
            np.concatenate([part.class_id for part in parts]),
            np.concatenate([part.boxes for part in parts]),
            np.all([part.labelled for part in parts], axis=0),
        )


class Batches:
    """
    The keys of batch after batch, for one of several ranks, from batch `first` of an epoch on.

    They go on with the next epoch, without end, so that workers never wait for one to begin.
    """

    def __init__(
        self,
        samples: Samples,
        batch: int,
        epoch: int = 0,
        first: int = 0,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        self.samples, self.batch, self.rank, self.ranks = samples, batch, rank, ranks
        self.epoch, self.first = epoch, first

    @property
    def total(self) -> int:
        """The number of batches in a whole epoch; images left over wait for the next one."""
        return max(len(self.samples) // (self.batch * self.ranks), 1)

    def __iter__(self):
        """Yield lists of (epoch, place, index)."""
        first = self.first
        for epoch in itertools.count(self.epoch):
            order = self.samples.order(epoch)
            keys = [(epoch, place, int(index)) for place, index in enumerate(order)]
            for k in range(first, self.total):
                start = (k * self.ranks + self.rank) * self.batch
                yield keys[start : start + self.batch]
            first = 0


def collate(
    samples: Sequence[tuple[Tensor, Tensor, Tensor]],
) -> tuple[Tensor, Tensor, Tensor]:
    """Return images (N, 3, S, S) uint8, targets (M, 6) and labelled (N, C) of a batch."""
    targets = [
        torch.cat((torch.full((len(objects), 1), float(i)), objects), 1)
        for i, (_, objects, _) in enumerate(samples)
    ]
    images = torch.stack([image for image, _, _ in samples])
    return images, torch.cat(targets), torch.stack([labelled for _, _, labelled in samples])
