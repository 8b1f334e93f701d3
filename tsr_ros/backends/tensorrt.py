# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import contextlib
import hashlib
import importlib
import os
from typing import NamedTuple

import numpy as np

from .base import Backend, BackendError, BackendMissing, DeviceError, UnsupportedError
from .build_cache import BuildCache, cache_folder
from .device_memory import open_device_memory
from .nvidia_driver import find_gpu
from .tensorrt_builder import (
    SETTINGS,
    build_engine,
    call_with_progress,
    is_strongly_typed,
    knows_uint8,
    make_logger,
)
from .tensorrt_onnx import read_for_tensorrt
from .tensorrt_runners import KernelCache, make_runner

# before this, the CPU reads memory that it shares with the GPU past its caches, slowly:
# https://docs.nvidia.com/cuda/cuda-for-tegra-appnote/
_CACHED_SHARED_MEMORY = (7, 2)


def _has_int8(device):
    """Tell whether a GPU calculates in int8: from 6.1 on, but not the Jetson TX2's 6.2."""
    try:
        capability = find_gpu(_gpu_index(device)).compute_capability
    except BackendError:
        return True  # which is said when it is needed
    return capability >= (6, 1) and capability != (6, 2)


def _gpu_index(device):
    name, _, number = device.partition(':')
    if name not in ('auto', 'cuda') or (number and not number.isdigit()):
        raise UnsupportedError('TensorRT runs on cuda or cuda:N, not {!r}'.format(device))
    return int(number or 0)


class _Source(NamedTuple):
    """What an engine is built from."""

    name: str  # in the cache
    key: dict
    onnx: bytes


