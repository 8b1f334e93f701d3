# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The picture that every backend looks at."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from tsr_ros.backends.base import BackendError
from tsr_ros.backends.manifest import default_models_dir
from tsr_ros.vision.image_codecs import ImageError, decode_compressed

RESOLUTION_WH = (1280, 720)


def read_benchmark_image(path: Path | None = None) -> np.ndarray:
    """
    Return a BGR picture (720, 1280, 3) uint8.

    Of a file, resized; else the middle frame of the first recording that came with the package;
    else a painted one.

    :raises ValueError: where the file is no picture
    """
    if path is not None:
        try:
            image = decode_compressed(path.read_bytes())
        except (OSError, ImageError) as error:
            raise ValueError(f'{path} is not a picture that can be read: {error}') from None
    else:
        image = _recorded()
    if image is None:
        image = _painted()
    return cv2.resize(image, RESOLUTION_WH, interpolation=cv2.INTER_AREA)


def _recorded() -> np.ndarray | None:
    try:
        from tsr_ros.replay.bag import BagReader, is_bag
        folder = Path(default_models_dir()).parent / 'rosbag'
    except (ImportError, BackendError):  # without rosbags no recording can be read
        return None
    for path in sorted(folder.glob('*')):
        if path.is_dir() and is_bag(path):
            with BagReader(path) as bag:
                frames = list(bag.frames())
            if frames:
                return frames[len(frames) // 2].bgr()
    return None


def _painted() -> np.ndarray:
    """Return coarse and fine noise with a few discs, the same each time."""
    rng = np.random.default_rng(7)
    width, height = RESOLUTION_WH
    coarse = cv2.resize(rng.integers(0, 256, (9, 16, 3), np.uint8), RESOLUTION_WH,
                        interpolation=cv2.INTER_CUBIC)
    fine = rng.integers(-20, 21, (height, width, 3))
    image = np.clip(coarse + fine, 0, 255).astype(np.uint8)
    for x, y, radius in ((300, 300, 40), (800, 200, 20), (1100, 420, 60)):
        cv2.circle(image, (x, y), radius, (30, 30, 200), -1)
        cv2.circle(image, (x, y), radius * 3 // 4, (240, 240, 240), -1)
    return image
