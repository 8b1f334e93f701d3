# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
How much of the training time data loading and augmentation cost.

`python -m tsr_ros.training.throughput CONFIG --data DIR` trains each stage of a configuration on
the data as `tsr train` does, and takes the same steps on one batch that stays in memory.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from tsr_ros.report.text_table import text_table
from tsr_ros.training.config import read_config
from tsr_ros.training.ranks import join_ranks
from tsr_ros.training.samples import Batches, Samples
from tsr_ros.training.trainer import Trainer

WARM_UP = 3
MOST_TIMED = 48  # samples
Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class Throughput(NamedTuple):
    """Images per second of one stage."""

    stage: str
    plain: float  # forward, loss, backward and step on one batch in memory
    training: float  # the same on batches as they are loaded and augmented
    samples: float  # loading and augmenting alone, in one process

    @property
    def cost(self) -> float:
        """The share by which loading and augmenting lengthen training."""
        return self.plain / self.training - 1


def time_steps(trainer: Trainer, batches: Iterator[Batch], count: int) -> list[float]:
    """Return the seconds of each of `count` steps, waiting for the batch included."""
    seconds = []
    for _ in range(count):
        began = time.perf_counter()
        trainer.train_batch(*next(batches), ends_group=True, wanted=False)
        trainer.take_step(0.0)
        if trainer.device.type == 'cuda':
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    return seconds


def measure(trainer: Trainer, steps: int, rounds: int) -> list[Throughput]:
    """
    Return the throughput of each stage.

    Plain and loaded steps take turns, `rounds` of each, and the medians of the rounds are
    compared: so a computer that slows down or is busy spoils both alike.
    """
    results = []
    for number, stage in enumerate(trainer.config.stages):
        samples = trainer.data.samples(stage)
        alone = time_samples(samples, stage.batch)
        trainer.network.train()
        loader = trainer.data.loader(trainer.data.batches(samples))
        loaded = iter(loader)
        kept = next(loaded)
        time_steps(trainer, loaded, WARM_UP)
        plain, training = [], []
        for _ in range(rounds):
            # workers fill their queue first, lest they take from the plain steps' time …
            busy_until = time.perf_counter() + 1.5 * queue_length(loader) * stage.batch * alone
            while time.perf_counter() < busy_until:
                time_steps(trainer, iter([kept]), 1)
            plain.append(np.mean(time_steps(trainer, iter([kept] * steps), steps)))
            # … and what they have made ahead is not counted
            time_steps(trainer, loaded, queue_length(loader))
            training.append(np.mean(time_steps(trainer, loaded, steps)))
        results.append(Throughput(
            f'{number + 1}: {stage.view} {stage.size}, batch {stage.batch}',
            stage.batch / float(np.median(plain)), stage.batch / float(np.median(training)),
            1 / alone))
    return results


def time_samples(samples: Samples, batch: int) -> float:
    """Return the seconds that loading and augmenting an image take in this process."""
    keys = next(iter(Batches(samples, batch)))
    keys = keys * -(-MOST_TIMED // len(keys))
    began = time.perf_counter()
    for place, (epoch, _, index) in enumerate(keys):
        samples[epoch, place, index]
    return (time.perf_counter() - began) / len(keys)


def queue_length(loader: torch.utils.data.DataLoader) -> int:
    """Return how many batches the workers make ahead."""
    return loader.num_workers * (loader.prefetch_factor or 0)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', type=Path)
    parser.add_argument('--data', type=Path, nargs='+', required=True)
    parser.add_argument('--steps', type=int, default=10, help='of a round')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--threads', type=int, help='of the network')
    parser.add_argument('--workers', type=int, help='processes that make samples')
    args = parser.parse_args()
    config = read_config(args.config, {'data': [str(path) for path in args.data]})
    given = {key: value for key in ('threads', 'workers')
             if (value := getattr(args, key)) is not None}
    config = dataclasses.replace(config, extra_data=(), time_limit_min=None, **given)
    with tempfile.TemporaryDirectory() as folder:
        results = measure(
            Trainer(config, Path(folder), ranks=join_ranks()), args.steps, args.rounds
        )
    rows = [
        [r.stage, f'{r.plain:.2f}', f'{r.training:.2f}', f'{100 * r.cost:.1f} %',
         f'{r.samples:.1f}']
        for r in results
    ]
    print(f'{config.architecture}, {config.precision}, {torch.get_num_threads()} threads, '
          f'{config.workers} workers, {os.cpu_count()} CPUs')
    print(text_table(('stage', 'plain images/s', 'training images/s', 'cost of data',
                      'samples/s alone'), rows))


if __name__ == '__main__':
    main()
