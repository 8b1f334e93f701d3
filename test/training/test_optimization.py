# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import copy
import math

import pytest
import torch
from torch import nn

from tsr_ros.training.config import TrainingConfig
from tsr_ros.training.optimization import (
    AverageWeights,
    learning_rate_share,
    make_optimizer,
)
from tsr_ros.yolov7.network import build_network


def config(**changes):
    return TrainingConfig(labels=('a',), **changes)


@pytest.mark.parametrize('architecture', ['yolov7-tiny', 'yolov7'])
@pytest.mark.parametrize(('optimizer', 'kind'), [
    ('sgd', torch.optim.SGD), ('adamw', torch.optim.AdamW)])
def test_only_kernels_decay(architecture, optimizer, kind):
    network = build_network(architecture, 1)
    result = make_optimizer(network, config(optimizer=optimizer, weight_decay=0.01))
    assert isinstance(result, kind)
    decayed, free = result.param_groups
    assert decayed['weight_decay'] == 0.01
    assert free['weight_decay'] == 0
    assert all(p.ndim == 4 and 1 not in p.shape[:1] for p in decayed['params'])
    kernels = sum(isinstance(module, nn.Conv2d) for module in network.modules())
    assert len(decayed['params']) == kernels
    named = {id(p): name for name, p in network.named_parameters()}
    assert len(named) == len(decayed['params']) + len(free['params'])
    assert all('.conv' not in named[id(p)] or named[id(p)].endswith('bias')
               or 'bn' in named[id(p)] for p in free['params'] if '.implicit' not in named[id(p)])


@pytest.mark.parametrize(('progress', 'step', 'share'), [
    (0, 0, 1 / 4), (0, 1, 2 / 4), (0, 3, 1), (0, 99, 1),
    (0.5, 99, 0.1 + 0.9 / 2), (1, 99, 0.1), (1.2, 99, 0.1),
    (0.25, 99, 0.1 + 0.9 * (1 + math.sqrt(0.5)) / 2),
])
def test_learning_rate(progress, step, share):
    settings = config(warmup_steps=4, final_learning_rate=0.1)
    assert learning_rate_share(progress, step, settings) == pytest.approx(share)


def test_average_weights():
    network = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    network[0].weight.data.fill_(0)
    average = AverageWeights(network, decay=0.9, steps=2)
    expected = 0.0
    for updates in (1, 2, 3):
        network[0].weight.data.fill_(updates)
        network[1].num_batches_tracked += 1
        average.update(network)
        keep = 0.9 * (1 - math.exp(-updates / 2))
        expected = keep * expected + (1 - keep) * updates
        assert average.network[0].weight.item() == pytest.approx(expected)
    assert average.network[1].num_batches_tracked == 3
    assert not average.network.training
    assert not any(p.requires_grad for p in average.network.parameters())


def test_averaging_leaves_the_network_alone():
    network = nn.Linear(2, 2)
    before = copy.deepcopy(network.state_dict())
    AverageWeights(network, 0.9, 10).update(network)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
