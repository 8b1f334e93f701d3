# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where everything stands and moves: a scene worked out to plain numbers.

The plan is the only thing that passes to the renderer, as JSON, and the only thing that the ground
truth is computed from.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from typing import Any

from tsr_ros.replay.render.catalogue import LIGHT
from tsr_ros.replay.render.placement import place_distractors, place_signs
from tsr_ros.replay.render.road import Road
from tsr_ros.replay.render.scene import Scene

PLAN_VERSION = 2
_SHUTTER_S = {'day': 0.008, 'low_sun': 0.006, 'night': 0.022}
_PAINTS = 6


def make_plan(scene: Scene) -> dict[str, Any]:
    """Return the plan of a drive; the same scene gives the same plan on every machine."""
    road = Road(scene.seed)
    travel_m = scene.speed_kmh / 3.6 * scene.length_s
    plan = _static_part(scene, road, scene.start_m, scene.start_m + travel_m)
    vehicles = _vehicles(scene)
    plan['cars'] = [{'model': car['model'], 'paint': car['paint'], 'oncoming': car['oncoming']}
                    for car in vehicles]
    shutter_s = scene.camera.shutter_s
    if shutter_s is None:
        shutter_s = _SHUTTER_S[scene.time_of_day]
    plan['shutter_frames'] = shutter_s * scene.rate_hz
    # one more pose at either end, so that the first and last frame blur like the others
    plan['poses'] = [_pose(scene, road, vehicles, k / scene.rate_hz)
                     for k in range(-1, scene.frame_count + 1)]
    return plan


def make_view_plan(scene: Scene, count: int) -> dict[str, Any]:
    """Return a plan of `count` single views from random places on the road, without blur."""
    road = Road(scene.seed)
    rng = random.Random(f'views {scene.seed}')
    length_m = 25.0 * max(4, scene.random_signs)
    plan = _static_part(scene, road, scene.start_m, scene.start_m + length_m * 0.6)
    vehicles = _vehicles(scene)
    plan['cars'] = [{'model': car['model'], 'paint': car['paint'], 'oncoming': car['oncoming']}
                    for car in vehicles]
    plan['shutter_frames'] = 0.0
    poses = []
    for _ in range(count):
        along = scene.start_m + rng.uniform(0, length_m * 0.7)
        pose = _pose(scene, road, vehicles, 0.0)
        pose['camera'] = _camera_pose(
            road, along, Road.lane_centre_m + rng.uniform(-0.5, 0.5),
            scene.camera.height_m + rng.uniform(-0.1, 0.5),
            math.radians(scene.camera.pitch_deg + rng.uniform(-2.5, 2.5)),
            math.radians(rng.gauss(0, 1.2)), math.radians(rng.gauss(0, 7)))
        pose['cars'] = [_car_pose(road, along + _offset(car, rng), car) for car in vehicles]
        poses.append(pose)
    plan['poses'] = [poses[0], *poses, poses[-1]]
    return plan


def plan_key(plan: dict[str, Any]) -> str:
    """Return a short hash of a plan; equal plans give equal pictures of light."""
    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:12]


def _static_part(scene: Scene, road: Road, first_m: float, last_m: float) -> dict[str, Any]:
    signs = place_signs(scene, road, first_m, last_m)
    plan = {
        'version': PLAN_VERSION,
        'seed': scene.seed,
        'time_of_day': scene.time_of_day,
        'overcast': scene.is_overcast,
        'wetness': scene.wetness,
        'resolution_wh': list(scene.resolution_wh),
        'samples': scene.samples,
        'horizontal_fov_deg': scene.camera.horizontal_fov_deg,
        'first_m': first_m,
        'last_m': last_m,
        'signs': signs,
        'junctions_m': sorted({sign['along_m'] for sign in signs if sign['class_id'] == LIGHT}),
        **place_distractors(scene, road, first_m, last_m, signs),
    }
    if scene.weather == 'snow':  # the only weather that lies on things: it has light of its own
        plan['snow'] = True
    return plan


def _vehicles(scene: Scene) -> list[dict[str, Any]]:
    """Return the other cars: where they start, how fast they go, what they are."""
    rng = random.Random(f'cars {scene.seed}')
    own_speed = scene.speed_kmh / 3.6
    cars = []
    gap = 0.0
    for i in range(scene.cars_ahead):
        gap += rng.uniform(20, 30) if i == 0 else rng.uniform(25, 45)
        cars.append({'start_m': scene.start_m + gap, 'oncoming': False,
                     'speed': own_speed * rng.uniform(1.0, 1.05)})
    gap = 35.0
    for _ in range(scene.cars_oncoming):
        cars.append({'start_m': scene.start_m + gap, 'oncoming': True,
                     'speed': -rng.uniform(12.5, 15.0)})
        gap += rng.uniform(45, 75)
    for car in cars:
        car['model'] = 'van' if rng.random() < 0.25 else 'saloon'
        car['paint'] = rng.randrange(_PAINTS)
        car['across_m'] = (-1 if car['oncoming'] else 1) * (Road.lane_centre_m
                                                             + rng.uniform(-0.1, 0.15))
    return cars


def _offset(car: dict[str, Any], rng: random.Random) -> float:
    """Return how far before the camera a car stands in a single view."""
    return rng.uniform(14, 110) if not car['oncoming'] else rng.uniform(12, 150)


def _pose(scene: Scene, road: Road, vehicles: list[dict[str, Any]],
          time_s: float) -> dict[str, Any]:
    rng = random.Random(f'shake {scene.seed}')
    phases = [rng.uniform(0, 2 * math.pi) for _ in range(6)]

    def shake(amplitude: float, slow_hz: float, fast_hz: float, k: int) -> float:
        return amplitude * (math.sin(2 * math.pi * slow_hz * time_s + phases[k])
                            + 0.5 * math.sin(2 * math.pi * fast_hz * time_s + phases[k + 1]))

    along = road.advance(scene.start_m, scene.speed_kmh / 3.6 * time_s)
    camera = _camera_pose(
        road, along, Road.lane_centre_m + shake(0.08, 0.13, 0.31, 0),
        scene.camera.height_m + shake(0.006, 1.3, 2.9, 2),
        math.radians(scene.camera.pitch_deg + shake(0.09, 1.2, 3.1, 4)),
        math.radians(shake(0.12, 0.7, 1.9, 3)), math.radians(shake(0.15, 0.21, 0.5, 1)))
    return {'camera': camera,
            'cars': [_car_pose(road, road.advance(car['start_m'], car['speed'] * time_s), car)
                     for car in vehicles]}


def _camera_pose(road: Road, along: float, across: float, height_m: float, pitch: float,
                 roll: float, yaw: float) -> dict[str, Any]:
    return {'location': list(road.point(along, across, height_m)), 'along_m': along,
            'rotation': [math.pi / 2 + road.slope(along) + pitch, roll,
                         yaw - road.heading(along)]}


def _car_pose(road: Road, along: float, car: dict[str, Any]) -> dict[str, Any]:
    turned = math.pi if car['oncoming'] else 0.0
    slope = road.slope(along) * (-1 if car['oncoming'] else 1)
    return {'location': list(road.point(along, car['across_m'], -0.03)),
            'rotation': [slope, 0.0, turned - road.heading(along)]}
