# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A whole drive: frames rendered, developed and labelled one by one, each kept once finished."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from tsr_ros.replay.render.atmosphere import atmosphere_of
from tsr_ros.replay.render.blender_process import linear_file, render_linear
from tsr_ros.replay.render.develop import Developer, read_linear
from tsr_ros.replay.render.ground_truth import Label, label_frame
from tsr_ros.replay.render.plan import make_plan, plan_key
from tsr_ros.replay.render.projection import optical_pose
from tsr_ros.replay.render.scene import Scene
from tsr_ros.replay.render.sensor import encode_jpeg
from tsr_ros.replay.render.textures import write_textures
from tsr_ros.report.files import write_bytes, write_json

DEVELOPING_VERSION = 2


class RenderedFrame(NamedTuple):
    """One finished frame of a drive."""

    number: int
    stamp_ns: int
    jpeg: bytes
    labels: list[Label]
    position: list[float]          # of the camera's optical frame in the map, metres
    orientation_xyzw: list[float]  # unit quaternion; optical frame: x right, y down, z ahead


class DriveFolders(NamedTuple):
    """Where a drive's files are kept: light may be shared by drives that differ in weather."""

    linear: Path
    frames: Path


def drive_folders(scene: Scene, plan: dict[str, Any], work: Path) -> DriveFolders:
    """Return the folders of a drive inside `work`; another scene gets others."""
    light = plan_key(plan)
    settings = json.dumps([DEVELOPING_VERSION, dataclasses.asdict(scene)], sort_keys=True)
    look = hashlib.sha256((light + settings).encode()).hexdigest()[:12]
    return DriveFolders(work / f'light-{light}', work / f'{scene.name}-{look}')


def render_drive(scene: Scene, work: str | Path, threads: int = 0,
                 command: list[str] | None = None,
                 progress: bool = True) -> Iterator[RenderedFrame]:
    """Render a drive frame by frame; what an earlier, interrupted call finished is taken over.

    :param work: folder for unfinished work, about 5 MB a frame at 960 x 540
    :param threads: processor threads for the renderer, 0 for all
    :param command: what to run in Blender's place, see `render_linear`
    :raises BlenderMissingError, BlenderError: see `blender_process`
    """
    plan = make_plan(scene)
    folders = drive_folders(scene, plan, Path(work).expanduser().resolve())
    folders.frames.mkdir(parents=True, exist_ok=True)
    numbers = range(scene.frame_count)
    developer = Developer(scene, plan)
    unfinished = [number for number in numbers if not _is_finished(folders.frames, number)]
    textures = write_textures(plan, folders.linear / 'textures') if unfinished else {}
    with closing(render_linear(plan, textures, unfinished, folders.linear, threads,
                               command)) as rendered:
        left = set(unfinished)
        for number in tqdm(numbers, desc=scene.name, unit='frame', disable=not progress):
            if number in left:
                next(rendered)
                _develop(scene, plan, developer, folders, number)
            else:
                developer.follow(_read_notes(folders.frames, number)['meter'])
            yield read_frame(scene, folders.frames, number)


def read_frame(scene: Scene, folder: Path, number: int) -> RenderedFrame:
    """Read a finished frame."""
    notes = _read_notes(folder, number)
    labels = [Label(**{**label, 'xyxy': tuple(label['xyxy']),
                       'position_m': tuple(label['position_m'])}) for label in notes['labels']]
    return RenderedFrame(number, stamp_ns(scene, number), _picture(folder, number).read_bytes(),
                         labels, notes['position'], notes['orientation_xyzw'])


def stamp_ns(scene: Scene, number: int) -> int:
    """Return a frame's time; drives begin at one second, since a zero stamp means 'none'."""
    return 1_000_000_000 + round(number * 1e9 / scene.rate_hz)


def _develop(scene: Scene, plan: dict[str, Any], developer: Developer, folders: DriveFolders,
             number: int) -> None:
    """Write one frame's picture, then its notes, which mark it as finished."""
    linear = read_linear(linear_file(folders.linear, number))
    picture, metered = developer.develop(number, linear)
    camera = plan['poses'][number + 1]['camera']
    labels = label_frame(plan, camera, linear.index, atmosphere_of(scene).visibility_m)
    position, orientation = optical_pose(camera['location'], camera['rotation'])
    jpeg = encode_jpeg(picture, scene.jpeg_quality, scene.max_bytes // scene.frame_count)
    write_bytes(_picture(folders.frames, number), jpeg)
    write_json(_notes(folders.frames, number), {
        'meter': metered, 'position': position, 'orientation_xyzw': orientation,
        'labels': [label._asdict() for label in labels]})


def _picture(folder: Path, number: int) -> Path:
    return folder / f'{number:05d}.jpg'


def _notes(folder: Path, number: int) -> Path:
    return folder / f'{number:05d}.json'


def _read_notes(folder: Path, number: int) -> dict[str, Any]:
    return json.loads(_notes(folder, number).read_text(encoding='utf-8'))


def _is_finished(folder: Path, number: int) -> bool:
    return _notes(folder, number).exists() and _picture(folder, number).exists()
