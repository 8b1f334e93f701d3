# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How much accuracy each file of a model keeps, measured on labelled images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from tsr_ros.backends.base import BackendMissing, DeviceError, UnsupportedError
from tsr_ros.backends.detector import load_detector
from tsr_ros.backends.factory import backend_status
from tsr_ros.backends.manifest import file_sha256
from tsr_ros.backends.weights import read_network
from tsr_ros.evaluation.metrics import score
from tsr_ros.evaluation.run import read_labelled_images, run_detector

from .model_folder import WEIGHTS, ModelFolder
from .targets import Target


def score_files(folder: ModelFolder, targets: Sequence[Target], data: Path, split: str,
                threads: int = 0) -> None:
    """
    Write mAP on labelled images into the manifest, for each file on each backend that reads it.

    A file's `map50` is the least of its backends; `map50_fp32` that of the same weights in fp32.
    What was measured on the same images before is kept. A backend that cannot run here is left
    out, which is said.

    :raises DataError: for what is missing or wrong in the data
    :raises BackendMissing: where no backend is there that calculates in fp32
    """
    judge = _Judge(folder, data, split, threads)
    reference = judge.reference()
    tqdm.write(f'fp32: mAP@0.5 {reference["map50"]:.4f} on {reference["images"]} images')
    folder.edit(lambda entry: entry.update(scores=reference))
    for target in targets:
        scores = judge.scores(target, reference['map50'])
        if scores is not None:
            loss = reference['map50'] - scores['map50']
            tqdm.write(f'{target.file_name}: mAP@0.5 {scores["map50"]:.4f}, '
                       f'{100 * loss:.2f} points below fp32')


class _Judge:
    """Measures the files of one model on one set of images."""

    def __init__(self, folder: ModelFolder, data: Path, split: str, threads: int) -> None:
        self.folder, self.threads = folder, threads
        labels = read_network(str(folder.path / WEIGHTS)).labels
        self.items = read_labelled_images(data, split, labels)
        self.where = {'data': data.resolve().name, 'split': split, 'images': len(self.items)}
        self.weights_sha256 = file_sha256(folder.path / WEIGHTS)
        self.measured: dict[tuple[str, str], dict[str, float]] = {}

    def reference(self) -> dict[str, Any]:
        """Return the scores in fp32."""
        known = self.known('torch', 'fp32')
        if known is not None:
            return known
        for backend in 'onnxruntime', 'pytorch':
            found = self.measure(backend, 'fp32')
            if found is not None:
                return self.write('torch', 'fp32', {**found, 'backend': backend})
        raise BackendMissing('neither ONNX Runtime nor PyTorch is here to measure fp32 with')

    def scores(self, target: Target, map50_fp32: float) -> dict[str, Any] | None:
        """Return the scores of a file; None where no backend here reads it."""
        known = self.known(target.format, target.precision)
        if known is not None:
            return known
        found = {backend: result for backend in target.backends
                 if (result := self.measure(backend, target.precision)) is not None}
        if not found:
            return None
        worst = min(found.values(), key=lambda result: result['map50'])
        return self.write(target.format, target.precision, {
            **worst, 'map50_fp32': map50_fp32,
            **{f'map50_{backend}': result['map50'] for backend, result in found.items()}})

    def measure(self, backend: str, precision: str) -> dict[str, float] | None:
        """Return mAP on a backend; None where it cannot run."""
        if (backend, precision) in self.measured:
            return self.measured[backend, precision]
        problem = backend_status((backend,))[backend].problem
        if problem:
            tqdm.write(f'not measured on {backend}: {problem}')
            return None
        tqdm.write(f'measuring {precision} on {backend}')
        try:
            detector = load_detector(self.folder.name, backend, precision, threads=self.threads,
                                     models_dir=str(self.folder.models))
        except (DeviceError, UnsupportedError) as error:
            tqdm.write(f'not measured on {backend}: {error}')
            return None
        with detector:
            overall = score(run_detector(detector, self.items), detector.labels).overall
        result = {'map50': round(overall.ap50, 5), 'map50_95': round(overall.ap50_95, 5)}
        self.measured[backend, precision] = result
        return result

    def known(self, format_: str, precision: str) -> dict[str, Any] | None:
        """Return the scores that the manifest has for these images."""
        scores = (self.folder.file(format_, precision) or {}).get('scores', {})
        return scores if scores.items() >= self.where.items() else None

    def write(self, format_: str, precision: str, scores: dict[str, Any]) -> dict[str, Any]:
        """Write a file's scores into the manifest, unless it was replaced, and return them."""
        scores = {**scores, **self.where}

        def change(entry: dict[str, Any]) -> None:
            for file in entry['files']:
                if (file['format'], file['precision']) == (format_, precision) and (
                        file['weights_sha256'] == self.weights_sha256):
                    file['scores'] = scores

        self.folder.edit(change)
        return scores
