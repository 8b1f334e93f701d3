# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The form for TensorRT calculates the same, and TensorRT-RTX really builds it."""

import sys
import threading

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from tsr_ros.backends import tensorrt
from tsr_ros.backends.base import BackendError, DeviceError, ModelFileError
from tsr_ros.backends.build_cache import BuildCache
from tsr_ros.backends.factory import create_backend
from tsr_ros.backends.nvidia_driver import Gpu, has_nvidia_driver
from tsr_ros.backends.tensorrt_builder import build_engine
from tsr_ros.backends.tensorrt_onnx import read_for_tensorrt
from tsr_ros.backends.weights import read_network
from tsr_ros.export.onnx_graph import build_onnx, save_onnx
from tsr_ros.export.onnx_int8 import quantize_onnx

SHAPE = (1, 96, 160, 3)


@pytest.fixture(scope='module')
def image():
    return np.random.RandomState(3).randint(0, 256, SHAPE).astype(np.uint8)


@pytest.fixture(scope='module')
def files(models_root, image, tmp_path_factory):
    """Return paths of the same network in every form that the export writes."""
    folder = tmp_path_factory.mktemp('forms')
    network = read_network(str(models_root / 'random' / 'random' / 'weights.safetensors'))
    weights = models_root / 'random' / 'random' / 'weights.safetensors'
    (folder / 'weights.safetensors').write_bytes(weights.read_bytes())
    for precision in 'fp32', 'fp16':
        save_onnx(build_onnx(network, 'weights.safetensors', precision),
                  str(folder / f'{precision}.onnx'))
    save_onnx(build_onnx(network), str(folder / 'inside.onnx'))
    quantize_onnx(network, [image], str(folder / 'int8.onnx'), for_tensorrt=True)
    return folder


def run(model, image):
    session = onnxruntime.InferenceSession(model, providers=['CPUExecutionProvider'])
    return session.run(None, {session.get_inputs()[0].name: image})


@pytest.mark.parametrize('name', ['fp32', 'fp16', 'inside', 'int8'])
@pytest.mark.parametrize('float_input', [False, True])
def test_it_calculates_the_same(files, image, name, float_input):
    path = str(files / f'{name}.onnx')
    data = read_for_tensorrt(path, SHAPE, float_input=float_input)
    onnx.checker.check_model(data, full_check=True)
    model = onnx.load_from_string(data)
    assert all(t.data_location != TensorProto.EXTERNAL for t in model.graph.initializer)
    constants = {tensor.name for tensor in model.graph.initializer}
    assert not [n for n in model.graph.node if n.op_type == 'Cast' and n.input[0] in constants]
    reader = next(node for node in model.graph.node if 'images' in node.input)
    assert reader.op_type == 'Cast'
    dims = model.graph.input[0].type.tensor_type.shape.dim
    assert tuple(side.dim_value for side in dims) == SHAPE
    found = run(data, image.astype(np.float32) if float_input else image)
    for a, b in zip(run(path, image), found):
        np.testing.assert_allclose(b, a, atol=1e-5)


def test_half_precision_in_the_file(files, image):
    data = read_for_tensorrt(str(files / 'fp32.onnx'), SHAPE, half=True)
    onnx.checker.check_model(data, full_check=True)
    graph = onnx.load_from_string(data).graph
    types = {tensor.name: tensor.data_type for tensor in graph.initializer}
    scales = {node.input[2] for node in graph.node if node.op_type == 'Resize'}
    assert {types.pop(name) for name in scales} == {TensorProto.FLOAT}
    assert set(types.values()) == {TensorProto.FLOAT16}
    expected = run(str(files / 'fp32.onnx'), image)
    for a, b, c in zip(expected, run(data, image), run(str(files / 'fp16.onnx'), image)):
        assert b.dtype == np.float32
        assert 1e-5 < np.abs(a - b).max() < 0.02
        np.testing.assert_allclose(b, c, atol=0.01)  # what the export calls fp16


def model_of(nodes, initializers=(), image_type=TensorProto.UINT8):
    value = helper.make_tensor_value_info
    return helper.make_model(helper.make_graph(
        nodes, 'test', [value('images', image_type, ['n', 2, 2, 3])],
        [value('out', TensorProto.FLOAT, None)], initializers),
        opset_imports=[helper.make_opsetid('', 13)], ir_version=8)


@pytest.mark.parametrize('tensor', [
    numpy_helper.from_array(np.array([1.5, -2, 60000], np.float16), 'c'),
    helper.make_tensor('c', TensorProto.FLOAT16, [3], [1.5, -2, 60000]),  # as int32_data
    helper.make_tensor('c', TensorProto.FLOAT, [3], [1.5, -2, 60000]),  # as float_data
])
def test_constants_in_every_form_are_folded(tmp_path, tensor):
    save_onnx(model_of([
        helper.make_node('Cast', ['images'], ['image'], to=TensorProto.FLOAT),
        helper.make_node('Cast', ['c'], ['c32'], to=TensorProto.FLOAT),
        helper.make_node('Add', ['image', 'c32'], ['out'])], [tensor]), str(tmp_path / 'a.onnx'))
    data = read_for_tensorrt(str(tmp_path / 'a.onnx'), (1, 2, 2, 3))
    assert [node.op_type for node in onnx.load_from_string(data).graph.node] == ['Cast', 'Add']
    image = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    np.testing.assert_array_equal(run(data, image)[0], image + np.float32([1.5, -2, 60000]))


