# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C and SIGTERM as a wish to stop at the next good moment."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from types import FrameType


class Interruption:
    """
    While this context is open, the first SIGINT or SIGTERM only sets `wanted`; a second one acts.

    Outside the main thread, where signals cannot be taken, it does nothing.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.wanted = False
        self.before = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            self.before = {number: signal.signal(number, self.note) for number in self.SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        self.restore()

    def note(self, number: int, frame: FrameType | None) -> None:
        """Take note of the wish, and let the next signal act."""
        self.wanted = True
        self.restore()

    def restore(self) -> None:
        """Put the handlers back that were there before."""
        for number, handler in self.before.items():
            signal.signal(number, handler)


def ignore_interruption() -> None:
    """Let the main process alone decide: a terminal sends Ctrl-C to all, systemd SIGTERM."""
    for number in Interruption.SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def kill_children() -> None:
    """
    End the processes that this one started, for good: at its exit, it would wait for them.

    It would ask them by SIGTERM, which they ignore.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # PyTorch's handler takes it for a failure
    for process in multiprocessing.active_children():
        process.kill()
