# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One backend in a process of its own, which waits for its turn to be timed."""

from __future__ import annotations

import multiprocessing
import signal
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tsr_ros.backends.base import BackendError, available_cpus
from tsr_ros.backends.detector import Detector
from tsr_ros.backends.factory import create_backend
from tsr_ros.backends.manifest import open_model
from tsr_ros.benchmark.host import resident_mb
from tsr_ros.vision.letterbox import GREY

NAIVE = 'naive'  # beside the names of the backends: see naive.py
SETTLING_RUNS = 2  # after another process had the caches


class Case(NamedTuple):
    """What is timed: a backend in one precision with one model."""

    backend: str
    precision: str
    model: str
    models_dir: str | None = None
    batch: int = 1
    threads: int = 0
    device: str = 'auto'

    @property
    def title(self) -> str:
        """The case in a few words."""
        batch = f', batch {self.batch}' if self.batch > 1 else ''
        device = f' on {self.device}' if self.device != 'auto' else ''
        return f'{self.model} {self.backend} {self.precision}{device}{batch}'


class Burst(NamedTuple):
    """One uninterrupted series of runs; milliseconds, a value for each run."""

    preprocess_ms: list[float]
    inference_ms: list[float]
    postprocess_ms: list[float]
    total_ms: list[float]
    cpu_s: float  # processor time that it took, with the runs before that are not counted
    wall_s: float  # and how long that was


class CaseError(RuntimeError):
    """A case cannot be run here; says why."""


class Worker:
    """Starts the process, hands it its turns, and ends it; a context manager."""

    def __init__(self, case: Case, image: np.ndarray):
        self.case = case
        context = multiprocessing.get_context('spawn')
        self._connection, other = context.Pipe()
        self._process = context.Process(
            target=_work, args=(other, case, image), daemon=True, name=case.title)
        self._process.start()
        other.close()
        self.loaded: dict[str, Any] = self._receive()  # describe, load_ms, resident_mb, sha256

    def run(self, count: int) -> Burst:
        """Time `count` runs one after another, after a few that are not counted."""
        with suppress(OSError):  # if it has ended, _receive says how
            self._connection.send(count)
        return self._receive()

    def resident_mb(self) -> float:
        """Return the resident size of the process, megabytes."""
        return resident_mb(self._process.pid)

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.join(10)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _receive(self) -> Any:
        try:
            answer = self._connection.recv()
        except (EOFError, OSError):
            self._process.join()
            raise CaseError(f'{self.case.title}: its process ended with status '
                            f'{self._process.exitcode}') from None
        if isinstance(answer, str):
            self.close()
            raise CaseError(f'{self.case.title}: {answer}')
        return answer


def _work(connection: Connection, case: Case, image: np.ndarray) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C: whoever hands out the turns ends them
    start = time.perf_counter()
    try:
        runner = _open(case)
        runner.run(image)
    except (BackendError, ValueError, OSError, ImportError) as error:
        connection.send(str(error) or type(error).__name__)
        return
    connection.send({
        'load_ms': (time.perf_counter() - start) * 1e3, 'resident_mb': resident_mb(),
        'info': runner.info._asdict(), 'model_sha256': runner.sha256,
        'file': Path(runner.path).name, 'file_bytes': Path(runner.path).stat().st_size,
        'input_wh': list(runner.input_wh)})
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the other side has closed
        while True:
            connection.send(_time(runner, image, connection.recv()))


def _time(runner: _Runner, image: np.ndarray, count: int) -> Burst:
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(SETTLING_RUNS):
        runner.run(image)
    parts = [runner.run(image) for _ in range(count)]
    columns = [list(column) for column in zip(*parts)]
    return Burst(*columns, [sum(part) for part in parts],
                 time.process_time() - cpu, time.perf_counter() - wall)


class _Runner:
    """Runs one image, or one batch, and returns milliseconds for its three parts."""

    def __init__(self, detector: Any, model_file: Any, info: Any):
        self._detector = detector
        self.info = info
        self.path, self.sha256 = model_file.path, model_file.sha256
        self.input_wh = model_file.input_wh

    def run(self, image: np.ndarray) -> tuple[float, float, float]:
        self._detector.detect(image)
        return tuple(self._detector.timings)


class _BatchRunner(_Runner):
    """Runs the network alone: the node has one camera, so there is no path for a batch."""

    def __init__(self, backend: Any):
        super().__init__(None, backend.model_file, backend.describe())
        self._backend = backend
        self._images = np.full(backend.input_shape, GREY, np.uint8)

    def run(self, image: np.ndarray) -> tuple[float, float, float]:
        start = time.perf_counter()
        self._backend.infer(self._images)
        return 0.0, (time.perf_counter() - start) * 1e3, 0.0


def _open(case: Case) -> _Runner:
    threads = case.threads or available_cpus()
    if case.backend == NAIVE:
        from tsr_ros.benchmark.naive import NaiveDetector
        model_file = open_model(case.model, 'torch', 'fp32', case.models_dir)
        detector = NaiveDetector(model_file, threads)
        return _Runner(detector, model_file, detector.describe())
    backend = create_backend(case.backend, case.model, precision=case.precision,
                             device=case.device, threads=threads, batch=case.batch,
                             models_dir=case.models_dir)
    backend.load()
    if case.batch > 1:
        return _BatchRunner(backend)
    return _Runner(Detector(backend, backend.model_file), backend.model_file, backend.describe())
