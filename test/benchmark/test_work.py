# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from tsr_ros.backends.weights import Network, read_network
from tsr_ros.benchmark.work import network_gflop
from tsr_ros.yolov7 import build_network, save_weights


def network(*nodes):
    tensors = {f'{node["name"]}.weight': np.zeros(node.pop('weight'))
               for node in nodes if node['op'] == 'conv'}
    return Network('', [], [], [], (0, 0), list(nodes), [], tensors, {})


def conv(name, inputs, weight, stride=1, padding=0):
    return {'op': 'conv', 'name': name, 'inputs': inputs, 'weight': weight, 'stride': stride,
            'padding': padding}


@pytest.mark.parametrize(('nodes', 'expected_operations'), [
    ([], 0),
    # 1 x 1 over 8 x 4 pixels: 32 * (3 * 2) multiply-adds
    ([conv('a', [-1], (2, 3, 1, 1))], 2 * 32 * 6),
    # 3 x 3, every other pixel: 4 x 2 pixels
    ([conv('a', [-1], (2, 3, 3, 3), 2, 1)], 2 * 8 * 54),
    # pooled to 4 x 2, doubled to 8 x 4
    ([{'op': 'max_pool', 'inputs': [-1], 'kernel': 2, 'stride': 2, 'padding': 0},
      {'op': 'upsample', 'inputs': [0], 'scale': 2},
      {'op': 'concat', 'inputs': [1, -1]}, conv('a', [2], (1, 6, 1, 1))], 2 * 32 * 6),
])
def test_operations_counted_by_hand(nodes, expected_operations):
    assert network_gflop(network(*nodes), (8, 4)) * 1e9 == pytest.approx(expected_operations)


@pytest.mark.parametrize(('architecture', 'input_wh', 'gflop'), [
    ('yolov7-tiny', (640, 640), 13.06), ('yolov7-tiny', (416, 416), 5.52),
    ('yolov7-tiny', (640, 384), 7.84), ('yolov7', (640, 640), 103.2),
])
def test_the_published_work(tmp_path, architecture, input_wh, gflop):
    save_weights(tmp_path / 'w.safetensors', build_network(architecture, 5), list('abcde'))
    stored = read_network(str(tmp_path / 'w.safetensors'))
    assert network_gflop(stored, input_wh) == pytest.approx(gflop, rel=1e-3)
