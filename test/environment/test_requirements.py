# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import re
import sysconfig
from importlib.metadata import distributions
from pathlib import Path
from xml.etree import ElementTree

import pytest

import tsr_ros

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / 'requirements'
OURS = {'tsr-ros', 'pip'}


def normal(name):
    return re.sub(r'[-_.]+', '-', name).lower()


def pins(name):
    """Return {package: version} of a requirements file; each line has to be a pin."""
    result = {}
    for line in (REQUIREMENTS / name).read_text().splitlines():
        line = line.partition('#')[0].partition(';')[0].strip()
        if line:
            package, version = line.split('==')
            result[normal(package)] = version
    return result


FILES = ('runtime.txt', 'test.txt', 'colcon.txt', 'ros-kilted.txt', 'ros-jazzy.txt')


@pytest.mark.parametrize('ros', ['ros-kilted.txt', 'ros-jazzy.txt'])
def test_files_installed_together_agree(ros):
    known = {}
    for name in ('runtime.txt', 'test.txt', 'colcon.txt', ros):
        for package, version in pins(name).items():
            assert known.setdefault(package, version) == version, f'{package} in {name}'


def test_each_package_that_is_installed_is_pinned():
    """By us, or by a package that is."""
    installed = list(distributions(path=[sysconfig.get_paths()['purelib']]))
    versions = {normal(distribution.metadata['Name']): distribution.version
                for distribution in installed}
    if 'ros-rclpy' not in versions:
        pytest.skip('an installed ROS 2 decides on versions; the wheels are not used here')
    ros = next(pinned for pinned in map(pins, FILES[3:])
               if pinned['ros-rclpy'] == versions['ros-rclpy'])
    allowed = OURS | set(ros)
    for name in FILES[:3]:
        allowed |= set(pins(name))
    for distribution in installed:
        for requirement in distribution.requires or ():
            if '==' in requirement:
                allowed.add(normal(re.split(r'[^\w.-]', requirement)[0]))
    # the wheels' message packages are listed a second time, under their ROS names
    assert {name for name in versions
            if name not in allowed and f'ros-{name}' not in allowed} == set()


@pytest.mark.parametrize('file', ['runtime.txt', 'test.txt', 'colcon.txt'])
def test_each_pinned_package_is_explained(file):
    words = {normal(word) for word in
             re.findall(r'[\w.-]+', (ROOT / 'docs' / 'dependencies.md').read_text())}
    words |= {word.rstrip('-') for word in words}
    assert {package for package in pins(file)
            if package not in words and not package.startswith('colcon-')} == set()


def test_one_version_everywhere():
    package = ElementTree.parse(ROOT / 'package.xml').getroot()
    assert package.findtext('version') == tsr_ros.__version__
    assert tsr_ros.__version__ in (ROOT / 'CHANGELOG.rst').read_text()
