# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
TensorRT without a GPU: modules that have the names of one version and not one more.

The names in tensorrt_api.json are those that NVIDIA's Python bindings of that version define
(https://github.com/NVIDIA/TensorRT, python/src, at the tags 8.2.1, 8.5.3, v10.0.0 and
release/11.1), less what the bindings on PyPI turned out to lack: backends/test_tensorrt_names.py
compares those of 11.1; those of 10.0.1 and 8.6.1 were compared by hand. What a parser refuses is
taken from https://github.com/onnx/onnx-tensorrt at release/8.2-GA and from what TensorRT-RTX 1.7
says. An engine calculates with ONNX Runtime, when the stream that it was started on is waited
for, out of and into the addresses that it was given.
"""

import enum
import hashlib
import importlib
import json
import types
import weakref
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from cuda_standin import array_at
from onnx import TensorProto

VERSIONS = ('8.2.1', '8.5.3', '10.0.0', '11.1.0')
API = {version: {name: set(members.split()) for name, members in classes.items()}
       for version, classes in json.loads(
           (Path(__file__).parent / 'tensorrt_api.json').read_text()).items()}
_ENUMS = ('BuilderFlag', 'NetworkDefinitionCreationFlag', 'MemoryPoolType', 'TensorIOMode',
          'DataType')
_TYPES = {TensorProto.FLOAT: 'FLOAT', TensorProto.UINT8: 'UINT8'}
_NUMPY = {'FLOAT': np.float32, 'UINT8': np.uint8}


def make_tensorrt(version, gpu, name='tensorrt'):
    """
    Return a module like TensorRT of a version, on a CudaStandin.

    Version 'rtx' has the names of the TensorRT-RTX that is installed.

    `module.builds` has the flags of each engine that was built, `module.built_on` the GPUs that
    had been made current by then; `module.fail` is a set of 'build',
    'context' and 'execute', which then fail as the real ones do.
    """
    api = _names_of_rtx() if version == 'rtx' else API[version]
    trt = types.ModuleType(name)
    trt.__version__ = version
    trt.builds, trt.built_on, trt.fail = [], [], set()
    trt.compiled = 0  # how often kernels were compiled, by RTX, whose engines fit any GPU
    trt.fits = 'any' if version == 'rtx' else gpu.name
    for enum_name in _ENUMS:
        if enum_name in api:
            setattr(trt, enum_name, enum.IntEnum(enum_name, sorted(api[enum_name]), start=0))
    trt.ILogger = _ILogger
    if 'IProgressMonitor' in api:
        trt.IProgressMonitor = _ProgressMonitor
    for cls in (_Builder, _NetworkDefinition, _BuilderConfig, _TimingCache, _OnnxParser,
                _ParserError, _Runtime, _CudaEngine, _ExecutionContext, _RuntimeConfig,
                _RuntimeCache):
        known = api.get(cls.real_name, set())
        members = {'_trt': trt, '_gpu': gpu, '_known': known}
        setattr(trt, cls.real_name, type(cls.real_name, (cls,), members))
    return trt


def _names_of_rtx():
    real = importlib.import_module('tensorrt_rtx')
    names = {name: set(dir(getattr(real, name))) for name in API['11.1.0'] if hasattr(real, name)}
    names.update((name, set(getattr(real, name).__members__))
                 for name in _ENUMS if hasattr(real, name))
    names.update((name, set(dir(getattr(real, name))))
                 for name in ('IRuntimeConfig', 'IRuntimeCache'))
    return names


class _ILogger:
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

    def __init__(self):
        self._ready = True

    def log(self, severity, message):
        raise NotImplementedError


class _ProgressMonitor:
    def __init__(self):
        self._ready = True


class _Enforced:
    """An object of the bindings: it has no other attributes than its version's, to read or set."""

    def __getattribute__(self, name):
        if not name.startswith('_'):
            cls = type(self)
            if name not in cls._known:
                raise AttributeError(
                    f'{cls.__name__} of TensorRT {cls._trt.__version__} has no {name}')
        return object.__getattribute__(self, name)

    def __setattr__(self, name, value):
        if not name.startswith('_'):
            getattr(self, name)
        object.__setattr__(self, name, value)


