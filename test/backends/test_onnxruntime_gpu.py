# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
ONNX Runtime's CUDA provider through a stand-in that calculates on the CPU.

As the real one was seen to do on an H100, it takes what lies in the CPU's memory when that is
bound, and not again.
"""

import ctypes

import numpy as np
import onnxruntime
import pytest
from helpers import square_image, with_int8

from tsr_ros.backends import onnxruntime as module
from tsr_ros.backends.base import DeviceError, ModelFileError, UnsupportedError
from tsr_ros.backends.factory import create_backend
from tsr_ros.backends.nvidia_driver import Gpu


class OrtValue:
    """Memory of the GPU."""

    def __init__(self, array):
        self.array = np.array(array)

    @classmethod
    def ortvalue_from_numpy(cls, array, device, number):
        assert (device, number) == ('cuda', 0)
        return cls(array)

    def update_inplace(self, array):
        assert (array.shape, array.dtype) == (self.array.shape, self.array.dtype)
        self.array[:] = array


class Binding:
    """What input and outputs are bound to."""

    def __init__(self):
        self.value, self.outputs, self.results = None, {}, {}

    def bind_input(self, name, device, number, dtype, shape, address):
        memory = (ctypes.c_ubyte * int(np.prod(shape))).from_address(address)
        self.value = OrtValue(np.frombuffer(memory, dtype).reshape(shape))

    def bind_ortvalue_input(self, name, value):
        self.value = value

    def bind_output(self, name, device, number, dtype, shape, address):
        memory = (ctypes.c_float * int(np.prod(shape))).from_address(address)
        self.outputs[name] = np.frombuffer(memory, dtype).reshape(shape)

    def synchronize_outputs(self):
        """Let what was calculated arrive in the CPU's memory."""
        for name, value in self.results.items():
            self.outputs[name][:] = value


class Session:
    """A session on a GPU, or on the CPU where CUDA's libraries are not found."""

    options = None
    libraries = True

    def __init__(self, path, options, providers):
        Session.options = dict(providers)
        # which the real one adds, too
        providers = [*providers, ('CPUExecutionProvider', {})]
        self.names = [name for name, _ in providers if self.libraries or name.startswith('CPU')]
        self.on_gpu = not self.names[0].startswith('CPU')
        self.session = onnxruntime.InferenceSession(path, options, ['CPUExecutionProvider'])
        self.get_inputs, self.get_outputs = self.session.get_inputs, self.session.get_outputs
        self.run = self.session.run

    def get_providers(self):
        return self.names

    def io_binding(self):
        return Binding() if self.on_gpu else self.session.io_binding()

    def run_with_iobinding(self, binding):
        if not self.on_gpu:
            self.session.run_with_iobinding(binding)
            return
        names = [output.name for output in self.get_outputs()]
        values = self.run(names, {self.get_inputs()[0].name: binding.value.array})
        binding.results = dict(zip(names, values))


class Runtime:
    """The module onnxruntime of onnxruntime-gpu."""

    InferenceSession, OrtValue = Session, OrtValue
    SessionOptions = onnxruntime.SessionOptions

    def __init__(self, version, providers=('CUDAExecutionProvider', 'CPUExecutionProvider')):
        self.__version__, self.providers = version, providers

    def get_available_providers(self):
        return list(self.providers)


@pytest.fixture
def runtime(monkeypatch):
    def install(*args):
        runtime = Runtime(*args)
        monkeypatch.setattr(module, '_import', lambda: runtime)
        return runtime
    return install


def test_each_image_reaches_the_gpu(small_models, runtime):
    images = [square_image([(20 + 8 * k, 30, 16, k)])[None] for k in range(3)]
    with create_backend('onnxruntime', 'small', device='cpu', models_dir=small_models) as backend:
        backend.load()
        expected = [[head.copy() for head in backend.infer(image)] for image in images]
    runtime('1.31.1')
    with create_backend('onnxruntime', 'small', device='cuda', models_dir=small_models) as backend:
        backend.load()
        assert backend.describe().device == 'cuda'
        for image, maps in zip(images, expected):
            for head, wanted in zip(backend.infer(image), maps):
                np.testing.assert_array_equal(head, wanted)


