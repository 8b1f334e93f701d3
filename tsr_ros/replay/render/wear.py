# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What years do to a sign: bleaching, dirt running down, rust, scratches, a sticker."""

from __future__ import annotations

import cv2
import numpy as np


def worn(face_rgb: np.ndarray, wear: float, seed: int) -> np.ndarray:
    """Return a face aged by `wear`, 0 (new) to 1 (very old); same seed, same marks.

    :param face_rgb: (H, W, 3) uint8; the result has the same shape and type
    """
    if wear <= 0:
        return face_rgb.copy()
    rng = np.random.default_rng(seed)
    height, width = face_rgb.shape[:2]
    face = face_rgb.astype(np.float32) / 255
    grey = face.mean(axis=2, keepdims=True)
    # red pigments bleach first, towards a pale pink
    reddish = np.clip(face[..., :1] - face[..., 1:].mean(axis=2, keepdims=True), 0, 1)
    bleach = wear * (0.12 + 0.35 * reddish)
    face = face * (1 - bleach) + (0.35 * grey + 0.45) * bleach

    dirt = _noise(rng, height, width, 9) * 0.6 + _noise(rng, height, width, 40) * 0.4
    runs = cv2.GaussianBlur(rng.random((1, width), dtype=np.float32), (0, 0), width / 90)
    runs = np.repeat((runs - runs.min()) / max(float(np.ptp(runs)), 1e-6), height, axis=0)
    dirt = np.clip(dirt * 1.3 - 0.35, 0, 1) * 0.6 + np.clip(runs - 0.5, 0, 1) * 0.5 * dirt
    dirty = (wear * dirt)[..., None]
    face = face * (1 - dirty) + np.array([0.25, 0.21, 0.15], np.float32) * dirty

    marks = np.zeros((height, width), np.float32)
    for _ in range(rng.poisson(7 * wear)):
        start = rng.uniform(0, 1, 2) * (width, height)
        end = start + rng.normal(0, 0.12, 2) * (width, height)
        cv2.line(marks, start.astype(int).tolist(), end.astype(int).tolist(),
                 float(rng.uniform(0.3, 0.9)), int(rng.integers(1, 4)), cv2.LINE_AA)
    face = face * (1 - marks[..., None]) + 0.55 * marks[..., None]
    for _ in range(rng.poisson(3 * wear)):
        face = _rust(face, rng)
    if rng.random() < 0.35 * wear:
        face = _sticker(face, rng)
    return (np.clip(face, 0, 1) * 255 + 0.5).astype(np.uint8)


def _noise(rng: np.random.Generator, height: int, width: int, cells: int) -> np.ndarray:
    """Return smooth noise of 0..1 with about `cells` bumps along a side."""
    coarse = rng.random((cells + 1, cells + 1), dtype=np.float32)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)


def _rust(face: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add a rust spot with a streak below it."""
    height, width = face.shape[:2]
    spot = np.zeros((height, width), np.float32)
    x, y = rng.uniform(0.1, 0.9, 2) * (width, height)
    radius = rng.uniform(0.008, 0.03) * height
    cv2.circle(spot, (int(x), int(y)), max(1, int(radius)), 1.0, -1, cv2.LINE_AA)
    cv2.line(spot, (int(x), int(y)), (int(x), int(y + radius * rng.uniform(3, 10))),
             0.45, max(1, int(radius * 0.7)), cv2.LINE_AA)
    spot = cv2.GaussianBlur(spot, (0, 0), max(0.6, radius * 0.35))[..., None]
    return face * (1 - spot) + np.array([0.27, 0.11, 0.04], np.float32) * spot


def _sticker(face: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Put a small coloured sticker on the face, a little turned."""
    height, width = face.shape[:2]
    x, y = rng.uniform(0.2, 0.8, 2) * (width, height)
    size = (rng.uniform(0.07, 0.15) * height, rng.uniform(0.06, 0.1) * height)
    box = cv2.boxPoints(((float(x), float(y)), size, float(rng.uniform(-25, 25))))
    mask = np.zeros((height, width), np.float32)
    cv2.fillPoly(mask, [box.astype(np.int32)], 1.0, cv2.LINE_AA)
    return face * (1 - mask[..., None]) + rng.uniform(0.1, 0.9, 3).astype(np.float32) \
        * mask[..., None]
