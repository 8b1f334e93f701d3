# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Our TensorFlow Lite files on LiteRT, beside PyTorch's maps."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from helpers import noisy_images

from tsr_ros.backends.factory import create_backend
from tsr_ros.backends.weights import read_network
from tsr_ros.export.activation_ranges import activation_ranges
from tsr_ros.export.tflite import build_tflite


@pytest.fixture(scope='module')
def network(models_root):
    return read_network(str(models_root / 'random' / 'random' / 'weights.safetensors'))


@pytest.fixture(scope='module')
def ranges(network):
    return activation_ranges(network, noisy_images(1))


@pytest.fixture(scope='module')
def expected(models_root):
    """The maps that PyTorch gives."""
    return run('pytorch', 'random', models_dir=models_root / 'random')


def run(name, model, **options):
    with create_backend(name, model, threads=1, **options) as backend:
        backend.load()
        return [[head.copy() for head in backend.infer(i)] for i in noisy_images(2)]


def test_float_gives_the_same_maps(network, expected, tmp_path):
    (tmp_path / 'a.tflite').write_bytes(build_tflite(network))
    for a, b in zip(expected, run('tflite', tmp_path / 'a.tflite')):
        for first, second in zip(a, b):
            np.testing.assert_allclose(second, first, atol=2e-4)


def test_int8_stays_near(network, ranges, expected, tmp_path):
    (tmp_path / 'a.tflite').write_bytes(build_tflite(network, ranges))
    for a, b in zip(expected, run('tflite', tmp_path / 'a.tflite', precision='int8')):
        for first, second in zip(a, b):
            assert np.abs(first - second).mean() < 0.03 * np.abs(first).max()
            assert not np.allclose(first, second, atol=1e-4)  # it really is another precision


def test_layers_in_float_bring_int8_nearer(network, ranges, expected, tmp_path):
    layers = [node['name'] for node in network.graph if node['op'] == 'conv']
    errors = []
    for keep_float in [], layers:
        (tmp_path / 'a.tflite').write_bytes(build_tflite(network, ranges, keep_float))
        found = run('tflite', tmp_path / 'a.tflite', precision='int8')
        errors.append(np.mean([
            np.abs(first - second).mean()
            for a, b in zip(expected, found) for first, second in zip(a, b)]))
    assert errors[1] < 0.7 * errors[0]
    with pytest.raises(ValueError, match='there is no layer nose to keep in float'):
        build_tflite(network, ranges, ['nose'])


@pytest.mark.parametrize('precision', ['fp32', 'int8'])
def test_xnnpack_runs_every_convolution(network, ranges, precision, tmp_path):
    path = tmp_path / 'a.tflite'
    path.write_bytes(build_tflite(network, ranges if precision == 'int8' else None))
    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    operations = interpreter._get_ops_details()
    taken = {tensor for operation in operations if operation['op_name'] == 'DELEGATE'
             for tensor in operation['inputs']}
    source = {operation['outputs'][0]: operation['inputs'][0] for operation in operations
              if operation['op_name'] == 'DEQUANTIZE'}
    weights = [operation['inputs'][1] for operation in operations
               if operation['op_name'] == 'CONV_2D']
    assert len(weights) == len([node for node in network.graph if node['op'] == 'conv'])
    assert {source.get(tensor, tensor) for tensor in weights} <= taken
    with create_backend('tflite', path, threads=1) as backend:
        backend.load()
        assert 'run by XNNPACK' in backend.describe().detail
