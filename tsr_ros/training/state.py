# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Everything a run needs to go on where it stopped, as one safetensors file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from tsr_ros.report.files import whole_file
from tsr_ros.training.optimization import AverageWeights

FORMAT = 'tsr-training-2'
OF_ANOTHER_LOSS = 'tsr-training-1'


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
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    metadata = {
        'format': FORMAT,
        'progress': json.dumps({**progress, 'average_updates': average.updates}),
    }
    with whole_file(path) as part:
        save_file(tensors, part, metadata)


def load_state(
    path: Path, network: nn.Module, average: AverageWeights, optimizer: torch.optim.Optimizer
) -> dict[str, Any]:
    """
    Fill network, average and optimizer from a file and return its progress.

    :raises StateError: for a damaged file, an older one or one of another network or optimizer
    """
    try:
        with safe_open(path, 'pt') as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if metadata.get('format') == OF_ANOTHER_LOSS:
            raise StateError(
                f'{path}: of a run from before the loss was corrected: gain_classes has another '
                'unit since, and the levels of the network another weight; begin a new run, which '
                f'may start from --weights {path.parent / "best.safetensors"}'
            )
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
        lay_out_like_weights(optimizer)
    except (SafetensorError, RuntimeError, KeyError, json.JSONDecodeError) as error:
        raise StateError(f'{path}: {error}') from None
    return progress


def lay_out_like_weights(optimizer: torch.optim.Optimizer) -> None:
    """Give the optimizer's tensors the memory layout that they had when they were made."""
    for parameter, values in optimizer.state.items():
        for key, value in values.items():
            if torch.is_tensor(value) and value.shape == parameter.shape:
                values[key] = torch.empty_like(parameter).copy_(value)


def strip(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose name begins with `prefix`, without it."""
    return {
        name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)
    }
