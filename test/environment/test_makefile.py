# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = ('ROS', 'ROS_DISTRO', 'TSR_ROS_ENVIRONMENT', 'PYTHON', 'MAKEFLAGS', 'MAKELEVEL')


def make(*words, **variables):
    env = {name: value for name, value in os.environ.items() if name not in OURS}
    return subprocess.run([shutil.which('make'), *words], cwd=ROOT, env={**env, **variables},
                          stdin=subprocess.DEVNULL, capture_output=True, text=True)


@pytest.mark.parametrize(('variables', 'ros', 'folder'), [
    ({}, 'kilted', 'kilted'),
    ({'ROS': 'jazzy'}, 'jazzy', 'jazzy'),
    ({'ROS_DISTRO': 'humble'}, 'installed', 'installed-humble'),
    ({'ROS_DISTRO': 'humble', 'ROS': 'kilted'}, 'kilted', 'kilted'),
    # in a shell that sourced .ros/…/setup.sh
    ({'ROS_DISTRO': 'kilted', 'TSR_ROS_ENVIRONMENT': 'kilted'}, 'kilted', 'kilted'),
    ({'ROS_DISTRO': 'humble', 'TSR_ROS_ENVIRONMENT': 'installed'}, 'installed',
     'installed-humble'),
])
def test_which_ros_is_taken(variables, ros, folder):
    process = make('-n', 'test', PYTHON='any-python', **variables)
    assert process.returncode == 0, process.stderr
    assert f'any-python scripts/environment.py --ros {ros} --with test' in process.stdout
    assert f'. .ros/{folder}/setup.sh && python -m pytest' in process.stdout


def test_which_python_is_taken(tmp_path):
    for name in ('python3', 'python3.11'):
        (tmp_path / name).write_text('')
        (tmp_path / name).chmod(0o755)
    path = f'{tmp_path}:{os.environ["PATH"]}'
    assert f'{tmp_path}/python3.11 scripts' in make('-n', 'environment', PATH=path).stdout
    # what an installed ROS was built for is the distribution's own
    assert f'{tmp_path}/python3 scripts' in make(
        '-n', 'environment', PATH=path, ROS_DISTRO='humble').stdout


def test_no_python(tmp_path):
    process = make('environment', PATH=str(tmp_path))
    assert process.returncode == 2
    assert 'Python is missing. Install it: sudo apt install python3.11' in process.stderr


def test_help_names_the_commands_first():
    assert make().stdout.splitlines()[0].startswith('make demo')
