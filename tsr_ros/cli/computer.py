# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the computer itself offers: processor, memory, NVIDIA GPUs."""

import ctypes
import os
import platform
from pathlib import Path

from tsr_ros.backends.base import available_cpus

# Instructions that the runtimes have faster kernels for, as Linux names them, x86 and then ARM.
CPU_FEATURES = (
    'sse4_2', 'avx', 'f16c', 'fma', 'avx2', 'avx_vnni', 'avx512f', 'avx512_vnni', 'avx512_bf16',
    'avx512_fp16', 'amx_bf16', 'amx_int8',
    'asimd', 'asimdhp', 'asimddp', 'i8mm', 'bf16', 'sve', 'sve2',
)

# Values of the CUDA driver's enumerations (cuda.h).
_CU_SUCCESS = 0
_COMPUTE_CAPABILITY_MAJOR, _COMPUTE_CAPABILITY_MINOR = 75, 76


def describe_computer():
    """Return system, processor, usable cores, CPU features and memory (GiB)."""
    cpu, features = parse_cpuinfo(_read('/proc/cpuinfo'))
    return {
        'system': f'{_distribution()}, {platform.system()} {platform.release()}',
        'machine': platform.machine(),
        'cpu': cpu or platform.processor() or 'unknown processor',
        'cores': os.cpu_count() or 1,
        'usable_cores': available_cpus(),
        'cpu_features': features,
        'memory_gib': round(_memory_bytes() / 2 ** 30, 1),
    }


def parse_cpuinfo(text):
    """Return the processor's name and those of its CPU_FEATURES, of a text like /proc/cpuinfo."""
    first = {}
    for line in text.splitlines():
        key, colon, value = line.partition(':')
        if colon:
            first.setdefault(key.strip(), value.strip())
    found = set(first.get('flags', first.get('Features', '')).split())
    name = first.get('model name') or first.get('Model') or first.get('Hardware') or ''
    return name, [feature for feature in CPU_FEATURES if feature in found]


def describe_gpu():
    """
    Return NVIDIA's driver and its devices, as the driver's own library names them.

    `nvidia-smi` is not asked: a Jetson has none.
    """
    gpu = {'driver': _driver_version(), 'cuda': '', 'devices': [], 'problem': ''}
    try:
        driver = ctypes.CDLL('libcuda.so.1')
    except OSError:
        gpu['problem'] = 'no NVIDIA driver (libcuda.so.1 is not there)'
        return gpu
    status = driver.cuInit(0)
    if status != _CU_SUCCESS:
        gpu['problem'] = f'the NVIDIA driver does not start (cuInit returns {status})'
        return gpu
    number = ctypes.c_int()
    driver.cuDriverGetVersion(ctypes.byref(number))
    gpu['cuda'] = f'{number.value // 1000}.{number.value % 1000 // 10}'
    driver.cuDeviceGetCount(ctypes.byref(number))
    gpu['devices'] = [_describe_device(driver, index) for index in range(number.value)]
    if not gpu['devices']:
        gpu['problem'] = 'the NVIDIA driver sees no GPU'
    return gpu


def _describe_device(driver, index):
    name = ctypes.create_string_buffer(256)
    size = ctypes.c_size_t()
    major, minor = ctypes.c_int(), ctypes.c_int()
    driver.cuDeviceGetName(name, len(name), index)
    driver.cuDeviceTotalMem_v2(ctypes.byref(size), index)
    driver.cuDeviceGetAttribute(ctypes.byref(major), _COMPUTE_CAPABILITY_MAJOR, index)
    driver.cuDeviceGetAttribute(ctypes.byref(minor), _COMPUTE_CAPABILITY_MINOR, index)
    return {'name': name.value.decode(errors='replace'),
            'memory_gib': round(size.value / 2 ** 30, 1),
            'compute_capability': f'{major.value}.{minor.value}'}


def _driver_version():
    """Return the kernel module's version ('NVRM version: … Kernel Module  550.54.14  …')."""
    words = _read('/proc/driver/nvidia/version').partition('\n')[0].split()
    return next((word for word in words if word[0].isdigit() and '.' in word), '')


def _distribution():
    for line in _read('/etc/os-release').splitlines():
        if line.startswith('PRETTY_NAME='):
            return line.partition('=')[2].strip('"')
    return platform.platform()


def _memory_bytes():
    try:
        return os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
    except (ValueError, OSError):
        return 0


def _read(path):
    """Return a file's text, '' where it is not there."""
    try:
        return Path(path).read_text(errors='replace')
    except OSError:
        return ''
