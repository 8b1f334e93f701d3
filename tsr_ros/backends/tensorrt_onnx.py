# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Our ONNX files in the form that every TensorRT parser from 8.2 on reads.

Field numbers are those of onnx.proto3: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3
"""

import copy
import os

import numpy as np

from .base import ModelFileError
from .protobuf import BYTES, VARINT, read_fields, read_varints, write_field, write_fields

FLOAT, FLOAT16 = 1, 10
_NUMPY_TYPES = {FLOAT: np.dtype('<f4'), FLOAT16: np.dtype('<f2')}
_EXTERNAL = 1


def read_for_tensorrt(path, input_shape, half=False, float_input=False):
    """
    Return the bytes of an ONNX model for TensorRT, with weights inside and all shapes fixed.

    What its parsers ask for, beyond the standard: weights that are constants, not casts of
    constants; a uint8 image that is cast before anything else is done with it, and for 8.2,
    which knows no uint8, a float one (`float_input`). With `half` the network calculates in
    fp16: from TensorRT 11 on, only the file can say so.
    """
    try:
        with open(path, 'rb') as file:
            model = list(read_fields(file.read()))
        graph = _Graph(next(value for number, _, value in model if number == 7), path)
        graph.fold_casts_of_constants()
        graph.cast_image_first()
        graph.fix_input(input_shape, float_input)
        if half:
            graph.calculate_in_half()
    except OSError as error:
        raise ModelFileError('{} cannot be read: {}'.format(
            error.filename or path, error.strerror))
    except (ValueError, TypeError, KeyError, IndexError, StopIteration, AttributeError) as error:
        raise ModelFileError('{} is not an ONNX file that can be prepared for TensorRT: {}'.format(
            path, error or type(error).__name__))
    return write_fields((number, kind, graph.serialize() if number == 7 else value)
                        for number, kind, value in model)


class _Node:
    """A NodeProto, of which only the names and the operation are looked at."""

    def __init__(self, data):
        fields = list(read_fields(data))
        self.inputs = [value.decode() for number, _, value in fields if number == 1]
        self.outputs = [value.decode() for number, _, value in fields if number == 2]
        self.name = b''.join(value for number, _, value in fields if number == 3)
        self.op = b''.join(value for number, _, value in fields if number == 4).decode()
        self.attributes = [value for number, _, value in fields if number == 5]

    def serialize(self):
        return b''.join(
            [write_field(1, name) for name in self.inputs]
            + [write_field(2, name) for name in self.outputs]
            + [write_field(3, self.name), write_field(4, self.op)]
            + [write_field(5, attribute) for attribute in self.attributes])

    def cast_to(self):
        """Return the type that a Cast gives."""
        return next(value for number, kind, value in read_fields(self.attributes[0])
                    if number == 3 and kind == VARINT)


class _Tensor:
    """A TensorProto, its values read from wherever they lie."""

    def __init__(self, data, folder):
        fields = list(read_fields(data))
        self.fields = [field for field in fields if field[0] not in (2, 8, 9, 13, 14)]
        single = {number: value for number, _, value in fields}
        self.dtype = single[2]
        self.name = single.get(8, b'').decode()
        self.raw = single.get(9)
        if single.get(14) == _EXTERNAL:
            entries = [{number: text.decode() for number, _, text in read_fields(value)}
                       for number, _, value in fields if number == 13]
            self.raw = _read_external({entry[1]: entry[2] for entry in entries}, folder)

    def converted(self, dtype, name):
        """Return the tensor under another name, and in another of the floating-point types."""
        result = copy.copy(self)
        result.name = name
        if dtype != self.dtype:
            result.raw = self._values().astype(_NUMPY_TYPES[dtype]).tobytes()
            result.dtype = dtype
            result.fields = [field for field in self.fields if field[0] == 1]  # its shape
        return result

    def _values(self):
        if self.raw is not None:
            return np.frombuffer(self.raw, _NUMPY_TYPES[self.dtype])
        data = b''.join(value for number, _, value in self.fields if number in (4, 5))
        if self.dtype == FLOAT:
            return np.frombuffer(data, '<f4')
        return np.array(list(read_varints(data)), np.uint16).view('<f2')

    def serialize(self):
        parts = [write_fields(self.fields), write_field(2, self.dtype), write_field(8, self.name)]
        if self.raw is not None:
            parts.append(write_field(9, self.raw))
        return b''.join(parts)


def _read_external(entry, folder):
    """Return the bytes that a tensor keeps in another file, which lies beside the model."""
    name = os.path.normpath(entry['location'])
    if os.path.isabs(name) or name.split(os.sep)[0] == os.pardir:
        raise ValueError('its weights lie outside its folder, in {}'.format(name))
    with open(os.path.join(folder, name), 'rb') as file:
        file.seek(int(entry.get('offset', 0)))
        length = int(entry.get('length', -1))
        data = file.read(length)
    if 0 <= length != len(data):
        raise ValueError('its weights are cut short in {}'.format(name))
    return data


class _Graph:
    """A GraphProto as nodes, tensors and the rest."""

    def __init__(self, data, path):
        fields = list(read_fields(data))
        folder = os.path.dirname(os.path.abspath(path))
        self.nodes = [_Node(value) for number, _, value in fields if number == 1]
        tensors = [_Tensor(value, folder) for number, _, value in fields if number == 5]
        self.tensors = {tensor.name: tensor for tensor in tensors}
        self.inputs = [value for number, _, value in fields if number == 11]
        self.outputs = [value for number, _, value in fields if number == 12]
        # what is between (13) was noted for other shapes and types
        self.rest = [field for field in fields if field[0] not in (1, 5, 11, 12, 13)]

    def serialize(self):
        return b''.join(
            [write_field(1, node.serialize()) for node in self.nodes]
            + [write_fields(self.rest)]
            + [write_field(5, tensor.serialize()) for tensor in self.tensors.values()]
            + [write_field(11, value) for value in self.inputs]
            + [write_field(12, value) for value in self.outputs])

    def readers(self, name):
        return [node for node in self.nodes if name in node.inputs]

    def fold_casts_of_constants(self):
        """Widen weights that the file keeps in fp16 and casts, as other runtimes do."""
        folded = [node for node in self.nodes
                  if node.op == 'Cast' and node.inputs[0] in self.tensors]
        for node in folded:
            source, target = node.inputs[0], node.outputs[0]
            self.tensors[target] = self.tensors[source].converted(node.cast_to(), target)
        self.nodes = [node for node in self.nodes if node not in folded]
        for source in {node.inputs[0] for node in folded}:
            if not self.readers(source):
                del self.tensors[source]

    def image_name(self):
        names = [_value_name(value) for value in self.inputs]
        names = [name for name in names if name not in self.tensors]
        if len(names) != 1:
            raise ValueError('it takes {}, not one image'.format(', '.join(names) or 'nothing'))
        return names[0]

    def cast_image_first(self):
        """Swap Transpose and Cast behind the image: only a Cast may read uint8."""
        first = self.readers(self.image_name())
        if len(first) != 1 or first[0].op != 'Transpose':
            return
        second = self.readers(first[0].outputs[0])
        if len(second) == 1 and second[0].op == 'Cast':
            first, second = first[0], second[0]
            first.op, second.op = second.op, first.op
            first.attributes, second.attributes = second.attributes, first.attributes

    def fix_input(self, shape, float_input):
        """Give the image its one shape, and where it must be, the type float."""
        name = self.image_name()
        dtype = FLOAT if float_input else next(
            _value_type(value) for value in self.inputs if _value_name(value) == name)
        image = _value_info(name, dtype, shape)
        self.inputs = [image if _value_name(value) == name else value for value in self.inputs]

    def calculate_in_half(self):
        """Turn all constants but the scales of Resize to fp16, and cast at both ends."""
        kept = {name for node in self.nodes if node.op == 'Resize' for name in node.inputs[1:]}
        for name, tensor in list(self.tensors.items()):
            if tensor.dtype == FLOAT and name not in kept:
                self.tensors[name] = tensor.converted(FLOAT16, name)
        casts = [node for node in self.nodes if node.op == 'Cast' and node.cast_to() == FLOAT]
        for node in casts:
            node.attributes = [_cast_attribute(FLOAT16)]
        for value in self.outputs:
            if _value_type(value) == FLOAT:
                self._cast_output(_value_name(value))

    def _cast_output(self, name):
        inner = name + '.fp16'
        for node in self.nodes:
            node.outputs = [inner if output == name else output for output in node.outputs]
            node.inputs = [inner if read == name else read for read in node.inputs]
        cast = _Node(write_field(1, inner) + write_field(2, name) + write_field(3, name)
                     + write_field(4, 'Cast') + write_field(5, _cast_attribute(FLOAT)))
        self.nodes.append(cast)


def _cast_attribute(dtype):
    return write_field(1, 'to') + write_field(3, dtype) + write_field(20, 2)  # type INT


def _value_name(value):
    return next(text for number, _, text in read_fields(value) if number == 1).decode()


def _value_type(value):
    """Return the element type of a ValueInfoProto: type (2), tensor_type (1), elem_type (1)."""
    for wanted, kind_wanted in (2, BYTES), (1, BYTES), (1, VARINT):
        value = next(found for number, kind, found in read_fields(value)
                     if number == wanted and kind == kind_wanted)
    return value


def _value_info(name, dtype, shape):
    dimensions = b''.join(write_field(1, write_field(1, int(side))) for side in shape)
    tensor = write_field(1, dtype) + write_field(2, dimensions)
    return write_field(1, name) + write_field(2, write_field(1, tensor))
