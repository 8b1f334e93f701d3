# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0

import math
from typing import List, NamedTuple, Tuple

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

OK = DiagnosticStatus.OK
WARN = DiagnosticStatus.WARN
ERROR = DiagnosticStatus.ERROR


class Problem(NamedTuple):
    """What is wrong, and how bad that is."""

    level: bytes
    text: str


class Limits(NamedTuple):
    """From where on something is wrong, as the parameters of the same names say."""

    max_allowed_processing_time_ms: float
    max_acceptable_consecutive_delay_ms: float
    max_image_gap_ms: float


def make_status(name: str, hardware_id: str, problems: List[Problem],
                values: List[Tuple[str, str]], fine: str = 'ok') -> DiagnosticStatus:
    """
    Return one status whose level is that of its worst problem and whose message names them all.

    :param fine: the message where there is no problem.
    """
    status = DiagnosticStatus()
    status.name = name
    status.hardware_id = hardware_id
    worst = max(problems, key=lambda problem: problem.level, default=None)
    status.level = worst.level if worst else OK
    ordered = sorted(problems, key=lambda problem: problem.level, reverse=True)
    status.message = '; '.join(problem.text for problem in ordered) or fine
    status.values = [KeyValue(key=key, value=str(value)) for key, value in values]
    return status


HOLD = 5.0  # seconds that a problem stays, so that /diagnostics does not miss it


class DelayWatch:
    """
    Find out for how long every frame has been delayed.

    Levels and keys follow Autoware's: one delay is a WARN, an unbroken run of them an ERROR. When
    no more frames come, that is forgotten.
    """

    def __init__(self):
        self._since = None
        self._newest_ms = None
        self._newest_at = None

    def add(self, processing_time_ms: float, now: float, limits: Limits) -> None:
        """Look at one frame, answered at `now` (seconds, steady clock)."""
        self._newest_ms = processing_time_ms
        self._newest_at = now
        if processing_time_ms <= limits.max_allowed_processing_time_ms:
            self._since = None
        elif self._since is None:
            self._since = now - processing_time_ms / 1e3

    def problems(self, busy_for: float, now: float, limits: Limits) -> List[Problem]:
        """
        Return what is wrong at `now` (seconds, steady clock).

        :param busy_for: seconds that the frame at hand has been worked on, 0 without one.
        """
        if busy_for * 1e3 > limits.max_acceptable_consecutive_delay_ms:
            return [Problem(ERROR, 'no answer yet to an image taken {:.1f} s ago'.format(
                busy_for))]
        since = self._since  # another thread may add at any moment
        if since is None or now - self._newest_at > HOLD:
            return []
        delay_ms = (self._newest_at - since) * 1e3
        text = 'processing takes {:.0f} ms, allowed are {:g}'.format(
            self._newest_ms, limits.max_allowed_processing_time_ms)
        if delay_ms > limits.max_acceptable_consecutive_delay_ms:
            return [Problem(ERROR, '{}, for {:.1f} s now'.format(text, delay_ms / 1e3))]
        return [Problem(WARN, text)]


class Growth:
    """Tell by how much counts have grown since they were last looked at."""

    def __init__(self, now: float):
        self._counts = None
        self._looked_at = now

    def look(self, counts, now: float):
        """
        Return what was added to each count since the last look, and the seconds since then.

        :param counts: a NamedTuple of integers that began at 0, of the same type each time.
        """
        before = self._counts or (0,) * len(counts)
        seconds = now - self._looked_at
        self._counts, self._looked_at = counts, now
        return type(counts)(*(new - old for new, old in zip(counts, before))), seconds


def latency_values(summary) -> List[Tuple[str, str]]:
    """
    Return keys and values of stage durations.

    :param summary: Percentiles in ms by stage, as LatencyWindow gives them.
    """
    values = []
    for stage, percentiles in summary.items():
        name = 'processing_time_ms' if stage == 'total' else stage + '_time_ms'
        values.extend(('{}/{}'.format(name, which), '{:.2f}'.format(value))
                      for which, value in percentiles._asdict().items())
    return values


def input_problems(counts, grown, gap_ms: float, publishers: int, topic: str,
                   limits: Limits) -> List[Problem]:
    """
    Return what is wrong with the images that come in.

    :param counts: Counts of the frame slot, and `grown`, what they grew by lately.
    :param gap_ms: since the newest image, or since the node was activated.
    :param publishers: how many publish on the topic.
    """
    if grown.too_old:
        return [Problem(WARN, '{} of {} images dropped as older than max_frame_age'.format(
            grown.too_old, grown.received))]
    if gap_ms <= limits.max_image_gap_ms:
        return []
    who = {0: 'nobody publishes', 1: '1 publisher is there'}.get(
        publishers, '{} publishers are there'.format(publishers))
    what = 'no image for' if counts.received else 'no image yet for'
    return [Problem(WARN, '{} {:.1f} s on {}: {}'.format(what, gap_ms / 1e3, topic, who))]


def lost_problems(lost: int) -> List[Problem]:
    """Return what is wrong where the middleware has lost images lately."""
    if not lost:
        return []
    return [Problem(WARN, '{} images lost on their way here: the middleware has no room for them, '
                          'see "Large images" in docs/node.md'.format(lost))]


class RecentProblems:
    """
    Remember the newest problem of each kind for a while.

    :param hold: seconds that a problem stays.
    """

    def __init__(self, hold: float = HOLD):
        self._hold = hold
        self._by_kind = {}

    def note(self, kind: str, problem: Problem, now: float) -> bool:
        """
        Remember a problem that occurred at `now` (seconds, steady clock).

        :return: whether it is news: there was none of its kind in the time they are held.
        """
        _, noted = self._by_kind.get(kind, (None, -math.inf))
        self._by_kind[kind] = (problem, now)
        return not now - noted <= self._hold  # of two lasting ones it is NaN, and the second news

    def clear(self, kind: str) -> None:
        """Forget a problem that is over."""
        self._by_kind.pop(kind, None)

    def problems(self, now: float) -> List[Problem]:
        """Return the problems not older than the time they are held."""
        return [problem for problem, noted in list(self._by_kind.values())
                if now - noted <= self._hold]
