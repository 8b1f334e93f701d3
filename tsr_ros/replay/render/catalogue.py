# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which signs exist, their class, shape and true size."""

from typing import NamedTuple

# in the order of tsr_ros.evaluation.ground_truth.LABELS
PROHIBITION, OBLIGATION, WARNING, RECOMMENDATION, LIGHT = range(5)


class Face(NamedTuple):
    """What stands on a plate: its class and its size in metres (width, height)."""

    class_id: int
    shape: str
    size_m: tuple


_DISC = ('disc', (0.85, 0.85))
_OCTAGON = ('octagon', (0.9, 0.9))
_TRIANGLE = ('triangle', (1.0, 0.875))
_SQUARE = ('rectangle', (0.8, 0.8))

# Vienna Convention on Road Signs and Signals (1968), annex 1, in Morocco's use: sections B 2 and C
# (prohibition), D (obligation), A (warning), E to G (blue rectangles: recommendation)
FACES = {
    'speed_limit_40': Face(PROHIBITION, *_DISC),
    'speed_limit_60': Face(PROHIBITION, *_DISC),
    'speed_limit_80': Face(PROHIBITION, *_DISC),
    'speed_limit_100': Face(PROHIBITION, *_DISC),
    'no_entry': Face(PROHIBITION, *_DISC),
    'no_overtaking': Face(PROHIBITION, *_DISC),
    'no_left_turn': Face(PROHIBITION, *_DISC),
    'no_parking': Face(PROHIBITION, *_DISC),
    'stop': Face(PROHIBITION, *_OCTAGON),
    'straight_ahead': Face(OBLIGATION, *_DISC),
    'turn_right': Face(OBLIGATION, *_DISC),
    'turn_left': Face(OBLIGATION, *_DISC),
    'keep_right': Face(OBLIGATION, *_DISC),
    'roundabout': Face(OBLIGATION, *_DISC),
    'bend_right': Face(WARNING, *_TRIANGLE),
    'bend_left': Face(WARNING, *_TRIANGLE),
    'pedestrians': Face(WARNING, *_TRIANGLE),
    'other_danger': Face(WARNING, *_TRIANGLE),
    'uneven_road': Face(WARNING, *_TRIANGLE),
    'crossroads': Face(WARNING, *_TRIANGLE),
    'lights_ahead': Face(WARNING, *_TRIANGLE),
    'parking': Face(RECOMMENDATION, *_SQUARE),
    'pedestrian_crossing': Face(RECOMMENDATION, *_SQUARE),
    'hospital': Face(RECOMMENDATION, *_SQUARE),
    'town_rabat': Face(RECOMMENDATION, 'rectangle', (1.8, 0.9)),
    'town_fes': Face(RECOMMENDATION, 'rectangle', (1.8, 0.9)),
    'rest_area': Face(RECOMMENDATION, 'rectangle', (0.8, 1.1)),
    'light_red': Face(LIGHT, 'light', (0.34, 0.96)),
    'light_yellow': Face(LIGHT, 'light', (0.34, 0.96)),
    'light_green': Face(LIGHT, 'light', (0.34, 0.96)),
}


def faces_of_class(class_id: int) -> list:
    """Return the names of the faces of one class, in the catalogue's order."""
    return [name for name, face in FACES.items() if face.class_id == class_id]
