# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Everything a run needs to go on where it stopped, as one safetensors file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from tsr_ros.training.optimization import AverageWeights

FORMAT = 'tsr-training-1'


class StateError(ValueError):
    """A state file that does not fit the run or is damaged."""


def save_state(
    path: Path,
    network: nn.Module,
    average: AverageWeights,
    optimizer: torch.optim.Optimizer,
    progress: dict[str, Any],
) -> None:
    """Write the state; the old one stays until the new one is complete."""
    tensors: dict[str, Tensor] = {}
    for prefix, module in (('network', network), ('average', average.network)):
        tensors |= {f'{prefix}.{name}': value for name, value in module.state_dict().items()}
    for index, values in optimizer.state_dict()['state'].items():
        tensors |= {
            f'optimizer.{index}.{name}': torch.as_tensor(value)
            for name, value in values.items()
            if value is not None
        }
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    metadata = {
        'format': FORMAT,
        'progress': json.dumps({**progress, 'average_updates': average.updates}),
    }
    temporary = path.with_name(f'.{path.name}.part')
    try:
        save_file(tensors, temporary, metadata)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def load_state(
    path: Path, network: nn.Module, average: AverageWeights, optimizer: torch.optim.Optimizer
) -> dict[str, Any]:
    """
    Fill network, average and optimizer from a file and return its progress.

    :raises StateError: for a damaged file or one of another network
    """
    try:
        with safe_open(path, 'pt') as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if metadata.get('format') != FORMAT:
            raise StateError(f'{path}: not a training state')
        progress = json.loads(metadata['progress'])
        network.load_state_dict(strip(tensors, 'network.'))
        average.network.load_state_dict(strip(tensors, 'average.'))
        average.updates = progress.pop('average_updates')
        values: dict[int, dict[str, Tensor]] = {}
        for name, value in strip(tensors, 'optimizer.').items():
            index, _, key = name.partition('.')
            values.setdefault(int(index), {})[key] = value
        optimizer.load_state_dict({**optimizer.state_dict(), 'state': values})
    except (SafetensorError, RuntimeError, KeyError, json.JSONDecodeError) as error:
        raise StateError(f'{path}: {error}') from None
    return progress


def strip(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose name begins with `prefix`, without it."""
    return {
        name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)
    }
