# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import ctypes
import platform
import subprocess
import sys

import pytest

from tsr_ros.backends import heap

MB = 2 ** 20


def resident_mb():
    with open('/proc/self/status') as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith('VmRSS'))


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='only glibc keeps freed memory')
def test_what_was_freed_goes_back():
    blocks = [bytes(8192) for _ in range(200 * MB // 8192)]
    last = blocks.pop()  # at the end of the heap it keeps all before it from shrinking
    full = resident_mb()
    del blocks
    heap.return_free_memory()
    assert resident_mb() < full - 150
    assert len(last) == 8192


FAULTS = """
import resource, sys
from tsr_ros.backends.heap import keep_free_memory
if sys.argv[1] == 'keep':
    keep_free_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def work():
    return len([bytearray(20 << 20) for _ in range(3)])
work()
before = faults()
for _ in range(5):
    work()
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='only glibc has these settings')
def test_what_was_freed_is_used_again():
    keeping, giving_back = (
        int(subprocess.check_output([sys.executable, '-c', FAULTS, word], text=True))
        for word in ('keep', 'not'))
    assert keeping < 50
    assert giving_back > 100  # 300 MB, in pages of 2 MB at the most


@pytest.mark.parametrize('error', [OSError, TypeError])
def test_a_c_library_that_cannot(monkeypatch, error):
    def fail(_name):
        raise error

    monkeypatch.setattr(ctypes, 'CDLL', fail)
    heap.return_free_memory()
    heap.keep_free_memory()


def test_a_c_library_without_it(monkeypatch):
    monkeypatch.setattr(ctypes, 'CDLL', lambda _name: object())
    heap.return_free_memory()
    heap.keep_free_memory()
