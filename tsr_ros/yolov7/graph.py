# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A fused network as a list of plain operations that runs without this package."""

from __future__ import annotations

from typing import Any

from tsr_ros.yolov7.network import Network, is_fused


def deployment_graph(network: Network) -> tuple[list[dict[str, Any]], list[int]]:
    """
    Return the operations of a fused network and the indices of its three head maps.

    An operation's inputs are indices of this list, -1 being the RGB image (N, 3, H, W) of 0..1.
    The tensors of a 'conv' are `<name>.weight` and `<name>.bias` of the network's state.

    :raises ValueError: for a network that is not fused
    """
    if not is_fused(network):
        raise ValueError('the deployment graph is that of a fused network: call fuse first')
    graph: list[dict[str, Any]] = []
    for i, (layer, operation) in enumerate(zip(network.body, network.operations)):
        node: dict[str, Any] = {'op': operation.op, 'inputs': list(operation.inputs)}
        if hasattr(layer, 'conv'):
            conv = layer.conv
            node.update(
                op='conv',
                name=f'body.{i}.conv',
                stride=conv.stride[0],
                padding=conv.padding[0],
                groups=conv.groups,
                activation=layer.activation,
            )
        elif operation.op == 'max_pool':
            node.update(
                kernel=layer.kernel_size, stride=layer.stride, padding=layer.padding
            )
        elif operation.op == 'upsample':
            node.update(scale=operation.settings['scale'])
        graph.append(node)
    return graph, list(network.outputs)
