# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a computer must have before an environment can be set up on it."""

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

WHEELS = ('kilted', 'jazzy')
PYTHONS = ((3, 11), (3, 12), (3, 13))  # that there are wheels for, the first one tried
PROGRAMS = (('cmake', 'cmake'), ('make', 'make'), ('gcc', 'gcc'), ('g++', 'g++'))


class SetupError(Exception):
    """What is missing, and how to get it, in one line."""


def check_machine(installed_ros):
    """Raise SetupError for the first thing missing that no later step could bring."""
    if installed_ros:
        check_installed_ros()
    else:
        check_wheels()
    for program, package in PROGRAMS:
        if not shutil.which(program):
            raise SetupError(f'{program} is missing. Install it: sudo apt install {package}')
    python = f'python{sys.version_info[0]}.{sys.version_info[1]}'
    if not (Path(sysconfig.get_paths()['include']) / 'Python.h').is_file():
        raise SetupError(f'Python.h is missing. Install it: sudo apt install {python}-dev')
    try:
        import ensurepip  # noqa: F401  (Debian ships venv without it)
    except ImportError:
        raise SetupError(f'venv is missing. Install it: sudo apt install {python}-venv') from None


def check_wheels():
    """Raise SetupError where there are no ROS 2 wheels for this Python or computer."""
    if sys.version_info[:2] not in PYTHONS:
        wanted = ', '.join(f'{major}.{minor}' for major, minor in PYTHONS)
        raise SetupError(
            f'The ROS 2 wheels are for Python {wanted}, but {sys.executable} is '
            f'{sys.version_info[0]}.{sys.version_info[1]}. Install python3.11, '
            'or name another: make PYTHON=/path/to/python …')
    if platform.machine() != 'x86_64' or platform.system() != 'Linux':
        raise SetupError(
            f'The ROS 2 wheels are for Linux on x86_64, but this is {platform.system()} on '
            f'{platform.machine()}. Install ROS 2 and source it (. /opt/ros/<distro>/setup.bash)')


def check_installed_ros():
    """Raise SetupError unless a ROS 2 is sourced that this Python can use."""
    if not os.environ.get('AMENT_PREFIX_PATH'):
        raise SetupError('No ROS 2 is sourced. Source it (. /opt/ros/<distro>/setup.bash), '
                         'or take the wheels: make ROS=kilted …')
    process = subprocess.run([sys.executable, '-c', 'import numpy, rclpy'], check=False,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if process.returncode:
        raise SetupError(f'A ROS 2 is sourced, but {sys.executable} cannot import its rclpy. '
                         'Name the Python that it was built for: make PYTHON=/usr/bin/python3 …')
    if not shutil.which('colcon'):
        raise SetupError(
            'colcon is missing. Install it: sudo apt install python3-colcon-common-extensions')


def check_disk(folder, needed_gib):
    """Raise SetupError where a folder's disk has less room than is needed."""
    free_gib = shutil.disk_usage(folder).free / 2 ** 30
    if free_gib < needed_gib:
        raise SetupError(f'{needed_gib} GiB are needed below {folder}, but the disk has '
                         f'{free_gib:.1f} GiB left. Make room; the next call goes on from here')


# What pip says, and what that means.
_PIP_FAILURES = (
    (r'No space left on device',
     'The disk is full. Make room; the next call goes on from here'),
    (r'NewConnectionError|ConnectTimeout|NameResolutionError|Network is unreachable|ProxyError|'
     r'Temporary failure in name resolution|Connection refused|ReadTimeout|SSLError',
     'There is no network to fetch the Python packages over, and nothing was installed. '
     'Connect, or set the proxy (https_proxy) or the index (PIP_INDEX_URL)'),
    (r'No matching distribution found for (\S+)',
     'Your package index has no {} for this Python and computer'),
)


def why_pip_failed(log):
    """Return in one line why pip could not install what was asked for, of its output."""
    for pattern, meaning in _PIP_FAILURES:
        match = re.search(pattern, log)
        if match:
            return meaning.format(*match.groups())
    return 'The Python packages could not be installed'
