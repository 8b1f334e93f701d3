# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The training loop."""

from __future__ import annotations

import csv
import math
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader
from tqdm import tqdm

from tsr_ros.evaluation.dataset import LabelledImage, read_dataset, read_image
from tsr_ros.training.config import Stage, TrainingConfig
from tsr_ros.training.loss import LossGains, yolov7_loss
from tsr_ros.training.optimization import (
    AverageWeights,
    learning_rate_share,
    make_optimizer,
)
from tsr_ros.training.samples import EpochBatches, Samples, collate
from tsr_ros.training.state import load_state, save_state
from tsr_ros.training.validation import validate
from tsr_ros.yolov7.checkpoint import load_weights, save_weights
from tsr_ros.yolov7.network import build_network

PRECISIONS = {'bf16': torch.bfloat16, 'fp16': torch.float16, 'fp32': None}

LOSS_PARTS = ('loss', 'box', 'objectness', 'classes', 'positives')
COLUMNS = ('epoch', 'step', 'minutes', 'images_per_s', 'learning_rate', *LOSS_PARTS, 'map50')


class TrainingError(RuntimeError):
    """Training cannot go on; says why and what is kept."""


class Trainer:
    """One run, in a folder of its own."""

    def __init__(self, config: TrainingConfig, folder: Path, resume: bool = False) -> None:
        self.config, self.folder = config, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.state_path = folder / 'state.safetensors'
        if self.state_path.exists() and not resume:
            raise TrainingError(
                f'{folder} holds a run already: resume it or choose another folder'
            )
        if config.threads:
            torch.set_num_threads(config.threads)
        cv2.setNumThreads(0)
        torch.manual_seed(config.seed)
        self.device = 'cuda' if torch.cuda.is_available() else 'cpu'
        self.num_classes = len(config.labels)
        if config.weights:
            self.network = load_weights(config.weights, for_training=True)
        else:
            self.network = build_network(config.architecture, self.num_classes)
        self.network.to(self.device, memory_format=torch.channels_last)
        self.average = AverageWeights(self.network, config.ema_decay, config.ema_steps)
        self.optimizer = make_optimizer(self.network, config)
        self.epoch, self.step, self.elapsed_s, self.best = 0, 0, 0.0, -1.0
        if self.state_path.exists():
            progress = load_state(
                self.state_path, self.network, self.average, self.optimizer
            )
            self.epoch, self.step = progress['epoch'], progress['step']
            self.elapsed_s, self.best = progress['elapsed_s'], progress['best']
        self.read_data()
        self.started = time.monotonic() - self.elapsed_s

    def read_data(self) -> None:
        """Read labels and images; all of them stay in memory, which worker processes share."""
        self.items: list[LabelledImage] = []
        for folder in self.config.data:
            self.items += read_dataset(folder, 'train', self.num_classes)
        for folder in self.config.extra_data:
            self.items += read_dataset(folder, None, self.num_classes)
        self.val_items: list[LabelledImage] = []
        for folder in self.config.data:
            self.val_items += read_dataset(folder, 'val', self.num_classes)
        self.images = [read_image(item.path) for item in tqdm(self.items, 'reading', leave=False)]
        self.val_images = [read_image(item.path) for item in self.val_items]

    def progress(self, done: float = 0.0) -> float:
        """Return the share of the run that is done, by epochs or by time, whichever is more."""
        share = (self.epoch + done) / self.config.epochs
        if self.config.time_limit_min:
            elapsed = time.monotonic() - self.started
            share = max(share, elapsed / 60 / self.config.time_limit_min)
        return share

    def stage(self) -> Stage:
        """Return the stage for the epoch that begins."""
        progress = self.progress()
        for stage in self.config.stages:
            if progress < stage.until:
                return stage
        return self.config.stages[-1]

    def run(self) -> None:
        """Train to the end, with a checkpoint after each epoch."""
        current, samples, loader = None, None, None
        while self.progress() < 1:
            stage = self.stage()
            if stage is not current:
                current = stage
                samples = Samples(
                    self.items,
                    self.images,
                    stage,
                    self.config.input_size,
                    self.num_classes,
                    self.config.seed,
                )
                loader = DataLoader(
                    samples,
                    batch_sampler=EpochBatches(samples, stage.batch),
                    num_workers=self.config.workers,
                    persistent_workers=self.config.workers > 0,
                    collate_fn=collate,
                    prefetch_factor=4 if self.config.workers else None,
                )
            samples.epoch = self.epoch
            record = self.run_epoch(loader, stage)
            self.epoch += 1
            last = self.progress() >= 1
            if last or self.epoch % self.config.validate_every == 0:
                self.validate(record)
            self.elapsed_s = time.monotonic() - self.started
            self.write_record(record)
            save_state(
                self.state_path,
                self.network,
                self.average,
                self.optimizer,
                {
                    'epoch': self.epoch,
                    'step': self.step,
                    'elapsed_s': self.elapsed_s,
                    'best': self.best,
                },
            )

    def run_epoch(self, loader: DataLoader, stage: Stage) -> dict[str, float]:
        """Train on each batch once and return means for the record."""
        config = self.config
        gains = LossGains(config.gain_box, config.gain_objectness, config.gain_classes)
        precision = PRECISIONS[config.precision]
        sums, count, began = np.zeros(5), 0, time.monotonic()
        self.network.train()
        bar = tqdm(loader, f'epoch {self.epoch + 1}', leave=False, mininterval=5)
        for k, (images, targets, labelled) in enumerate(bar):
            x = images.to(self.device).float().div_(255)
            x = x.contiguous(memory_format=torch.channels_last)
            share = learning_rate_share(self.progress(k / len(loader)), self.step, config)
            for group in self.optimizer.param_groups:
                group['lr'] = config.learning_rate * share
            with torch.autocast(self.device, precision, enabled=precision is not None):
                maps = self.network(x)
            loss = yolov7_loss(
                maps,
                targets.to(self.device),
                labelled.to(self.device),
                self.network.anchors,
                self.network.strides,
                gains,
            )
            if not math.isfinite(float(loss.total.detach())):
                raise TrainingError(
                    f'the loss is {float(loss.total)} at step {self.step} of epoch '
                    f'{self.epoch + 1}: lower learning_rate and resume; {self.state_path} '
                    'keeps the epoch before'
                )
            loss.total.backward()
            torch.nn.utils.clip_grad_norm_(
                self.network.parameters(), config.max_gradient_norm
            )
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.average.update(self.network)
            self.step += 1
            count += 1
            sums += (
                float(loss.total.detach()) / len(x),
                loss.box,
                loss.objectness,
                loss.classes,
                loss.positives,
            )
            bar.set_postfix(loss=f'{sums[0] / count:.4f}')
        seconds = time.monotonic() - began
        return {
            'epoch': self.epoch + 1,
            'step': self.step,
            'minutes': round((time.monotonic() - self.started) / 60, 2),
            'images_per_s': round(count * stage.batch / seconds, 2),
            'learning_rate': self.optimizer.param_groups[0]['lr'],
            **{name: round(value / count, 5) for name, value in zip(LOSS_PARTS, sums)},
        }

    def validate(self, record: dict[str, float]) -> None:
        """Score the averaged weights and keep them if they are the best so far."""
        precision = validate(
            self.average.network,
            self.val_items,
            self.val_images,
            self.config.input_size,
            device=self.device,
        )
        record['map50'] = round(float(np.nanmean(precision)), 4)
        for label, value in zip(self.config.labels, precision):
            record[f'ap50_{label}'] = round(float(value), 4)
        self.save_average(self.folder / 'last.safetensors')
        if record['map50'] > self.best:
            self.best = record['map50']
            self.save_average(self.folder / 'best.safetensors')

    def save_average(self, path: Path) -> None:
        """Write the averaged weights in deployed form."""
        size = (self.config.input_size, self.config.input_size)
        save_weights(path, self.average.network, list(self.config.labels), size)

    def write_record(self, record: dict[str, float]) -> None:
        """Append a line to results.csv and print it."""
        columns = [*COLUMNS, *(f'ap50_{label}' for label in self.config.labels)]
        path = self.folder / 'results.csv'
        new = not path.exists()
        with path.open('a', newline='') as file:
            writer = csv.DictWriter(file, columns, restval='')
            if new:
                writer.writeheader()
            writer.writerow(record)
        tqdm.write('  '.join(f'{key} {value}' for key, value in record.items()))
