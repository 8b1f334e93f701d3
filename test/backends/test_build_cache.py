# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import json
import os
import subprocess
import sys
import threading

import pytest

from tsr_ros.backends import build_cache
from tsr_ros.backends.build_cache import BuildCache, cache_folder

KEY = {'model': 'abc', 'gpu': 'Stand-in', 'shape': [1, 96, 160, 3]}


def never():
    raise AssertionError('it was made already')


@pytest.mark.parametrize('content', [b'', b'engine', bytes(range(256)) * 1000])
def test_what_is_made_is_kept(tmp_path, content):
    cache = BuildCache(tmp_path / 'new' / 'folder')
    assert cache.read('a.engine', KEY) == (None, '')
    assert cache.get_or_make('a.engine', KEY, lambda: content) == (content, 'made just now')
    assert cache.get_or_make('a.engine', KEY, never) == (content, 'from the cache')
    assert cache.path('a.engine', KEY).endswith('.engine')
    cache.remove('a.engine', KEY)
    assert cache.read('a.engine', KEY) == (None, '')


@pytest.mark.parametrize(('name', 'key'), [
    ('b.engine', KEY), ('a.cache', KEY), ('a.engine', {}), ('a.engine', dict(KEY, gpu='Other')),
    ('a.engine', dict(KEY, shape=[1, 96, 160, 4])), ('a.engine', dict(KEY, more=None)),
])
def test_another_key_is_another_file(tmp_path, name, key):
    cache = BuildCache(tmp_path)
    cache.write('a.engine', KEY, b'one')
    assert cache.read(name, key) == (None, '')
    cache.write(name, key, b'two')
    assert cache.read('a.engine', KEY) == (b'one', '')
    assert cache.read(name, key) == (b'two', '')


def test_the_order_of_a_key_does_not_count_and_names_stay_inside_the_folder(tmp_path):
    cache = BuildCache(tmp_path)
    cache.write('../../a b.engine', {'x': 1, 'y': 2}, b'one')
    assert cache.read('../../a b.engine', {'y': 2, 'x': 1}) == (b'one', '')
    assert all(path.parent == tmp_path for path in tmp_path.rglob('*'))


@pytest.mark.parametrize(('sidecar', 'why'), [
    ('', 'is damaged'), ('{', 'is damaged'), ('[]', 'is damaged'), ('{"key": {}}', 'something el'),
    (json.dumps({'key': KEY}), 'is damaged'),
    (json.dumps({'key': KEY, 'sha256': '0' * 64}), 'its hash is wrong'),
])
def test_what_the_sidecar_does_not_vouch_for_is_made_anew(tmp_path, sidecar, why):
    cache = BuildCache(tmp_path)
    cache.write('a.engine', KEY, b'engine')
    with open(cache.path('a.engine', KEY) + '.json', 'w') as file:
        file.write(sidecar)
    content, problem = cache.read('a.engine', KEY)
    assert content is None
    assert why in problem
    content, origin = cache.get_or_make('a.engine', KEY, lambda: b'better')
    assert content == b'better'
    assert origin == f'made just now, since {problem}'
    assert cache.read('a.engine', KEY) == (b'better', '')


@pytest.mark.parametrize('fails_at', [1, 2])
def test_a_write_that_fails_leaves_nothing_that_counts(tmp_path, monkeypatch, fails_at):
    cache = BuildCache(tmp_path)
    cache.write('a.engine', KEY, b'old')
    calls = []

    def full_disk(file):
        calls.append(file)
        if len(calls) == fails_at:
            raise OSError(28, 'No space left on device')
    monkeypatch.setattr(build_cache.os, 'fsync', full_disk)
    with pytest.raises(OSError, match='No space'):
        cache.write('a.engine', KEY, b'new, and longer than what was there')
    assert cache.read('a.engine', KEY)[0] is None
    assert not list(tmp_path.glob('*.part'))


@pytest.mark.parametrize('in_the_way', ['a file', 'no right'])
def test_a_folder_that_cannot_be_written(tmp_path, in_the_way):
    folder = tmp_path / 'cache'
    if in_the_way == 'a file':
        folder.write_text('')
    elif os.geteuid() == 0:
        folder = '/proc/cache'  # root may write anywhere else
    else:
        folder.mkdir(0o500)
    content, origin = BuildCache(folder).get_or_make('a.engine', KEY, lambda: b'engine')
    assert content == b'engine'
    assert origin.startswith(f'made just now and not kept, since {folder} cannot be written: ')


