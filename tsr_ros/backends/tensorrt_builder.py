# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import collections
import threading
import time

from .base import BackendError, DeviceError, ModelFileError, UnsupportedError

SETTINGS = 1  # raised when this module begins to build other engines of the same model
_WORKSPACE_BYTES = 1 << 30
_WORKSPACE_BYTES_SHARED = 1 << 28  # where the GPU takes it from the CPU's memory
_PATIENCE = 10.0  # seconds for a build to stop, once it is told to


def is_strongly_typed(trt):
    """Tell whether the ONNX file alone says what is calculated in (from TensorRT 11 on)."""
    return not hasattr(trt.BuilderFlag, 'FP16')


def knows_uint8(trt):
    """Tell whether an engine can take uint8 (from TensorRT 8.5 on)."""
    return hasattr(trt.DataType, 'UINT8')


def make_logger(trt):
    """Return a logger of TensorRT that keeps the newest errors, in `errors`, and is quiet."""
    class Logger(trt.ILogger):
        def __init__(self):
            trt.ILogger.__init__(self)  # not super(): the bindings demand it by name
            self.errors = collections.deque(maxlen=3)

        def log(self, severity, message):
            if severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR):
                self.errors.append(message.strip())

        def newest(self):
            return '; '.join(self.errors) or 'TensorRT does not say why'
    return Logger()


def build_engine(trt, logger, onnx, precision, gpu=None, timing_cache=None, cancelled=None):
    """
    Return (engine, timing cache), both as bytes, of an ONNX model as read_for_tensorrt gives it.

    Takes seconds to many minutes. Without a timing cache (b'' for an empty one) none is used.
    `cancelled` is an Event that stops it where TensorRT can be stopped (from 10 on).
    Raises ModelFileError where TensorRT cannot read the model, DeviceError or BackendError where
    it cannot build it.
    """
    builder = trt.Builder(logger)
    network = builder.create_network(_network_flags(trt))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(onnx):
        raise ModelFileError('TensorRT cannot read the model: {}'.format('; '.join(
            str(parser.get_error(i).desc()).strip() for i in range(parser.num_errors))))
    config = builder.create_builder_config()
    _configure(trt, config, builder, precision, gpu)
    if cancelled is not None and hasattr(trt, 'IProgressMonitor'):
        config.progress_monitor = _make_monitor(trt, cancelled)
    if timing_cache is not None:
        # one of another version or GPU is left aside
        cache = config.create_timing_cache(timing_cache) or config.create_timing_cache(b'')
        config.set_timing_cache(cache, ignore_mismatch=False)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        error = DeviceError if 'memory' in logger.newest().lower() else BackendError
        raise error('TensorRT could not build the engine: {}'.format(logger.newest()))
    if timing_cache is not None:
        timing_cache = bytes(memoryview(config.get_timing_cache().serialize()))
    return bytes(memoryview(engine)), timing_cache


def _network_flags(trt):
    """Return the flags of a network with a batch axis, which from TensorRT 10 on all have."""
    flag = getattr(trt.NetworkDefinitionCreationFlag, 'EXPLICIT_BATCH', None)
    return 0 if flag is None else 1 << int(flag)


def _configure(trt, config, builder, precision, gpu):
    workspace = _WORKSPACE_BYTES_SHARED if gpu and gpu.integrated else _WORKSPACE_BYTES
    if hasattr(config, 'set_memory_pool_limit'):  # from 8.4 on
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace)
    else:
        config.max_workspace_size = workspace
    config.clear_flag(trt.BuilderFlag.TF32)  # fp32 means fp32
    if not is_strongly_typed(trt):
        if precision == 'int8' and not builder.platform_has_fast_int8:
            raise UnsupportedError(
                '{} has no int8 arithmetic; ask for fp16 or fp32'.format(gpu.name))
        if precision in ('fp16', 'int8'):
            config.set_flag(trt.BuilderFlag.FP16)
        if precision == 'int8':
            config.set_flag(trt.BuilderFlag.INT8)
    if gpu and hasattr(trt, 'ComputeCapability') and gpu.compute_capability == (7, 5):
        # TensorRT-RTX builds for Ampere and later; for Turing it must be told
        config.num_compute_capabilities = 1
        config.set_compute_capability(trt.ComputeCapability.SM75, 0)


def _make_monitor(trt, cancelled):
    class Monitor(trt.IProgressMonitor):
        def __init__(self):
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, phase_name, parent_phase, num_steps):
            pass

        def phase_finish(self, phase_name):
            pass

        def step_complete(self, phase_name, step):
            return not cancelled.is_set()
    return Monitor()


def call_with_progress(function, on_progress, text, period=1.0):
    """
    Return function(cancelled), run in a thread, while on_progress hears every `period` seconds.

    TensorRT lets other threads run while it builds. What is raised meanwhile here, Ctrl-C above
    all, sets the Event `cancelled` and comes through.
    """
    result, cancelled = [], threading.Event()

    def run():
        try:
            result.append((function(cancelled), None))
        except BaseException as error:
            result.append((None, error))
    thread = threading.Thread(target=run, name='build', daemon=True)
    start = time.monotonic()
    on_progress(text)
    thread.start()
    try:
        thread.join(period)
        while thread.is_alive():
            on_progress('{}: {:.0f} s'.format(text, time.monotonic() - start))
            thread.join(period)
    except BaseException:
        cancelled.set()
        thread.join(_PATIENCE)
        raise
    value, error = result[0]
    if error is not None:
        raise error
    return value
