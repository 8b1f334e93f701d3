# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a training run is: read from a YAML file, every key checked."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import yaml

from tsr_ros.evaluation.dataset import DataError
from tsr_ros.training.settings import check_keys, check_types, replace_value

PRECISIONS = ('bf16', 'fp16', 'fp32')
LIGHT = 'light'  # the label of traffic lights


@dataclasses.dataclass(frozen=True)
class Stage:
    """A part of the run with samples of its own kind, until this share of the run is done."""

    until: float
    view: str = 'mosaic'  # mosaic, whole or crop
    size: int = 640
    batch: int = 16
    scale: tuple[float, float] = (0.5, 1.5)
    paste: float = 0.0  # probability that signs are pasted in
    drawn_lights: float = 0.0  # probability that traffic lights are drawn in
    drawn_signs: float = 0.0  # probability that pictures of signs are put in
    mixup: float = 0.0  # probability that another image shines through
    weather: float = 1.0  # factor on the probabilities of weather, light, lens and sensor

    def __post_init__(self) -> None:
        check_types(self)
        if self.view not in ('mosaic', 'whole', 'crop'):
            raise DataError(f"a stage's view is mosaic, whole or crop, not {self.view!r}")
        if self.size % 32:
            raise DataError(f"a stage's size is divisible by 32, not {self.size}")
        if self.batch < 1:
            raise DataError(f"a stage's batch is at least 1, not {self.batch}")
        if not 0 < self.scale[0] <= self.scale[1]:
            raise DataError(f"a stage's scale goes from small to large, not {self.scale}")


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """A training run."""

    labels: tuple[str, ...]
    data: tuple[Path, ...] = ()
    architecture: str = 'yolov7-tiny'
    weights: Path | None = None  # to start from
    extra_data: tuple[Path, ...] = ()  # for training only, whole
    epochs: int = 100
    time_limit_min: float | None = None  # ends the schedule early, its decay complete
    sign_pictures: Path | None = None  # folder of <label>/*.png for drawn_signs
    emphasis: dict[str, float] | None = None  # how much oftener a label's images come
    input_size: int = 640  # of the deployed network, and of validation
    stages: tuple[Stage, ...] = (Stage(until=1.0),)
    nominal_batch: int = 64  # images whose gradients are added up for one step
    optimizer: str = 'sgd'  # or adamw
    learning_rate: float = 0.01
    final_learning_rate: float = 0.1  # as a share of learning_rate
    momentum: float = 0.937
    weight_decay: float = 5e-4
    warmup_steps: int = 300
    ema_steps: float = 2000
    ema_decay: float = 0.9999
    gain_box: float = 0.05
    gain_objectness: float = 0.7
    gain_classes: float = 0.3  # of 80 classes; of fewer it is less in proportion
    max_gradient_norm: float = 10.0
    validate_every: int = 2  # epochs
    save_every: int = 1  # epochs, where they are so short that saving the state costs time
    workers: int = 1  # processes that make samples
    threads: int = 0  # of the network on a CPU; 0: as many as PyTorch takes
    precision: str = 'bf16'  # or fp16, fp32
    image_memory_gb: float = 8.0  # decoded images up to this stay in memory
    tensorboard: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        check_types(self)
        for name in ('epochs', 'validate_every', 'save_every', 'nominal_batch'):
            if getattr(self, name) < 1:
                raise DataError(f'{name} is at least 1, not {getattr(self, name)}')
        if self.precision not in PRECISIONS:
            raise DataError(f'precision is one of {", ".join(PRECISIONS)}, not {self.precision!r}')
        if self.input_size % 32:
            raise DataError(f'input_size is divisible by 32, not {self.input_size}')
        if self.optimizer not in ('sgd', 'adamw'):
            raise DataError(f'optimizer is sgd or adamw, not {self.optimizer!r}')
        for label, factor in (self.emphasis or {}).items():
            if label not in self.labels:
                raise DataError(f'emphasis names {label!r}, which is none of the labels')
            if isinstance(factor, bool) or not isinstance(factor, int | float) or factor <= 0:
                raise DataError(f'emphasis of {label} is a number above 0, not {factor!r}')
        if any(stage.drawn_lights for stage in self.stages) and LIGHT not in self.labels:
            raise DataError(f'drawn_lights draws a {LIGHT!r}, which is none of the labels')
        if any(stage.drawn_signs for stage in self.stages) and self.sign_pictures is None:
            raise DataError('drawn_signs needs sign_pictures, a folder of <label>/*.png')
        if not self.stages or self.stages[-1].until != 1.0:
            raise DataError('the last stage lasts until 1.0, the end of the run')


def read_values(path: Path) -> dict[str, Any]:
    """Return the settings in a YAML file as they stand there."""
    try:
        values = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f'{path}: not YAML: {error}') from None
    if not isinstance(values, dict):
        raise DataError(f'{path}: expected keys and values')
    return values


def read_config(path: Path, changes: dict[str, Any] | None = None) -> TrainingConfig:
    """
    Return the run a YAML file describes; its relative paths start from the current folder.

    :param changes: settings that replace the file's; 'stages.0.batch' is that of the first stage
    :raises DataError: for a key that is not known or a value of the wrong kind
    """
    values = read_values(path)
    try:
        for key, value in (changes or {}).items():
            replace_value(values, key, value)
        return config_from(values)
    except (DataError, TypeError, ValueError) as error:
        raise DataError(f'{path}: {error}') from None


def config_from(values: dict[str, Any]) -> TrainingConfig:
    """Return the run that plain values describe."""
    values = dict(values)
    check_keys(values, TrainingConfig, 'the run')
    for key in ('data', 'extra_data'):
        if key in values:
            paths = values[key] if isinstance(values[key], list | tuple) else [values[key]]
            values[key] = tuple(Path(path) for path in paths)
    for key in ('weights', 'sign_pictures'):
        if values.get(key) is not None:
            values[key] = Path(values[key])
    if not isinstance(values['labels'], list):
        raise DataError(f'labels is a list of names, not {values["labels"]!r}')
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


def plain_values(config: TrainingConfig) -> dict[str, Any]:
    """Return a run as values that YAML can hold, its paths absolute."""
    values = {}
    for name, value in dataclasses.asdict(config).items():
        if name in ('data', 'extra_data'):
            value = [os.path.abspath(path) for path in value]
        elif name in ('weights', 'sign_pictures') and value is not None:
            value = os.path.abspath(value)
        elif name == 'stages':
            value = [{**stage, 'scale': list(stage['scale'])} for stage in value]
        elif name == 'labels':
            value = list(value)
        values[name] = value
    return values
