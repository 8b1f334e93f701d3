# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which cases there are to measure on this computer."""

from __future__ import annotations

from collections.abc import Sequence

from tsr_ros.backends.base import BackendError
from tsr_ros.backends.factory import backend_class, backend_status
from tsr_ros.backends.manifest import Manifest, find_model_file
from tsr_ros.benchmark.worker import NAIVE, Case

_ORDER = ('fp32', 'bf16', 'fp16', 'int8')
_ON_ACCELERATORS = ('fp16',)  # on a CPU it is no faster, and mostly not there


def find_cases(models_dir: str, models: Sequence[str], backends: Sequence[str] = (),
               precisions: Sequence[str] = (), batches: Sequence[int] = (1,), threads: int = 0,
               device: str = 'auto') -> tuple[list[Case], dict[str, str]]:
    """
    Return the cases of a models folder that this computer may run, and why others are left out.

    :param models: names in the manifest; none: all
    :param backends: their names, `naive` among them; none: all that are installed
    :param precisions: none: all that a backend has, fp16 on accelerators only
    """
    manifest = Manifest.read(models_dir)
    left_out = {}
    installed = []
    for name, status in backend_status().items():
        if backends and name not in backends:
            continue
        if status.problem:
            left_out[name] = status.problem
        elif name != 'auto':
            installed.append(name)
    cases = []
    for model in models or manifest.models:
        entry = manifest.model(model)
        if (not backends or NAIVE in backends) and 'pytorch' not in left_out:
            cases.append(Case(NAIVE, 'fp32', model, models_dir, 1, threads))
        for name in installed:
            cls = backend_class(name)
            for precision in sorted(cls.precisions, key=_ORDER.index):
                if precisions and precision not in precisions:
                    continue
                if not precisions and precision in _ON_ACCELERATORS and device in ('auto', 'cpu'):
                    continue
                try:
                    find_model_file(entry, cls.formats, precision)
                except BackendError as error:
                    left_out[f'{model} {name} {precision}'] = str(error)
                    continue
                cases += [Case(name, precision, model, models_dir, batch, threads, device)
                          for batch in batches]
    return cases, left_out
