# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

from tsr_ros.backends.manifest import Manifest, find_model_file
from tsr_ros.export.export_model import export_files, open_folder
from tsr_ros.export.targets import choose_targets


def complete_models(models_dir: str | Path, folder: Path) -> Path:
    """
    Copy a models folder and add what is not stored because it is made in a second.

    That is TensorFlow Lite in fp32; without its package the copy is left as it is. Returns the
    copy.
    """
    shutil.copytree(models_dir, folder, dirs_exist_ok=True)
    if importlib.util.find_spec('ai_edge_litert') is None:
        return folder
    manifest = Manifest.read(folder)
    for name, entry in manifest.models.items():
        weights = folder / find_model_file(entry, ('torch',), 'fp32').path
        opened = open_folder(weights, folder / name, say=lambda text: None)
        export_files(opened, choose_targets(('tflite',), ('fp32',)), say=lambda text: None)
    return folder
