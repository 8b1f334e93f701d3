# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pictures on a scene's plates, written as files for the renderer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tsr_ros.replay.render.advertisements import draw_advertisement
from tsr_ros.replay.render.faces import draw_face
from tsr_ros.replay.render.plates import advertisement_key
from tsr_ros.replay.render.snow import snowed
from tsr_ros.replay.render.wear import worn
from tsr_ros.report.files import write_bytes


def write_textures(plan: dict[str, Any], folder: Path) -> dict[str, str]:
    """Write each sign's own worn face and the advertisements; return key -> path.

    Keys are the track id as text, and `advertisement_key`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    textures = {}
    for sign in plan['signs']:
        if sign['shape'] != 'light':
            face = worn(np.asarray(draw_face(sign['face'])), sign['wear'], sign['seed'])
            if plan.get('snow'):
                face = snowed(face, sign['seed'])
            key = str(sign['track_id'])
            textures[key] = _write(folder / f'sign_{key}.png', face)
    for board in plan['billboards']:
        width_m, height_m = board['size_m']
        key = advertisement_key(board)
        picture = np.asarray(draw_advertisement(board['design'], width_m / height_m))
        textures[key] = _write(folder / f'{key.replace(" ", "_")}.png', picture)
    return textures


def _write(path: Path, picture_rgb: np.ndarray) -> str:
    _, data = cv2.imencode('.png', picture_rgb[..., ::-1])
    write_bytes(path, data.tobytes(), durable=False)
    return str(path)
