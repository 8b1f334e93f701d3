# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import contextlib
import os
import sys

import numpy as np

from .base import (
    Backend,
    BackendError,
    BackendMissing,
    DeviceError,
    ModelFileError,
    UnsupportedError,
    is_out_of_memory,
)
from .nvidia_driver import find_gpu, has_nvidia_driver

_PROVIDERS = {
    'cpu': ['CPUExecutionProvider'],
    'cuda': ['CUDAExecutionProvider', 'CPUExecutionProvider'],
    'tensorrt': ['TensorrtExecutionProvider', 'CUDAExecutionProvider', 'CPUExecutionProvider'],
}
_AMPERE = (8, 0)  # the first that has TF32
# y = Identity(x) of one float, as an ONNX file
_LEAST_MODEL = (
    b'\x08\x03:7\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x01gZ\x0f\n\x01x\x12\n\n\x08\x08\x01\x12\x04\n'
    b'\x02\x08\x01b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\x08')


class OnnxRuntimeBackend(Backend):
    """ONNX Runtime on the CPU, or through its CUDA or TensorRT execution provider."""

    name = 'onnxruntime'
    formats = ('onnx',)
    precisions = ('fp32', 'fp16', 'int8')
    install_hint = 'pip install onnxruntime'

    _session = None
    _not_started = ''  # the provider that was wanted, where another runs

    def __init__(self, model_file, device='auto', precision='auto', threads=0, batch=1):
        on_tensorrt = device.partition(':')[0] == 'tensorrt'
        if precision == 'auto' and model_file.precision == 'fp32' and on_tensorrt:
            precision = 'fp16'  # fp32 would be TF32 there, see _check_precision
        super().__init__(model_file, device, precision, threads, batch)

    @classmethod
    def version(cls):
        """Return the version of ONNX Runtime."""
        return _import().__version__

    @classmethod
    def file_choices(cls, precision, device='auto'):
        """Take int8 on a CPU alone: other providers calculate in float between its roundings."""
        choices = [(cls.formats, precision)]
        name, number = _split_device(device)
        if precision == 'auto' and (
                _cuda_starts(_import(), number) if name == 'auto' else name != 'cpu'):
            choices.insert(0, (cls.formats, 'fp32'))
        return choices

    def _load(self):
        ort = _import()
        device, number = _split_device(self.device)
        if device == 'auto':
            device = 'cuda' if self.precision != 'int8' and _has_cuda(ort) else 'cpu'
        if device not in _PROVIDERS:
            raise UnsupportedError('onnxruntime runs on {}, not {!r}'.format(
                ', '.join(sorted(_PROVIDERS)), self.device))
        wanted = _PROVIDERS[device][0]
        if wanted not in ort.get_available_providers():
            raise DeviceError('this ONNX Runtime has no {}; it has {}'.format(
                wanted, ', '.join(ort.get_available_providers())))
        self._check_precision(device, number)
        if device != 'cpu':
            _find_cuda(ort)

        options = ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors only
        width, height = self.model_file.input_wh
        for axis, size in ('batch', self.batch), ('height', height), ('width', width):
            options.add_free_dimension_override_by_name(axis, size)
        providers = [
            (name, self._provider_options(name, number)) for name in _PROVIDERS[device]]
        try:
            self._session = ort.InferenceSession(
                self.model_file.path, options, providers=providers)
        except Exception as error:  # ONNX Runtime's errors share no base class
            if is_out_of_memory(error):
                raise DeviceError('ONNX Runtime on {}: {}'.format(self.device, error))
            raise ModelFileError('ONNX Runtime cannot load {}: {}'.format(
                self.model_file.path, error))
        if self._session.get_providers()[0] != wanted:
            if self.device != 'auto' or self.precision == 'fp16':  # which a CPU has not got
                raise DeviceError(
                    'ONNX Runtime could not start {}, only {}: it needs the libraries of CUDA and '
                    'cuDNN, in the versions that it was built for'.format(
                        wanted, self._session.get_providers()[0]))
            self._not_started, device = wanted, 'cpu'
        self._bind(ort, device, number)

    def _check_precision(self, device, number):
        """Refuse a precision that the device would silently calculate in another way."""
        if self.precision == 'fp16' and device == 'cpu':
            raise UnsupportedError(
                'ONNX Runtime has no fp16 on a CPU; ask for fp32 or int8, or another device')
        if self.precision == 'fp16' and device == 'cuda' and self.model_file.precision != 'fp16':
            raise ModelFileError('{} is not an fp16 file, which CUDA needs; export one'.format(
                self.model_file.path))
        if self.precision == 'int8' and device != 'cpu':
            # https://github.com/microsoft/onnxruntime, qdq_selector_action_transformer.cc: only
            # providers of the CPU fuse a convolution with the roundings about it
            raise UnsupportedError(
                "ONNX Runtime calculates int8 files in int8 on a CPU alone; on {} ask for fp16 or "
                'fp32, or take the backend tensorrt, which has an int8 file of its own'.format(
                    self.device))
        if self.precision == 'fp32' and device == 'tensorrt' and (
                os.environ.get('NVIDIA_TF32_OVERRIDE') != '0'
                and find_gpu(number).compute_capability >= _AMPERE):
            # https://github.com/microsoft/onnxruntime/issues/6427
            raise DeviceError(
                "ONNX Runtime's TensorRT provider would calculate in TF32, three digits, not in "
                'fp32: set NVIDIA_TF32_OVERRIDE=0 before the start, ask for fp16, or take the '
                'backend tensorrt')

    def _provider_options(self, provider, number):
        if provider == 'CPUExecutionProvider':
            return {}
        options = {'device_id': number}
        if provider == 'CUDAExecutionProvider' and self.precision != 'fp16' and (
                _has_tf32(self.version())):
            # fp32 means fp32; it switches off the tensor cores, which fp16 is for
            options['use_tf32'] = '0'
        if provider == 'TensorrtExecutionProvider':
            options['trt_fp16_enable'] = self.precision == 'fp16'
        return options

    def _bind(self, ort, device, number):
        """
        Fix where input and outputs lie, so that no call allocates anything.

        Outputs lie in the CPU's memory; from a GPU ONNX Runtime copies to there as part of each
        run. An input is copied to a GPU once, when it is bound, so there it lies on the GPU:
        https://onnxruntime.ai/docs/performance/tune-performance/iobinding.html.
        """
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type != 'tensor(uint8)':
            raise ModelFileError('{} takes {}, not one uint8 image (N, H, W, 3)'.format(
                self.model_file.path, [(i.name, i.type, i.shape) for i in inputs]))
        outputs = self._session.get_outputs()
        if any(output.type != 'tensor(float)' for output in outputs):
            raise ModelFileError('{} does not give float32 maps'.format(self.model_file.path))
        images = np.full(self.input_shape, 114, np.uint8)
        try:
            maps = self._session.run(None, {inputs[0].name: images})
        except Exception as error:
            if is_out_of_memory(error):
                raise DeviceError('ONNX Runtime on {}: {}'.format(self.device, error))
            raise ModelFileError('{} does not run on an image of {}: {}'.format(
                self.model_file.path, self.input_shape, error))
        order = sorted(range(len(maps)), key=lambda i: -maps[i].shape[-1])
        self._check_output_shapes([maps[i].shape for i in order])
        self._maps = [np.empty(maps[i].shape, np.float32) for i in order]
        self._input, self._on_gpu = images, None
        self._binding = self._session.io_binding()
        if device == 'cpu':
            self._binding.bind_input(
                inputs[0].name, 'cpu', 0, np.uint8, images.shape, images.ctypes.data)
        else:
            self._on_gpu = ort.OrtValue.ortvalue_from_numpy(images, 'cuda', number)
            self._binding.bind_ortvalue_input(inputs[0].name, self._on_gpu)
        for i, head in zip(order, self._maps):
            self._binding.bind_output(
                outputs[i].name, 'cpu', 0, np.float32, head.shape, head.ctypes.data)

    def _infer(self, images):
        try:
            if self._on_gpu is None:
                np.copyto(self._input, images)
            else:
                self._on_gpu.update_inplace(images)
            self._session.run_with_iobinding(self._binding)
            if self._on_gpu is not None:
                self._binding.synchronize_outputs()
        except Exception as error:
            kind = DeviceError if is_out_of_memory(error) else BackendError
            raise kind('ONNX Runtime failed: {}'.format(error))
        return self._maps

    def _describe(self):
        providers = self._session.get_providers()
        device = providers[0].replace('ExecutionProvider', '').lower()
        detail = 'execution providers ' + ', '.join(providers)
        if self._not_started:
            detail += '; {} could not start'.format(self._not_started)
        return device, detail

    def _close(self):
        self._session = self._binding = self._on_gpu = None
        self._not_started = ''


