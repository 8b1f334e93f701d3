# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A model's folder and its entry in the manifest beside it, whole at every moment."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from tsr_ros.backends.manifest import FILE_NAME, FORMATS, Manifest, file_sha256
from tsr_ros.backends.weights import Network
from tsr_ros.report.files import whole_file, write_text

WEIGHTS = 'weights.safetensors'


class ModelFolder:
    """The folder MODELS/NAME; what it holds is named in MODELS/manifest.yaml."""

    def __init__(self, folder: str | Path) -> None:
        self.path = Path(folder).absolute()
        self.models = self.path.parent
        self.name = self.path.name

    def open(self, weights: str | Path, network: Network, licence: str | None = None,
             data: str | None = None) -> list[str]:
        """
        Take in the weights and write the model's entry; what others wrote there stays.

        Files made of other weights are struck from the manifest; returns their paths.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        target = self.path / WEIGHTS
        if not target.exists() or not target.samefile(weights):
            with whole_file(target) as temporary:
                shutil.copyfile(weights, temporary)
        sha256 = file_sha256(target)
        with self._editing() as content:
            content.setdefault('default', self.name)
            entry = content['models'].setdefault(self.name, {})
            before = entry.get('files', [])
            fresh = [file for file in before if file.get('weights_sha256') == sha256]
            entry.update(
                architecture=network.architecture, input_wh=list(network.input_wh),
                labels=network.labels, anchors=network.anchors, strides=network.strides,
                licence=entry.get('licence', '') if licence is None else licence,
                data=entry.get('data', '') if data is None else data,
                files=fresh)
            if fresh != before:
                entry['scores'] = {}
        self.put('torch', 'fp32', target, weights_sha256=sha256)
        return [file['path'] for file in before
                if file not in fresh and file['format'] != 'torch']

    def file(self, format_: str, precision: str) -> dict[str, Any] | None:
        """Return what the manifest says of a file, None if it has none or the file has changed."""
        for file in self.entry()['files']:
            if (file['format'], file['precision']) == (format_, precision):
                parts = [file, *file.get('data', ())]
                whole = all(
                    (self.models / part['path']).is_file()
                    and file_sha256(self.models / part['path']) == part['sha256']
                    for part in parts)
                return file if whole else None
        return None

    def put(self, format_: str, precision: str, path: Path, data: tuple[Path, ...] = (),
            **more: Any) -> None:
        """Name a file in the manifest, with the further files that it reads."""
        line = {
            'format': format_, 'precision': precision, 'path': self._relative(path),
            'sha256': file_sha256(path), 'bytes': path.stat().st_size, **more}
        if data:
            line['data'] = [{'path': self._relative(p), 'sha256': file_sha256(p)} for p in data]

        def add(entry: dict[str, Any]) -> None:
            old = [f for f in entry['files'] if (f['format'], f['precision']) == (
                format_, precision)]
            if old and old[0]['sha256'] == line['sha256'] and 'scores' in old[0]:
                line.setdefault('scores', old[0]['scores'])
            entry['files'] = sorted(
                [file for file in entry['files'] if file not in old] + [line],
                key=lambda file: (FORMATS.index(file['format']), file['precision']))

        self.edit(add)

    def entry(self) -> dict[str, Any]:
        """Return the model's entry as it stands in the manifest."""
        return _read(self.models)['models'][self.name]

    def edit(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the model's entry."""
        with self._editing() as content:
            change(content['models'][self.name])

    @contextlib.contextmanager
    def _editing(self) -> Iterator[dict[str, Any]]:
        """Give the manifest to change; two processes wait for each other."""
        folder = os.open(self.models, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            content = _read(self.models)
            yield content
            write_text(self.models / FILE_NAME, yaml.safe_dump(
                content, sort_keys=False, default_flow_style=None, width=99, allow_unicode=True))
        finally:
            os.close(folder)

    def _relative(self, path: Path) -> str:
        return Path(path).absolute().relative_to(self.models).as_posix()


def _read(folder: Path) -> dict[str, Any]:
    """Return the manifest's content, an empty one where there is none."""
    path = folder / FILE_NAME
    if not path.exists():
        return {'version': 1, 'models': {}}
    Manifest.read(folder)  # refuses what is no manifest, rather than writing over it
    return yaml.safe_load(path.read_text(encoding='utf-8'))
