# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil
from pathlib import Path

from tsr_ros.backends.manifest import Manifest
from tsr_ros.export.export_model import export_files
from tsr_ros.export.model_folder import WEIGHTS, ModelFolder
from tsr_ros.export.targets import can_write_tflite, choose_targets


def complete_models(models_dir: str | Path, folder: Path) -> Path:
    """
    Copy a models folder and add what is not stored because it is made in a second.

    That is TensorFlow Lite in fp32; without its package, or for a model that has that file or
    comes without its weights, nothing is added. Returns the copy.
    """
    shutil.copytree(models_dir, folder, dirs_exist_ok=True)
    if not can_write_tflite():
        return folder
    for name, entry in Manifest.read(folder).models.items():
        stored = {(file.format, file.precision) for file in entry.files}
        if ('tflite', 'fp32') not in stored and (folder / name / WEIGHTS).is_file():
            export_files(ModelFolder(folder / name), choose_targets(('tflite',), ('fp32',)),
                         say=lambda text: None)
    return folder
