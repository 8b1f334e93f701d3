# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`tsr train`: train a network, go on with a run, or compare runs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

from tsr_ros.evaluation.dataset import DataError
from tsr_ros.training.config import TrainingConfig, plain_values, read_config
from tsr_ros.training.ranks import join_ranks, leave_ranks
from tsr_ros.training.report import write_report
from tsr_ros.training.run_folder import TrainingError
from tsr_ros.training.state import StateError
from tsr_ros.training.trainer import Trainer
from tsr_ros.yolov7.checkpoint import CheckpointError

ERRORS = (DataError, TrainingError, StateError, CheckpointError)
FIXED = ('architecture', 'labels', 'optimizer')  # of a run that is resumed


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('config', nargs='?', type=Path, metavar='CONFIG',
                        help='settings of the run, such as config/training/cpu.yaml; '
                             'left out with --resume: those that the run began with')
    parser.add_argument('--data', nargs='+', type=Path, metavar='DIR',
                        help='data with the splits train and val, in YOLO layout')
    parser.add_argument('--extra-data', nargs='+', type=Path, metavar='DIR',
                        help='data used for training whole, which may be labelled in part')
    parser.add_argument('--out', type=Path, metavar='DIR',
                        help="the run's folder (default: runs/NAME of CONFIG)")
    parser.add_argument('--resume', action='store_true',
                        help='go on where the run in --out stopped')
    parser.add_argument('--weights', type=Path, metavar='FILE',
                        help='start from these weights (.safetensors)')
    parser.add_argument('--set', action='append', default=[], metavar='KEY=VALUE', dest='changes',
                        help='change a setting; stages.0.batch=8 is that of the first stage')
    parser.add_argument('--report', nargs='+', type=Path, metavar='RUN',
                        help='train nothing: compare these runs in one table, and one page of '
                             'learning curves, --out (default: runs/report.html)')


def run(args: argparse.Namespace) -> int:
    """Train, or compare runs."""
    if args.report:
        page = args.out or Path('runs/report.html')
        print(write_report(args.report, page))
        print(f'learning curves: {page}')
        return 0
    folder, config = settings(args)
    ranks = join_ranks()
    try:
        trainer = Trainer(config, folder, args.resume, ranks)
        finished = trainer.run()
        if not ranks.is_first:
            return 0
        if not finished:
            print(f'stopped after step {trainer.step}, in epoch {trainer.epoch + 1}; go on with: '
                  f'tsr train --resume --out {folder}', file=sys.stderr)
            return 130
        print(f'{folder / "best.safetensors"}: mAP@0.5 {trainer.best:.4f} on the validation split')
        return 0
    finally:
        leave_ranks()


def settings(args: argparse.Namespace) -> tuple[Path, TrainingConfig]:
    """Return the run's folder and its settings."""
    folder, source = args.out, args.config
    if folder is None:
        if source is None:
            raise DataError('which settings? name a file, such as config/training/cpu.yaml')
        folder = Path('runs') / source.stem
    stored = folder / 'config.yaml'
    if source is None:
        if not args.resume:
            raise DataError('which settings? name a file, such as config/training/cpu.yaml')
        source = stored
    config = read_config(source, changes(args))
    if args.resume and stored.exists():
        compare(plain_values(read_config(stored)), plain_values(config), folder)
    return folder, config


def changes(args: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that the command line replaces."""
    values: dict[str, Any] = {}
    for word in args.changes:
        key, equals, text = word.partition('=')
        if not equals:
            raise DataError(f'--set takes KEY=VALUE, not {word!r}')
        try:
            values[key] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise DataError(f'--set {key}: {text!r} is not a YAML value') from None
    for key in ('data', 'extra_data'):
        if getattr(args, key):
            values[key] = [str(path) for path in getattr(args, key)]
    if args.weights:
        values['weights'] = str(args.weights)
    return values


def compare(before: dict[str, Any], now: dict[str, Any], folder: Path) -> None:
    """Say which settings a resumed run changes; refuse those that its state does not fit."""
    for key, value in now.items():
        if value == before.get(key):
            continue
        if key in FIXED:
            raise DataError(f'{folder} has {key} {before.get(key)}, not {value}: start a new run')
        print(f'resumed with {key} {value}, before {before.get(key)}', file=sys.stderr)
