# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is to be seen in a frame: projected boxes, and how much of each is visible."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from tsr_ros.evaluation.ground_truth import GroundTruth
from tsr_ros.replay.render.fog import transmission
from tsr_ros.replay.render.plates import object_vertices
from tsr_ros.replay.render.projection import (
    bounding_box,
    focal_length_px,
    hull_area,
    project,
    rotation_matrix,
    to_camera,
)

MIN_SIZE_PX = 7.0          # geometric mean of the sides; smaller ones cannot be told apart
MIN_VISIBILITY = 0.3
MIN_TRANSMISSION = 0.05    # the contrast at which the meteorological visibility is defined
_NEAR_M = 0.3
Place = tuple[float, float, float]
_MIN_FACING = math.cos(math.radians(75))


class Label(NamedTuple):
    """One sign in one frame.

    `xyxy` in pixels, clipped to the image; `position_m` of its centre in the camera's optical
    frame (x right, y down, z ahead).
    """

    track_id: int
    class_id: int
    face: str
    xyxy: tuple[float, float, float, float]
    position_m: tuple[float, float, float]
    visibility: float
    transmission: float

    @property
    def distance_m(self) -> float:
        """Distance from the camera."""
        return math.hypot(*self.position_m)

    @property
    def is_recognisable(self) -> bool:
        """True when a detector can be asked to find it."""
        x0, y0, x1, y1 = self.xyxy
        return (math.sqrt((x1 - x0) * (y1 - y0)) >= MIN_SIZE_PX
                and self.visibility >= MIN_VISIBILITY
                and self.transmission >= MIN_TRANSMISSION)


def sign_points(sign: dict[str, Any]) -> np.ndarray:
    """Return the vertices (N, 3) of a planned sign in world coordinates."""
    vertices = np.array(object_vertices(sign['shape'], sign['size_m']), float)
    return vertices @ rotation_matrix(sign['rotation']).T + sign['location']


def projected_signs(plan: dict[str, Any],
                    camera: dict[str, Any]) -> list[tuple[dict[str, Any], np.ndarray, Place]]:
    """Return (sign, its image points (N, 2), its place) of each sign that faces the camera.

    Signs behind the camera or wholly outside the image are left out.
    """
    resolution_wh = plan['resolution_wh']
    focal_px = focal_length_px(plan['horizontal_fov_deg'], resolution_wh[0])
    found = []
    for sign in plan['signs']:
        points = to_camera(sign_points(sign), camera['location'], camera['rotation'])
        if points[:, 2].min() < _NEAR_M:
            continue
        towards = np.subtract(camera['location'], sign['location'])
        normal = rotation_matrix(sign['rotation']) @ [0, -1, 0]
        facing = normal @ towards / np.linalg.norm(towards)
        x, y, z = to_camera(sign['location'], camera['location'], camera['rotation'])[0]
        pixels = project(points, focal_px, resolution_wh)
        x0, y0, x1, y1 = bounding_box(pixels)
        inside = x1 > 0 and y1 > 0 and x0 < resolution_wh[0] and y0 < resolution_wh[1]
        if inside and facing > _MIN_FACING:
            found.append((sign, pixels, (float(x), float(y), float(z))))
    return found


def label_frame(plan: dict[str, Any], camera: dict[str, Any], object_index: np.ndarray,
                visibility_m: float | None = None) -> list[Label]:
    """Return the labels of one frame.

    :param object_index: (H, W) integers, each pixel the track id of the sign seen there, else 0
    :param visibility_m: meteorological visibility; None for perfectly clear air
    """
    counts = np.bincount(object_index.ravel(), minlength=len(plan['signs']) + 1)
    width, height = plan['resolution_wh']
    labels = []
    for sign, pixels, position_m in projected_signs(plan, camera):
        x0, y0, x1, y1 = bounding_box(pixels)
        visibility = min(1.0, counts[sign['track_id']] / max(hull_area(pixels), 1e-6))
        labels.append(Label(
            sign['track_id'], sign['class_id'], sign['face'],
            (float(max(x0, 0)), float(max(y0, 0)),
             float(min(x1, width)), float(min(y1, height))),
            position_m, float(visibility),
            1.0 if visibility_m is None
            else float(transmission(math.hypot(*position_m), visibility_m))))
    return labels


def recognisable(labels: Iterable[Label]) -> GroundTruth:
    """Return what a detector can be asked to find; tracks are named after face and number."""
    labels = [label for label in labels if label.is_recognisable]
    return GroundTruth.of(
        [label.xyxy for label in labels], [label.class_id for label in labels],
        [f'{label.face}_{label.track_id}' for label in labels],
        [label.position_m for label in labels], [label.visibility for label in labels])


def mask_box(object_index: np.ndarray, track_id: int) -> np.ndarray | None:
    """Return the xyxy of the pixels that show a sign, pixel edges included; None if none does."""
    rows, columns = np.nonzero(object_index == track_id)
    if len(rows) == 0:
        return None
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], float)
