# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The catalogue's signs as single pictures, cut out, for training."""

from __future__ import annotations

import random
from pathlib import Path

import cv2
import numpy as np

from tsr_ros.evaluation.ground_truth import LABELS
from tsr_ros.replay.render.catalogue import FACES
from tsr_ros.replay.render.faces import draw_face
from tsr_ros.replay.render.plates import plate_outline
from tsr_ros.replay.render.wear import worn
from tsr_ros.report.files import write_bytes

HEIGHT_PX = 256
_SUBPIXEL_BITS = 4


def write_cutouts(folder: str | Path, variants: int, seed: int = 1) -> int:
    """
    Write each sign `variants` times, more and more worn, to folder/<label>/<sign>_<n>.png.

    Traffic lights, which are no plates, are left out. Return how many pictures were written.
    """
    count = 0
    for name, face in FACES.items():
        if face.shape == 'light':
            continue
        target = Path(folder) / LABELS[face.class_id]
        target.mkdir(parents=True, exist_ok=True)
        for number in range(variants):
            picture = cutout(name, wear=0.8 * number / max(variants - 1, 1),
                             seed=random.Random(f'{seed} {name} {number}').getrandbits(32))
            _, data = cv2.imencode('.png', picture)
            write_bytes(target / f'{name}_{number}.png', data.tobytes(), durable=False)
            count += 1
    return count


def cutout(name: str, wear: float, seed: int) -> np.ndarray:
    """Return a sign (H, W, 4) uint8, BGR and opacity: 255 on the plate."""
    face = FACES[name]
    picture = worn(np.asarray(draw_face(name, HEIGHT_PX)), wear, seed)
    height, width = picture.shape[:2]
    corners = np.array(plate_outline(face.shape, face.size_m)) / face.size_m
    pixels = (corners * (1, -1) + 0.5) * (width, height) * 2**_SUBPIXEL_BITS
    opacity = np.zeros((height, width), np.uint8)
    cv2.fillPoly(opacity, [pixels.round().astype(np.int32)], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    return np.dstack((picture[..., ::-1], opacity))
