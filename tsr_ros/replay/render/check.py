# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Is the ground truth right? Projected boxes against the pixels that show each sign."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tsr_ros.replay.render.blender_process import linear_file, render_linear
from tsr_ros.replay.render.develop import read_linear
from tsr_ros.replay.render.ground_truth import mask_box, projected_signs
from tsr_ros.replay.render.plan import make_plan, plan_key
from tsr_ros.replay.render.projection import bounding_box, hull_area
from tsr_ros.replay.render.scene import Scene
from tsr_ros.replay.render.textures import write_textures

SMALLEST_PX = 8.0     # narrower ones are sampled too coarsely to tell where their corners are
_UNHIDDEN = 0.93      # share of the projected area that the mask must fill


class BoxCheck(NamedTuple):
    """One sign in one frame: its projected box against its mask's."""

    frame: int
    face: str
    width_px: float
    difference_px: float  # largest of the four sides'


def check_boxes(scene: Scene, frames: Sequence[int], work: str | Path,
                threads: int = 0) -> list[BoxCheck]:
    """Render frames without motion blur and compare all signs that are wholly in sight.

    :raises BlenderMissingError, BlenderError: see `blender_process`
    """
    still = dataclasses.replace(scene, samples=1, camera=dataclasses.replace(
        scene.camera, shutter_s=0.0))
    plan = make_plan(still)
    folder = Path(work).expanduser().resolve() / f'light-{plan_key(plan)}'
    checks = []
    for frame in render_linear(plan, write_textures(plan, folder / 'textures'), list(frames),
                               folder, threads):
        index = read_linear(linear_file(folder, frame)).index
        checks += compare_boxes(plan, frame, index)
    return checks


def compare_boxes(plan: dict[str, Any], frame: int, index: np.ndarray) -> list[BoxCheck]:
    """Compare one frame's projected boxes with its object index (H, W).

    Left out: signs that are hidden in part, cut by the image's edge, or under `SMALLEST_PX` wide.
    """
    width, height = plan['resolution_wh']
    checks = []
    for sign, pixels, _ in projected_signs(plan, plan['poses'][frame + 1]['camera']):
        box = bounding_box(pixels)
        seen = mask_box(index, sign['track_id'])
        inside = box[0] > 0 and box[1] > 0 and box[2] < width and box[3] < height
        if seen is None or not inside or box[2] - box[0] < SMALLEST_PX:
            continue
        if np.count_nonzero(index == sign['track_id']) < _UNHIDDEN * hull_area(pixels):
            continue
        checks.append(BoxCheck(frame, sign['face'], float(box[2] - box[0]),
                               float(np.abs(box - seen).max())))
    return checks