def _import():
    try:
        import onnxruntime
        onnxruntime.InferenceSession  # noqa: B018 - an empty folder imports as well
    except (ImportError, AttributeError) as error:
        raise BackendMissing('ONNX Runtime cannot be imported ({}): {}'.format(
            error, OnnxRuntimeBackend.install_hint))
    return onnxruntime


def _find_cuda(ort):
    """Load the libraries of CUDA and cuDNN that pip has brought (ONNX Runtime 1.21 on)."""
    preload = getattr(ort, 'preload_dlls', None)
    if preload is not None:
        with contextlib.redirect_stdout(sys.stderr):  # where it says what it does not find
            preload()


def _has_cuda(ort):
    """Tell whether ONNX Runtime was built for CUDA and there is a driver."""
    return 'CUDAExecutionProvider' in ort.get_available_providers() and has_nvidia_driver()


def _cuda_starts(ort, number):
    """Tell whether ONNX Runtime's CUDA provider runs: what libraries it needs, it alone knows."""
    if not _has_cuda(ort):
        return False
    _find_cuda(ort)
    options = ort.SessionOptions()
    options.log_severity_level = 3  # errors only: what is missing
    try:
        session = ort.InferenceSession(
            _LEAST_MODEL, options, providers=[('CUDAExecutionProvider', {'device_id': number})])
        session.run(None, {'x': np.zeros(1, np.float32)})
    except Exception:  # ONNX Runtime's errors share no base class
        return False
    return session.get_providers()[0] == 'CUDAExecutionProvider'


def _has_tf32(version):
    """Tell whether ONNX Runtime can be told not to calculate in TF32 (from 1.18 on)."""
    return tuple(int(number) for number in version.split('.')[:2]) >= (1, 18)


def _split_device(device):
    name, colon, number = device.partition(':')
    if colon and (name == 'cpu' or not number.isdigit()):
        raise UnsupportedError("onnxruntime takes a device such as 'cpu', 'cuda' or 'cuda:1', not "
                          '{!r}'.format(device))
    return name, int(number or 0)
