# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Single labelled pictures for training, in the layout that YOLO trainers read."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml
from tqdm import tqdm

from tsr_ros.replay.render.atmosphere import atmosphere_of
from tsr_ros.replay.render.blender_process import linear_file, render_linear
from tsr_ros.replay.render.catalogue import LABELS
from tsr_ros.replay.render.develop import Developer, read_linear
from tsr_ros.replay.render.files import write_atomically
from tsr_ros.replay.render.ground_truth import Label, label_frame
from tsr_ros.replay.render.plan import make_view_plan
from tsr_ros.replay.render.scene import Scene
from tsr_ros.replay.render.sensor import encode_jpeg
from tsr_ros.replay.render.textures import write_textures

VIEWS_PER_SCENE = 16  # building a scene costs as much time as one or two views of it
_CONDITIONS = (('day', 'clear'), ('day', 'clear'), ('low_sun', 'clear'), ('day', 'rain'),
               ('day', 'fog'), ('night', 'clear'), ('night', 'rain'))


def render_images(folder: str | Path, count: int, work: str | Path, seed: int = 1,
                  resolution_wh: tuple[int, int] = (640, 640), samples: int = 2,
                  threads: int = 0, command: list[str] | None = None,
                  progress: bool = True) -> None:
    """Write `count` pictures with labels under `folder`; call again to go on after a break.

    Layout: images/<name>.jpg, labels/<name>.txt with lines 'class cx cy w h' as parts of the
    picture's size, and data.yaml with the class names. Scenes change every `VIEWS_PER_SCENE`
    pictures: other road, signs, weather and light.

    :raises BlenderMissingError, BlenderError: see `blender_process`
    """
    folder, work = Path(folder), Path(work).expanduser().resolve()
    for kind in ('images', 'labels'):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    write_atomically(folder / 'data.yaml', yaml.safe_dump(
        {'train': 'images', 'names': dict(enumerate(LABELS))}, sort_keys=False).encode())
    with tqdm(total=count, unit='image', disable=not progress) as bar:
        for first in range(0, count, VIEWS_PER_SCENE):
            views = min(VIEWS_PER_SCENE, count - first)
            scene = image_scene(seed + first // VIEWS_PER_SCENE, resolution_wh, samples)
            _render_views(scene, views, folder, work, threads, command, bar)


def image_scene(seed: int, resolution_wh: tuple[int, int], samples: int) -> Scene:
    """Return a scene of random content and condition for `VIEWS_PER_SCENE` views."""
    rng = random.Random(f'images {seed}')
    time_of_day, weather = rng.choice(_CONDITIONS)
    visibility_m = rng.uniform(60, 400) if weather == 'fog' else None
    return Scene(name=f'{time_of_day}_{weather}_{seed:06d}', seed=seed,
                 resolution_wh=resolution_wh, samples=samples, time_of_day=time_of_day,
                 weather=weather, visibility_m=visibility_m, random_signs=20,
                 billboards=rng.randint(0, 5), round_lamps=rng.randint(0, 6),
                 cars_ahead=rng.randint(0, 2), cars_oncoming=rng.randint(0, 3))


def yolo_lines(labels: Sequence[Label], resolution_wh: Sequence[int]) -> str:
    """Return a label file's text; only what can be recognised is in it."""
    width, height = resolution_wh
    lines = []
    for label in labels:
        if label.is_recognisable:
            x0, y0, x1, y1 = label.xyxy
            lines.append(f'{label.class_id} {(x0 + x1) / 2 / width:.6f} '
                         f'{(y0 + y1) / 2 / height:.6f} {(x1 - x0) / width:.6f} '
                         f'{(y1 - y0) / height:.6f}\n')
    return ''.join(lines)


def _render_views(scene: Scene, views: int, folder: Path, work: Path, threads: int,
                  command: list[str] | None, bar: Any) -> None:
    names = [f'{scene.name}_{view:02d}' for view in range(views)]
    missing = [view for view, name in enumerate(names)
               if not (folder / 'labels' / f'{name}.txt').exists()]
    bar.update(views - len(missing))
    if not missing:
        return
    plan = make_view_plan(scene, VIEWS_PER_SCENE)
    light = work / f'views-{scene.name}'
    developer = Developer(scene, plan)
    with closing(render_linear(plan, write_textures(plan, light / 'textures'), missing, light,
                               threads, command)) as rendered:
        for view in rendered:
            linear = read_linear(linear_file(light, view))
            picture, _ = developer.develop(view, linear, continuous=False)
            labels = label_frame(plan, plan['poses'][view + 1]['camera'], linear.index,
                                 atmosphere_of(scene).visibility_m)
            write_atomically(folder / 'images' / f'{names[view]}.jpg',
                             encode_jpeg(picture, scene.jpeg_quality))
            write_atomically(folder / 'labels' / f'{names[view]}.txt',
                             yolo_lines(labels, scene.resolution_wh).encode())
            linear_file(light, view).unlink()
            bar.update()
