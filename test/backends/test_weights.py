# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import json

import numpy as np
import pytest
from helpers import write_safetensors

from tsr_ros.backends.base import ModelFileError
from tsr_ros.backends.weights import (
    fold_input,
    parse_activation,
    read_header,
    read_network,
    read_tensors,
)

METADATA = {
    'format': 'tsr-weights-1', 'architecture': 'one', 'labels': '["a", "b"]',
    'anchors': '[[[1, 2], [3, 4], [5, 6]]]', 'strides': '[8]', 'input_wh': '[32, 16]',
    'graph': json.dumps([{'op': 'conv', 'name': 'head', 'inputs': [-1], 'stride': 8, 'padding': 0,
                          'groups': 1, 'activation': None}]),
    'outputs': '[0]',
}


def tensors():
    weight = np.arange(21 * 3 * 8 * 8).reshape(21, 3, 8, 8) / 4096
    return {'head.weight': weight.astype(np.float16), 'head.bias': np.ones(21, np.float16)}


def write(path, metadata=None, content=None):
    write_safetensors(path, tensors() if content is None else content, metadata or METADATA)
    return str(path)


def test_a_file_without_tensors(tmp_path):
    path = write(tmp_path / 'empty.safetensors', {'a': 'b'}, {})
    assert read_tensors(path) == ({'a': 'b'}, {})


def test_tensors_are_those_that_the_reference_implementation_reads(tmp_path):
    safe_open = pytest.importorskip('safetensors').safe_open  # not made for Python 3.6
    path = write(tmp_path / 'w.safetensors')
    _, found = read_tensors(path)
    with safe_open(path, 'numpy') as reference:
        assert set(found) == set(reference.keys())
        for name in found:
            np.testing.assert_array_equal(found[name], reference.get_tensor(name))


def test_places_are_where_the_bytes_are(tmp_path):
    path = write(tmp_path / 'w.safetensors')
    place = read_header(path)[1]['head.bias']
    with open(path, 'rb') as file:
        file.seek(place.offset)
        data = file.read(place.length)
    np.testing.assert_array_equal(np.frombuffer(data, place.dtype), np.ones(21))


def test_network(tmp_path):
    network = read_network(write(tmp_path / 'w.safetensors'))
    assert network.labels == ['a', 'b']
    assert network.input_wh == (32, 16)
    assert network.outputs == [0]
    assert network.graph[0]['op'] == 'conv'


def test_folded_input_means_the_same(tmp_path):
    network = read_network(write(tmp_path / 'w.safetensors'))
    folded = fold_input(network)
    pixel_bgr = np.array([10, 120, 250])
    before = (network.tensors['head.weight'][:, :, 0, 0].astype(float) @ pixel_bgr[::-1]) / 255
    after = folded.tensors['head.weight'][:, :, 0, 0] @ pixel_bgr
    np.testing.assert_allclose(after, before, rtol=1e-6)


@pytest.mark.parametrize('keep', [0, 4, 8, 40, 0.5, -1])
def test_a_file_cut_short_is_refused(tmp_path, keep):
    path = tmp_path / 'w.safetensors'
    write(path)
    data = path.read_bytes()
    path.write_bytes(data[:int(len(data) * keep) if isinstance(keep, float) else keep])
    with pytest.raises(ModelFileError, match='no whole safetensors file'):
        read_network(str(path))


@pytest.mark.parametrize(('key', 'value', 'message'), [
    ('format', 'other', 'is not of the form'),
    ('labels', '["only one"]', '1 labels do not fit 21 channels'),
    ('outputs', '[3]', 'no usable network'),
    ('graph', '[{"op": "eval", "inputs": [-1]}]', "'eval' is not known"),
    ('graph', '[{"op": "add", "inputs": [0]}]', 'node 0 reads'),
    ('graph', 'not json', 'no usable network'),
    ('graph', '[{"op": "conv", "name": "missing", "inputs": [-1]}]', 'missing.weight'),
])
def test_what_is_no_network_is_refused(tmp_path, key, value, message):
    path = write(tmp_path / 'w.safetensors', dict(METADATA, **{key: value}))
    with pytest.raises(ModelFileError, match=message):
        read_network(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(ModelFileError, match='cannot be read: No such file'):
        read_network(str(tmp_path / 'none'))


@pytest.mark.parametrize(('text', 'expected'), [
    (None, (None, 0.0)), ('silu', ('silu', 0.01)), ('leaky_relu:0.1', ('leaky_relu', 0.1)),
])
def test_activation(text, expected):
    assert parse_activation(text) == expected


def test_an_unknown_activation_is_refused():
    with pytest.raises(ValueError, match='mish'):
        parse_activation('mish')
