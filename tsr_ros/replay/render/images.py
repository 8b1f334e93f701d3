# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Single labelled pictures for training, in the layout that YOLO trainers read."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path
from typing import Any

from tqdm import tqdm

from tsr_ros.evaluation.ground_truth import LABELS
from tsr_ros.replay.label_files import data_yaml, label_text
from tsr_ros.replay.render.atmosphere import atmosphere_of
from tsr_ros.replay.render.blender_process import linear_file, render_linear
from tsr_ros.replay.render.develop import Developer, read_linear
from tsr_ros.replay.render.ground_truth import label_frame, recognisable
from tsr_ros.replay.render.plan import make_view_plan
from tsr_ros.replay.render.scene import Scene
from tsr_ros.replay.render.sensor import encode_jpeg
from tsr_ros.replay.render.textures import write_textures
from tsr_ros.report.files import write_bytes

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
    write_bytes(folder / 'data.yaml', data_yaml(LABELS).encode())
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
            write_bytes(folder / 'images' / f'{names[view]}.jpg',
                             encode_jpeg(picture, scene.jpeg_quality))
            write_bytes(folder / 'labels' / f'{names[view]}.txt',
                             label_text(recognisable(labels), scene.resolution_wh).encode())
            linear_file(light, view).unlink()
            bar.update()