def test_a_disk_that_is_full_after_all(tmp_path, monkeypatch):
    def full_disk(file):
        raise OSError(28, 'No space left on device')
    monkeypatch.setattr(build_cache.os, 'fsync', full_disk)
    content, origin = BuildCache(tmp_path).get_or_make('a.engine', KEY, lambda: b'engine')
    assert content == b'engine'
    assert 'not kept' in origin
    assert 'No space left' in origin


def test_an_old_content_that_cannot_be_read_is_named(tmp_path):
    cache = BuildCache(tmp_path)
    os.mkdir(cache.path('a.engine', KEY))
    assert 'cannot be read: Is a directory' in cache.read('a.engine', KEY)[1]


def test_what_making_raises_comes_through_and_frees_the_lock(tmp_path):
    cache = BuildCache(tmp_path)

    def fail():
        raise OSError('of the builder, not of the cache')
    with pytest.raises(OSError, match='of the builder'):
        cache.get_or_make('a.engine', KEY, fail)
    assert cache.get_or_make('a.engine', KEY, lambda: b'engine')[0] == b'engine'


MAKE = '''
import json, os, sys
from tsr_ros.backends.build_cache import BuildCache
folder, log, key = sys.argv[1:]

def make():
    with open(log, 'a') as file:
        file.write('made ')
    return b'engine' * 100000

def on_wait():
    print('waiting', flush=True)

content, origin = BuildCache(folder).get_or_make('a.engine', json.loads(key), make, on_wait)
print(len(content), origin, flush=True)
'''


def start(folder, log):
    return subprocess.Popen([sys.executable, '-c', MAKE, str(folder), str(log), json.dumps(KEY)],
                            stdout=subprocess.PIPE, universal_newlines=True)


def test_of_two_processes_the_second_waits_and_loads(tmp_path):
    cache = BuildCache(tmp_path / 'cache')
    with cache.locked('a.engine', KEY):  # we are the first
        second = start(cache.folder, tmp_path / 'log')
        assert second.stdout.readline() == 'waiting\n'
        cache.write('a.engine', KEY, b'ours')
    lines = second.communicate(timeout=60)[0].splitlines()
    assert lines[-1] == '4 from the cache, made by another process just now'
    assert not (tmp_path / 'log').exists()


def test_processes_at_once_make_it_once(tmp_path):
    processes = [start(tmp_path / 'cache', tmp_path / 'log') for _ in range(3)]
    ends = [process.communicate(timeout=60)[0].splitlines()[-1] for process in processes]
    assert (tmp_path / 'log').read_text() == 'made '
    assert sorted(end.split()[0] for end in ends) == ['600000'] * 3
    assert sum('made just now' in end for end in ends) == 1


def test_a_process_that_dies_while_it_makes_holds_nobody_up(tmp_path):
    cache = BuildCache(tmp_path / 'cache')
    code = ('import os, sys, json; from tsr_ros.backends.build_cache import BuildCache\n'
            'BuildCache(sys.argv[1]).get_or_make("a.engine", json.loads(sys.argv[2]), '
            'lambda: os.kill(os.getpid(), 9))')
    dead = subprocess.run([sys.executable, '-c', code, cache.folder, json.dumps(KEY)])
    assert dead.returncode == -9
    assert cache.get_or_make('a.engine', KEY, lambda: b'engine', never)[1] == 'made just now'


def test_the_lock_holds_among_threads_too(tmp_path):
    cache = BuildCache(tmp_path)
    waiting, results = threading.Event(), []
    with cache.locked('a.engine', KEY):
        thread = threading.Thread(target=lambda: results.append(
            cache.get_or_make('a.engine', KEY, never, waiting.set)))
        thread.start()
        assert waiting.wait(60)
        cache.write('a.engine', KEY, b'ours')
    thread.join(60)
    assert results == [(b'ours', 'from the cache, made by another process just now')]


def test_the_users_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    assert cache_folder('engines') == str(tmp_path / 'tsr_ros' / 'engines')
    monkeypatch.delenv('XDG_CACHE_HOME')
    monkeypatch.setenv('HOME', '/home/somebody')
    assert cache_folder() == '/home/somebody/.cache/tsr_ros'