def external(location, offset=0, length=6):
    tensor = TensorProto(name='c', dims=[3], data_type=TensorProto.FLOAT16,
                         data_location=TensorProto.EXTERNAL)
    for key, value in ('location', location), ('offset', offset), ('length', length):
        tensor.external_data.add(key=key, value=str(value))
    return tensor


@pytest.mark.parametrize(('tensor', 'match'), [
    (external('../secret'), 'outside its folder'), (external('/etc/passwd'), 'outside its fold'),
    (external('a/../../secret'), 'outside its folder'), (external('data', 2), 'are cut short'),
    (external('nowhere'), 'nowhere cannot be read: No such file'),
])
def test_weights_that_cannot_be_taken(tmp_path, tensor, match):
    folder = tmp_path / 'model'
    folder.mkdir()
    (tmp_path / 'secret').write_bytes(b'secret')
    (folder / 'data').write_bytes(b'sixsix')
    model = model_of([helper.make_node('Cast', ['c'], ['out'], to=TensorProto.FLOAT)], [tensor])
    (folder / 'a.onnx').write_bytes(model.SerializeToString())
    with pytest.raises(ModelFileError, match=match):
        read_for_tensorrt(str(folder / 'a.onnx'), (1, 2, 2, 3))


@pytest.mark.parametrize('content', [b'', b'\x3a', b'\x3a\x05ab', b'no ONNX at all', b'\xff' * 99])
def test_what_is_no_onnx_file(tmp_path, content):
    (tmp_path / 'a.onnx').write_bytes(content)
    with pytest.raises(ModelFileError, match=r'a\.onnx is not an ONNX file'):
        read_for_tensorrt(str(tmp_path / 'a.onnx'), SHAPE)


# -- TensorRT-RTX itself, which builds without a GPU ------------------------------------------


def rtx(model, folder, models_dir=None, **options):
    backend = create_backend('tensorrt_rtx', model, models_dir=models_dir, **options)
    backend.cache = BuildCache(folder)
    return backend


def fail(*args):
    raise AssertionError('there was an engine already')


@pytest.mark.parametrize(('name', 'precision'), [
    ('fp32', 'fp32'), ('fp32', 'fp16'), ('fp16', 'fp16'), ('inside', 'fp32'), ('int8', 'int8')])
def test_real_builds(files, tmp_path, monkeypatch, name, precision):
    path = rtx(files / f'{name}.onnx', tmp_path, precision=precision).build()
    with open(path, 'rb') as file:
        assert len(file.read()) > 100000
    monkeypatch.setattr(tensorrt, 'build_engine', fail)
    assert rtx(files / f'{name}.onnx', tmp_path, precision=precision).build() == path
    assert sorted(p.suffix for p in tmp_path.iterdir()) == ['.engine', '.json', '.lock']


def test_a_real_build_of_the_network_that_finds_squares(small_models, tmp_path):
    told = []
    backend = rtx('small', tmp_path, small_models)
    backend.on_progress = told.append
    backend.build()
    assert told[0] == 'building the tensorrt_rtx engine of small in fp32, which is done once'


def test_tensorrt_really_refuses_what_it_is_given_otherwise(files, image, tmp_path):
    network = read_network(str(files / 'weights.safetensors'))
    quantize_onnx(network, [image], str(tmp_path / 'int8.onnx'), for_tensorrt=False)
    with pytest.raises(ModelFileError, match='TensorRT cannot read the model'):
        rtx(tmp_path / 'int8.onnx', tmp_path / 'engines', precision='int8').build()
    assert not list((tmp_path / 'engines').glob('*.engine'))

    # the reason for the form: uint8 that is turned before it is cast
    trt = sys.modules['tensorrt_rtx']
    logger = tensorrt.make_logger(trt)
    builder = trt.Builder(logger)
    network = builder.create_network(0)  # which the parser does not keep alive
    parser = trt.OnnxParser(network, logger)
    assert not parser.parse((files / 'inside.onnx').read_bytes())
    assert 'UInt8' in parser.get_error(0).desc()


def test_turing_is_asked_for_by_name(files):
    trt = tensorrt.TensorRtRtxBackend._import()
    onnx_model = read_for_tensorrt(str(files / 'inside.onnx'), SHAPE)
    turing = Gpu(0, 'Tesla T4', (7, 5), False)
    engines = [build_engine(trt, tensorrt.make_logger(trt), onnx_model, 'fp32', gpu)[0]
               for gpu in (turing, None)]
    assert engines[0] != engines[1]


def test_a_build_that_is_cancelled_stops(files):
    trt = tensorrt.TensorRtRtxBackend._import()
    onnx_model = read_for_tensorrt(str(files / 'inside.onnx'), SHAPE)
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(BackendError, match='could not build'):
        build_engine(trt, tensorrt.make_logger(trt), onnx_model, 'fp32', cancelled=cancelled)


@pytest.mark.skipif(has_nvidia_driver(), reason='there is a GPU, on which it runs')
def test_it_does_not_run_without_a_driver_and_says_so(small_models, tmp_path):
    with pytest.raises(DeviceError, match='driver'):
        rtx('small', tmp_path, small_models).load()
    assert tensorrt.TensorRtRtxBackend.version()
    assert 'driver' in tensorrt.TensorRtRtxBackend.problem()
