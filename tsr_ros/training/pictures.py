# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Samples and validation results as one picture each, to see what the numbers do not say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from torch import Tensor

from tsr_ros.evaluation.dataset import LabelledImage
from tsr_ros.report.files import write_bytes
from tsr_ros.training.geometry import IGNORE
from tsr_ros.vision.boxes import cxcywh_to_xyxy
from tsr_ros.vision.detections import Detections
from tsr_ros.vision.draw import draw_detections
from tsr_ros.vision.letterbox import letterbox

COLUMNS = 4
MOST_TILES = 16
TILE = 400  # pixels, the largest side of a tile
SHOWN_SCORE = 0.25
TRUTH_BGR = (255, 255, 255)
IGNORED_BGR = (128, 128, 128)


def save_grid(path: Path, tiles: Sequence[np.ndarray]) -> None:
    """Write square tiles (S, S, 3) uint8 BGR, side by side, as a JPEG."""
    blank = np.zeros_like(tiles[0])
    columns = min(COLUMNS, len(tiles))
    tiles = [*tiles, *[blank] * (-len(tiles) % columns)]
    rows = [np.hstack(tiles[k : k + columns]) for k in range(0, len(tiles), columns)]
    _, data = cv2.imencode('.jpg', np.vstack(rows), (cv2.IMWRITE_JPEG_QUALITY, 88))
    write_bytes(path, data.tobytes())


def draw_boxes(image: np.ndarray, xyxy: np.ndarray, colour: tuple[int, int, int]) -> None:
    """Draw thin frames around boxes (N, 4) into an image."""
    for left, top, right, bottom in np.round(xyxy).astype(int).tolist():
        cv2.rectangle(image, (left, top), (right, bottom), colour, 1)


def save_samples(
    path: Path, images: Tensor, targets: Tensor, labels: Sequence[str]
) -> None:
    """Write the images (N, 3, S, S) of a batch with their objects (M, 6)."""
    tiles = []
    for k, pixels in enumerate(images[:MOST_TILES].numpy()):
        tile, geometry = letterbox(
            np.ascontiguousarray(pixels.transpose(1, 2, 0)[..., ::-1]), (TILE, TILE)
        )
        mine = targets[targets[:, 0] == k].numpy()
        xyxy = geometry.to_input(cxcywh_to_xyxy(mine[:, 2:6]))
        class_id = mine[:, 1].astype(int)
        ignored = class_id == IGNORE
        draw_boxes(tile, xyxy[ignored], IGNORED_BGR)
        shown = Detections(xyxy, np.ones(len(xyxy)), class_id).select(~ignored)
        tiles.append(draw_detections(tile, shown, labels))
    save_grid(path, tiles)


def save_results(
    path: Path,
    items: Sequence[LabelledImage],
    images: Sequence[np.ndarray],
    detections: Sequence[Detections],
    labels: Sequence[str],
) -> None:
    """Write images spread over the split with the objects (white) and what was found there."""
    tiles = []
    for k in np.unique(np.linspace(0, len(items) - 1, MOST_TILES).astype(int)):
        height, width = images[k].shape[:2]
        tile, geometry = letterbox(images[k], (TILE, TILE))
        truth = cxcywh_to_xyxy(items[k].boxes * np.array([width, height, width, height]))
        draw_boxes(tile, geometry.to_input(truth), TRUTH_BGR)
        found = detections[k].select(detections[k].score >= SHOWN_SCORE)
        tiles.append(
            draw_detections(tile, found._replace(xyxy=geometry.to_input(found.xyxy)), labels)
        )
    save_grid(path, tiles)
