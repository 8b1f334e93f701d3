# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The fused network as an ONNX graph, from weights.safetensors, without PyTorch."""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tsr_ros.backends.weights import IMAGE, Network, fold_input, parse_activation
from tsr_ros.report.files import write_bytes

OPSET = 13  # what TensorRT 8.2 reads
IR_VERSION = 8  # what ONNX Runtime 1.10 reads


def build_onnx(network: Network, data_path: str | None = None,
               precision: str = 'fp32') -> onnx.ModelProto:
    """
    Return the network as ONNX: `images` uint8 (batch, height, width, 3) BGR to raw head maps.

    With `data_path`, the name of the network's weights.safetensors relative to the ONNX file, the
    weights stay there as external data, fp16, widened by Cast nodes that runtimes fold when they
    load. Otherwise they are stored inside. `precision` (fp32, fp16) is what is calculated in.
    """
    builder = _Builder(fold_input(network), data_path, precision)
    graph = builder.build()
    model = helper.make_model(
        graph, producer_name='tsr_ros', ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid('', OPSET)])
    helper.set_model_props(model, describe(network, precision))
    if data_path is None:
        onnx.checker.check_model(model)
    return model


def describe(network: Network, precision: str) -> dict[str, str]:
    """Return what a model file says of itself, each value as JSON but the plain names."""
    return {
        'architecture': network.architecture,
        'precision': precision,
        'labels': json.dumps(network.labels),
        'anchors': json.dumps(network.anchors),
        'strides': json.dumps(network.strides),
        'input_wh': json.dumps(network.input_wh),
    }


def save_onnx(model: onnx.ModelProto, path: str) -> None:
    """Write a model, whole or not at all."""
    write_bytes(Path(path), model.SerializeToString(deterministic=True))


class _Builder:
    """Collects nodes and initializers of one graph."""

    def __init__(self, network: Network, data_path: str | None, precision: str) -> None:
        self.network = network
        self.data_path = data_path
        self.numpy_type, self.onnx_type = {
            'fp32': (np.float32, TensorProto.FLOAT), 'fp16': (np.float16, TensorProto.FLOAT16),
        }[precision]
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def build(self) -> onnx.GraphProto:
        network = self.network
        images = helper.make_tensor_value_info(
            'images', TensorProto.UINT8, ['batch', 'height', 'width', 3])
        self.add('Transpose', ['images'], 'image_nchw', perm=[0, 3, 1, 2])
        self.add('Cast', ['image_nchw'], 'image', to=self.onnx_type)
        for index, node in enumerate(network.graph):
            inputs = ['image' if i == IMAGE else f'node{i}' for i in node['inputs']]
            getattr(self, '_' + node['op'])(node, inputs, f'node{index}')
        outputs = []
        for output, stride in zip(network.outputs, network.strides):
            channels = len(network.tensors[network.graph[output]['name'] + '.bias'])
            name = f'stride{stride}'
            if self.numpy_type is np.float32:
                self.rename(f'node{output}', name)
            else:
                self.add('Cast', [f'node{output}'], name, to=TensorProto.FLOAT)
            outputs.append(helper.make_tensor_value_info(
                name, TensorProto.FLOAT,
                ['batch', channels, f'height/{stride}', f'width/{stride}']))
        return helper.make_graph(
            self.nodes, network.architecture, [images], outputs, self.initializers)

    def add(self, op: str, inputs: list[str], output: str, **attributes) -> None:
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))

    def rename(self, old: str, new: str) -> None:
        for node in self.nodes:
            node.input[:] = [new if name == old else name for name in node.input]
            node.output[:] = [new if name == old else name for name in node.output]

    def _conv(self, node: dict, inputs: list[str], output: str) -> None:
        weight = self.tensor(node['name'] + '.weight')
        bias = self.tensor(node['name'] + '.bias')
        kernel = list(self.network.tensors[node['name'] + '.weight'].shape[2:])
        activation, slope = parse_activation(node.get('activation'))
        linear = output if activation is None else output + '_linear'
        self.add('Conv', [*inputs, weight, bias], linear, kernel_shape=kernel,
                 strides=[node['stride']] * 2, pads=[node['padding']] * 4, group=node['groups'])
        if activation == 'leaky_relu':
            self.add('LeakyRelu', [linear], output, alpha=slope)
        elif activation == 'relu':
            self.add('Relu', [linear], output)
        elif activation == 'silu':
            self.add('Sigmoid', [linear], output + '_sigmoid')
            self.add('Mul', [linear, output + '_sigmoid'], output)

    def _concat(self, node: dict, inputs: list[str], output: str) -> None:
        self.add('Concat', inputs, output, axis=1)

    def _add(self, node: dict, inputs: list[str], output: str) -> None:
        self.add('Sum' if len(inputs) > 2 else 'Add', inputs, output)

    def _max_pool(self, node: dict, inputs: list[str], output: str) -> None:
        self.add('MaxPool', inputs, output, kernel_shape=[node['kernel']] * 2,
                 strides=[node['stride']] * 2, pads=[node['padding']] * 4)

    def _upsample(self, node: dict, inputs: list[str], output: str) -> None:
        scales = f'scales{node["scale"]}'
        if all(tensor.name != scales for tensor in self.initializers):
            values = np.array([1, 1, node['scale'], node['scale']], np.float32)
            self.initializers.append(numpy_helper.from_array(values, scales))
        self.add('Resize', [*inputs, '', scales], output, mode='nearest',
                 coordinate_transformation_mode='asymmetric', nearest_mode='floor')

    def tensor(self, name: str) -> str:
        """Add a weight or bias as an initializer and return what a node is to read."""
        values, place = self.network.tensors[name], self.network.places[name]
        stored = values.dtype == place.dtype and place.dtype == np.float16
        if self.data_path is None or not stored:
            tensor = numpy_helper.from_array(np.ascontiguousarray(values, self.numpy_type), name)
            self.initializers.append(tensor)
            return name
        tensor = TensorProto(
            name=name, dims=place.shape, data_type=TensorProto.FLOAT16,
            data_location=TensorProto.EXTERNAL)
        for key, value in (
                ('location', self.data_path), ('offset', place.offset), ('length', place.length)):
            tensor.external_data.add(key=key, value=str(value))
        self.initializers.append(tensor)
        if self.onnx_type == TensorProto.FLOAT16:
            return name
        self.add('Cast', [name], name + '.fp32', to=TensorProto.FLOAT)
        return name + '.fp32'
