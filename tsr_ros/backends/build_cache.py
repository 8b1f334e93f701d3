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


class BuildCache:
    """
    Files that take long to make, each beside a JSON file with what it depends on and its hash.

    What that file does not vouch for is not there: another key, another hash, half a file. A name
    is that of a file (`a.engine`), a key a dict of all that the content depends on.
    """

    def __init__(self, folder):
        self.folder = str(folder)

    def get_or_make(self, name, key, make, on_wait=lambda: None):
        """
        Return (content, where it comes from), made by `make()` if it is not there.

        Two processes that need the same make it once. Where the folder cannot be written it is
        made and not kept, and the text says so.
        """
        content, problem = self.read(name, key)
        if content is not None:
            return content, 'from the cache'
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(self.locked(name, key, on_wait))
            except OSError as error:
                return make(), self._not_kept(error)
            content, _ = self.read(name, key)
            if content is not None:
                return content, 'from the cache, made by another process just now'
            content = make()
            try:
                self.write(name, key, content)
            except OSError as error:
                return content, self._not_kept(error)
        return content, 'made just now' + (', since {}'.format(problem) if problem else '')

    def _not_kept(self, error):
        return 'made just now and not kept, since {} cannot be written: {}'.format(
            self.folder, error.strerror)

    def path(self, name, key):
        """Return where the content of a key lies."""
        stem, suffix = os.path.splitext(re.sub(r'[^\w.-]', '_', name))
        digest = hashlib.sha256(_as_json(key).encode()).hexdigest()[:16]
        return os.path.join(self.folder, '{}-{}{}'.format(stem, digest, suffix))

    def read(self, name, key):
        """Return (content, ''), or (None, why not); the reason is '' where there was none yet."""
        path = self.path(name, key)
        try:
            with open(path, 'rb') as file:
                content = file.read()
            with open(path + '.json', encoding='utf-8') as file:
                sidecar = json.load(file)
            if _as_json(sidecar['key']) != _as_json(key):
                return None, '{} was made of something else'.format(path)
            if hashlib.sha256(content).hexdigest() != sidecar['sha256']:
                return None, '{} is damaged: its hash is wrong'.format(path)
        except FileNotFoundError:
            return None, ''
        except OSError as error:
            return None, '{} cannot be read: {}'.format(path, error.strerror)
        except (ValueError, KeyError, TypeError):
            return None, '{}.json is damaged'.format(path)
        return content, ''

    def write(self, name, key, content):
        """Keep a content (bytes); raises OSError and leaves nothing half-written."""
        path = self.path(name, key)
        os.makedirs(self.folder, exist_ok=True)
        sidecar = {'key': key, 'sha256': hashlib.sha256(content).hexdigest()}
        with contextlib.suppress(FileNotFoundError):
            os.remove(path + '.json')  # which does not speak of what comes now
        _write(path, content)
        _write(path + '.json', json.dumps(sidecar, indent=2, sort_keys=True).encode())

    def remove(self, name, key):
        """Forget a content."""
        for path in self.path(name, key) + '.json', self.path(name, key):
            with contextlib.suppress(OSError):
                os.remove(path)

    @contextlib.contextmanager
    def locked(self, name, key, on_wait=lambda: None):
        """
        Hold the right to make the content of a key; whoever comes second waits.

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
