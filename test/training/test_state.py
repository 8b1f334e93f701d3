# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tsr_ros.training.config import TrainingConfig
from tsr_ros.training.optimization import AverageWeights, make_optimizer
from tsr_ros.training.state import StateError, load_state, save_state


def make(optimizer='adamw', channels=4, seed=0, steps=3):
    """Return a network, its average and its optimizer after a few steps."""
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Conv2d(3, channels, 3), nn.BatchNorm2d(channels))
    network = network.to(memory_format=torch.channels_last)
    average = AverageWeights(network, 0.9, 10)
    result = make_optimizer(network, TrainingConfig(labels=('a',), optimizer=optimizer))
    for _ in range(steps):
        step(network, average, result)
    return network, average, result


def step(network, average, optimizer):
    x = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(average.updates))
    network(x.to(memory_format=torch.channels_last)).square().mean().backward()
    optimizer.step()
    optimizer.zero_grad()
    average.update(network)


@pytest.mark.parametrize('optimizer', ['sgd', 'adamw'])
def test_what_is_loaded_goes_on_as_what_was_saved(tmp_path, optimizer):
    path = tmp_path / 's.safetensors'
    saved, loaded = make(optimizer), make(optimizer, seed=1, steps=0)
    save_state(path, *saved, {'epoch': 3, 'history': [{'map50': 0.5}]})
    assert load_state(path, *loaded) == {'epoch': 3, 'history': [{'map50': 0.5}]}
    for _ in range(3):
        step(*saved)
        step(*loaded)
    for a, b in zip(saved[:2], loaded[:2]):
        a, b = getattr(a, 'network', a), getattr(b, 'network', b)
        assert all(torch.equal(x, y) for x, y in zip(
            a.state_dict().values(), b.state_dict().values(), strict=True))
    for a, b in zip(saved[2].state.values(), loaded[2].state.values(), strict=True):
        for key, value in a.items():
            if torch.is_tensor(value):
                assert torch.equal(value, b[key])
                assert value.stride() == b[key].stride()
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_what_does_not_fit_is_named(tmp_path):
    path = tmp_path / 's.safetensors'
    save_state(path, *make(), {'epoch': 1})
    with pytest.raises(StateError, match=r'(?s)s\.safetensors: .*size mismatch'):
        load_state(path, *make(channels=5))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(StateError, match=r's\.safetensors'):
        load_state(path, *make())


@pytest.mark.parametrize(('metadata', 'words'), [
    ({'format': 'other'}, 'not a training state'),
    ({'format': 'tsr-training-1'}, r'gain_classes .* a new run, .* --weights .*best\.safetensors'),
    (None, 'not a training state'),
])
def test_a_state_of_another_kind_is_refused(tmp_path, metadata, words):
    path = tmp_path / 's.safetensors'
    save_file({'a': torch.zeros(1)}, path, metadata)
    with pytest.raises(StateError, match=rf's\.safetensors: .*{words}'):
        load_state(path, *make())
