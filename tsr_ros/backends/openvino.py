# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
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

# what stands between a FakeQuantize and its scaling back, in a model read from ONNX
_DEQUANTIZE = ('Convert', 'Subtract')


class OpenVinoBackend(Backend):
    """OpenVINO on the CPU, or on an Intel GPU or NPU."""

    name = 'openvino'
    formats = ('openvino', 'onnx')
    precisions = ('fp32', 'bf16', 'fp16', 'int8')
    install_hint = 'pip install openvino'

    _request = None

    @classmethod
    def version(cls):
        """Return the version of OpenVINO."""
        return _import().__version__.split('-')[0]

    def _load(self):
        ov = _import()
        core = ov.Core()
        device = 'CPU' if self.device == 'auto' else self.device.upper()
        if device.partition('.')[0] not in ('CPU', 'GPU', 'NPU'):
            raise UnsupportedError(
                'OpenVINO runs on cpu, gpu or npu, not {!r}'.format(self.device))
        # to look for others loads all plugins, which then stay in memory
        if device != 'CPU' and not _is_there(device, core.available_devices):
            raise DeviceError('OpenVINO sees {}, not {!r}'.format(
                ', '.join(core.available_devices), self.device))
        try:
            model = core.read_model(self.model_file.path)
            if len(model.inputs) != 1 or model.inputs[0].element_type != ov.Type.u8:
                raise ModelFileError('{} does not take one uint8 image (N, H, W, 3)'.format(
                    self.model_file.path))
            model.reshape({0: list(self.input_shape)})
            if self.precision == 'int8':
                _simplify(model)
            compiled = core.compile_model(model, device, self._configuration(device))
        except RuntimeError as error:
            if isinstance(error, BackendError):
                raise
            if is_out_of_memory(error):
                raise DeviceError('OpenVINO on {}: {}'.format(device, error))
            raise ModelFileError('OpenVINO cannot load {}: {}'.format(
                self.model_file.path, str(error).strip().splitlines()[-1]))
        self._device = ', '.join(compiled.get_property('EXECUTION_DEVICES'))
        self._check_precision(device, compiled)
        order = sorted(
            range(len(compiled.outputs)), key=lambda i: -list(compiled.outputs[i].shape)[-1])
        self._check_output_shapes([list(compiled.outputs[i].shape) for i in order])
        self._input = np.zeros(self.input_shape, np.uint8)
        self._maps = [np.zeros(shape, np.float32) for shape in self.output_shapes]
        self._request = compiled.create_infer_request()
        self._request.set_input_tensor(ov.Tensor(self._input, shared_memory=True))
        for i, head in zip(order, self._maps):
            self._request.set_output_tensor(i, ov.Tensor(head, shared_memory=True))

    def _check_precision(self, device, compiled):
        """Refuse to run in another precision than the one that was asked for."""
        found = compiled.get_property('INFERENCE_PRECISION_HINT').get_type_name()
        self._calculates_in = found
        if found != self._configuration(device).get('INFERENCE_PRECISION_HINT', found):
            raise UnsupportedError(
                'OpenVINO has no {} on this {} and would calculate in {}'.format(
                    self.precision, device, found))

    def _configuration(self, device):
        configuration = {'PERFORMANCE_HINT': 'LATENCY'}
        # left to itself OpenVINO takes bfloat16 where the CPU has it, and says nothing
        precision = {'fp32': 'f32', 'bf16': 'bf16', 'fp16': 'f16'}.get(self.precision)
        if precision is None and device == 'CPU':
            precision = 'f32'  # of what is not int8; a GPU or NPU does as it can
        if precision is not None:
            configuration['INFERENCE_PRECISION_HINT'] = precision
        if device == 'CPU':
            configuration['INFERENCE_NUM_THREADS'] = self.threads
            # the camera driver and the middleware run on the same cores
            configuration['ENABLE_CPU_PINNING'] = False
        return configuration

    def _infer(self, images):
        np.copyto(self._input, images)
        try:
            self._request.infer()
        except RuntimeError as error:
            kind = DeviceError if is_out_of_memory(error) else BackendError
            raise kind('OpenVINO failed: {}'.format(error))
        return self._maps

    def _describe(self):
        detail = 'latency hint, what is not int8 in ' if self.precision == 'int8' else (
            'latency hint, calculates in ')
        return self._device.lower(), detail + self._calculates_in

    def _close(self):
        self._request = None


def _is_there(device, available):
    """Tell whether OpenVINO has a device; GPU and GPU.0 are the same."""
    def whole(name):
        return name if '.' in name else name + '.0'
    return whole(device) in [whole(name) for name in available]


def _simplify(model):
    """
    Give an int8 model that was read from ONNX the form that OpenVINO itself quantizes to.

    ONNX says by a pair of operations that a value is rounded to int8; OpenVINO by one, and only
    then it knows to run the convolution before with its activation in one go. ONNX Runtime needs
    a rounding between the two; without it that is faster and loses less.
    """
    for operation in model.get_ops():
        if operation.get_type_name() != 'Multiply':
            continue
        source = _rounding_before(operation)
        if source is not None:
            for low_or_high in 1, 2:
                source.input(low_or_high + 2).replace_source_output(
                    source.input_value(low_or_high))
            operation.output(0).replace(source.output(0))
    for operation in model.get_ops():
        if operation.get_type_name() in ('PRelu', 'LeakyRelu', 'Relu'):
            source = operation.input_value(0).get_node()
            if source.get_type_name() == 'FakeQuantize':
                operation.input(0).replace_source_output(source.input_value(0))
    model.validate_nodes_and_infer_types()


def _rounding_before(operation):
    """Return the FakeQuantize whose result an operation scales back, None where it does not."""
    source = operation.input_value(0).get_node()
    while source.get_type_name() in _DEQUANTIZE:
        source = source.input_value(0).get_node()
    return source if source.get_type_name() == 'FakeQuantize' else None


def _import():
    try:
        import openvino
        openvino.Core  # noqa: B018 - an empty folder imports as well
    except (ImportError, AttributeError) as error:
        raise BackendMissing('OpenVINO cannot be imported ({}): {}'.format(
            error, OpenVinoBackend.install_hint))
    return openvino
