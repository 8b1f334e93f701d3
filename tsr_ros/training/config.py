# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a training run is: read from a YAML file, every key checked."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import yaml

from tsr_ros.evaluation.dataset import DataError


@dataclasses.dataclass(frozen=True)
class Stage:
    """A part of the run with samples of its own kind, until this share of the run is done."""

    until: float
    view: str = 'mosaic'  # mosaic, whole or crop
    size: int = 640
    batch: int = 16
    scale: tuple[float, float] = (0.5, 1.5)
    paste: float = 0.0  # probability that signs are pasted in
    mixup: float = 0.0

    def __post_init__(self) -> None:
        if self.view not in ('mosaic', 'whole', 'crop'):
            raise DataError(f"a stage's view is mosaic, whole or crop, not {self.view!r}")
        if self.size % 32:
            raise DataError(f"a stage's size is divisible by 32, not {self.size}")


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """A training run."""

    data: tuple[Path, ...]
    labels: tuple[str, ...]
    architecture: str = 'yolov7-tiny'
    weights: Path | None = None  # to start from
    extra_data: tuple[Path, ...] = ()  # for training only, whole
    epochs: int = 100
    time_limit_min: float | None = None  # ends the schedule early, its decay complete
    input_size: int = 640
    stages: tuple[Stage, ...] = (Stage(until=1.0),)
    nominal_batch: int = 64
    optimizer: str = 'sgd'
    learning_rate: float = 0.01
    final_learning_rate: float = 0.1  # as a share of learning_rate
    momentum: float = 0.937
    weight_decay: float = 5e-4
    warmup_steps: int = 300
    ema_steps: float = 2000
    ema_decay: float = 0.9999
    gain_box: float = 0.05
    gain_objectness: float = 0.7
    gain_classes: float = 0.02
    max_gradient_norm: float = 10.0
    validate_every: int = 2
    workers: int = 1
    threads: int = 0
    precision: str = 'bf16'
    seed: int = 0

    def __post_init__(self) -> None:
        if self.optimizer not in ('sgd', 'adamw'):
            raise DataError(f'optimizer is sgd or adamw, not {self.optimizer!r}')
        if not self.stages or self.stages[-1].until != 1.0:
            raise DataError('the last stage lasts until 1.0, the end of the run')


def read_config(path: Path) -> TrainingConfig:
    """
    Return the run a YAML file describes; its relative paths start from the current folder.

    :raises DataError: for a key that is not known or a value of the wrong kind
    """
    try:
        values = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise DataError(f'{path}: not YAML: {error}') from None
    if not isinstance(values, dict):
        raise DataError(f'{path}: expected keys and values')
    try:
        return config_from(values)
    except (DataError, TypeError, ValueError) as error:
        raise DataError(f'{path}: {error}') from None


def config_from(values: dict[str, Any]) -> TrainingConfig:
    """Return the run that plain values describe."""
    values = dict(values)
    check_keys(values, TrainingConfig, 'the run')
    for key in ('data', 'extra_data'):
        if key in values:
            paths = [values[key]] if isinstance(values[key], str) else values[key]
            values[key] = tuple(Path(path) for path in paths)
    if values.get('weights') is not None:
        values['weights'] = Path(values['weights'])
    values['labels'] = tuple(values['labels'])
    if 'stages' in values:
        stages = []
        for stage in values['stages']:
            check_keys(stage, Stage, 'a stage')
            if 'scale' in stage:
                stage = {**stage, 'scale': tuple(stage['scale'])}
            stages.append(Stage(**stage))
        values['stages'] = tuple(stages)
    return TrainingConfig(**values)


def check_keys(values: dict[str, Any], kind: type, what: str) -> None:
    """Raise DataError for a key that `kind` does not have or needs and is not given."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    unknown = set(values) - set(fields)
    if unknown:
        raise DataError(f'{what} has no setting {sorted(unknown)}: there are {sorted(fields)}')
    needed = {name for name, field in fields.items() if field.default is dataclasses.MISSING}
    if needed - set(values):
        raise DataError(f'{what} needs the settings {sorted(needed - set(values))}')
