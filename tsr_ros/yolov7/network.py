# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""YOLOv7 as a PyTorch module, built from the list of its operations."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tsr_ros.yolov7.architectures import (
    IMAGE,
    STRIDES,
    Operation,
    find_architecture,
    lay_out,
)
from tsr_ros.yolov7.layers import Concat, ConvLayer, HeadLayer, RepConvLayer

Anchors = Sequence[Sequence[Sequence[float]]]


class Network(nn.Module):
    """
    A YOLOv7: RGB images (N, 3, H, W) of 0..1 to three raw head maps (N, 3 * (5 + C), H/s, W/s).

    H and W are divisible by 32. The attributes `architecture`, `num_classes`, `anchors` (3, 3, 2)
    in pixels and `strides` describe it; `operations` and `outputs` are its graph.
    """

    anchors: Tensor

    def __init__(self, architecture: str, num_classes: int, anchors: Anchors) -> None:
        super().__init__()
        self.architecture = architecture
        self.num_classes = num_classes
        self.strides = STRIDES
        self.operations, self.outputs = lay_out(architecture, num_classes)
        activation = find_architecture(architecture).activation
        self.body = nn.ModuleList(
            build_layer(operation, self.operations, activation) for operation in self.operations
        )
        self.register_buffer('anchors', torch.tensor(anchors).float(), persistent=False)
        self._last_use = {x: i for i, op in enumerate(self.operations) for x in op.inputs}
        for i in self.outputs:
            self._last_use[i] = len(self.operations)
        self.reset_head_bias()

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the raw maps of strides 8, 16 and 32."""
        values: dict[int, Tensor] = {IMAGE: images}
        for i, (layer, operation) in enumerate(zip(self.body, self.operations)):
            values[i] = layer(*(values[x] for x in operation.inputs))
            for x in set(operation.inputs):
                if self._last_use[x] == i:
                    del values[x]
        return [values[i] for i in self.outputs]

    def reset_head_bias(self) -> None:
        """Start with about 8 objects per 640 x 640 image and improbable classes."""
        for index, stride in zip(self.outputs, self.strides):
            bias = self.body[index].conv.bias.data.view(3, 5 + self.num_classes)
            bias[:, 4] = math.log(8 / (640 / stride) ** 2)
            bias[:, 5:] = math.log(0.6 / (max(self.num_classes, 2) - 0.99))


def build_layer(
    operation: Operation, operations: Sequence[Operation], activation: str
) -> nn.Module:
    """Return the module for one operation."""
    source = operation.inputs[0]
    in_channels = 3 if source == IMAGE else operations[source].channels
    settings = operation.settings
    if operation.op == 'conv':
        return ConvLayer(in_channels, operation.channels, activation=activation, **settings)
    if operation.op == 'rep_conv':
        return RepConvLayer(in_channels, operation.channels, activation)
    if operation.op == 'head':
        return HeadLayer(in_channels, operation.channels)
    if operation.op == 'concat':
        return Concat()
    if operation.op == 'max_pool':
        return nn.MaxPool2d(settings['kernel'], settings['stride'], settings['padding'])
    return nn.Upsample(scale_factor=settings['scale'], mode='nearest')


def build_network(architecture: str, num_classes: int, anchors: Anchors | None = None) -> Network:
    """
    Return an untrained network, its anchors those published for COCO where none are given.

    :raises ValueError: for an unknown architecture, fewer than one class or other than 3 x 3
        anchors.
    """
    if num_classes < 1:
        raise ValueError(f'a network needs at least one class, not {num_classes}')
    if anchors is None:
        anchors = find_architecture(architecture).anchors
    if torch.tensor(anchors).shape != (3, 3, 2):
        raise ValueError(f'anchors are 3 levels of 3 (width, height), not {anchors}')
    return Network(architecture, num_classes, anchors)


def fuse(network: Network) -> Network:
    """Fold batch norms, RepConv branches and implicit layers, in place, and return the network."""
    with torch.no_grad():
        for layer in network.body:
            if hasattr(layer, 'fuse'):
                layer.fuse()
    return network.eval()


def is_fused(network: Network) -> bool:
    """Tell whether `fuse` has been applied."""
    return not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def count_parameters(network: Network) -> int:
    """Return the number of weights and biases."""
    return sum(parameter.numel() for parameter in network.parameters())
