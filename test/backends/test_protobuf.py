# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from tsr_ros.backends.protobuf import read_fields, read_varints, write_field, write_fields


@pytest.mark.parametrize(('data', 'fields'), [
    (b'', []),
    # the examples of the format's description
    (b'\x08\x96\x01', [(1, 0, 150)]),
    (b'\x12\x07testing', [(2, 2, b'testing')]),
    (b'\x1a\x03\x08\x96\x01', [(3, 2, b'\x08\x96\x01')]),
    (b'\x0d\x00\x00\x80\x3f\x11' + bytes(8), [(1, 5, b'\x00\x00\x80\x3f'), (2, 1, bytes(8))]),
])
def test_read_and_write(data, fields):
    assert list(read_fields(data)) == fields
    assert write_fields(fields) == data


@pytest.mark.parametrize('data', [
    b'\x08', b'\x12\x07test', b'\x0d\x00', b'\x0b', b'\x08' + b'\xff' * 11])
def test_what_is_cut_short_or_none(data):
    with pytest.raises(ValueError, match='it is'):
        list(read_fields(data))


def test_numbers():
    assert write_field(1, -1) == b'\x08' + b'\xff' * 9 + b'\x01'
    assert write_field(2, 'é') == b'\x12\x02\xc3\xa9'
    assert list(read_varints(b'')) == []
    assert list(read_varints(b'\x03\x8e\x02\x9e\xa7\x05')) == [3, 270, 86942]
