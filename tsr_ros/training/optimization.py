# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The optimizer, its schedule and the running average of the weights."""

from __future__ import annotations

import copy
import math

import torch
from torch import nn

from tsr_ros.training.config import TrainingConfig


def make_optimizer(network: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """Return the optimizer; weight decay acts on the weights of convolutions only."""
    decayed, free = [], []
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            is_kernel = isinstance(module, nn.Conv2d) and name == 'weight'
            (decayed if is_kernel else free).append(parameter)
    groups = [
        {'params': decayed, 'weight_decay': config.weight_decay},
        {'params': free, 'weight_decay': 0.0},
    ]
    if config.optimizer == 'adamw':
        return torch.optim.AdamW(groups, config.learning_rate, (config.momentum, 0.999))
    return torch.optim.SGD(groups, config.learning_rate, config.momentum, nesterov=True)


def learning_rate_share(progress: float, step: int, config: TrainingConfig) -> float:
    """Return the share of the full learning rate: linear warm-up, then half a cosine."""
    final = config.final_learning_rate
    cosine = final + (1 - final) * (1 + math.cos(math.pi * min(progress, 1.0))) / 2
    return cosine * min((step + 1) / max(config.warmup_steps, 1), 1.0)


class AverageWeights:
    """An exponential moving average of a network's weights, faster at the beginning."""

    def __init__(self, network: nn.Module, decay: float, steps: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay, self.steps = decay, steps
        self.updates = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move the average towards the network."""
        self.updates += 1
        keep = self.decay * (1 - math.exp(-self.updates / self.steps))
        averages, values = [], []
        for average, value in zip(
            self.network.state_dict().values(), network.state_dict().values()
        ):
            if average.dtype.is_floating_point:
                averages.append(average)
                values.append(value.detach())
            else:
                average.copy_(value)
        torch._foreach_lerp_(averages, values, 1 - keep)
