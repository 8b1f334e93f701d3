# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One process among several that train the same network, as `torchrun` starts them."""

from __future__ import annotations

import os
from typing import NamedTuple

import torch
from torch import distributed, nn


class Ranks(NamedTuple):
    """This process's number, how many there are, and its device."""

    rank: int
    count: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files and speaks."""
        return self.rank == 0

    def total(self, values: list[float]) -> list[float]:
        """Return the sums over all processes."""
        if self.count == 1:
            return values
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        distributed.all_reduce(tensor)
        return tensor.tolist()

    def wrap(self, network: nn.Module) -> nn.Module:
        """Return a module whose backward pass averages the gradients of all processes."""
        if self.count == 1:
            return network
        ids = [self.device.index] if self.device.type == 'cuda' else None
        return nn.parallel.DistributedDataParallel(network, device_ids=ids)

    def wait(self) -> None:
        """Wait for all processes."""
        if self.count > 1:
            distributed.barrier()


def join_ranks() -> Ranks:
    """Return this process's place, and meet the others where `torchrun` started several."""
    count = int(os.environ.get('WORLD_SIZE', 1))
    device = torch.device('cpu')
    if torch.cuda.is_available():
        device = torch.device('cuda', int(os.environ.get('LOCAL_RANK', 0)))
        torch.cuda.set_device(device)
    if count == 1:
        return Ranks(0, 1, device)
    if not distributed.is_initialized():
        distributed.init_process_group('nccl' if device.type == 'cuda' else 'gloo')
    return Ranks(distributed.get_rank(), count, device)


def leave_ranks() -> None:
    """Part from the other processes."""
    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()
