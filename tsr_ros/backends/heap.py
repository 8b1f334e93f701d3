# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # in malloc.h


def return_free_memory():
    """
    Give the memory that the process has freed back to the system, where the C library can.

    glibc keeps what a runtime freed after it read a model, tens of MB, for the next time: for a
    node that reads one model that never comes.
    """
    trim = _c_function('malloc_trim')
    if trim is not None:
        trim(0)


def keep_free_memory():
    """
    Keep what the process frees for itself, where the C library can.

    glibc otherwise asks the system for each large array and gives it back: a process that makes
    and frees arrays of megabytes all the time spends a fifth of its time on fresh pages.
    """
    mallopt = _c_function('mallopt')
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)  # the most that it takes
        mallopt(_M_TRIM_THRESHOLD, 512 << 20)


def _c_function(name):
    """Return a function of the C library; None where it is another library, without it."""
    try:
        return getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return None
