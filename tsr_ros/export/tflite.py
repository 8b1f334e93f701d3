# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The fused network as a TensorFlow Lite file, float or int8, straight from weights.safetensors.

Input `images` uint8 (1, H, W, 3) BGR, output the raw head maps in TensorFlow's layout NHWC. The
format: https://github.com/google-ai-edge/LiteRT/blob/main/tflite/converter/schema/schema.fbs;
how int8 is calculated: https://ai.google.dev/edge/litert/models/quantization_spec.
"""

import json
from collections.abc import Iterable

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tsr_ros.backends.weights import IMAGE, Network, fold_input, parse_activation

from .onnx_graph import describe

_OP, _TYPE, _OPTIONS = schema.BuiltinOperator, schema.TensorType, schema.BuiltinOptions
_NUMPY = {_TYPE.FLOAT32: np.float32, _TYPE.FLOAT16: np.float16, _TYPE.INT8: np.int8,
          _TYPE.INT32: np.int32}
# the version of each operation that knows int8 (and, for DEQUANTIZE, float16)
_VERSIONS = {
    _OP.CONV_2D: 3, _OP.DEQUANTIZE: 3, _OP.QUANTIZE: 2, _OP.CONCATENATION: 2, _OP.MAX_POOL_2D: 2,
    _OP.RESIZE_NEAREST_NEIGHBOR: 2, _OP.PAD: 2, _OP.LEAKY_RELU: 2, _OP.LOGISTIC: 2, _OP.MUL: 2,
    _OP.ADD: 2, _OP.RELU: 2,
}

Ranges = dict[str, tuple[float, float]]


class Scale:
    """How an int8 tensor stands for numbers: number = scale * (stored - zero)."""

    def __init__(self, least: float, greatest: float) -> None:
        least, greatest = min(least, 0.0), max(greatest, 0.0)  # 0 must be exact, for the padding
        self.scale = max(greatest - least, 1e-6) / 255
        self.zero = int(np.clip(round(-128 - least / self.scale), -128, 127))


def build_tflite(network: Network, ranges: Ranges | None = None,
                 keep_float: Iterable[str] = ()) -> bytes:
    """
    Return the TensorFlow Lite file of a network.

    Without `ranges` it calculates in float with weights stored as fp16. With them (see
    activation_ranges.py) all is int8 but the last convolutions, whose maps hold sizes and
    probabilities side by side, and those that `keep_float` names.
    """
    layers = {node['name'] for node in network.graph if 'name' in node}
    unknown = set(keep_float) - layers
    if unknown:
        raise ValueError(f'there is no layer {", ".join(sorted(unknown))} to keep in float')
    return _Builder(fold_input(network), ranges, set(keep_float)).build()


def _shared_scales(network: Network, ranges: Ranges) -> dict[str, Scale]:
    """Return each node's Scale; those that concat, max_pool and upsample join share one."""
    group = list(range(len(network.graph)))

    def leader(node: int) -> int:
        while group[node] != node:
            node = group[node]
        return node

    for index, node in enumerate(network.graph):
        if node['op'] in ('concat', 'max_pool', 'upsample'):
            for source in node['inputs']:
                group[leader(source)] = leader(index)
    limits: dict[int, tuple[float, float]] = {}
    for index in range(len(network.graph)):
        if index in network.outputs:
            continue
        least, greatest = ranges[f'node{index}']
        before = limits.get(leader(index), (least, greatest))
        limits[leader(index)] = min(before[0], least), max(before[1], greatest)
    scales = {f'node{i}': Scale(*limits[leader(i)])
              for i in range(len(network.graph)) if i not in network.outputs}
    scales.update({name: Scale(*limit) for name, limit in ranges.items() if name not in scales})
    scales['image'] = Scale(0, 255)
    return scales


