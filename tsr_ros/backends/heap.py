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
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library
        return
    trim(0)


def keep_free_memory():
    """
    Keep what the process frees for itself, where the C library can.

    glibc otherwise asks the system for each large array and gives it back: a process that makes
    and frees arrays of megabytes all the time spends a fifth of its time on fresh pages.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(_M_MMAP_THRESHOLD, 32 << 20)  # the most that it takes
    mallopt(_M_TRIM_THRESHOLD, 512 << 20)