class TensorRtBackend(Backend):
    """NVIDIA TensorRT 8 to 11. It builds an engine from ONNX, once for each GPU and version."""

    name = 'tensorrt'
    formats = ('onnx-tensorrt', 'onnx')
    precisions = ('fp32', 'fp16', 'int8')
    install_hint = (
        'on a Jetson it comes with JetPack; elsewhere pip install tensorrt, from NVIDIA')

    needs_gpu_to_build = True
    cache = None  # BuildCache; None for that in the user's cache folder

    _runner = _memory = None

    @classmethod
    def version(cls):
        """Return the version of TensorRT."""
        return cls._import().__version__

    @classmethod
    def problem(cls):
        """Return why the runtime that is installed cannot run here, or ''."""
        try:
            find_gpu()
        except DeviceError as error:
            return str(error)
        return ''

    @classmethod
    def file_choices(cls, precision, device='auto'):
        """Take int8 in the form that TensorRT reads; ONNX Runtime's is another."""
        if precision == 'auto':
            return [('onnx-tensorrt', 'auto')] * _has_int8(device) + [
                ('onnx', 'fp32'), ('onnx', 'fp16')]
        return [('onnx-tensorrt' if precision == 'int8' else 'onnx', precision)]

    def build(self):
        """Build the engine ahead of time, unless it is in the cache; return its path."""
        gpu = find_gpu(_gpu_index(self.device)) if self.needs_gpu_to_build else None
        trt = self._import()
        source = self._source(trt, gpu)
        try:
            if gpu is not None and gpu.index:  # the first is what is built on otherwise
                self._memory = open_device_memory(gpu)
            self._engine(trt, make_logger(trt), gpu, source)
        finally:
            self.close()
        path = self._cache().path(source.name, source.key)
        if not os.path.exists(path):
            raise BackendError('the engine was not kept: ' + self._origin)
        return path

    def _load(self):
        gpu = find_gpu(_gpu_index(self.device))  # first: what follows may crash without a driver
        trt = self._import()
        self._memory = memory = open_device_memory(gpu)
        logger, source = make_logger(trt), self._source(trt, gpu)
        with memory.current():
            runtime = trt.Runtime(logger)
            engine = runtime.deserialize_cuda_engine(self._engine(trt, logger, gpu, source))
            if engine is None:  # whole, but not for this GPU or driver after all
                self._cache().remove(source.name, source.key)
                engine = runtime.deserialize_cuda_engine(self._engine(trt, logger, gpu, source))
            if engine is None:
                raise DeviceError('TensorRT cannot load the engine: {}'.format(logger.newest()))
            key = dict(source.key, gpu=gpu.name)  # also where one engine fits several GPUs
            name = self.model_file.name + '.kernels'
            kernels = None
            if KernelCache.serves(engine):
                kernels = KernelCache(engine, self._cache().read(name, key)[0] or b'')
            self._runner = make_runner(trt, engine, memory, logger, kernels)
        outputs = self._runner.outputs
        outputs.sort(key=lambda head: -head.shape[-1])
        self._check_output_shapes([head.shape for head in outputs])
        slow = gpu.integrated and gpu.compute_capability < _CACHED_SHARED_MEMORY
        self._maps = [np.empty_like(head) for head in outputs] if slow else outputs
        graph = self._runner.use_cuda_graph()
        if kernels is not None and not kernels.is_warm:
            self._runner.run()  # compiles them, where no graph was recorded
            with contextlib.suppress(OSError):  # they only make the next start faster
                self._cache().write(name, key, kernels.content())
        self._gpu = gpu
        self._detail = ', '.join(
            [gpu.name, self._origin, memory.name] + ['zero copy'] * gpu.integrated
            + ['CUDA graph'] * graph
            + ([] if kernels is None else
               ['kernels ' + ('from the cache' if kernels.is_warm else 'compiled just now')]))

    def _cache(self):
        return self.cache or BuildCache(cache_folder('engines'))

    def _source(self, trt, gpu):
        """Return what an engine is built from."""
        in_half = self.precision == 'fp16' and self.model_file.precision == 'fp32'
        onnx = read_for_tensorrt(
            self.model_file.path, self.input_shape, float_input=not knows_uint8(trt),
            half=in_half and is_strongly_typed(trt))
        key = self._machine_key(trt, gpu)
        key.update(
            model=hashlib.sha256(onnx).hexdigest(), precision=self.precision,
            input_shape=list(self.input_shape), settings=SETTINGS)
        return _Source(self.model_file.name + '.engine', key, onnx)

    def _machine_key(self, trt, gpu):
        return {
            'tensorrt': '{} {}'.format(self.name, trt.__version__),
            'gpu': gpu.name,
            'compute_capability': list(gpu.compute_capability),
        }

    def _engine(self, trt, logger, gpu, source):
        """Return the engine's bytes, from the cache or built."""
        what = '{} engine of {} in {}'.format(self.name, self.model_file.name, self.precision)
        engine, origin = self._cache().get_or_make(
            source.name, source.key,
            lambda: call_with_progress(
                lambda cancelled: self._build(trt, logger, gpu, source.onnx, cancelled),
                self.progress,
                'building the {}, which is done once'.format(what)),
            lambda: self.progress('waiting for another process that builds the ' + what))
        self._origin = 'engine ' + origin
        return engine

    def _build(self, trt, logger, gpu, onnx, cancelled):
        """Build the engine, in a thread of its own, on the GPU that is meant."""
        if not self.needs_gpu_to_build:
            return build_engine(
                trt, logger, onnx, self.precision, gpu, cancelled=cancelled)[0]
        cache, key = self._cache(), self._machine_key(trt, gpu)
        timings = cache.read('timing.cache', key)[0] or b''
        with self._memory.current() if self._memory else contextlib.ExitStack():
            engine, timings = build_engine(
                trt, logger, onnx, self.precision, gpu, timings, cancelled)
        with contextlib.suppress(OSError):  # it only makes the next build faster
            cache.write('timing.cache', key, timings)
        return engine

    def _infer(self, images):
        np.copyto(self._runner.input, images)
        self._runner.run()
        if self._maps is not self._runner.outputs:
            for head, output in zip(self._maps, self._runner.outputs):
                np.copyto(head, output)
        return self._maps

    def _describe(self):
        return 'cuda:{}'.format(self._gpu.index), self._detail

    def _close(self):
        # the engine's memory goes before the stream that it may still be used on
        self._runner = self._maps = None
        memory, self._memory = self._memory, None
        if memory is not None:
            memory.close()

    @classmethod
    def _import(cls):
        try:
            module = importlib.import_module(cls.name)
            module.Builder  # noqa: B018 - an empty folder imports as well
        except (ImportError, AttributeError, OSError) as error:
            raise BackendMissing('{} cannot be imported ({}): {}'.format(
                cls.name, error, cls.install_hint))
        return module


class TensorRtRtxBackend(TensorRtBackend):
    """NVIDIA TensorRT-RTX, whose engines are built without a GPU and fit several."""

    name = 'tensorrt_rtx'
    install_hint = 'pip install tensorrt_rtx_cu13'
    needs_gpu_to_build = False

    def _machine_key(self, trt, gpu):
        turing = gpu is not None and gpu.compute_capability == (7, 5)
        return {
            'tensorrt': '{} {}'.format(self.name, trt.__version__),
            'gpu': 'Turing' if turing else 'any',
        }