@pytest.mark.parametrize(('version', 'precision', 'options'), [
    ('1.10.0', 'fp32', {'device_id': 0}),  # knows nothing of TF32
    ('1.17.3', 'fp32', {'device_id': 0}),
    ('1.18.0', 'fp32', {'device_id': 0, 'use_tf32': '0'}),
    ('1.31.1', 'fp32', {'device_id': 0, 'use_tf32': '0'}),
    ('2.0.0', 'fp32', {'device_id': 0, 'use_tf32': '0'}),
    # whatever is no fp32 wants the tensor cores, which the option switches off altogether
    ('1.31.1', 'fp16', {'device_id': 0}),
])
def test_fp32_is_no_tf32(small_models, runtime, monkeypatch, version, precision, options):
    runtime(version)
    # the file of fp32 stands in for one of fp16
    monkeypatch.setattr(module.OnnxRuntimeBackend, '_check_precision', lambda *args: None)
    with create_backend('onnxruntime', 'small', precision=precision, device='cuda',
                        models_dir=small_models) as backend:
        backend.load()
        assert Session.options == {'CUDAExecutionProvider': options, 'CPUExecutionProvider': {}}


def test_libraries_that_pip_brought_are_loaded_before_they_are_needed(
        small_models, runtime, monkeypatch, capsys):
    def preload_dlls():
        print('Failed to load libcudnn.so.9')
        Session.libraries = True

    runtime('1.31.1').preload_dlls = preload_dlls
    monkeypatch.setattr(Session, 'libraries', False)
    with create_backend('onnxruntime', 'small', device='cuda', models_dir=small_models) as backend:
        backend.load()
        assert backend.describe().device == 'cuda'
    assert capsys.readouterr() == ('', 'Failed to load libcudnn.so.9\n')


def test_without_cudas_libraries(small_models, runtime, monkeypatch):
    image = square_image([(20, 30, 16, 0)])[None]
    runtime('1.31.1')
    monkeypatch.setattr(Session, 'libraries', False)
    monkeypatch.setattr(module, 'has_nvidia_driver', lambda: True)
    backend = create_backend('onnxruntime', 'small', device='cuda', models_dir=small_models)
    with pytest.raises(DeviceError, match='could not start CUDAExecutionProvider, only CPU'):
        backend.load()
    with create_backend('onnxruntime', 'small', models_dir=small_models) as backend:
        backend.load()
        assert backend.describe().device == 'cpu'
        assert backend.describe().detail.endswith('CUDAExecutionProvider could not start')
        assert np.isfinite(backend.infer(image)[0]).all()
    # what is missing can be installed: it is not the CPU, which never has fp16, that is to blame
    backend = create_backend('onnxruntime', 'small', device='auto', models_dir=small_models)
    backend = module.OnnxRuntimeBackend(backend.model_file._replace(precision='fp16'))
    with pytest.raises(DeviceError, match='could not start CUDAExecutionProvider') as raised:
        backend.load()
    assert raised.type is DeviceError


def test_without_the_provider(small_models, runtime):
    runtime('1.31.1', ('CPUExecutionProvider',))
    backend = create_backend('onnxruntime', 'small', device='cuda', models_dir=small_models)
    with pytest.raises(DeviceError, match='no CUDAExecutionProvider; it has CPUExecutionProvider'):
        backend.load()


@pytest.fixture
def int8_models(small_models, tmp_path):
    """A model with an int8 file that loses nothing, so that `auto` takes it on a CPU."""
    return with_int8(tmp_path / 'models', small_models, {'map50_fp32': 0.9, 'map50': 0.9})


