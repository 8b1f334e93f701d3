# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import os

import pytest

from tsr_ros.report.files import whole_file, write_bytes, write_json, write_text


@pytest.mark.parametrize(('write', 'value', 'content'), [
    (write_bytes, b'', b''),
    (write_bytes, b'\x00\xff', b'\x00\xff'),
    (write_text, 'ä\n', b'\xc3\xa4\n'),
    (write_text, 'a\udcff', b'a\\udcff'),  # a byte of a file's name that is no UTF-8
    (write_json, {'a': [1, None]}, b'{\n "a": [\n  1,\n  null\n ]\n}\n'),
])
def test_a_file_is_written_over_an_older_one(tmp_path, write, value, content):
    path = tmp_path / 'deep' / 'file'
    for _ in range(2):
        write(path, value)
        assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize('error', [OSError('the disk is full'), KeyboardInterrupt()])
def test_what_fails_leaves_the_older_file_and_nothing_else(tmp_path, error):
    path = tmp_path / 'file'
    path.write_text('older')
    with pytest.raises(type(error)), whole_file(path) as temporary:  # noqa: PT012
        temporary.write_text('half of the new')
        raise error
    assert path.read_text() == 'older'
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize('name', ['n' * 255, '\N{SNOWMAN}' * 85])
def test_a_name_may_be_as_long_as_the_file_system_takes(tmp_path, name):
    write_text(tmp_path / name, 'text')
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_two_who_write_one_file_do_not_meet(tmp_path):
    path = tmp_path / 'file'
    with whole_file(path) as first, whole_file(path, suffix='.part.png') as second:
        first.write_text('first')
        second.write_text('second')
        names = [file.name for file in (first, second)]
    assert path.read_text() == 'first'  # whose writing ended last
    assert list(tmp_path.iterdir()) == [path]
    assert all(name.startswith('.file.') for name in names)
    assert [name.rpartition('.part')[2] for name in names] == ['', '.png']


@pytest.mark.parametrize('durable', [True, False])
def test_it_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch, durable):
    calls = []
    monkeypatch.setattr(os, 'fsync', lambda number: calls.append(os.readlink(
        f'/proc/self/fd/{number}')))
    monkeypatch.setattr(os, 'replace', lambda source, target: calls.append((str(source), target)))
    with whole_file(tmp_path / 'file', durable=durable) as temporary:
        temporary.write_text('text')
    renamed = str(temporary), tmp_path / 'file'
    assert calls == ([str(temporary), renamed] if durable else [renamed])