class _Builder:
    """Collects tensors and operators of one graph."""

    def __init__(self, network: Network, ranges: Ranges | None, keep_float: set[str]) -> None:
        self.network, self.keep_float = network, keep_float
        self.scales = None if ranges is None else _shared_scales(network, ranges)
        self.tensors: list = []
        self.operators: list = []
        self.codes: list[int] = []
        self.buffers = [schema.BufferT()]  # the first is empty, by definition
        self.shapes: dict[int, tuple[int, int, int]] = {}  # height, width, channels of each node
        self.values: dict[int, int] = {}  # the tensor of each node

    def build(self) -> bytes:
        network = self.network
        width, height = network.input_wh
        images = self.tensor('images', (1, height, width, 3), _TYPE.UINT8, scale=([1.0], [0]))
        if self.scales is None:
            self.values[IMAGE] = self.result('image', (height, width, 3))
            self.operator(_OP.DEQUANTIZE, [images], self.values[IMAGE])
        else:
            self.values[IMAGE] = self.result('image', (height, width, 3), self.scale('image'))
            self.operator(_OP.QUANTIZE, [images], self.values[IMAGE])
        self.shapes[IMAGE] = height, width, 3
        for index, node in enumerate(network.graph):
            getattr(self, '_' + node['op'])(index, node)
        outputs = [self.values[output] for output in network.outputs]
        for output, stride in zip(outputs, network.strides):
            self.tensors[output].name = f'stride{stride}'
        return self.pack(images, outputs)

    def pack(self, images: int, outputs: list[int]) -> bytes:
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = [images], outputs
        model = schema.ModelT()
        model.version = 3
        precision = 'fp32' if self.scales is None else 'int8'
        model.description = json.dumps(describe(self.network, precision))
        model.subgraphs, model.buffers = [graph], self.buffers
        model.operatorCodes = []
        for code in self.codes:
            entry = schema.OperatorCodeT()
            entry.builtinCode, entry.version = code, _VERSIONS[code]
            entry.deprecatedBuiltinCode = min(code, 127)
            model.operatorCodes.append(entry)
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), b'TFL3')
        return bytes(builder.Output())

    def tensor(self, name: str, shape: tuple, kind: int, values: np.ndarray | None = None,
               scale: tuple[list, list] | None = None) -> int:
        """Add a tensor and return its number; with values it is a constant."""
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, list(shape), kind, 0
        if values is not None:
            buffer = schema.BufferT()
            data = np.ascontiguousarray(values, _NUMPY[kind]).tobytes()
            buffer.data = np.frombuffer(data, np.uint8)
            self.buffers.append(buffer)
            tensor.buffer = len(self.buffers) - 1
        if scale is not None:
            quantization = schema.QuantizationParametersT()
            quantization.scale, quantization.zeroPoint = scale
            tensor.quantization = quantization
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def result(self, name: str, shape: tuple[int, int, int], scale: Scale | None = None) -> int:
        """Add the tensor of an operation's result: int8 where it has a scale, else float."""
        if scale is None:
            return self.tensor(name, (1, *shape), _TYPE.FLOAT32)
        return self.tensor(name, (1, *shape), _TYPE.INT8, scale=([scale.scale], [scale.zero]))

    def operator(self, code: int, inputs: list[int], output: int,
                 options_type: int = 0, **options: object) -> None:
        operator = schema.OperatorT()
        if code not in self.codes:
            self.codes.append(code)
        operator.opcodeIndex = self.codes.index(code)
        operator.inputs, operator.outputs = inputs, [output]
        if options_type:
            name = next(k for k, v in vars(_OPTIONS).items() if v == options_type)
            operator.builtinOptionsType = options_type
            operator.builtinOptions = getattr(schema, name + 'T')()
            for key, value in options.items():
                setattr(operator.builtinOptions, key, value)
        self.operators.append(operator)

    def scale(self, name: str) -> Scale | None:
        """Return how a tensor is stored as int8; None where it is float."""
        return None if self.scales is None else self.scales.get(name)

    def finish(self, index: int, shape: tuple[int, int, int]) -> int:
        """Add the result of a node and note it."""
        self.shapes[index] = shape
        self.values[index] = self.result(f'node{index}', shape, self.scale(f'node{index}'))
        return self.values[index]

    def _conv(self, index: int, node: dict) -> None:
        if node['groups'] != 1:
            raise ValueError(f'{node["name"]}: grouped convolutions are not exported to TFLite')
        weight = self.network.tensors[node['name'] + '.weight']
        weight = weight.transpose(0, 2, 3, 1)  # output, height, width, input
        bias = self.network.tensors[node['name'] + '.bias']
        source = node['inputs'][0]
        value, shape = self.values[source], self.shapes[source]
        scale = self.scale('image' if source == IMAGE else f'node{source}')
        head = index in self.network.outputs
        # between layers all is int8; what is calculated in float is turned to float and back
        in_float = scale is not None and (head or node['name'] in self.keep_float)
        if in_float:
            wide = self.result(f'node{index}_input', shape)
            self.operator(_OP.DEQUANTIZE, [value], wide)
            value, scale = wide, None
        value, shape, padding = self.pad(index, node, value, shape, scale)
        stride, kernel = node['stride'], weight.shape[1]
        if padding == schema.Padding.SAME:
            height, width = -(-shape[0] // stride), -(-shape[1] // stride)
        else:
            height, width = ((side - kernel) // stride + 1 for side in shape[:2])
        shape = height, width, len(bias)
        constants = self.float_weights(node['name'], weight, bias) if scale is None else (
            self.int8_weights(node['name'], weight, bias, scale))

        activation, slope = parse_activation(node.get('activation'))
        output = self.result(f'node{index}_float', shape) if in_float and not head else (
            self.finish(index, shape))
        linear = output if activation is None else self.result(
            f'node{index}_linear', shape, scale and self.scale(f'node{index}_linear'))
        self.operator(_OP.CONV_2D, [value, *constants], linear, _OPTIONS.Conv2DOptions,
                      padding=padding, strideW=stride, strideH=stride)
        if activation is not None:
            self.activate(index, linear, output, shape, activation, slope)
        if in_float and not head:
            self.operator(_OP.QUANTIZE, [output], self.finish(index, shape))

    def pad(self, index: int, node: dict, value: int, shape: tuple,
            scale: Scale | None) -> tuple[int, tuple, int]:
        """Pad as the node says: by itself where TensorFlow's own rule would do something else."""
        padding = node['padding']
        kernel = self.network.tensors[node['name'] + '.weight'].shape[2]
        if padding == 0:
            return value, shape, schema.Padding.VALID
        if node['stride'] == 1 and kernel == 2 * padding + 1:
            return value, shape, schema.Padding.SAME
        shape = shape[0] + 2 * padding, shape[1] + 2 * padding, shape[2]
        padded = self.result(f'node{index}_padded', shape, scale)
        amounts = np.array([[0, 0], [padding] * 2, [padding] * 2, [0, 0]])
        amounts = self.tensor(f'node{index}_padding', (4, 2), _TYPE.INT32, amounts)
        self.operator(_OP.PAD, [value, amounts], padded, _OPTIONS.PadOptions)
        return padded, shape, schema.Padding.VALID

    def float_weights(self, name: str, weight: np.ndarray, bias: np.ndarray) -> list[int]:
        """Add weights as they are stored; those of fp16 are widened when the file is loaded."""
        result = []
        for suffix, values in ('.weight', weight), ('.bias', bias):
            # the first layer's are not fp16, as / 255 is folded in; XNNPACK runs no mixture
            if weight.dtype != np.float16:
                result.append(self.tensor(name + suffix, values.shape, _TYPE.FLOAT32, values))
                continue
            stored = self.tensor(name + suffix + '_fp16', values.shape, _TYPE.FLOAT16, values)
            result.append(self.tensor(name + suffix, values.shape, _TYPE.FLOAT32))
            self.operator(_OP.DEQUANTIZE, [stored], result[-1])
        return result

    def int8_weights(self, name: str, weight: np.ndarray, bias: np.ndarray,
                     scale: Scale) -> list[int]:
        weight, bias = weight.astype(np.float32), bias.astype(np.float32)
        scales = np.maximum(np.abs(weight).max(axis=(1, 2, 3)), 1e-8) / 127
        zeros = [0] * len(scales)
        stored = np.round(weight / scales[:, None, None, None])
        bias_scales = scales * scale.scale
        return [
            self.tensor(name + '.weight', weight.shape, _TYPE.INT8, stored,
                        (scales.tolist(), zeros)),
            self.tensor(name + '.bias', bias.shape, _TYPE.INT32, np.round(bias / bias_scales),
                        (bias_scales.tolist(), zeros)),
        ]

    def activate(self, index: int, linear: int, output: int, shape: tuple, activation: str,
                 slope: float) -> None:
        if activation == 'leaky_relu':
            self.operator(_OP.LEAKY_RELU, [linear], output, _OPTIONS.LeakyReluOptions, alpha=slope)
        elif activation == 'relu':
            self.operator(_OP.RELU, [linear], output)
        else:
            # int8 has one fixed scale for a sigmoid: 1 / 256 from -128
            in_float = self.tensors[linear].type == _TYPE.FLOAT32
            sigmoid = self.result(
                f'node{index}_sigmoid', shape, None if in_float else Scale(0, 255 / 256))
            self.operator(_OP.LOGISTIC, [linear], sigmoid)
            self.operator(_OP.MUL, [linear, sigmoid], output, _OPTIONS.MulOptions)

    def _concat(self, index: int, node: dict) -> None:
        height, width, _ = self.shapes[node['inputs'][0]]
        channels = sum(self.shapes[i][2] for i in node['inputs'])
        inputs = [self.values[i] for i in node['inputs']]
        output = self.finish(index, (height, width, channels))
        self.operator(_OP.CONCATENATION, inputs, output, _OPTIONS.ConcatenationOptions, axis=3)

    def _add(self, index: int, node: dict) -> None:
        if len(node['inputs']) != 2:
            raise ValueError('only sums of two are exported to TFLite')
        inputs = [self.values[i] for i in node['inputs']]
        output = self.finish(index, self.shapes[node['inputs'][0]])
        self.operator(_OP.ADD, inputs, output, _OPTIONS.AddOptions)

    def _max_pool(self, index: int, node: dict) -> None:
        kernel, stride, padding = node['kernel'], node['stride'], node['padding']
        height, width, channels = self.shapes[node['inputs'][0]]
        if padding and (stride != 1 or kernel != 2 * padding + 1):
            raise ValueError(f'max_pool {kernel}, {stride}, {padding} is not exported to TFLite')
        if not padding:
            height, width = ((side - kernel) // stride + 1 for side in (height, width))
        value = self.values[node['inputs'][0]]
        output = self.finish(index, (height, width, channels))
        self.operator(
            _OP.MAX_POOL_2D, [value], output, _OPTIONS.Pool2DOptions, strideW=stride,
            strideH=stride, filterWidth=kernel, filterHeight=kernel,
            padding=schema.Padding.SAME if padding else schema.Padding.VALID)

    def _upsample(self, index: int, node: dict) -> None:
        height, width, channels = self.shapes[node['inputs'][0]]
        height, width = height * node['scale'], width * node['scale']
        size = self.tensor(f'node{index}_size', (2,), _TYPE.INT32, np.array([height, width]))
        value = self.values[node['inputs'][0]]
        output = self.finish(index, (height, width, channels))
        self.operator(_OP.RESIZE_NEAREST_NEIGHBOR, [value, size], output,
                      _OPTIONS.ResizeNearestNeighborOptions)
