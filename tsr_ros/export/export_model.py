# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Weights to model files; what is there and up to date is not made again."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from tsr_ros.backends.manifest import file_sha256
from tsr_ros.backends.weights import read_network

from .calibration import calibration_inputs, choose_images
from .model_folder import WEIGHTS, ModelFolder
from .targets import Target

_RECIPE = 1  # raised when this code begins to write other files from the same weights
Say = Callable[[str], None]


def open_folder(weights: Path, out: Path, licence: str | None = None, data: str | None = None,
                say: Say = tqdm.write) -> ModelFolder:
    """
    Return the model's folder with the weights taken in: ours, or a checkpoint of official YOLOv7.

    :raises ModelFileError: for weights of another kind
    :raises CheckpointError: for a checkpoint that is not of the official form
    """
    if weights.suffix in ('.pt', '.pth'):
        with tempfile.TemporaryDirectory() as temporary:
            imported = Path(temporary) / WEIGHTS
            _import_official(weights, imported)
            return open_folder(imported, out, licence, data, say)
    folder = ModelFolder(out)
    for path in folder.open(weights, read_network(str(weights)), licence, data):
        say(f'{path} was made of other weights and is no longer named in the manifest')
    return folder


def _import_official(checkpoint: Path, path: Path) -> None:
    import torch

    from tsr_ros.yolov7.official import import_checkpoint
    import_checkpoint(checkpoint, path, dtype=torch.float16)


def export_files(folder: ModelFolder, targets: Sequence[Target], calibration: Path | None = None,
                 images: int = 128, keep_float: Iterable[str] = (),
                 say: Say = tqdm.write) -> None:
    """
    Write the files of an opened folder that are missing, damaged or made in another way.

    :param calibration: folder of images for int8
    :param images: how many of them are chosen
    :param keep_float: layers that stay in float in int8 files
    :raises ValueError: where int8 is asked for without images
    """
    network = read_network(str(folder.path / WEIGHTS))
    weights_sha256 = file_sha256(folder.path / WEIGHTS)
    keep_float = tuple(keep_float)
    chosen: list[Path] = []
    if any(target.calibrated for target in targets):
        if calibration is None:
            raise ValueError('int8 is calibrated on images of what the camera will see: name '
                             'their folder')
        chosen = choose_images(calibration, images)
    for target in tqdm(targets, desc='export', unit='file', leave=False):
        recipe = _recipe(target, weights_sha256, chosen, keep_float)
        path = folder.path / target.file_name
        present = folder.file(target.format, target.precision)
        if present is not None and present.get('recipe') == recipe:
            say(f'{path} is up to date')
            continue
        target.write(network, path, lambda: calibration_inputs(chosen, network.input_wh),
                     keep_float)
        more: dict[str, Any] = {
            'weights_sha256': weights_sha256, 'recipe': recipe, 'made_with': target.producers()}
        if target.calibrated:
            more['calibration_images'] = len(chosen)
            if keep_float:
                more['keep_float'] = list(keep_float)
        folder.put(target.format, target.precision, path,
                   tuple(folder.path / name for name in target.reads), **more)
        say(f'{path} written, {path.stat().st_size / 1e6:.1f} MB')


def _recipe(target: Target, weights_sha256: str, chosen: Sequence[Path],
            keep_float: Sequence[str]) -> str:
    """Return a hash of all that decides what is in the file."""
    parts: dict[str, Any] = {
        'recipe': _RECIPE, 'weights': weights_sha256, 'made_with': target.producers()}
    if target.calibrated:
        parts.update(images=[file_sha256(path) for path in chosen], keep_float=list(keep_float))
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
