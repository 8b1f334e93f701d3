# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
How a model file describes itself: labels, anchors, strides, input_wh, each as JSON.

safetensors and ONNX files carry them as metadata, TensorFlow Lite files that `tsr export` wrote
in their description. Any file may have a neighbour of the same name
with '.yaml' added, which says the same and is read first.
"""

import json
import os
import struct

import yaml

from .base import ModelFileError
from .protobuf import read_fields
from .weights import read_header

KEYS = ('labels', 'anchors', 'strides', 'input_wh')


def read_metadata(path):
    """Return {labels, anchors, strides, input_wh, and precision where it is said} of a file."""
    sidecar = path + '.yaml'
    try:
        if os.path.exists(sidecar):
            with open(sidecar, encoding='utf-8') as file:
                metadata = dict(yaml.safe_load(file))
        else:
            metadata = _own_metadata(path)
        missing = [key for key in KEYS if key not in metadata]
        if missing:
            raise ValueError('it says nothing of {}'.format(', '.join(missing)))
        check_description(metadata)
    except OSError as error:
        raise ModelFileError('{} cannot be read: {}'.format(path, error.strerror))
    except (ValueError, TypeError, yaml.YAMLError) as error:
        raise ModelFileError(
            '{} does not describe itself: {}; write labels, anchors, strides and input_wh into {}'
            .format(path, error, sidecar))
    return metadata


def check_description(description):
    """Raise ValueError where a dict's labels, anchors, strides or input_wh make no sense."""
    labels, anchors, strides, input_wh = (description[key] for key in KEYS)
    if not _are(labels, lambda label: isinstance(label, str)):
        raise ValueError('labels are a list of names, not {!r}'.format(labels))
    if not _are(strides, _is_size):
        raise ValueError('strides are a list of whole numbers, not {!r}'.format(strides))
    if not _are(input_wh, _is_size) or len(input_wh) != 2:
        raise ValueError('input_wh is a width and a height, not {!r}'.format(input_wh))
    if not _are(anchors, lambda level: _are(level, _is_anchor)) or len(anchors) != len(strides):
        raise ValueError('anchors are lists of [width, height], one for each of the {} strides, '
                         'not {!r}'.format(len(strides), anchors))


def _are(values, fits):
    return isinstance(values, (list, tuple)) and len(values) > 0 and all(map(fits, values))


def _is_size(value):
    return isinstance(value, int) and value > 0


def _is_anchor(value):
    return _are(value, lambda side: isinstance(side, (int, float)) and side > 0) and (
        len(value) == 2)


def _own_metadata(path):
    suffix = os.path.splitext(path)[1]
    if suffix == '.safetensors':
        strings = read_header(path)[0]
    elif suffix == '.onnx':
        strings = read_onnx_metadata(path)
    elif suffix == '.tflite':
        strings = read_tflite_metadata(path)
    else:
        strings = {}
    metadata = {key: json.loads(strings[key]) for key in KEYS if key in strings}
    if 'precision' in strings:
        metadata['precision'] = strings['precision']
    return metadata


def read_onnx_metadata(path):
    """
    Return the metadata_props of an ONNX file as a dict of strings, without the onnx package.

    They are field 14 of ModelProto, key and value are fields 1 and 2 of each (onnx.proto3).
    """
    with open(path, 'rb') as file:
        data = file.read()
    try:
        result = {}
        for field, _, value in read_fields(data):
            if field == 14:
                entry = {key: text for key, _, text in read_fields(value)}
                result[entry.get(1, b'').decode()] = entry.get(2, b'').decode()
        return result
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError('it is not a whole ONNX file ({})'.format(error))


def read_tflite_metadata(path):
    """
    Return the dict of strings in a TensorFlow Lite file's description, without its runtime.

    It is the fourth field of the flatbuffer's root table Model (schema.fbs); others have plain
    text there.
    """
    with open(path, 'rb') as file:
        data = file.read()
    if data[4:8] != b'TFL3':
        raise ValueError('it is not a TensorFlow Lite file')
    try:
        root, = struct.unpack_from('<I', data)
        table = root - struct.unpack_from('<i', data, root)[0]
        size, = struct.unpack_from('<H', data, table)
        place = struct.unpack_from('<H', data, table + 10)[0] if size > 10 else 0
        if not place:
            return {}
        start = root + place
        start += struct.unpack_from('<I', data, start)[0]
        length, = struct.unpack_from('<I', data, start)
        description = json.loads(data[start + 4:start + 4 + length].decode())
    except struct.error:
        raise ValueError('it is not a whole TensorFlow Lite file')
    except ValueError:
        return {}
    return description if isinstance(description, dict) else {}
