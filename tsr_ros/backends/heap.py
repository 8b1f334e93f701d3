# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import ctypes


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
