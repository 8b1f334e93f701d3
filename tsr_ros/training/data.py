# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The labelled images of a run, and the batches that are made of them."""

from __future__ import annotations

import atexit

from torch.utils.data import DataLoader

from tsr_ros.backends.heap import keep_free_memory
from tsr_ros.evaluation.dataset import (
    DataError,
    LabelledImage,
    read_class_names,
    read_dataset,
)
from tsr_ros.training.config import LIGHT, Stage, TrainingConfig
from tsr_ros.training.drawn_signs import read_sign_pictures
from tsr_ros.training.images import Images
from tsr_ros.training.interruption import ignore_interruption, kill_children
from tsr_ros.training.ranks import Ranks
from tsr_ros.training.samples import Batches, Samples, collate


class TrainingData:
    """
    Images and labels of the splits train and val, read and checked.

    :raises DataError: where there are none, other classes, or too few for all processes
    """

    def __init__(self, config: TrainingConfig, ranks: Ranks) -> None:
        self.config, self.ranks = config, ranks
        self.num_classes = len(config.labels)
        self.items: list[LabelledImage] = []
        self.val_items: list[LabelledImage] = []
        if not config.data:
            raise DataError('no data: name a folder in the settings or with --data')
        for folder in (*config.data, *config.extra_data):
            names = read_class_names(folder)
            if names and tuple(names) != config.labels:
                raise DataError(
                    f'{folder} has the classes {names}, the settings {list(config.labels)}'
                )
        for folder in config.data:
            self.items += read_dataset(folder, 'train', self.num_classes)
            self.val_items += read_dataset(folder, 'val', self.num_classes)
        for folder in config.extra_data:
            self.items += read_dataset(folder, None, self.num_classes)
        largest = max(stage.batch for stage in config.stages)
        if ranks.count > 1 and len(self.items) < largest * ranks.count:
            raise DataError(
                f'{len(self.items)} images do not fill a batch of {largest} for each of '
                f'{ranks.count} processes'
            )
        self.sign_pictures = []
        if config.sign_pictures is not None:
            self.sign_pictures = read_sign_pictures(config.sign_pictures, config.labels)
        show, room = ranks.is_first, config.image_memory_gb
        self.images = Images([item.path for item in self.items], room, show)
        self.val_images = Images([item.path for item in self.val_items], room / 4, show)

    def samples(self, stage: Stage) -> Samples:
        """Return the samples of a stage."""
        config = self.config
        emphasis = config.emphasis or {}
        return Samples(
            self.items,
            self.images,
            stage,
            config.input_size,
            self.num_classes,
            config.seed,
            [emphasis.get(label, 1.0) for label in config.labels],
            config.labels.index(LIGHT) if LIGHT in config.labels else None,
            self.sign_pictures,
        )

    def batches(self, samples: Samples, epoch: int = 0, first: int = 0) -> Batches:
        """Return which samples make up this process's batches, from one of an epoch on."""
        ranks = self.ranks
        return Batches(samples, samples.stage.batch, epoch, first, ranks.rank, ranks.count)

    def loader(self, batches: Batches) -> DataLoader:
        """Return what hands out the batches, without end, made ahead in worker processes."""
        workers = self.config.workers
        if workers:
            atexit.unregister(kill_children)  # once is enough
            atexit.register(kill_children)
        return DataLoader(
            batches.samples,
            batch_sampler=batches,
            num_workers=workers,
            collate_fn=collate,
            prefetch_factor=4 if workers else None,
            worker_init_fn=start_worker,
            pin_memory=self.ranks.device.type == 'cuda',
        )


def start_worker(worker: int) -> None:
    """Prepare a process that makes samples."""
    ignore_interruption()
    keep_free_memory()