@pytest.mark.parametrize(('driver', 'libraries', 'device', 'precision', 'expected'), [
    (False, True, 'auto', 'auto', ('cpu', 'int8')),
    (False, True, 'cpu', 'auto', ('cpu', 'int8')),
    (True, True, 'cpu', 'auto', ('cpu', 'int8')),
    # CUDA has no convolution of int8
    (True, True, 'auto', 'auto', ('cuda', 'fp32')),
    (True, True, 'cuda:0', 'auto', ('cuda', 'fp32')),
    (True, True, 'auto', 'int8', ('cpu', 'int8')),
    (True, True, 'auto', 'fp32', ('cuda', 'fp32')),
    # a GPU that ONNX Runtime cannot use is none
    (True, False, 'auto', 'auto', ('cpu', 'int8')),
    (True, False, 'auto', 'fp32', ('cpu', 'fp32')),
])
def test_int8_is_for_the_cpu(int8_models, runtime, monkeypatch, driver, libraries, device,
                             precision, expected):
    runtime('1.31.1')
    monkeypatch.setattr(Session, 'libraries', libraries)
    monkeypatch.setattr(module, 'has_nvidia_driver', lambda: driver)
    with create_backend('onnxruntime', 'small', precision, device,
                        models_dir=int8_models) as backend:
        backend.load()
        info = backend.describe()
        assert (info.device, info.precision) == expected


@pytest.mark.parametrize(('device', 'precision', 'override', 'capability', 'expected'), [
    ('cuda', 'int8', None, (8, 7), (UnsupportedError, 'in int8 on a CPU alone; on cuda ask')),
    ('tensorrt', 'int8', None, (7, 5), (UnsupportedError, 'on tensorrt ask for fp16')),
    ('cpu', 'fp16', None, (8, 7), (UnsupportedError, 'no fp16 on a CPU')),
    # which can be mended
    ('tensorrt', 'fp32', None, (8, 0), (DeviceError, 'in TF32, three digits, not in fp32')),
    ('tensorrt', 'fp32', '1', (8, 7), (DeviceError, 'set NVIDIA_TF32_OVERRIDE=0')),
    ('tensorrt', 'fp32', '0', (8, 7), 'fp32'),
    ('tensorrt', 'fp32', None, (7, 5), 'fp32'),  # no TF32 yet
    ('tensorrt', 'fp16', None, (8, 7), 'fp16'),
    ('tensorrt', 'auto', None, (8, 7), 'fp16'),
])
def test_precisions_that_a_provider_would_change(int8_models, runtime, monkeypatch, device,
                                                 precision, override, capability, expected):
    runtime('1.31.1', module._PROVIDERS['tensorrt'])
    monkeypatch.setattr(module, 'find_gpu', lambda number: Gpu(number, 'it', capability, False))
    monkeypatch.delenv('NVIDIA_TF32_OVERRIDE', raising=False)
    if override is not None:
        monkeypatch.setenv('NVIDIA_TF32_OVERRIDE', override)
    with create_backend('onnxruntime', 'small', precision, device,
                        models_dir=int8_models) as backend:
        if isinstance(expected, tuple):
            error, match = expected
            with pytest.raises(error, match=match) as raised:
                backend.load()
            assert raised.type is error
        else:
            backend.load()
            assert backend.describe()[2:4] == ('tensorrt', expected)
            assert Session.options['TensorrtExecutionProvider'] == {
                'device_id': 0, 'trt_fp16_enable': expected == 'fp16'}


def test_an_own_int8_file_is_not_run_as_another(int8_models, runtime, monkeypatch):
    path = int8_models / 'own.onnx'
    path.write_bytes((int8_models / 'small' / 'fp32.onnx').read_bytes())
    path.with_name('own.onnx.yaml').write_text(
        '{labels: [a, b, c, d, e], anchors: [[[8, 8]], [[16, 16]], [[32, 32]]], '
        'strides: [8, 16, 32], input_wh: [160, 96], precision: int8}')
    runtime('1.31.1')
    monkeypatch.setattr(module, 'has_nvidia_driver', lambda: True)
    with pytest.raises(ModelFileError, match='is an int8 file, of which no fp32 one can be made'):
        create_backend('onnxruntime', str(path), 'fp32')
    assert create_backend('onnxruntime', str(path)).precision == 'int8'