class _Builder(_Enforced):
    real_name = 'Builder'
    def __init__(self, logger):
        assert logger._ready  # the bindings refuse a subclass that did not call their __init__
        self._logger = logger

    @property
    def platform_has_fast_int8(self):
        return self._gpu.has_int8

    def create_network(self, flags=0):
        network = self._trt.INetworkDefinition()
        implicit_is_possible = 'max_batch_size' in self._known
        network._explicit_batch = not implicit_is_possible or bool(
            flags & 1 << int(self._trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH))
        return network

    def create_builder_config(self):
        return self._trt.IBuilderConfig()

    def build_serialized_network(self, network, config):
        flags = config._flags
        if 'build' in self._trt.fail:
            self._logger.log(_ILogger.ERROR, 'Error Code 2: OutOfMemory (no further information)')
            return None
        if network._onnx is None:
            self._logger.log(_ILogger.ERROR, 'Network must have at least one output')
            return None
        if not config._workspace:
            self._logger.log(_ILogger.ERROR, 'no implementation fits into a workspace of 0 bytes')
            return None
        if any(node.op_type == 'QuantizeLinear' for node in network._onnx.graph.node) and (
                hasattr(self._trt.BuilderFlag, 'INT8') and 'INT8' not in flags):
            self._logger.log(_ILogger.ERROR, 'Q/DQ layers need the INT8 flag')
            return None
        monitor = config._monitor
        if monitor is not None:
            assert monitor._ready
            monitor.phase_start('Building Engine', None, 1)
            if not monitor.step_complete('Building Engine', 0):
                self._logger.log(_ILogger.ERROR, 'the build was cancelled')
                return None
            monitor.phase_finish('Building Engine')
        self._trt.builds.append(sorted(flags))
        self._trt.built_on += self._gpu.used  # all one, if it is right
        if config._timing_cache is not None:
            config._timing_cache._data += b'timing'
        header = {'version': self._trt.__version__, 'gpu': self._trt.fits, 'flags': sorted(flags)}
        return _HostMemory(json.dumps(header).encode() + b'\n' + network._onnx.SerializeToString())


class _NetworkDefinition(_Enforced):
    real_name = 'INetworkDefinition'
    _onnx = None


class _HostMemory(bytearray):
    """Bytes; what else IHostMemory has is not used."""


class _BuilderConfig(_Enforced):
    real_name = 'IBuilderConfig'

    def __init__(self):
        self._flags, self._workspace = {'TF32'}, 0
        self._timing_cache = self._monitor = None

    def set_flag(self, flag):
        self._flags.add(flag.name)

    def clear_flag(self, flag):
        self._flags.discard(flag.name)

    def set_memory_pool_limit(self, pool, pool_size):
        assert pool == self._trt.MemoryPoolType.WORKSPACE
        self._workspace = pool_size

    @property
    def max_workspace_size(self):
        return self._workspace

    @max_workspace_size.setter
    def max_workspace_size(self, size):
        self._workspace = size

    @property
    def progress_monitor(self):
        return self._monitor

    @progress_monitor.setter
    def progress_monitor(self, monitor):
        self._monitor = monitor

    def create_timing_cache(self, serialized_timing_cache):
        data = bytes(serialized_timing_cache)
        return self._trt.ITimingCache(data) if data.replace(b'timing', b'') == b'' else None

    def set_timing_cache(self, cache, ignore_mismatch):
        assert isinstance(cache, _TimingCache)
        self._timing_cache = cache
        return True

    def get_timing_cache(self):
        return self._timing_cache


