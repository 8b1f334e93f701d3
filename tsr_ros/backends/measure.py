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
import tempfile
import threading
import time
from typing import Any, NamedTuple

import numpy as np

from .base import BackendError, UnsupportedError

_MAX_RUNS, _SECONDS = 50, 0.5
_FEW_RUNS, _MOST_SECONDS = 3, 3.0  # for a network that takes longer than that
_HUNG = 'it did not answer in time'
_SILENCE = 120.0  # seconds without a word after which a process counts as hung


class Measurement(NamedTuple):
    """How fast a backend is in one precision."""

    median_ms: Any  # None where it did not run
    problem: str  # why it did not
    lasting: bool = False  # so on this computer whatever is installed or repaired


def measure(name, precisions, options, on_progress=lambda text: None):
    """
    Return {precision: Measurement} of a backend.

    `options` are create_backend's, as far as JSON can say them; paths in them are absolute. A
    precision at which the process ends takes only itself along.
    """
    result = {}
    waiting = list(precisions)
    while waiting:
        answers, problem = _measure_in_process(name, waiting, options, on_progress)
        result.update(answers)
        waiting = [precision for precision in waiting if precision not in answers]
        if waiting and problem == _HUNG:  # what hangs once hangs again, for minutes
            result.update(dict.fromkeys(waiting, Measurement(None, problem)))
            break
        if waiting:
            result[waiting.pop(0)] = Measurement(None, problem)
    return result


def _measure_in_process(name, precisions, options, on_progress):
    """Return {precision: Measurement} as far as one process came, and why it went no further."""
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    job = {'name': name, 'precisions': list(precisions), 'options': options}
    answers = {}
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            [sys.executable, '-m', __name__, json.dumps(job)], cwd=package,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints)
        lines = queue.Queue()
        reader = threading.Thread(target=_read_lines, args=(process.stdout, lines), daemon=True)
        reader.start()
        try:
            for line in iter(lambda: lines.get(timeout=_SILENCE), None):
                if 'progress' in line:
                    on_progress(line['progress'])
                else:
                    answers[line['precision']] = Measurement(
                        line['median_ms'], line['problem'], line['lasting'])
            problem = _end(process.wait(), complaints)
        except queue.Empty:
            problem = _HUNG
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
    return answers, problem


def _end(status, complaints):
    """Return how a process ended: by which signal or status, and what it said last."""
    complaints.seek(0)
    said = complaints.read().decode(errors='replace').strip().splitlines()
    return ', '.join(
        ['its process ended early, ' + (
            'by signal {}'.format(-status) if status < 0 else 'with status {}'.format(status))]
        + said[-1:])


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
                say(precision=precision, median_ms=median_ms(backend), problem='', lasting=False)
        except BackendError as error:
            say(precision=precision, median_ms=None, problem=str(error),
                lasting=isinstance(error, UnsupportedError))


if __name__ == '__main__':
    main(sys.argv[1])
