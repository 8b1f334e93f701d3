# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The training loop."""

from __future__ import annotations

import contextlib
import itertools
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from tqdm import tqdm

from tsr_ros.evaluation.dataset import DataError
from tsr_ros.training.config import Stage, TrainingConfig
from tsr_ros.training.data import TrainingData
from tsr_ros.training.interruption import Interruption
from tsr_ros.training.loss import LossGains, yolov7_loss
from tsr_ros.training.optimization import (
    AverageWeights,
    learning_rate_share,
    make_optimizer,
)
from tsr_ros.training.ranks import Ranks
from tsr_ros.training.records import LOSS_PARTS, Record
from tsr_ros.training.run_folder import RunFolder, TrainingError
from tsr_ros.training.samples import Batches
from tsr_ros.training.state import load_state, save_state
from tsr_ros.training.validation import average_precisions, detect
from tsr_ros.yolov7.checkpoint import load_weights
from tsr_ros.yolov7.network import Network, build_network

DTYPES = {'bf16': torch.bfloat16, 'fp16': torch.float16, 'fp32': None}


class Trainer:
    """
    One run, in a folder of its own.

    Single process, one machine and fixed threads given, weights depend on the settings alone, not
    on when the run was interrupted and resumed. A time limit makes them depend on the clock.
    """

    def __init__(
        self,
        config: TrainingConfig,
        folder: Path,
        resume: bool = False,
        ranks: Ranks = Ranks(0, 1, torch.device('cpu')),  # noqa: B008
    ) -> None:
        self.config, self.ranks, self.device = config, ranks, ranks.device
        self.folder = RunFolder(folder, config)
        self.state_path = self.folder.state_path
        if self.state_path.exists() and not resume:
            raise TrainingError(
                f'{folder} holds a run already: resume it or choose another folder'
            )
        if config.time_limit_min and ranks.count > 1:
            raise DataError('time_limit_min serves a single process: their clocks differ')
        if config.threads:
            torch.set_num_threads(config.threads)
        # on a GPU: try the kinds of convolution once for each size, and keep the fastest
        torch.backends.cudnn.benchmark = True
        cv2.setNumThreads(0)
        self.num_classes = len(config.labels)
        self.data = TrainingData(config, ranks)
        torch.manual_seed(config.seed)
        self.network = self.new_network()
        self.network.to(self.device, memory_format=torch.channels_last)
        self.average = AverageWeights(self.network, config.ema_decay, config.ema_steps)
        self.optimizer = make_optimizer(self.network, config)
        self.scaler = torch.amp.GradScaler(
            self.device.type, enabled=config.precision == 'fp16'
        )
        self.epoch, self.step, self.elapsed_s, self.best = 0, 0, 0.0, -1.0
        self.batch, self.sums = 0, np.zeros(len(LOSS_PARTS))  # of the epoch under way
        self.stage_number: int | None = None  # of an epoch under way
        self.history: list[Record] = []
        if self.state_path.exists():
            self.restore()
        self.started = time.monotonic() - self.elapsed_s
        self.model = ranks.wrap(self.network)
        if ranks.is_first:
            self.folder.prepare(self.network, self.epoch)

    def new_network(self) -> Network:
        """Return the network to start from."""
        config = self.config
        if config.weights is None:
            try:
                return build_network(config.architecture, self.num_classes)
            except ValueError as error:
                raise DataError(str(error)) from None
        network = load_weights(config.weights, for_training=True)
        if network.num_classes != self.num_classes:
            raise DataError(
                f'{config.weights} has {network.num_classes} classes, the settings have '
                f'{self.num_classes} labels'
            )
        if network.architecture != config.architecture:
            raise DataError(
                f'{config.weights} is a {network.architecture}, the settings ask for '
                f'{config.architecture}'
            )
        return network

    def restore(self) -> None:
        """Go back to where the run stopped."""
        progress = load_state(self.state_path, self.network, self.average, self.optimizer)
        try:
            self.epoch, self.step = progress['epoch'], progress['step']
            self.elapsed_s, self.best = progress['elapsed_s'], progress['best']
            self.batch, self.sums = progress['batch'], np.array(progress['sums'])
            self.stage_number, self.history = progress['stage'], progress['history']
            scaler, images = progress['scaler'], progress['images']
            batches_of = progress['batches_of']
        except KeyError as error:
            raise TrainingError(
                f'{self.state_path}: says nothing of {error}: not written by this program; begin '
                'a new run in another folder'
            ) from None
        if scaler:
            self.scaler.load_state_dict(scaler)
        if images != len(self.data.items):
            raise TrainingError(
                f'{self.state_path}: the run had {images} images, the data have '
                f'{len(self.data.items)} now'
            )
        if self.stage_number is not None and batches_of != self.batches_of():
            # the batches left would skip some images and repeat others
            self.batch, self.sums, self.stage_number = 0, np.zeros(len(LOSS_PARTS)), None
            if self.ranks.is_first:
                print(
                    f'epoch {self.epoch + 1} begins anew: it was interrupted with another stage, '
                    'batch, seed or emphasis',
                    file=sys.stderr,
                )

    def batches_of(self) -> dict[str, Any] | None:
        """Return what decides which images the batches of the epoch under way hold."""
        number, config = self.stage_number, self.config
        if number is None or number >= len(config.stages):
            return None
        stage = config.stages[number]
        return {
            'stage': repr(stage),
            'images': stage.batch * self.ranks.count,
            'seed': config.seed,
            'emphasis': config.emphasis,
        }

    def progress(self, done: float = 0.0) -> float:
        """Return the share of the run that is done, by epochs or by time, whichever is more."""
        share = (self.epoch + done) / self.config.epochs
        if self.config.time_limit_min:
            elapsed = time.monotonic() - self.started
            share = max(share, elapsed / 60 / self.config.time_limit_min)
        return share

    def choose_stage(self) -> int:
        """Return the number of the stage for the epoch that begins."""
        progress = self.progress()
        ends = [stage.until for stage in self.config.stages]
        return next((k for k, until in enumerate(ends) if progress < until), len(ends) - 1)

    def run(self) -> bool:
        """Train, with a state now and then and at the end; return False where interrupted."""
        current, batches, stream = None, None, None
        finished = self.progress() >= 1
        with Interruption() as interruption:
            while not finished:
                if self.stage_number is None:
                    self.stage_number = self.choose_stage()
                stage = self.config.stages[self.stage_number]
                if stage is not current:
                    current = stage
                    batches = self.data.batches(self.data.samples(stage), self.epoch, self.batch)
                    stream = iter(self.data.loader(batches))
                if not self.train_epoch(stream, batches, stage, interruption):
                    self.save()
                    self.folder.close()
                    return False
                finished = self.end_epoch()
            if self.epoch % self.config.save_every:
                self.save()
        self.folder.close()
        return True

    def train_epoch(
        self, stream: Iterator, batches: Batches, stage: Stage, interruption: Interruption
    ) -> bool:
        """Train on each batch left of the epoch; return False where it was interrupted."""
        total = batches.total
        batch_all = stage.batch * self.ranks.count
        group = max(round(self.config.nominal_batch / batch_all), 1)
        first, began = self.batch, time.monotonic()
        self.network.train()
        bar = tqdm(
            itertools.islice(stream, total - first),
            f'epoch {self.epoch + 1}/{self.config.epochs}',
            initial=first,
            total=total,
            leave=False,
            mininterval=1,
            disable=None if self.ranks.is_first else True,
        )
        for images, targets, labelled in bar:
            if self.ranks.is_first and self.batch == 0:
                self.folder.save_samples(self.stage_number, images, targets)
            ends_group = (self.batch + 1) % group == 0 or self.batch + 1 == total
            wanted = self.train_batch(images, targets, labelled, ends_group, interruption.wanted)
            self.batch += 1
            if ends_group:
                self.take_step(self.batch / total)
            bar.set_postfix_str(self.describe(began, first, total), refresh=False)
            if wanted and ends_group and self.batch < total:
                return False
        seconds = time.monotonic() - began
        means = self.sums / max(self.batch * self.ranks.count, 1)
        self.record: Record = {
            'epoch': self.epoch + 1,
            'step': self.step,
            'minutes': round((time.monotonic() - self.started) / 60, 2),
            'images_per_s': round((self.batch - first) * batch_all / max(seconds, 1e-9), 2),
            'learning_rate': float(f'{self.optimizer.param_groups[0]["lr"]:.6g}'),
            **{name: round(float(value), 5) for name, value in zip(LOSS_PARTS, means)},
        }
        return True

    def train_batch(
        self,
        images: torch.Tensor,
        targets: torch.Tensor,
        labelled: torch.Tensor,
        ends_group: bool,
        wanted: bool,
    ) -> bool:
        """Add up the gradients of a batch; return whether any process is asked to stop."""
        config = self.config
        x = images.to(self.device, non_blocking=True).float().div_(255)
        x = x.contiguous(memory_format=torch.channels_last)
        dtype = DTYPES[config.precision]
        together = contextlib.nullcontext()
        if self.ranks.count > 1 and not ends_group:
            together = self.model.no_sync()
        with together:
            with torch.autocast(self.device.type, dtype, enabled=dtype is not None):
                maps = self.model(x)
            loss = yolov7_loss(
                maps,
                targets.to(self.device),
                labelled.to(self.device),
                self.network.anchors,
                self.network.strides,
                LossGains(config.gain_box, config.gain_objectness, config.gain_classes),
            )
            value = float(loss.total.detach())
            parts = [value / len(x), loss.box, loss.objectness, loss.classes, loss.positives]
            *parts, stopped = self.ranks.total([*parts, float(wanted)])
            if not math.isfinite(parts[0]):
                raise TrainingError(self.broken(f'the loss is {parts[0]}'))
            # processes average their gradients, where one would add them up
            self.scaler.scale(loss.total * self.ranks.count).backward()
        self.sums += parts
        return stopped > 0

    def take_step(self, done: float) -> None:
        """Change the weights by the gradients that have been added up."""
        config = self.config
        share = learning_rate_share(self.progress(done), self.step, config)
        for group in self.optimizer.param_groups:
            group['lr'] = config.learning_rate * share
        self.scaler.unscale_(self.optimizer)
        norm = torch.nn.utils.clip_grad_norm_(
            self.network.parameters(), config.max_gradient_norm
        )
        # fp16 overflows now and then; its scaler leaves such a step out
        if config.precision != 'fp16' and not math.isfinite(float(norm)):
            raise TrainingError(self.broken(f'the gradient is {float(norm)}'))
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        self.average.update(self.network)
        self.step += 1

    def broken(self, what: str) -> str:
        """Return a message for a run that cannot go on."""
        kept = 'nothing is saved yet'
        if self.state_path.exists():
            kept = f'{self.state_path} keeps what was trained before'
        return (
            f'{what} at step {self.step + 1}, in epoch {self.epoch + 1}: lower learning_rate '
            f'or max_gradient_norm, or take precision fp32, and resume; {kept}'
        )

    def end_epoch(self) -> bool:
        """Validate and save the state if it is time; return whether the run is finished."""
        self.epoch += 1
        self.batch, self.sums, self.stage_number = 0, np.zeros(len(LOSS_PARTS)), None
        finished = self.progress() >= 1  # asked once: a time limit may pass at any moment
        if self.ranks.is_first:
            if finished or self.epoch % self.config.validate_every == 0:
                self.validate(self.record)
            self.history.append(self.record)
            if self.epoch % self.config.save_every == 0:
                self.save()
            self.folder.write_records(self.history)
            tqdm.write('  '.join(f'{key} {value:g}' for key, value in self.record.items()))
        self.ranks.wait()
        return finished

    def validate(self, record: Record) -> None:
        """Score the averaged weights and keep them if they are the best so far."""
        config, items, images = self.config, self.data.val_items, self.data.val_images
        found = detect(self.average.network, images, config.input_size, self.device)
        precision = average_precisions(
            items, images.resolutions_wh, found, self.num_classes
        )
        known = precision[~np.isnan(precision)]
        record['map50'] = round(float(known.mean()) if len(known) else 0.0, 4)
        for label, value in zip(config.labels, precision):
            if not math.isnan(value):
                record[f'ap50_{label}'] = round(float(value), 4)
        self.folder.save_results(items, images, found)
        self.folder.save_weights('last.safetensors', self.average.network)
        if record['map50'] > self.best:
            self.best = record['map50']
            self.folder.save_weights('best.safetensors', self.average.network)

    def save(self) -> None:
        """Save all that is needed to go on from here."""
        self.elapsed_s = time.monotonic() - self.started
        if not self.ranks.is_first:
            return
        progress = {
            'epoch': self.epoch,
            'batch': self.batch,
            'sums': self.sums.tolist(),
            'stage': self.stage_number,
            'batches_of': self.batches_of(),
            'step': self.step,
            'elapsed_s': self.elapsed_s,
            'best': self.best,
            'history': self.history,
            'images': len(self.data.items),
            'scaler': self.scaler.state_dict(),
        }
        with self.folder.writing(self.state_path.name) as path:
            save_state(path, self.network, self.average, self.optimizer, progress)

    def describe(self, began: float, first: int, total: int) -> str:
        """Return mean losses of the epoch and the time left, for the progress bar."""
        means = self.sums / max(self.batch * self.ranks.count, 1)
        per_batch = (time.monotonic() - began) / (self.batch - first)
        left_s = per_batch * (total - self.batch + total * (self.config.epochs - self.epoch - 1))
        if self.config.time_limit_min:
            elapsed = time.monotonic() - self.started
            left_s = min(left_s, max(self.config.time_limit_min * 60 - elapsed, 0))
        losses = ' '.join(f'{n} {v:.4f}' for n, v in zip(LOSS_PARTS[:4], means))
        return f'{losses} left {tqdm.format_interval(left_s)}'
