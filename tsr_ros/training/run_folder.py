# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The folder of a run: its settings, state, weights, tables and pictures."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import yaml
from safetensors import SafetensorError

from tsr_ros.evaluation.dataset import LabelledImage
from tsr_ros.report.files import write_text
from tsr_ros.training.config import TrainingConfig, plain_values
from tsr_ros.training.pictures import save_results, save_samples
from tsr_ros.training.records import EventLog, Record, write_table
from tsr_ros.vision.detections import Detections
from tsr_ros.yolov7.checkpoint import save_weights
from tsr_ros.yolov7.network import Network, count_parameters

BYTES_PER_PARAMETER = 40  # state and two weights files, each twice while it is replaced


class TrainingError(RuntimeError):
    """Training cannot go on; says why and what is kept."""


class RunFolder:
    """Where a run writes; every file in it is whole at any time."""

    def __init__(self, path: Path, config: TrainingConfig) -> None:
        self.path, self.config = path, config
        self.state_path = path / 'state.safetensors'
        self.events: EventLog | None = None

    def prepare(self, network: Network, epoch: int) -> None:
        """Make the folder, if there is room, and write down the settings."""
        self.path.mkdir(parents=True, exist_ok=True)
        needed = BYTES_PER_PARAMETER * count_parameters(network)
        free = shutil.disk_usage(self.path).free
        if free < needed:
            raise TrainingError(
                f'{self.path}: {free >> 20} MB are free, the run needs {needed >> 20} MB'
            )
        if self.config.tensorboard:
            self.events = EventLog(self.path, epoch)
        with self.writing('config.yaml') as path:
            write_text(path, yaml.safe_dump(plain_values(self.config), sort_keys=False))

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Give the path of a file, and say what is kept where it cannot be written."""
        path = self.path / name
        try:
            yield path
        except (OSError, SafetensorError) as error:
            kept = 'Nothing is saved yet.'
            if self.state_path.exists():
                kept = f'{self.state_path} is whole: make room and resume.'
            raise TrainingError(f'{path} cannot be written: {error}. {kept}') from None

    def save_weights(self, name: str, network: Network) -> None:
        """Write weights in deployed form."""
        size = (self.config.input_size, self.config.input_size)
        with self.writing(name) as path:
            save_weights(path, network, list(self.config.labels), size)

    def save_samples(self, stage: int, images: torch.Tensor, targets: torch.Tensor) -> None:
        """Show the first batch of a stage."""
        with self.writing(f'samples_stage{stage + 1}.jpg') as path:
            if not path.exists():
                save_samples(path, images, targets, self.config.labels)

    def save_results(
        self,
        items: Sequence[LabelledImage],
        images: Sequence[np.ndarray],
        detections: Sequence[Detections],
    ) -> None:
        """Show what the network finds in some images of the validation split."""
        with self.writing('validation.jpg') as path:
            save_results(path, items, images, detections, self.config.labels)

    def write_records(self, records: Sequence[Record]) -> None:
        """Write the table of all epochs, and the last one's events."""
        with self.writing('results.csv') as path:
            write_table(path, records, self.config.labels)
            if self.events:
                self.events.add(records[-1])

    def close(self) -> None:
        """End the event file."""
        if self.events:
            self.events.close()
