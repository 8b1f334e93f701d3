# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The driver is probed through real libraries, compiled here, that stand in for libcuda.so.1."""

import os
import subprocess
import sys

import pytest
from helpers import compile_library

SOURCE = r'''
#include <string.h>
int cuInit(unsigned flags) { return STATUS; }
int cuDeviceGetCount(int *count) { *count = 2; return 0; }
int cuDeviceGet(int *device, int index) { *device = index + 40; return 0; }
int cuDeviceGetName(char *name, int length, int device) {
    strncpy(name, device == 41 ? "NVIDIA Tegra X1" : "other", length); return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    *value = attribute == 75 ? 5 : attribute == 76 ? 3 : attribute == 18 ? device == 41 : -1;
    return 0; }
'''
PROBE = '''
from tsr_ros.backends.base import DeviceError
from tsr_ros.backends.nvidia_driver import find_gpu, has_nvidia_driver
print(has_nvidia_driver())
for index in 1, 2:
    try:
        print(tuple(find_gpu(index)))
    except DeviceError as error:
        print(error)
'''


@pytest.fixture
def probe(tmp_path):
    """Return a function that probes, in a process of its own, a driver that starts with STATUS."""
    def run(status):
        if status is None:
            (tmp_path / 'libcuda.so.1').write_bytes(b'no library')
        else:
            compile_library(tmp_path / 'libcuda.so.1', SOURCE, f'-DSTATUS={status}')
        path = str(tmp_path) + os.pathsep + os.environ.get('LD_LIBRARY_PATH', '')
        return subprocess.run(
            [sys.executable, '-c', PROBE], check=True, stdout=subprocess.PIPE,
            encoding='utf-8', env=dict(os.environ, LD_LIBRARY_PATH=path),
        ).stdout.splitlines()
    return run


def test_a_gpu_is_described(probe):
    assert probe(0) == ['True', "(1, 'NVIDIA Tegra X1', (5, 3), True)",
                        'there is no GPU 2; the driver sees 2']


@pytest.mark.parametrize(('status', 'text'), [
    (None, "NVIDIA's driver is not installed (there is no libcuda.so.1)"),
    (100, "NVIDIA's driver sees no GPU"),
    (999, "NVIDIA's driver does not work: cuInit returned 999"),
])
def test_what_is_wrong_is_said(probe, status, text):
    assert probe(status) == ['False', text, text]
