# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Blender as a separate process with a Python of its own; nothing here imports bpy."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tsr_ros
from tsr_ros.report.files import write_json

PYTHON_VARIABLE = 'TSR_BLENDER_PYTHON'
_DEFAULT_PYTHON = Path.home() / '.cache/tsr_ros/blender/bin/python'
_MODULE = 'tsr_ros.replay.render.blender'
_REQUIREMENTS = ('bpy', 'OpenEXR')
_HOW_TO_GET = f"""rendering needs Blender as a Python module (bpy 5.0.1, Python 3.11, about 1 GB):
    python3.11 -m venv ~/.cache/tsr_ros/blender
    ~/.cache/tsr_ros/blender/bin/pip install bpy==5.0.1 OpenEXR==3.5.3
or set {PYTHON_VARIABLE} to the Python of an environment that has both (as a Python 3.11 has after
installing this package with its extra `render`)"""


class BlenderMissingError(RuntimeError):
    """There is no Python with bpy; the text says how to get one."""


class BlenderError(RuntimeError):
    """Blender stopped before its frames were done; the text holds its last lines."""


def find_blender_python() -> str:
    """Return the Python that can import bpy: the one configured, the usual one or this one.

    :raises BlenderMissingError: there is none, or it lacks bpy or OpenEXR
    """
    python = os.environ.get(PYTHON_VARIABLE)
    if python is None and not _DEFAULT_PYTHON.is_file() and not _missing(sys.executable):
        return sys.executable
    python = python or str(_DEFAULT_PYTHON)
    if not Path(python).is_file():
        raise BlenderMissingError(f'{python} does not exist: {_HOW_TO_GET}')
    missing = _missing(python)
    if missing:
        raise BlenderMissingError(f'{python} lacks {missing}: {_HOW_TO_GET}')
    return python


def _missing(python: str) -> str:
    """Return what a Python lacks for rendering, or why it does not start; '' if nothing."""
    try:
        found = subprocess.run(
            [python, '-c', 'import importlib.util as u, sys; '
             'print(*(n for n in sys.argv[1:] if u.find_spec(n) is None))', *_REQUIREMENTS],
            capture_output=True, text=True, check=False)
    except OSError as error:
        return f'the right to be started ({error.strerror})'
    return found.stdout.strip() or (found.stderr.strip() if found.returncode else '')


def linear_file(folder: Path, frame: int) -> Path:
    """Return where a frame's light, depth and object index are kept."""
    return folder / f'{frame:05d}.npz'


def render_linear(plan: dict[str, Any], textures: dict[str, str], frames: list[int],
                  folder: Path, threads: int = 0, command: list[str] | None = None,
                  ) -> Iterator[int]:
    """Render frames into `folder`, yielding each number once its file is complete.

    Frames whose file is there already are yielded without being rendered again. Blender ends with
    the iteration, also when it is broken off.

    :param threads: 0 for all cores
    :param command: what to run in Blender's place, given the job file as last argument
    :raises BlenderMissingError, BlenderError: see there
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = [frame for frame in frames if not linear_file(folder, frame).exists()]
    if not missing:
        yield from frames
        return
    job = folder / 'job.json'
    write_json(job, {'plan': plan, 'textures': textures, 'frames': missing,
                     'folder': str(folder), 'threads': threads or os.cpu_count() or 1})
    command = command or [find_blender_python(), '-m', _MODULE]
    log = folder / 'blender.log'
    environment = {**os.environ, 'PYTHONPATH': str(_import_folder(folder))}
    with log.open('w', encoding='utf-8') as log_file:
        process = subprocess.Popen([*command, str(job)], stdout=subprocess.PIPE,
                                   stderr=log_file, text=True, env=environment)
        try:
            awaited = set(missing)
            for frame in frames:
                if frame in awaited:
                    _wait_for(frame, process, log)
                yield frame
        finally:
            process.terminate()
            process.wait()


def _import_folder(folder: Path) -> Path:
    """Return a folder with this package alone: beside it may lie packages of another Python."""
    parent = folder / 'import'
    parent.mkdir(exist_ok=True)
    link = parent / 'tsr_ros'
    link.unlink(missing_ok=True)
    link.symlink_to(Path(tsr_ros.__file__).parent, target_is_directory=True)
    return parent


def _wait_for(frame: int, process: subprocess.Popen, log: Path) -> None:
    """Read the process's output until it reports a frame."""
    for line in process.stdout or ():
        if line.split() == ['rendered', str(frame)]:
            return
    process.wait()
    tail = ' / '.join(log.read_text(encoding='utf-8', errors='replace').split('\n')[-6:-1])
    raise BlenderError(f'Blender stopped before frame {frame} (exit status '
                       f'{process.returncode}): {tail or "no message"}; log: {log}')
