# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import contextlib
import fcntl
import hashlib
import json
import os
import re
import time

_POLL = 0.2  # seconds between two looks at a lock that another process holds


def cache_folder(*parts):
    """Return a folder of this package under the user's cache folder; it is not made yet."""
    base = os.environ.get('XDG_CACHE_HOME') or os.path.join(os.path.expanduser('~'), '.cache')
    return os.path.join(base, 'tsr_ros', *parts)


class EngineCache:
    """
    Engines in a folder, each beside a JSON file that says what it was built from and its hash.

    What that file does not vouch for is not there: another key, another hash, half a file. A name
    is that of a file (`yolov7-tiny.engine`), a key a dict of what the content depends on.
    """

    def __init__(self, folder=None):
        self.folder = str(folder or cache_folder('engines'))

    def get_or_build(self, name, key, build, on_wait=lambda: None):
        """
        Return (engine, where it comes from), built by `build()` if it is not there.

        Two processes that need the same engine build it once. Where the folder cannot be
        written the engine is built and not kept, and the text says so.
        """
        engine, problem = self.read(name, key)
        if engine is not None:
            return engine, 'engine from the cache'
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(self.locked(name, key, on_wait))
                engine, _ = self.read(name, key)
                if engine is not None:
                    return engine, 'engine from the cache, built by another process just now'
            except OSError as error:
                return build(), self._not_kept(error)
            engine = build()
            try:
                self.write(name, key, engine)
            except OSError as error:
                return engine, self._not_kept(error)
        return engine, 'engine built anew' + (': ' + problem if problem else '')

    def _not_kept(self, error):
        return 'engine built anew and not kept, since {} cannot be written: {}'.format(
            self.folder, error.strerror)

    def path(self, name, key):
        """Return where the engine of a key lies."""
        stem, suffix = os.path.splitext(re.sub(r'[^\w.-]', '_', name))
        digest = hashlib.sha256(_as_json(key).encode()).hexdigest()[:16]
        return os.path.join(self.folder, '{}-{}{}'.format(stem, digest, suffix))

    def read(self, name, key):
        """Return (engine, ''), or (None, why not); the reason is '' where there was none yet."""
        path = self.path(name, key)
        try:
            with open(path, 'rb') as file:
                engine = file.read()
            with open(path + '.json', encoding='utf-8') as file:
                sidecar = json.load(file)
            if _as_json(sidecar['key']) != _as_json(key):
                return None, '{} was built from something else'.format(path)
            if hashlib.sha256(engine).hexdigest() != sidecar['sha256']:
                return None, '{} is damaged: its hash is wrong'.format(path)
        except FileNotFoundError:
            return None, ''
        except OSError as error:
            return None, '{} cannot be read: {}'.format(path, error.strerror)
        except (ValueError, KeyError, TypeError):
            return None, '{}.json is damaged'.format(path)
        return engine, ''

    def write(self, name, key, engine):
        """Keep an engine; raises OSError and leaves nothing half-written."""
        path = self.path(name, key)
        os.makedirs(self.folder, exist_ok=True)
        sidecar = {'key': key, 'sha256': hashlib.sha256(engine).hexdigest(), 'bytes': len(engine)}
        with contextlib.suppress(FileNotFoundError):
            os.remove(path + '.json')  # which does not speak of what comes now
        _write(path, engine)
        _write(path + '.json', json.dumps(sidecar, indent=2, sort_keys=True).encode())

    def remove(self, name, key):
        """Forget an engine."""
        for path in self.path(name, key) + '.json', self.path(name, key):
            with contextlib.suppress(OSError):
                os.remove(path)

    @contextlib.contextmanager
    def locked(self, name, key, on_wait=lambda: None):
        """
        Hold the right to build the engine of a key; whoever comes second waits.

        `on_wait` is called again and again meanwhile. The system gives the lock back when a
        process ends, however it ends. Raises OSError where the folder cannot be written.
        """
        os.makedirs(self.folder, exist_ok=True)
        with open(self.path(name, key) + '.lock', 'wb') as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    on_wait()
                    time.sleep(_POLL)
            yield


def _as_json(key):
    return json.dumps(key, sort_keys=True)


def _write(path, content):
    temporary = '{}.{}.part'.format(path, os.getpid())
    try:
        with open(temporary, 'wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(temporary)
        raise