class _TimingCache(_Enforced):
    real_name = 'ITimingCache'

    def __init__(self, data):
        self._data = data

    def serialize(self):
        return _HostMemory(self._data)


class _ParserError(_Enforced):
    real_name = 'ParserError'

    def __init__(self, text):
        self._text = text

    def desc(self):
        return self._text


class _OnnxParser(_Enforced):
    real_name = 'OnnxParser'

    def __init__(self, network, logger):
        self._network, self._problem = network, None

    def parse(self, model, path=None):
        try:
            model = onnx.load_from_string(bytes(model))
            self._problem = self._find_problem(model)
        except Exception as error:  # protobuf's own
            self._problem = f'Failed to parse the model: {error}'
        if self._problem is None:
            self._network._onnx = model
        return self._problem is None

    @property
    def num_errors(self):
        return int(self._problem is not None)

    def get_error(self, index):
        return self._trt.ParserError([self._problem][index])

    def _find_problem(self, model):
        graph = model.graph
        if not self._network._explicit_batch:
            return 'Network must have explicit batch dimension'
        constants = {tensor.name: tensor for tensor in graph.initializer}
        if any(tensor.data_location == TensorProto.EXTERNAL for tensor in graph.initializer):
            return 'Failed to open the file of external weights'
        for value in graph.input:
            tensor = value.type.tensor_type
            if any(not side.dim_value for side in tensor.shape.dim):
                return 'dynamic input without an optimization profile'
            if tensor.elem_type == TensorProto.UINT8:
                if not hasattr(self._trt.DataType, 'UINT8'):
                    return 'Unsupported ONNX data type: UINT8 (2)'
                if any(value.name in node.input and node.op_type != 'Cast' for node in graph.node):
                    return 'the reader of the image has type UInt8 but must have type Float, Half'
        for node in graph.node:
            if node.op_type == 'Conv' and node.input[2] not in constants:
                return 'The bias tensor is required to be an initializer for the Conv operator.'
            if node.op_type == 'DequantizeLinear':
                source = constants.get(node.input[0])
                if source is not None and source.data_type == TensorProto.INT32:
                    return 'TensorRT does not support INT32 input for DequantizeLinear'
                if len(node.input) > 2 and onnx.numpy_helper.to_array(
                        constants[node.input[2]]).any():
                    return 'TensorRT only supports symmetric quantization'
        return None


class _Runtime(_Enforced):
    real_name = 'Runtime'

    def __init__(self, logger):
        assert logger._ready
        self._logger = logger

    def deserialize_cuda_engine(self, serialized_engine):
        header, _, model = bytes(serialized_engine).partition(b'\n')
        try:
            header = json.loads(header)
        except ValueError:
            self._logger.log(_ILogger.ERROR, 'magicTag does not match')
            return None
        if (header['version'], header['gpu']) != (self._trt.__version__, self._trt.fits):
            self._logger.log(_ILogger.ERROR, 'the engine is for another version or GPU')
            return None
        engine = self._trt.ICudaEngine()
        engine._logger = self._logger
        engine._session = onnxruntime.InferenceSession(model, providers=['CPUExecutionProvider'])
        engine._digest = hashlib.sha256(model).hexdigest()
        engine._tensors = [
            (value.name, tuple(side.dim_value for side in value.type.tensor_type.shape.dim),
             _TYPES[value.type.tensor_type.elem_type], True)
            for value in onnx.load_from_string(model).graph.input]
        # not in the order of their strides, which nobody promises
        engine._tensors += [(output.name, tuple(output.shape), 'FLOAT', False)
                            for output in _with_shapes(engine)[::-1]]
        return engine


def _with_shapes(engine):
    name, shape, dtype, _ = engine._tensors[0]
    outputs = engine._session.get_outputs()
    maps = engine._session.run(None, {name: np.zeros(shape, _NUMPY[dtype])})
    return [types.SimpleNamespace(name=output.name, shape=found.shape)
            for output, found in zip(outputs, maps)]


