# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Times of one backend, in a process of its own: `python -m tsr_ros.backends.measure JSON`.

So a runtime that crashes takes nobody along, and one that is not chosen leaves nothing behind.
"""

import json
import os
import queue
import subprocess
import sys
import threading
import time

import numpy as np

from .base import BackendError

_MAX_RUNS, _SECONDS = 50, 0.5
_FEW_RUNS, _MOST_SECONDS = 3, 3.0  # for a network that takes longer than that
HUNG = 'it did not answer in time'
_SILENCE = 120.0  # seconds without a word after which a process counts as hung


def measure(name, precisions, options, on_progress=lambda text: None):
    """
    Return {precision: (median in ms or None, why not)} of a backend.

    `options` are create_backend's, as far as JSON can say them.
    """
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    job = {'name': name, 'precisions': list(precisions), 'options': options}
    process = subprocess.Popen(
        [sys.executable, '-m', __name__, json.dumps(job)], cwd=package,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    lines = queue.Queue()
    reader = threading.Thread(target=_read_lines, args=(process.stdout, lines), daemon=True)
    reader.start()
    result = {}
    problem = 'its process ended early'
    try:
        for line in iter(lambda: lines.get(timeout=_SILENCE), None):
            if 'progress' in line:
                on_progress(line['progress'])
            else:
                result[line['precision']] = (line['median_ms'], line['problem'])
    except queue.Empty:
        problem = HUNG
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    return {precision: result.get(precision, (None, problem)) for precision in precisions}


def _read_lines(stream, lines):
    """Put the JSON objects of a stream into a queue, then None; runtimes print other things."""
    try:
        for line in stream:
            try:
                value = json.loads(line.decode())
            except ValueError:
                continue
            if isinstance(value, dict):
                lines.put(value)
    except ValueError:  # closed by the other thread, which had enough
        pass
    lines.put(None)


def median_ms(backend):
    """Return the median time of a loaded backend's infer, in ms."""
    images = np.random.RandomState(0).randint(0, 256, backend.input_shape).astype(np.uint8)
    backend.infer(images)
    times, start, now = [], time.perf_counter(), time.perf_counter()
    while not times or now - start < (_MOST_SECONDS if len(times) < _FEW_RUNS else _SECONDS):
        backend.infer(images)
        before, now = now, time.perf_counter()
        times.append((now - before) * 1e3)
        if len(times) == _MAX_RUNS:
            break
    return float(np.median(times))


def main(argument):
    """Measure what the JSON text asks for and print a line of JSON for each precision."""
    from .factory import create_backend
    job = json.loads(argument)

    def say(**line):
        print(json.dumps(line), flush=True)
    for precision in job['precisions']:
        say(progress='measuring {} {}'.format(job['name'], precision))
        try:
            with create_backend(job['name'], precision=precision, **job['options']) as backend:
                backend.on_progress = lambda text: say(progress=text)
                backend.load()
                say(precision=precision, median_ms=median_ms(backend), problem='')
        except BackendError as error:
            say(precision=precision, median_ms=None, problem=str(error))


if __name__ == '__main__':
    main(sys.argv[1])
