# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import platform
import shutil
import sys
import sysconfig
from types import SimpleNamespace

import machine
import pytest
from machine import SetupError, check_disk, check_machine, why_pip_failed


@pytest.fixture
def complete(tmp_path, monkeypatch):
    """Let this computer have all that is needed, whatever it really has."""
    programs = tmp_path / 'bin'
    programs.mkdir()
    for name in ('cmake', 'make', 'gcc', 'g++', 'colcon'):
        (programs / name).write_text('')
        (programs / name).chmod(0o755)
    include = tmp_path / 'include'
    include.mkdir()
    (include / 'Python.h').write_text('')
    monkeypatch.setenv('PATH', str(programs))
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path))
    monkeypatch.setattr(platform, 'machine', lambda: 'x86_64')
    monkeypatch.setattr(platform, 'system', lambda: 'Linux')
    monkeypatch.setattr(sysconfig, 'get_paths', lambda: {'include': str(include)})
    monkeypatch.setattr(sys, 'version_info', (3, 11, 2, 'final', 0))
    monkeypatch.setitem(sys.modules, 'ensurepip', SimpleNamespace())
    monkeypatch.setattr(machine.subprocess, 'run', lambda *a, **k: SimpleNamespace(returncode=0))
    return tmp_path


def lacks(program):
    return lambda folder, monkeypatch: (folder / 'bin' / program).unlink()


def is_python(*version):
    return lambda folder, monkeypatch: monkeypatch.setattr(sys, 'version_info', version)


def is_platform(name, value):
    return lambda folder, monkeypatch: monkeypatch.setattr(platform, name, lambda: value)


def lacks_header(folder, monkeypatch):
    (folder / 'include' / 'Python.h').unlink()


def lacks_venv(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, 'ensurepip', None)


def is_not_sourced(folder, monkeypatch):
    monkeypatch.delenv('AMENT_PREFIX_PATH')


def has_other_python(folder, monkeypatch):
    monkeypatch.setattr(machine.subprocess, 'run', lambda *a, **k: SimpleNamespace(returncode=1))


@pytest.mark.parametrize('installed_ros', [False, True])
def test_a_complete_computer(complete, installed_ros):
    check_machine(installed_ros)


@pytest.mark.parametrize(('installed_ros', 'lack', 'line'), [
    (False, lacks('gcc'), 'gcc is missing. Install it: sudo apt install gcc'),
    (False, lacks('g++'), r'g\+\+ is missing. Install it: sudo apt install g\+\+'),
    (False, lacks('cmake'), 'cmake is missing. Install it: sudo apt install cmake'),
    (False, lacks('make'), 'make is missing. Install it: sudo apt install make'),
    (False, lacks_header, 'Python.h is missing. Install it: sudo apt install python3.11-dev'),
    (False, lacks_venv, 'venv is missing. Install it: sudo apt install python3.11-venv'),
    (False, is_python(3, 10, 1), r'wheels are for Python 3.11, .* is 3\.10\. Install python3\.11'),
    (False, is_python(3, 15, 0), r'wheels are for Python 3.11, .* is 3\.15\.'),
    (False, is_platform('machine', 'aarch64'), 'this is Linux on aarch64. Install ROS 2 and'),
    (False, is_platform('system', 'Darwin'), 'this is Darwin on x86_64. Install ROS 2 and'),
    (True, lacks('colcon'), 'colcon is missing. Install it: sudo apt install python3-colcon'),
    (True, lacks('cmake'), 'cmake is missing'),
    (True, is_not_sourced, 'No ROS 2 is sourced. Source it'),
    (True, has_other_python, 'cannot import its rclpy. Name the Python'),
])
def test_what_is_missing_is_said_in_one_line(complete, monkeypatch, installed_ros, lack, line):
    lack(complete, monkeypatch)
    with pytest.raises(SetupError, match=line) as raised:
        check_machine(installed_ros)
    assert '\n' not in str(raised.value)


@pytest.mark.parametrize(('installed_ros', 'lack'), [
    (True, is_python(3, 8, 10)),  # its own Python is the right one, whichever it is
    (True, is_platform('machine', 'aarch64')),
    (False, is_not_sourced),
    (False, lacks('colcon')),  # it comes with the wheels
])
def test_what_may_be_missing(complete, monkeypatch, installed_ros, lack):
    lack(complete, monkeypatch)
    check_machine(installed_ros)


def test_room_on_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, 'disk_usage', lambda path: SimpleNamespace(free=3 * 2 ** 30))
    check_disk(tmp_path, 3)
    with pytest.raises(SetupError, match=r'4 GiB are needed below .*, but the disk has 3\.0 GiB'):
        check_disk(tmp_path, 4)


@pytest.mark.parametrize(('log', 'line'), [
    ('', 'could not be installed'),
    ('ERROR: ResolutionImpossible', 'could not be installed'),
    ("Retrying: 'NewConnectionError('…: Failed to establish a new connection: [Errno -3] "
     'Temporary failure in name resolution\nERROR: No matching distribution found for numpy==1',
     'There is no network'),
    ('ProxyError(…)', 'set the proxy'),
    ('OSError: [Errno 28] No space left on device', 'The disk is full'),
    ('ERROR: No matching distribution found for ros-rclpy==9.9\n', 'has no ros-rclpy==9.9 for'),
])
def test_why_pip_failed(log, line):
    assert line in why_pip_failed(log)
    assert '\n' not in why_pip_failed(log)