class _CudaEngine(_Enforced):
    real_name = 'ICudaEngine'

    def create_execution_context(self, runtime_config=None):
        if 'context' in self._trt.fail:
            return None
        assert runtime_config is None or 'create_runtime_config' in self._known
        context = self._trt.IExecutionContext()
        context._engine, context._addresses = self, {}
        context._configuration = runtime_config and weakref.ref(runtime_config)
        context._logger = self._logger
        return context

    def create_runtime_config(self):
        return self._trt.IRuntimeConfig()

    # named tensors
    @property
    def num_io_tensors(self):
        return len(self._tensors)

    def get_tensor_name(self, index):
        return self._tensors[index][0]

    def get_tensor_mode(self, name):
        modes = self._trt.TensorIOMode
        return modes.INPUT if self._tensor(name)[3] else modes.OUTPUT

    def get_tensor_shape(self, name):
        return self._tensor(name)[1]

    def get_tensor_dtype(self, name):
        return self._trt.DataType[self._tensor(name)[2]]

    def _tensor(self, name):
        return next(tensor for tensor in self._tensors if tensor[0] == name)

    # bindings
    @property
    def num_bindings(self):
        return len(self._tensors)

    def get_binding_name(self, index):
        return self._tensors[index][0]

    def binding_is_input(self, index):
        return self._tensors[index][3]

    def get_binding_shape(self, index):
        return self._tensors[index][1]

    def get_binding_dtype(self, index):
        return self._trt.DataType[self._tensors[index][2]]


class _RuntimeConfig(_Enforced):
    real_name = 'IRuntimeConfig'
    _cache = None

    def create_runtime_cache(self):
        return self._trt.IRuntimeCache()

    def set_runtime_cache(self, cache=None):
        self._cache = cache
        return True


class _RuntimeCache(_Enforced):
    real_name = 'IRuntimeCache'

    def __init__(self):
        self._kernels = b''

    def deserialize(self, blob):
        fits = bytes(blob) == b'kernels for ' + self._gpu.name.encode()
        self._kernels = bytes(blob) if fits else self._kernels
        return fits

    def serialize(self):
        return _HostMemory(self._kernels)


class _ExecutionContext(_Enforced):
    real_name = 'IExecutionContext'
    _configuration = None

    def set_tensor_address(self, name, memory):
        assert type(memory) is int
        self._addresses[self._engine._tensor(name)[0]] = memory
        return True

    def execute_async_v3(self, stream_handle):
        return self._execute(self._addresses, stream_handle)

    def execute_async_v2(self, bindings, stream_handle, input_consumed=None):
        assert all(type(address) is int for address in bindings)
        names = [tensor[0] for tensor in self._engine._tensors]
        return self._execute(dict(zip(names, bindings)), stream_handle)

    def _execute(self, addresses, stream_handle):
        assert type(stream_handle) is int
        if 'execute' in self._trt.fail or len(addresses) != len(self._engine._tensors):
            self._logger.log(_ILogger.ERROR, 'the stand-in was told to fail')
            return False
        addresses = dict(addresses)
        if self._configuration is not None:
            # the bindings do not keep it for the context (pyCore.cpp of 11.1)
            cache = self._configuration()._cache
            if not cache._kernels:
                self._trt.compiled += 1
                cache._kernels = b'kernels for ' + self._gpu.name.encode()
        self._gpu.enqueue(stream_handle, lambda: self._calculate(addresses))
        return True

    def _calculate(self, addresses):
        arrays = {name: array_at(self._gpu.check(addresses[name]), shape, _NUMPY[dtype])
                  for name, shape, dtype, _ in self._engine._tensors}
        name = self._engine._tensors[0][0]
        session = self._engine._session
        maps = session.run(None, {name: arrays[name]})
        for output, found in zip(session.get_outputs(), maps):
            arrays[output.name][:] = found
