# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What runs an engine: through bindings up to TensorRT 8.4, through named tensors from 8.5 on."""

from typing import Any, NamedTuple

import numpy as np

from .base import BackendError, DeviceError, ModelFileError

_NUMPY_TYPES = {'FLOAT': np.float32, 'UINT8': np.uint8}


class _Tensor(NamedTuple):
    """An input or output of an engine."""

    name: str
    is_input: bool
    shape: tuple
    dtype: Any


class KernelCache:
    """
    What TensorRT-RTX compiles for the GPU at hand when an engine first runs.

    :param kept: `content()` of an earlier one, or b''; RTX leaves it where it does not fit.
    """

    def __init__(self, engine, kept):
        self._configuration = engine.create_runtime_config()
        self._cache = self._configuration.create_runtime_cache()
        self.is_warm = bool(kept) and self._cache.deserialize(kept)
        self._configuration.set_runtime_cache(self._cache)

    @staticmethod
    def serves(engine):
        """Tell whether an engine compiles such: full TensorRT does that when it builds one."""
        return hasattr(engine, 'create_runtime_config') and hasattr(
            engine.create_runtime_config(), 'create_runtime_cache')

    def create_context(self, engine):
        """Return an execution context that takes its kernels from here."""
        return engine.create_execution_context(self._configuration)

    def content(self):
        """Return all that is compiled by now, as bytes."""
        return bytes(self._cache.serialize())


def make_runner(trt, engine, memory, logger, kernels=None):
    """
    Return the runner that this version of TensorRT has the functions for.

    :param logger: that of make_logger, which knows why a run failed
    :param kernels: KernelCache of the engine, if it serves.
    """
    named = hasattr(engine, 'num_io_tensors')
    return (NamedTensorRunner if named else BindingRunner)(trt, engine, memory, logger, kernels)


class _Runner:
    """
    An engine with memory for one image batch and its maps.

    `input` and `outputs` are arrays in the computer's memory; `run` reads and writes them.
    """

    def __init__(self, trt, engine, memory, logger, kernels):
        self._memory, self._logger = memory, logger
        tensors = self._describe(trt, engine)
        self._context = (
            kernels.create_context(engine) if kernels else engine.create_execution_context())
        self._kernels = kernels  # the context does not hold it, and goes before it
        if self._context is None:
            raise DeviceError(
                'TensorRT gives no execution context: the memory of the GPU is probably full')
        buffers = [memory.allocate(tensor.shape, tensor.dtype) for tensor in tensors]
        self._place(tensors, buffers)
        inputs = [b for b, tensor in zip(buffers, tensors) if tensor.is_input]
        outputs = [b for b, tensor in zip(buffers, tensors) if not tensor.is_input]
        if len(inputs) != 1:
            raise ModelFileError('the engine takes {} inputs, not one image'.format(len(inputs)))
        self.input = inputs[0].host
        self.outputs = [output.host for output in outputs]
        self._uploads = [] if inputs[0].mapped else inputs
        self._downloads = [output for output in outputs if not output.mapped]
        self._replay = None

    def run(self):
        """Calculate the maps of the image in `input`."""
        with self._memory.current():
            if self._replay is not None:
                self._replay()
            else:
                self._begin()
            self._memory.synchronize()

    def use_cuda_graph(self):
        """Record a run, so that the next ones are one call each; return whether that works."""
        if self._memory.record is None:
            return False
        self.run()  # what is set up at the first run must not be recorded
        try:
            with self._memory.current():
                self._replay = self._memory.record(self._begin)
            self.run()
        except BackendError:  # some networks cannot be recorded
            self._replay = None
            return False
        return True

    def _begin(self):
        for buffer in self._uploads:
            self._memory.upload(buffer)
        if not self._execute():
            raise BackendError('TensorRT could not run the engine: {}'.format(
                self._logger.newest()))
        for buffer in self._downloads:
            self._memory.download(buffer)


class NamedTensorRunner(_Runner):
    """TensorRT 8.5 and later, and TensorRT-RTX."""

    def _describe(self, trt, engine):
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        return [
            _Tensor(name, engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT,
                    tuple(engine.get_tensor_shape(name)),
                    _numpy_type(engine.get_tensor_dtype(name)))
            for name in names]

    def _place(self, tensors, buffers):
        for tensor, buffer in zip(tensors, buffers):
            self._context.set_tensor_address(tensor.name, buffer.address)

    def _execute(self):
        return self._context.execute_async_v3(self._memory.stream)


class BindingRunner(_Runner):
    """TensorRT 8.0 to 8.4."""

    def _describe(self, trt, engine):
        return [
            _Tensor(engine.get_binding_name(i), engine.binding_is_input(i),
                    tuple(engine.get_binding_shape(i)), _numpy_type(engine.get_binding_dtype(i)))
            for i in range(engine.num_bindings)]

    def _place(self, tensors, buffers):
        self._bindings = [buffer.address for buffer in buffers]

    def _execute(self):
        return self._context.execute_async_v2(self._bindings, self._memory.stream)


def _numpy_type(dtype):
    if dtype.name not in _NUMPY_TYPES:
        raise ModelFileError('the engine has a tensor of {}, not of {}'.format(
            dtype.name, ' or '.join(_NUMPY_TYPES)))
    return _NUMPY_TYPES[dtype.name]
