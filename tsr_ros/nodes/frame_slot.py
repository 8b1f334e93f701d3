# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0

import threading
from typing import Any, Callable, NamedTuple, Optional


class Frame(NamedTuple):
    """An image that waits or is worked on."""

    message: Any       # the image as it arrived
    arrival: float     # seconds, steady clock
    stamp_age: float   # seconds: node's clock at arrival minus stamp; NaN without one
    age_offset: float  # seconds that the frame counts as old already when it arrives


class Counts(NamedTuple):
    """What became of the frames that arrived."""

    received: int
    answered: int
    overwritten: int
    too_old: int
    bad: int

    @property
    def settled(self) -> bool:
        """Tell whether no frame is waiting or being worked on."""
        return self.received == self.answered + self.overwritten + self.too_old + self.bad


class FrameSlot:
    """
    Hand the newest frame from the thread that receives to the thread that detects.

    A frame that is still waiting when the next one comes is overwritten, so that load never
    builds a queue; one that has waited too long is not handed out. Every frame is counted once:
    as answered, as dropped for one of three causes, or it is still waiting or being worked on.

    :param clock: function that returns seconds of a steady clock.
    """

    def __init__(self, clock):
        self._clock = clock
        self._ready = threading.Condition()
        self._frame = None
        self._closed = self._ended = False
        self._received = self._answered = 0
        self._overwritten = self._too_old = self._bad = 0

    def put(self, frame: Frame) -> None:
        """Offer a frame; one that still waits is dropped for it."""
        with self._ready:
            self._received += 1
            if self._frame is not None:
                self._overwritten += 1
            self._frame = frame
            self._ready.notify()

    def take(self, max_age: Callable[[], float]) -> Optional[Frame]:
        """
        Wait for a frame and take it; return None once the slot is closed.

        :param max_age: returns the limit in seconds; older frames are dropped. 0: any age will do.
        """
        with self._ready:
            while True:
                while self._frame is None and not self._closed:
                    self._ready.wait()
                if self._closed:
                    self._ended = True
                    return None
                frame, self._frame = self._frame, None
                age = self._clock() - frame.arrival + frame.age_offset
                limit = max_age()
                if not limit or age <= limit:
                    return frame
                self._too_old += 1

    def answered(self) -> None:
        """Count a frame that was taken and answered."""
        with self._ready:
            self._answered += 1

    def bad(self) -> None:
        """Count a frame that was taken and could not be answered."""
        with self._ready:
            self._bad += 1

    def close(self) -> None:
        """Wake up whoever waits in `take`; a frame that still waits counts as overwritten."""
        with self._ready:
            self._closed = True
            if self._frame is not None:
                self._frame = None
                self._overwritten += 1
            self._ready.notify_all()

    def reopen(self) -> bool:
        """Undo `close`; return False where it is too late, as `take` has returned None."""
        with self._ready:
            self._closed = self._ended
            return not self._ended

    def counts(self) -> Counts:
        """Return the counts since the slot was made."""
        with self._ready:
            return Counts(self._received, self._answered, self._overwritten, self._too_old,
                          self._bad)
