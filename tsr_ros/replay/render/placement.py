# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Signs and the things that could be mistaken for signs, set beside the road."""

from __future__ import annotations

import math
import random
from typing import Any

from tsr_ros.evaluation.ground_truth import LABELS
from tsr_ros.replay.render.catalogue import FACES, LIGHT, faces_of_class
from tsr_ros.replay.render.road import Road
from tsr_ros.replay.render.scene import Scene, SignPlacement

_LEAD_M = 24.0   # nearest sign to the start
_SIGHT_M = 75.0  # signs go on for this far behind the last camera place
_ADVERTISEMENTS = 4
_LAMP_COLOURS = ([1.0, 0.05, 0.03], [0.05, 0.9, 0.35], [1.0, 0.5, 0.05], [1.0, 0.85, 0.6])


def place_signs(scene: Scene, road: Road, first_m: float,
                last_m: float) -> list[dict[str, Any]]:
    """Return the signs given and the random ones, nearest first; track ids count from 1."""
    placements = list(scene.signs) + _random_placements(scene, first_m, last_m)
    placements.sort(key=lambda placement: (placement.at_m, placement.side))
    rng = random.Random(f'sign details {scene.seed}')
    return [_sign(placement, road, track_id, rng)
            for track_id, placement in enumerate(placements, 1)]


def _random_placements(scene: Scene, first_m: float, last_m: float) -> list[SignPlacement]:
    count = scene.random_signs
    if count == 0:
        return []
    rng = random.Random(f'signs {scene.seed}')
    classes: list[int] = []
    while len(classes) < count:
        block = list(range(len(LABELS)))
        rng.shuffle(block)
        classes += block
    spacing = (last_m - first_m + _SIGHT_M - _LEAD_M) / count
    placements = []
    for i, class_id in enumerate(classes[:count]):
        at_m = first_m + _LEAD_M + spacing * (i + rng.uniform(-0.3, 0.3))
        hidden = 'none'
        if class_id != LIGHT and rng.random() < 0.3:
            hidden = rng.choice(('leaves', 'leaves', 'post'))
        old = rng.random() < 0.35
        crooked = rng.random() < 0.3 and class_id != LIGHT
        faces = faces_of_class(class_id)
        if class_id == LIGHT:
            faces += ['light_green'] * 3  # cars drive on, so most lights let them
        placements.append(SignPlacement(
            face=rng.choice(faces), at_m=at_m,
            side='left' if rng.random() < 0.25 else 'right',
            yaw_deg=rng.gauss(0, 4), tilt_deg=rng.gauss(0, 9 if crooked else 1.2),
            wear=rng.uniform(0.5, 1.0) if old else rng.uniform(0.0, 0.3), hidden_by=hidden))
    return placements


def _sign(placement: SignPlacement, road: Road, track_id: int,
          rng: random.Random) -> dict[str, Any]:
    face = FACES[placement.face]
    width_m, height_m = face.size_m
    is_light = face.class_id == LIGHT
    beside_m = 4.9 if is_light else 4.75 + width_m / 2 + rng.uniform(0, 0.7)
    across = beside_m if placement.side == 'right' else -beside_m
    up = placement.height_m
    if up is None:
        up = 2.9 if is_light else 1.75 + height_m / 2 + rng.uniform(0, 0.4)
    yaw = math.radians(placement.yaw_deg) - road.heading(placement.at_m)
    if placement.side == 'right':
        yaw -= math.radians(3)  # set out to turn slightly away from the road against glare
    return {
        'track_id': track_id, 'face': placement.face, 'class_id': face.class_id,
        'shape': face.shape, 'size_m': list(face.size_m), 'along_m': placement.at_m,
        'across_m': across, 'up_m': up,
        'location': list(road.point(placement.at_m, across, up)),
        'rotation': [math.radians(rng.gauss(0, 1.0)), math.radians(placement.tilt_deg), yaw],
        'wear': placement.wear, 'hidden_by': placement.hidden_by,
        # retroreflection varies with the class of the sheeting and its age
        'reflectivity': rng.uniform(0.6, 1.6) * (1 - 0.6 * placement.wear),
        'seed': rng.randrange(2**31),
    }


def place_distractors(scene: Scene, road: Road, first_m: float, last_m: float,
                      signs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return advertising, round lamps and the grey backs of signs for the other direction."""
    rng = random.Random(f'distractors {scene.seed}')

    def along() -> float:
        """Return a place at least 7 m from each sign on the right."""
        at_m = first_m
        for _ in range(50):
            at_m = rng.uniform(first_m + 30, last_m + _SIGHT_M)
            if all(abs(at_m - sign['along_m']) > 7 for sign in signs if sign['across_m'] > 0):
                break
        return at_m

    billboards = []
    for i in range(scene.billboards):
        at_m, side = along(), rng.choice((-1, 1))
        small = i % 2 == 1
        width_m, height_m = (1.2, 1.7) if small else (4.0, 3.0)
        across = side * (6.2 if small else rng.uniform(9.5, 13))
        up = 1.6 if small else 4.2
        billboards.append({
            'design': rng.randrange(_ADVERTISEMENTS), 'size_m': [width_m, height_m], 'up_m': up,
            'location': list(road.point(at_m, across, up)),
            'rotation': [0.0, 0.0, -road.heading(at_m) - side * math.radians(rng.uniform(5, 20))]})
    lamps = []
    for _ in range(scene.round_lamps):
        at_m, side = along(), rng.choice((-1, 1))
        across = side * rng.uniform(5.6, 9.5)
        up = rng.uniform(1.0, 4.2)
        lamps.append({'location': list(road.point(at_m, across, up)), 'up_m': up,
                      'radius_m': rng.uniform(0.09, 0.22), 'colour': rng.choice(_LAMP_COLOURS)})
    backs = []
    for _ in range(max(1, len(signs) // 4)):
        at_m = rng.uniform(first_m + 20, last_m + _SIGHT_M)
        shape, size_m = rng.choice((('disc', (0.85, 0.85)), ('triangle', (1.0, 0.875)),
                                    ('rectangle', (0.8, 0.8))))
        backs.append({'shape': shape, 'size_m': list(size_m), 'up_m': 2.3,
                      'location': list(road.point(at_m, -5.4, 2.3)),
                      'rotation': [0.0, math.radians(rng.gauss(0, 2)),
                                   math.pi - road.heading(at_m)]})
    return {'billboards': billboards, 'round_lamps': lamps, 'backs': backs}
