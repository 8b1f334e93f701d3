# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from tsr_ros.backends.weights import read_network
from tsr_ros.cli import main
from tsr_ros.export.sensitivity import rank_layers


@pytest.fixture
def network(random_models):
    return read_network(str(random_models / 'random' / 'weights.safetensors'))


def test_a_layer_that_int8_cannot_hold_comes_first(network):
    # one channel a thousand times the others, undone by the layer behind: its scale is the
    # channel's, so that of the others nothing is left
    first, second = (network.graph[i]['name'] for i in range(2))
    tensors = {name: values.astype(np.float32) for name, values in network.tensors.items()}
    for name in first + '.weight', first + '.bias':
        tensors[name][0] *= 1000
    tensors[second + '.weight'][:, 0] /= 1000
    images = [np.random.RandomState(i).randint(0, 256, (1, 96, 160, 3)).astype(np.uint8)
              for i in range(2)]
    gains = rank_layers(network._replace(tensors=tensors), images, threads=1)
    assert {gain.layer for gain in gains} == {
        node['name'] for i, node in enumerate(network.graph)
        if node['op'] == 'conv' and i not in network.outputs}
    assert gains == sorted(gains, key=lambda gain: -gain.share)
    assert gains[0].layer in (first, second)


def test_without_an_image(network):
    with pytest.raises(ValueError, match='no image'):
        rank_layers(network, [], threads=1)


def test_the_command_names_them(random_models, tmp_path, capsys):
    import cv2
    cv2.imwrite(str(tmp_path / 'a.png'), np.full((96, 160, 3), 90, np.uint8))
    assert main(['export', '--weights', str(random_models / 'random' / 'weights.safetensors'),
                 '--out', str(tmp_path / 'models' / 'mine'), '--calibration', str(tmp_path),
                 '--rank-layers', '--threads', '1']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith('conv0 ') and line.endswith(' %') for line in lines)
