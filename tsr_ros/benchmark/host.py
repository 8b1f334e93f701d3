# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What computer this is, and how busy, fast and warm it is while something is measured."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import resource
from pathlib import Path
from typing import Any, NamedTuple

from tsr_ros import __version__
from tsr_ros.backends.base import available_cpus

_PACKAGES = ('numpy', 'opencv-python-headless', 'opencv-python', 'torch', 'onnxruntime',
             'onnxruntime-gpu', 'openvino', 'ai-edge-litert', 'tensorflow', 'tensorrt',
             'tensorrt-rtx-cu13')
_FLAGS = ('avx2', 'avx512f', 'avx512_vnni', 'avx512_bf16', 'amx_int8', 'amx_bf16', 'avx_vnni',
          'asimd', 'asimddp', 'i8mm', 'bf16')
_MOST_LOAD = 0.5  # of a computer that is left alone
_POWERCAP = Path('/sys/class/powercap')


def describe_host() -> dict[str, Any]:
    """Return processor, memory, system and versions, as plain data for a file."""
    cpu = _cpu_info()
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    flags = (cpu.get('flags') or cpu.get('Features') or '').split()
    return {
        'cpu': cpu.get('model name') or cpu.get('Model') or platform.processor() or 'unknown',
        'cpus': available_cpus(),
        'instructions': [flag for flag in _FLAGS if flag in flags],
        'memory_gib': round(os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30, 1),
        'board': _read('/proc/device-tree/model').strip('\0\n '),
        'gpu': _gpu_names(),
        'governor': _governor(),
        # of the kernel's release the version alone: what follows is its builder's own
        'system': f'{platform.system()} {platform.release().partition("-")[0]} '
                  f'{platform.machine()}, {" ".join(platform.libc_ver())}',
        'python': platform.python_version(),
        'tsr_ros': __version__,
        'versions': versions,
    }


class Activity(NamedTuple):
    """Counters of the processors that this process may use, at one moment."""

    busy_s: float  # of all of them together, since the machine was started
    stolen_s: float  # that a hypervisor gave to others
    own_s: float  # of this process and what it has waited for; add the children's own
    energy_j: float | None  # used by the processor's package, where it says so


def read_activity() -> Activity:
    """Return the counters of this moment; see proc(5) for /proc/stat."""
    lines = [line.split() for line in _read('/proc/stat').splitlines()]
    usable = {f'cpu{number}' for number in os.sched_getaffinity(0)}
    rows = [line for line in lines if line[0] in usable]
    if len(rows) < len(usable):  # some containers number their processors anew, and show no others
        rows = lines[:1]
    user, nice, system, _, _, irq, softirq, stolen = (
        sum(map(float, column)) for column in list(zip(*rows))[1:9])
    tick = os.sysconf('SC_CLK_TCK')
    own = resource.getrusage(resource.RUSAGE_SELF)
    return Activity((user + nice + system + irq + softirq) / tick, stolen / tick,
                    own.ru_utime + own.ru_stime, _energy_j())


def load_warning(load_average: float | None) -> str:
    """Return what is to be said of the load average before a measurement: '' if it was calm."""
    if load_average is None or load_average <= _MOST_LOAD:
        return ''
    return (f'Other programs were at work before it began (load average {load_average:.1f}): if '
            'they still were, these times say little.')


def frequency_mhz() -> float | None:
    """Return the mean clock of the processors, or None where the machine does not tell it."""
    clocks = [float(text) / 1000 for file in sorted(
        Path('/sys/devices/system/cpu').glob('cpu[0-9]*/cpufreq/scaling_cur_freq'))
        if (text := _read(file).strip())]
    clocks = clocks or [float(line.split(':')[1]) for line in _read('/proc/cpuinfo').splitlines()
                        if line.startswith('cpu MHz')]
    return round(sum(clocks) / len(clocks), 1) if clocks else None


def _governor() -> str:
    """Return by what rule the system sets the processors' clock, '' where it does not tell."""
    return ', '.join(sorted({_read(file).strip() for file in Path(
        '/sys/devices/system/cpu').glob('cpu[0-9]*/cpufreq/scaling_governor')}))


def temperature_c() -> float | None:
    """Return the hottest thermal zone, or None where there is none."""
    values = [float(text) / 1000 for file in Path('/sys/class/thermal').glob('*/temp')
              if (text := _read(file).strip())]
    return max(values) if values else None


def resident_mb(process: str | int = 'self') -> float:
    """Return the resident size of a process in megabytes (10^6 bytes)."""
    for line in _read(f'/proc/{process}/status').splitlines():
        if line.startswith('VmRSS:'):
            return int(line.split()[1]) * 1024 / 1e6
    return float('nan')


def _energy_j() -> float | None:
    # beside the packages there may be a domain of the whole board, which holds them too
    packages = [zone for zone in _POWERCAP.glob('intel-rapl:*')
                if _read(zone / 'name').startswith('package')]
    counters = [float(text) / 1e6 for zone in packages
                if (text := _read(zone / 'energy_uj').strip())]
    return sum(counters) if counters else None


def _cpu_info() -> dict[str, str]:
    info: dict[str, str] = {}
    for line in _read('/proc/cpuinfo').splitlines():
        key, _, value = line.partition(':')
        info.setdefault(key.strip(), value.strip())
    return info


def _gpu_names() -> list[str]:
    return [line.split(':', 1)[1].strip() for file in sorted(
        Path('/proc/driver/nvidia/gpus').glob('*/information'))
        for line in _read(file).splitlines() if line.startswith('Model:')]


def _read(path: str | Path) -> str:
    """Return a file's text; nothing where it is not there or may not be read."""
    try:
        return Path(path).read_text(errors='replace')
    except OSError:
        return ''
