# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence

from tsr_ros.backends.weights import IMAGE, Network


def network_gflop(network: Network, input_wh: Sequence[int]) -> float:
    """
    Return the work of the convolutions for one image, in 10^9 operations.

    Two operations for a multiply-add, as the published figures of YOLOv7 count.
    """
    sizes = {IMAGE: (input_wh[0], input_wh[1])}
    operations = 0
    for index, node in enumerate(network.graph):
        width, height = sizes[node['inputs'][0]]
        if node['op'] == 'upsample':
            width, height = width * node['scale'], height * node['scale']
        elif node['op'] in ('conv', 'max_pool'):
            kernel = node.get('kernel')
            if node['op'] == 'conv':
                weight = network.tensors[node['name'] + '.weight']
                kernel = weight.shape[2]
            width, height = ((side + 2 * node['padding'] - kernel) // node['stride'] + 1
                             for side in (width, height))
            if node['op'] == 'conv':
                operations += 2 * width * height * weight.size
        sizes[index] = width, height
    return operations / 1e9
