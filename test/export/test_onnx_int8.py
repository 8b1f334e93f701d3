# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import onnx
import pytest
from helpers import noisy_images

from tsr_ros.backends.factory import create_backend
from tsr_ros.backends.weights import read_network
from tsr_ros.export.onnx_int8 import quantize_onnx


@pytest.fixture(scope='module')
def network(models_root):
    return read_network(str(models_root / 'random' / 'random' / 'weights.safetensors'))


@pytest.fixture(scope='module')
def int8(network, tmp_path_factory):
    path = tmp_path_factory.mktemp('int8') / 'int8.onnx'
    quantize_onnx(network, noisy_images(1), str(path))
    return path


def run(name, model, **options):
    with create_backend(name, model, threads=1, **options) as backend:
        backend.load()
        return backend.describe(), [
            [head.copy() for head in backend.infer(i)] for i in noisy_images(2)]


@pytest.mark.parametrize('name', ['onnxruntime', 'openvino'])
def test_maps_stay_near(random_models, int8, name):
    _, expected = run('pytorch', 'random', models_dir=random_models)
    info, found = run(name, int8, precision='int8')
    assert info.precision == 'int8'
    for a, b in zip(expected, found):
        for first, second in zip(a, b):
            assert np.abs(first - second).mean() < 0.03 * np.abs(first).max()
            assert not np.allclose(first, second, atol=1e-4)  # it really is another precision


def test_bodies_are_int8_heads_are_float_and_no_file_is_left(int8):
    graph = onnx.load(int8).graph
    types = {i.name: i.data_type for i in graph.initializer}
    weights = [name for name in types if name.endswith('.weight_quantized')]
    assert {types[name] for name in weights} == {onnx.TensorProto.INT8}
    convolutions = [node for node in graph.node if node.op_type == 'Conv']
    assert len(convolutions) - len(weights) == 3
    assert [p.name for p in int8.parent.iterdir()] == ['int8.onnx']


def test_layers_can_stay_in_float(network, tmp_path):
    path = tmp_path / 'int8.onnx'
    first = network.graph[0]['name']
    quantize_onnx(network, noisy_images(1, 2), str(path), keep_float=[first])
    names = {i.name for i in onnx.load(path).graph.initializer}
    assert first + '.weight' in names
    assert first + '.weight_quantized' not in names
    with pytest.raises(ValueError, match='there is no layer nose'):
        quantize_onnx(network, noisy_images(1, 2), str(path), keep_float=['nose'])


def test_the_form_for_tensorrt_has_symmetric_activations_and_float_biases(network, tmp_path):
    path = tmp_path / 'int8.onnx'
    quantize_onnx(network, noisy_images(1, 2), str(path), for_tensorrt=True)
    graph = onnx.load(path).graph
    for tensor in graph.initializer:
        assert tensor.data_type != onnx.TensorProto.INT32
        if tensor.name.endswith('zero_point'):
            assert tensor.data_type == onnx.TensorProto.INT8
            assert not onnx.numpy_helper.to_array(tensor).any()


def test_an_int8_file_says_so(int8):
    backend = create_backend('onnxruntime', int8)
    assert backend.precision == 'int8'
