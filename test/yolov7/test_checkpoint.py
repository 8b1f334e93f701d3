# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from tsr_ros.yolov7.checkpoint import CheckpointError, load_weights, save_weights
from tsr_ros.yolov7.network import build_network, fuse

LABELS = ['stop', 'go']


def trained(architecture):
    """Return a network whose batch norms have seen something."""
    torch.manual_seed(0)
    network = build_network(architecture, len(LABELS)).train()
    with torch.no_grad():
        for _ in range(2):
            network(torch.rand(2, 3, 64, 64))
    return network.eval()


def run_graph(path, image):
    """Run the stored graph as a robot would, knowing only the file."""
    with safe_open(path, 'pt') as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    values = {-1: image}
    for i, node in enumerate(json.loads(metadata['graph'])):
        inputs = [values[k] for k in node['inputs']]
        if node['op'] == 'conv':
            x = torch.nn.functional.conv2d(
                inputs[0],
                tensors[node['name'] + '.weight'],
                tensors[node['name'] + '.bias'],
                node['stride'],
                node['padding'],
                groups=node['groups'],
            )
            if node['activation'] == 'silu':
                x = x * torch.sigmoid(x)
            elif node['activation']:
                x = torch.where(x > 0, x, x * float(node['activation'].split(':')[1]))
        elif node['op'] == 'concat':
            x = torch.cat(inputs, 1)
        elif node['op'] == 'max_pool':
            x = torch.nn.functional.max_pool2d(
                inputs[0], node['kernel'], node['stride'], node['padding']
            )
        else:
            assert node['op'] == 'upsample'
            x = inputs[0].repeat_interleave(2, 2).repeat_interleave(2, 3)
        values[i] = x
    return [values[i] for i in json.loads(metadata['outputs'])]


@pytest.mark.parametrize('architecture', ['yolov7-tiny', 'yolov7'])
def test_a_stored_network_computes_the_same(architecture, tmp_path):
    network, image = trained(architecture), torch.rand(1, 3, 64, 96)
    path = tmp_path / 'weights.safetensors'
    save_weights(path, network, LABELS, (96, 64))
    loaded, again = load_weights(path), load_weights(path, for_training=True).eval()
    assert loaded.labels == LABELS
    assert loaded.input_wh == (96, 64)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    with torch.no_grad():
        expected = network(image)
        for other in (loaded(image), again(image), run_graph(path, image)):
            for a, b in zip(expected, other):
                assert torch.allclose(a, b, atol=0.02)  # fp16 weights
        for a, b in zip(loaded(image), again(image)):
            assert torch.allclose(a, b, atol=1e-4)


def test_training_weights_are_recovered(tmp_path):
    network, path = trained('yolov7-tiny'), tmp_path / 'w.safetensors'
    save_weights(path, network, LABELS)
    again = load_weights(path, for_training=True)
    for (name, a), (_, b) in zip(
        network.state_dict().items(), again.state_dict().items(), strict=True
    ):
        if 'num_batches' not in name:
            assert torch.allclose(a, b, rtol=2e-3, atol=2e-3), name


def test_a_fused_network_is_stored_too(tmp_path):
    network, image = fuse(trained('yolov7')), torch.rand(1, 3, 32, 32)
    save_weights(tmp_path / 'w.safetensors', network, LABELS)
    again = load_weights(tmp_path / 'w.safetensors', for_training=True).eval()
    with torch.no_grad():
        for a, b in zip(network(image), again(image)):
            assert torch.allclose(a, b, atol=0.02)


def test_wrong_files_are_named(tmp_path):
    path = tmp_path / 'w.safetensors'
    with pytest.raises(CheckpointError, match=r'w\.safetensors'):
        load_weights(path)
    path.write_bytes(b'\x80\x04not a safetensors file')
    with pytest.raises(CheckpointError, match='not a safetensors file'):
        load_weights(path)
    save_file({'a': torch.zeros(1)}, path, {'format': 'other'})
    with pytest.raises(CheckpointError, match="its format is 'other'"):
        load_weights(path)
    network = build_network('yolov7-tiny', 2)
    with pytest.raises(ValueError, match='3 labels for a network of 2 classes'):
        save_weights(path, network, ['a', 'b', 'c'])
    with torch.no_grad():
        network.body[0].conv.weight[0, 0, 0, 0] = torch.nan
    before = path.read_bytes()
    with pytest.raises(ValueError, match='no finite numbers'):
        save_weights(path, network, LABELS)
    assert path.read_bytes() == before
