# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The few bytes of protobuf that an ONNX file is made of, without the protobuf package.

Wire format: https://protobuf.dev/programming-guides/encoding/
"""

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED_SIZE = {FIXED64: 8, FIXED32: 4}


def read_fields(data):
    """
    Yield (field number, wire type, value) of a message; the value is an int or bytes.

    Raises ValueError where the message is cut short or is none.
    """
    position = 0
    while position < len(data):
        key, position = _read_varint(data, position)
        kind = key & 7
        if kind == VARINT:
            value, position = _read_varint(data, position)
        else:
            if kind == BYTES:
                length, position = _read_varint(data, position)
            elif kind in _FIXED_SIZE:
                length = _FIXED_SIZE[kind]
            else:
                raise ValueError('it is not protobuf')
            value = data[position:position + length]
            if len(value) != length:
                raise ValueError('it is cut short')
            position += length
        yield key >> 3, kind, value


def read_varints(data):
    """Yield the numbers of a packed field."""
    position = 0
    while position < len(data):
        value, position = _read_varint(data, position)
        yield value


def write_field(number, value):
    """Return a field as bytes: an int as a varint, str and bytes with their length."""
    if isinstance(value, int):
        return _varint(number << 3 | VARINT) + _varint(value)
    if isinstance(value, str):
        value = value.encode()
    return _varint(number << 3 | BYTES) + _varint(len(value)) + value


def write_fields(fields):
    """Return the message of some (field number, wire type, value), as read_fields gives them."""
    return b''.join(
        _varint(number << 3 | kind) + value if kind in _FIXED_SIZE else write_field(number, value)
        for number, kind, value in fields)


def _read_varint(data, position):
    value = shift = 0
    while True:
        if position >= len(data):
            raise ValueError('it is cut short')
        byte = data[position]
        position += 1
        value |= (byte & 0x7f) << shift
        shift += 7
        if byte < 0x80:
            return value, position
        if shift > 63:
            raise ValueError('it is not protobuf')


def _varint(value):
    result = bytearray()
    value &= (1 << 64) - 1  # a negative number takes ten bytes
    while value > 0x7f:
        result.append(value & 0x7f | 0x80)
        value >>= 7
    result.append(value)
    return bytes(result)
