# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Times several backends in turn, so that a machine that drifts drifts for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from tsr_ros.backends.base import available_cpus
from tsr_ros.benchmark.host import Activity, frequency_mhz, read_activity, temperature_c
from tsr_ros.benchmark.worker import SETTLING_RUNS, Burst, Case, CaseError, Worker

LEAST_ROUNDS = 3
_MOST_REPEATS = 3
# share of the machine's processors that others may use during a burst before it is repeated
_MOST_DISTURBANCE = 0.05


class Measurement(NamedTuple):
    """Everything seen of one case."""

    case: Case
    loaded: dict[str, Any]  # see Worker
    bursts: list[Burst]
    resident_mb: float
    disturbed: int  # bursts among them during which others used the machine
    repeated: int  # bursts thrown away for that
    frequencies_mhz: list[float]
    temperatures_c: list[float]
    energy_j: float | None  # of one image, where the machine tells it


class Session:
    """
    A round of bursts for every case, again and again, until each has its number of runs.

    The first round is not counted: in it all of them are slower, some by far.

    :param runs: timed runs of each case, spread evenly over the rounds
    :param rounds: how often each gets its turn
    """

    def __init__(self, cases: Sequence[Case], image: np.ndarray, runs: int = 50, rounds: int = 5,
                 progress: bool = True, note: Callable[[str], None] = print):
        self.cases, self.image = list(cases), image
        self.rounds = max(rounds, LEAST_ROUNDS)
        self.runs_each = max(-(-runs // self.rounds), 1)
        self.progress, self.note = progress, note
        self.failed: dict[str, str] = {}

    def measure(self) -> list[Measurement]:
        """Return the measurements of all cases that run here; `failed` says why others do not."""
        with ExitStack() as stack:
            workers = []
            bar = tqdm(self.cases, 'loading', unit='case', disable=not self.progress)
            for case in bar:
                bar.set_postfix_str(case.title)
                try:
                    workers.append(stack.enter_context(Worker(case, self.image)))
                except CaseError as error:
                    self._leave_out(case, error)
            watched = [_Watched(worker) for worker in workers]
            for number in tqdm(range(1 + self.rounds), 'rounds', disable=not self.progress):
                # each round begins with another case: no case always follows the same one
                first = number % max(len(watched), 1)
                for one in watched[first:] + watched[:first]:
                    try:
                        if number:
                            one.take_turn(self.runs_each)
                        else:
                            one.worker.run(self.runs_each)
                    except CaseError as error:
                        watched.remove(one)
                        self._leave_out(one.worker.case, error)
            return [one.measurement() for one in watched]

    def _leave_out(self, case: Case, error: CaseError) -> None:
        self.failed[case.title] = str(error)
        self.note(f'left out: {error}')


class _Watched:
    """A worker and what was seen while it ran."""

    def __init__(self, worker: Worker):
        self.worker = worker
        self.bursts: list[Burst] = []
        self.disturbed = self.repeated = 0
        self.frequencies_mhz: list[float] = []
        self.temperatures_c: list[float] = []
        self.energies_j: list[float] = []

    def take_turn(self, count: int) -> None:
        """Time a burst; one that others disturb is repeated, a few times."""
        for attempt in range(_MOST_REPEATS + 1):
            before = read_activity()
            burst = self.worker.run(count)
            after = read_activity()
            share = disturbance(before, after, burst)
            if share <= _MOST_DISTURBANCE:
                break
            if attempt < _MOST_REPEATS:
                self.repeated += 1
        else:
            self.disturbed += 1
        self.bursts.append(burst)
        if before.energy_j is not None and after.energy_j is not None:
            images = (count + SETTLING_RUNS) * self.worker.case.batch
            self.energies_j.append((after.energy_j - before.energy_j) / images)
        if (clock := frequency_mhz()) is not None:
            self.frequencies_mhz.append(clock)
        if (temperature := temperature_c()) is not None:
            self.temperatures_c.append(temperature)

    def measurement(self) -> Measurement:
        return Measurement(
            self.worker.case, self.worker.loaded, self.bursts, self.worker.resident_mb(),
            self.disturbed, self.repeated, self.frequencies_mhz, self.temperatures_c,
            float(np.median(self.energies_j)) if self.energies_j else None)


def disturbance(before: Activity, after: Activity, burst: Burst) -> float:
    """Return the share of the machine's processor time that others used or a hypervisor took."""
    own = burst.cpu_s + after.own_s - before.own_s
    others = after.busy_s - before.busy_s - own + after.stolen_s - before.stolen_s
    return max(others, 0.0) / max(burst.wall_s * available_cpus(), 1e-9)
