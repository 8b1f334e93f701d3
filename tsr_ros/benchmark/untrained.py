# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Models of untrained weights: they find nothing, and take as long as trained ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from tsr_ros.backends.nvidia_driver import has_nvidia_driver
from tsr_ros.benchmark.tables import UNTRAINED
from tsr_ros.evaluation.ground_truth import LABELS
from tsr_ros.export.export_model import export_files, open_folder
from tsr_ros.export.model_folder import WEIGHTS
from tsr_ros.export.targets import can_write_tflite, choose_targets
from tsr_ros.yolov7.checkpoint import save_weights
from tsr_ros.yolov7.network import build_network

_SEED = 0
_IMAGES = 2  # to calibrate int8 with: the ranges do not matter for the time


def make_untrained_model(architecture: str, models_dir: Path, image: np.ndarray,
                         input_wh: tuple[int, int] = (640, 640),
                         precisions: Sequence[str] = ()) -> str:
    """
    Write a model with files for every backend into a models folder and return its name.

    What an earlier call wrote is kept.

    :param image: BGR picture (H, W, 3) uint8 to calibrate int8 with
    :param precisions: that files are needed for, as backends name them; none: all
    """
    name = architecture + UNTRAINED
    folder = models_dir / name
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / WEIGHTS
    if not weights.exists():
        torch.manual_seed(_SEED)
        save_weights(weights, build_network(architecture, len(LABELS)), LABELS, input_wh)
    pictures = models_dir / 'calibration'
    pictures.mkdir(exist_ok=True)
    for k in range(_IMAGES):
        cv2.imwrite(str(pictures / f'{k}.png'), np.roll(image, k * 97, axis=1))
    # what is not stored in a precision of its own is made of the fp32 file
    targets = [target for target in choose_targets(_formats(), ('fp32', 'fp16', 'int8'))
               if not precisions or target.precision in ('fp32', *precisions)]
    opened = open_folder(weights, folder, 'Apache-2.0', 'not trained', say=lambda text: None)
    export_files(opened, targets, pictures, _IMAGES, say=lambda text: None)
    return name


def _formats() -> list[str]:
    """Return the formats that can be written here and are of use here."""
    formats = ['onnx']
    if can_write_tflite():
        formats.append('tflite')
    if has_nvidia_driver():
        formats.append('onnx-tensorrt')
    return formats
