# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
weights.safetensors: a fused network as its graph (in the metadata) and fp16 tensors.

Layout of the file: https://huggingface.co/docs/safetensors#format
"""

import json
import os
from typing import NamedTuple

import numpy as np

from .base import ModelFileError

FORMAT = 'tsr-weights-1'
IMAGE = -1  # the node that stands for the RGB image, (N, 3, H, W), 0 to 1
_DTYPES = {
    'F64': np.float64, 'F32': np.float32, 'F16': np.float16, 'I64': np.int64, 'I32': np.int32,
    'I16': np.int16, 'I8': np.int8, 'U8': np.uint8, 'BOOL': np.bool_,
}
_MAX_HEADER = 100 * 1000 * 1000  # the limit that the format sets


class TensorPlace(NamedTuple):
    """Where a tensor's bytes lie in its file."""

    dtype: type
    shape: tuple
    offset: int  # from the file's start
    length: int


class Network(NamedTuple):
    """A fused network: plain operations and their tensors."""

    architecture: str
    labels: list
    anchors: list  # (level, anchor, wh), pixels of the input
    strides: list
    input_wh: tuple  # trained for
    graph: list  # of operations, each a dict with 'op', 'inputs' and its options
    outputs: list  # the graph's nodes that give the head maps
    tensors: dict  # name: array
    places: dict  # name: TensorPlace


def read_header(path):
    """Return the metadata (dict of strings) and the TensorPlace of each tensor of a file."""
    try:
        size = os.path.getsize(path)
        with open(path, 'rb') as file:
            length = int.from_bytes(file.read(8), 'little')
            if not 2 <= length <= min(_MAX_HEADER, size - 8):
                raise ValueError('its header is cut short')
            header = json.loads(file.read(length).decode())
        start = 8 + length
        metadata = header.pop('__metadata__', {})
        places = {}
        for name, entry in header.items():
            first, last = entry['data_offsets']
            dtype = _DTYPES[entry['dtype']]
            shape = tuple(int(side) for side in entry['shape'])
            places[name] = TensorPlace(dtype, shape, start + first, last - first)
            if not 0 <= first <= last <= size - start:
                raise ValueError('tensor {} is cut off'.format(name))
            if int(np.prod(shape)) * np.dtype(dtype).itemsize != last - first:
                raise ValueError('tensor {} has a wrong size'.format(name))
    except OSError as error:
        raise ModelFileError('{} cannot be read: {}'.format(path, error.strerror))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelFileError('{} is no whole safetensors file: {}'.format(path, error))
    return metadata, places


def read_tensors(path):
    """Return the metadata and the tensors of a safetensors file; the tensors are read-only."""
    metadata, places = read_header(path)
    with open(path, 'rb') as file:
        data = file.read()
    return metadata, {
        name: np.frombuffer(data, place.dtype, int(np.prod(place.shape)), place.offset).reshape(
            place.shape)
        for name, place in places.items()
    }


def read_network(path):
    """Read a network of the form `tsr-weights-1`; raises ModelFileError where it is not one."""
    metadata, tensors = read_tensors(path)
    if metadata.get('format') != FORMAT:
        raise ModelFileError('{} is not of the form {}, but {}'.format(
            path, FORMAT, metadata.get('format', 'without a name')))
    try:
        graph = json.loads(metadata['graph'])
        network = Network(
            metadata['architecture'], json.loads(metadata['labels']),
            json.loads(metadata['anchors']), json.loads(metadata['strides']),
            tuple(json.loads(metadata['input_wh'])), graph, json.loads(metadata['outputs']),
            tensors, read_header(path)[1])
        for index, node in enumerate(graph):
            _check_node(node, index, tensors)
        for output, anchors in zip(network.outputs, network.anchors):
            channels = len(tensors[graph[output]['name'] + '.bias'])
            if channels != len(anchors) * (5 + len(network.labels)):
                raise ValueError('{} labels do not fit {} channels'.format(
                    len(network.labels), channels))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ModelFileError('{} holds no usable network: {!r}'.format(path, error))
    return network


def _check_node(node, index, tensors):
    if not node['inputs'] or not all(IMAGE <= i < index for i in node['inputs']):
        raise ValueError('node {} reads {}'.format(index, node['inputs']))
    if node['op'] == 'conv':
        weight, bias = tensors[node['name'] + '.weight'], tensors[node['name'] + '.bias']
        if weight.ndim != 4 or bias.shape != weight.shape[:1]:
            raise ValueError('{} has tensors {} and {}'.format(
                node['name'], weight.shape, bias.shape))
        parse_activation(node.get('activation'))
    elif node['op'] not in ('concat', 'max_pool', 'upsample', 'add'):
        raise ValueError('operation {!r} is not known'.format(node['op']))


def parse_activation(activation):
    """Return (name, slope) of 'leaky_relu:0.1', 'silu' or None."""
    if activation is None:
        return None, 0.0
    name, _, slope = activation.partition(':')
    if name not in ('leaky_relu', 'silu', 'relu'):
        raise ValueError('activation {!r} is not known'.format(activation))
    return name, float(slope or 0.01)


def fold_input(network):
    """
    Return the network with tensors that take a BGR image of 0 to 255 in place of RGB of 0 to 1.

    The first convolutions' weights, turned over and divided by 255 in fp32, do it at no cost.
    """
    tensors = dict(network.tensors)
    for node in network.graph:
        if IMAGE in node['inputs']:
            if node['op'] != 'conv':
                raise ValueError('the image may only be read by convolutions')
            name = node['name'] + '.weight'
            tensors[name] = network.tensors[name][:, ::-1].astype(np.float32) / np.float32(255)
    return network._replace(tensors=tensors)
