# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Render the frames of a job file: python -m tsr_ros.replay.render.blender JOB.json."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import bpy

from tsr_ros.replay.render.blender.buildings import add_buildings
from tsr_ros.replay.render.blender.engine import render_frame, set_up_engine
from tsr_ros.replay.render.blender.furniture import add_furniture
from tsr_ros.replay.render.blender.headlamps import add_own_headlamps
from tsr_ros.replay.render.blender.landscape import add_landscape
from tsr_ros.replay.render.blender.meshes import add_object
from tsr_ros.replay.render.blender.road_surface import add_road
from tsr_ros.replay.render.blender.sign_posts import add_distractors, add_signs
from tsr_ros.replay.render.blender.sky import add_sky
from tsr_ros.replay.render.blender.vegetation import Plants, add_cover, add_vegetation
from tsr_ros.replay.render.blender.vehicles import add_vehicles
from tsr_ros.replay.render.road import Road


def build_scene(plan: dict[str, Any], textures: dict[str, str]) -> None:
    """Build the whole scene of a plan in an empty file, with its moving things keyed."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    road = Road(plan['seed'])
    add_sky(plan)
    add_road(plan, road)
    add_landscape(plan, road)
    plants = Plants(plan['seed'], plan.get('snow', False))
    add_vegetation(plan, road, plants)
    add_buildings(plan, road)
    add_furniture(plan, road)
    add_signs(plan, textures)
    add_distractors(plan, textures)
    for sign in plan['signs']:
        if sign['hidden_by'] != 'none':
            add_cover(plants, sign, road)
    cars = add_vehicles(plan)
    camera = _add_camera(plan)
    for number, pose in enumerate(plan['poses']):
        _key(camera, pose['camera'], number - 1)
        for car, car_pose in zip(cars, pose['cars']):
            _key(car, car_pose, number - 1)


def _add_camera(plan: dict[str, Any]) -> bpy.types.Object:
    data = bpy.data.cameras.new('dashcam')
    data.sensor_fit = 'HORIZONTAL'
    data.angle = math.radians(plan['horizontal_fov_deg'])
    data.clip_start, data.clip_end = 0.1, 6000
    camera = add_object(data)
    bpy.context.scene.camera = camera
    if plan['time_of_day'] == 'night':
        add_own_headlamps(camera)
    return camera


def _key(thing: bpy.types.Object, pose: dict[str, Any], frame: int) -> None:
    """Fix a pose at a frame; motion blur needs keyframes on both sides."""
    thing.location, thing.rotation_euler = pose['location'], pose['rotation']
    thing.keyframe_insert('location', frame=frame)
    thing.keyframe_insert('rotation_euler', frame=frame)


def main() -> None:
    """Render the job named on the command line; each finished frame is one line of output."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding='utf-8'))
    plan = job['plan']
    build_scene(plan, job['textures'])
    set_up_engine(plan, job['threads'])
    folder = Path(job['folder'])
    for frame in job['frames']:
        render_frame(frame, folder / f'{frame:05d}.npz')
        print(f'rendered {frame}', flush=True)


if __name__ == '__main__':
    main()
