# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The floor under every latency: the network's work over the most that this processor can do.

The most is measured with what suits a processor best, a stack of large 3 x 3 convolutions, on
whichever runtime does it fastest.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tsr_ros.backends.base import available_cpus

_CHANNELS, _SIDE, _LAYERS = 256, 40, 6
_WORK_GFLOP = 2e-9 * _LAYERS * _SIDE**2 * _CHANNELS**2 * 9
_LEAST_S = 1.0  # of measuring, for each runtime


class Peak(NamedTuple):
    """The most operations a second in one precision."""

    gflops: float  # 10^9 operations per second, two for a multiply-add
    runtime: str


def measure_peaks(threads: int = 0) -> dict[str, Peak]:
    """Return the peak of the CPU in fp32, bf16 and int8; those that no runtime here has miss."""
    threads = threads or available_cpus()
    candidates: list[tuple[str, str, Callable[[], Callable[[], object]]]] = [
        ('fp32', 'onnxruntime', lambda: _onnxruntime(_convolutions(), threads)),
        ('fp32', 'openvino', lambda: _openvino(_convolutions(), threads, 'f32')),
        ('bf16', 'openvino', lambda: _openvino(_convolutions(), threads, 'bf16')),
        ('int8', 'onnxruntime', lambda: _onnxruntime(_int8_convolutions(), threads)),
        ('int8', 'openvino', lambda: _openvino(_int8_convolutions(), threads, 'f32')),
    ]
    peaks: dict[str, Peak] = {}
    for precision, runtime, prepare in candidates:
        try:
            # each model is gone before the next is made: OpenVINO gives this thread another
            # stack for signals and later restores the one before, which, in another order, is
            # freed already: Ctrl-C would be a segmentation fault
            found = Peak(_WORK_GFLOP / _shortest_s(prepare()), runtime)
        except (ImportError, RuntimeError):  # not installed, or not in this precision
            continue
        if precision not in peaks or found.gflops > peaks[precision].gflops:
            peaks[precision] = found
    return peaks


def floor_ms(work_gflop: float, peak: Peak) -> float:
    """Return the least time that this much work can take, milliseconds."""
    return work_gflop / peak.gflops * 1e3


def _shortest_s(run: Callable[[], object]) -> float:
    run()
    shortest, end = float('inf'), time.perf_counter() + _LEAST_S
    while (start := time.perf_counter()) < end:
        run()
        shortest = min(shortest, time.perf_counter() - start)
    return shortest


def _onnxruntime(model: bytes, threads: int) -> Callable[[], object]:
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=['CPUExecutionProvider'])
    feed = {'x': np.full((1, _CHANNELS, _SIDE, _SIDE), 100, np.uint8)}
    return lambda: session.run(None, feed)


def _openvino(model: bytes, threads: int, precision: str) -> Callable[[], object]:
    import openvino
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model), 'CPU', {
        'INFERENCE_NUM_THREADS': threads, 'PERFORMANCE_HINT': 'LATENCY',
        'INFERENCE_PRECISION_HINT': precision})
    request = compiled.create_infer_request()
    request.set_input_tensor(openvino.Tensor(
        np.full((1, _CHANNELS, _SIDE, _SIDE), 100, np.uint8)))
    return request.infer


def _convolutions() -> bytes:
    """Return an ONNX file of convolutions over a uint8 input."""
    rng = np.random.default_rng(0)
    nodes = [helper.make_node('Cast', ['x'], ['h0'], to=TensorProto.FLOAT)]
    constants = []
    for i in range(_LAYERS):
        weight = rng.normal(0, 0.02, (_CHANNELS, _CHANNELS, 3, 3)).astype(np.float32)
        constants.append(numpy_helper.from_array(weight, f'w{i}'))
        nodes.append(_conv(f'h{i}', f'w{i}', f'h{i + 1}'))
    return _file(nodes, constants, TensorProto.FLOAT)


def _int8_convolutions() -> bytes:
    """Return the same in int8, with a quantization around every convolution."""
    rng = np.random.default_rng(0)
    scale, zero = np.float32(1.0), np.uint8(0)
    constants = [numpy_helper.from_array(np.array(scale), 's'),
                 numpy_helper.from_array(np.array(zero), 'z'),
                 numpy_helper.from_array(np.array(np.float32(2e-4)), 'ws'),
                 numpy_helper.from_array(np.array(np.int8(0)), 'wz')]
    nodes = []
    source = 'x'
    for i in range(_LAYERS):
        weight = rng.integers(-127, 128, (_CHANNELS, _CHANNELS, 3, 3), np.int8)
        constants.append(numpy_helper.from_array(weight, f'w{i}'))
        nodes += [
            helper.make_node('DequantizeLinear', [source, 's', 'z'], [f'h{i}']),
            helper.make_node('DequantizeLinear', [f'w{i}', 'ws', 'wz'], [f'v{i}']),
            _conv(f'h{i}', f'v{i}', f'c{i}'),
            helper.make_node('QuantizeLinear', [f'c{i}', 's', 'z'], [f'q{i}']),
        ]
        source = f'q{i}'
    nodes[-1].output[0] = f'h{_LAYERS}'
    return _file(nodes, constants, TensorProto.UINT8)


def _conv(source: str, weight: str, output: str) -> onnx.NodeProto:
    return helper.make_node('Conv', [source, weight], [output], kernel_shape=[3, 3],
                            pads=[1, 1, 1, 1])


def _file(nodes: list, constants: list, output_type: int) -> bytes:
    shape = [1, _CHANNELS, _SIDE, _SIDE]
    graph = helper.make_graph(
        nodes, 'peak', [helper.make_tensor_value_info('x', TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info(f'h{_LAYERS}', output_type, shape)], constants)
    return helper.make_model(
        graph, ir_version=8,
        opset_imports=[helper.make_opsetid('', 13)]).SerializeToString()
