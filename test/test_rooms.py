# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The house's rules (docs/design.md), read off the import statements."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / 'tsr_ros'
ROOMS = ('vision', 'backends', 'tracking', 'nodes', 'report', 'yolov7', 'evaluation', 'training',
         'export', 'replay', 'benchmark', 'cli')
ON_ROBOT = ('vision', 'backends', 'tracking', 'nodes')
# outside packages that a room of the robot may import at the top of a module
LIGHT = {
    'vision': {'cv2', 'numpy'},
    'backends': {'numpy', 'yaml'},
    'tracking': {'numpy'},
    'nodes': {'cv2', 'numpy', 'rclpy', 'builtin_interfaces', 'diagnostic_msgs', 'rcl_interfaces',
              'sensor_msgs', 'std_msgs', 'vision_msgs'},
}


def imported(path, package=PACKAGE):
    """Yield (line, dotted name, at the top of the module) of everything a module imports."""
    tree = ast.parse(path.read_text())
    top = {id(node) for statement in tree.body for node in ast.walk(statement)
           if isinstance(statement, (ast.Import, ast.ImportFrom, ast.Try))}
    parts = ('tsr_ros', *path.relative_to(package).with_suffix('').parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = '.'.join(parts[:-node.level]) if node.level else ''
            names = ['.'.join(filter(None, (base, node.module)))]
            if names[0] == 'tsr_ros':
                names = [f'tsr_ros.{alias.name}' for alias in node.names]
        else:
            continue
        for name in names:
            yield node.lineno, name, id(node) in top


def room_of(name):
    parts = name.split('.')
    return parts[1] if parts[0] == 'tsr_ros' and len(parts) > 1 and parts[1] in ROOMS else None


@pytest.mark.parametrize(('source', 'expected'), [
    ('', []),
    ('import os', [(1, 'os', True)]),
    ('from ..vision import boxes', [(1, 'tsr_ros.vision', True)]),
    ('from . import base', [(1, 'tsr_ros.backends', True)]),
    ('from tsr_ros import cli', [(1, 'tsr_ros.cli', True)]),
    ('def f():\n    import torch.nn', [(2, 'torch.nn', False)]),
])
def test_imports_are_read_off_a_module(tmp_path, source, expected):
    module = tmp_path / 'backends' / 'module.py'
    module.parent.mkdir()
    module.write_text(source)
    assert list(imported(module, tmp_path)) == expected


def test_every_folder_is_a_room():
    folders = {path.parent.relative_to(PACKAGE).parts[0] for path in PACKAGE.rglob('*.py')
               if path.parent != PACKAGE}
    assert folders == set(ROOMS)


@pytest.mark.parametrize('room', ROOMS)
def test_a_room_imports_only_what_stands_above_it(room):
    allowed = ROOMS[:ROOMS.index(room) + 1]
    wrong = [f'{path.relative_to(PACKAGE)}:{line} imports {name}'
             for path in sorted((PACKAGE / room).rglob('*.py'))
             for line, name, _ in imported(path)
             if room_of(name) is not None and room_of(name) not in allowed]
    assert wrong == []


@pytest.mark.parametrize('room', ON_ROBOT)
def test_the_robot_needs_few_packages(room):
    import sys
    wrong = [f'{path.relative_to(PACKAGE)}:{line} imports {name}'
             for path in sorted((PACKAGE / room).rglob('*.py'))
             for line, name, top in imported(path) if top
             and name.split('.')[0] not in {*sys.stdlib_module_names, 'tsr_ros', *LIGHT[room]}]
    assert wrong == []
