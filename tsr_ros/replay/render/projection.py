# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pinhole camera: world coordinates in metres to image coordinates in pixels.

World: x right, y ahead, z up. Rotations are Euler angles in radians about x, then y, then z, as
Blender's 'XYZ'. Image: pixel edges at whole numbers, (0, 0) the outer top left corner.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np


def rotation_matrix(rotation_xyz: Sequence[float]) -> np.ndarray:
    """Return the 3x3 matrix Rz Ry Rx of Euler angles in radians."""
    x, y, z = rotation_xyz
    rx = np.array([[1, 0, 0], [0, math.cos(x), -math.sin(x)], [0, math.sin(x), math.cos(x)]])
    ry = np.array([[math.cos(y), 0, math.sin(y)], [0, 1, 0], [-math.sin(y), 0, math.cos(y)]])
    rz = np.array([[math.cos(z), -math.sin(z), 0], [math.sin(z), math.cos(z), 0], [0, 0, 1]])
    return rz @ ry @ rx


def focal_length_px(horizontal_fov_deg: float, width_px: int) -> float:
    """Return f = (W / 2) / tan(fov / 2)."""
    return width_px / 2 / math.tan(math.radians(horizontal_fov_deg) / 2)


def to_camera(points_xyz: np.ndarray, location: Sequence[float],
              rotation: Sequence[float]) -> np.ndarray:
    """Return world points (N, 3) in the optical frame: x right, y down, z ahead."""
    points = (np.asarray(points_xyz, float).reshape(-1, 3) - location) @ rotation_matrix(rotation)
    return points * [1, -1, -1]  # Blender's camera looks along its -z with y up


def project(points_optical: np.ndarray, focal_px: float,
            resolution_wh: Sequence[int]) -> np.ndarray:
    """Return the (N, 2) pixels of points (N, 3) in the optical frame; z must be positive."""
    points = np.asarray(points_optical, float).reshape(-1, 3)
    centre = np.array([resolution_wh[0] / 2, resolution_wh[1] / 2])
    return points[:, :2] / points[:, 2:] * focal_px + centre


def bounding_box(points_xy: np.ndarray) -> np.ndarray:
    """Return the xyxy of points (N, 2), N >= 1."""
    return np.concatenate([points_xy.min(axis=0), points_xy.max(axis=0)])


def hull_area(points_xy: np.ndarray) -> float:
    """Return the area in square pixels of the convex hull of points (N, 2)."""
    return float(cv2.contourArea(cv2.convexHull(points_xy.astype(np.float32))))


def quaternion_xyzw(matrix: np.ndarray) -> tuple[float, float, float, float]:
    """Return the unit quaternion of a rotation matrix, w >= 0 (Shepperd's method)."""
    m = np.asarray(matrix, float)
    diagonal = np.array([m[0, 0], m[1, 1], m[2, 2], np.trace(m)])
    i = int(np.argmax(diagonal))
    q = np.empty(4)
    if i == 3:
        q[:] = m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], 1 + diagonal[3]
    else:
        j, k = (i + 1) % 3, (i + 2) % 3
        q[i] = 1 + 2 * m[i, i] - diagonal[3]
        q[j] = m[j, i] + m[i, j]
        q[k] = m[k, i] + m[i, k]
        q[3] = m[k, j] - m[j, k]
    q /= np.linalg.norm(q) * (-1 if q[3] < 0 else 1)
    return float(q[0]), float(q[1]), float(q[2]), float(q[3])


def optical_pose(location: Sequence[float], rotation: Sequence[float],
                 ) -> tuple[list[float], tuple[float, float, float, float]]:
    """Return position and quaternion (x, y, z, w) of the optical frame in the map."""
    return list(location), quaternion_xyzw(rotation_matrix(rotation) @ np.diag([1, -1, -1]))
