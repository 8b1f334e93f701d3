# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from tsr_ros.backends.factory import create_backend
from tsr_ros.backends.model_metadata import read_metadata
from tsr_ros.backends.weights import read_network
from tsr_ros.export.onnx_graph import build_onnx, save_onnx


@pytest.fixture
def network(random_models):
    return read_network(str(random_models / 'random' / 'weights.safetensors'))


def image(width=160, height=96):
    return np.random.RandomState(2).randint(0, 256, (1, height, width, 3)).astype(np.uint8)


def pytorch_maps(random_models, images):
    height, width = images.shape[1:3]
    with create_backend('pytorch', 'random', threads=1, models_dir=random_models,
                        input_wh=(width, height)) as backend:
        backend.load()
        return [head.copy() for head in backend.infer(images)]


def test_inputs_outputs_and_description(network, tmp_path):
    model = build_onnx(network)
    onnx.checker.check_model(model, full_check=True)
    assert [i.name for i in model.graph.input] == ['images']
    assert [o.name for o in model.graph.output] == ['stride8', 'stride16', 'stride32']
    save_onnx(model, str(tmp_path / 'a.onnx'))
    metadata = read_metadata(str(tmp_path / 'a.onnx'))
    assert metadata['labels'] == network.labels
    assert metadata['anchors'] == network.anchors
    assert metadata['input_wh'] == [160, 96]
    assert [p.name for p in tmp_path.iterdir()] == ['a.onnx']


@pytest.mark.parametrize('size', [(160, 96), (96, 64)])
def test_the_reference_implementation_computes_what_pytorch_does(random_models, network, size):
    images = image(*size)
    found = ReferenceEvaluator(build_onnx(network)).run(None, {'images': images})
    for a, b in zip(pytorch_maps(random_models, images), found):
        np.testing.assert_allclose(b, a, atol=2e-4)


def test_the_file_with_weights_outside_is_small_and_the_same(random_models, network):
    path = random_models / 'random' / 'fp32.onnx'
    inside = len(build_onnx(network).SerializeToString())
    assert path.stat().st_size < 10000 < inside
    outside = onnx.load(path)  # reads the weights, too
    onnx.checker.check_model(str(path))
    images = image()
    found = ReferenceEvaluator(outside).run(None, {'images': images})
    expected = ReferenceEvaluator(build_onnx(network)).run(None, {'images': images})
    for a, b in zip(expected, found):
        np.testing.assert_allclose(b, a, atol=1e-6)


def test_half_precision(random_models, network):
    model = build_onnx(network, precision='fp16')
    assert {i.data_type for i in model.graph.initializer if i.name.endswith('.weight')} == {
        onnx.TensorProto.FLOAT16}
    images = image()
    found = ReferenceEvaluator(model).run(None, {'images': images})
    for a, b in zip(pytorch_maps(random_models, images), found):
        assert b.dtype == np.float32
        np.testing.assert_allclose(b, a, atol=0.05)


def test_a_file_replaces_an_older_one(network, tmp_path):
    (tmp_path / 'a.onnx').write_bytes(b'old')
    save_onnx(build_onnx(network), str(tmp_path / 'a.onnx'))
    assert onnx.load(str(tmp_path / 'a.onnx')) == build_onnx(network)
    assert [p.name for p in tmp_path.iterdir()] == ['a.onnx']
