# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which cases there are to measure on this computer."""

from __future__ import annotations

from collections.abc import Sequence

from tsr_ros.backends.base import BackendError
from tsr_ros.backends.factory import BACKENDS, ON_REQUEST, backend_class, backend_status
from tsr_ros.backends.manifest import Manifest, find_model_file
from tsr_ros.backends.nvidia_driver import has_nvidia_driver
from tsr_ros.benchmark.worker import NAIVE, Case

PRECISIONS = ('fp32', 'bf16', 'fp16', 'int8')


def find_cases(models_dir: str, models: Sequence[str], backends: Sequence[str] = (),
               precisions: Sequence[str] = (), batches: Sequence[int] = (1,), threads: int = 0,
               devices: Sequence[str] = ('auto',)) -> tuple[list[Case], dict[str, str]]:
    """
    Return the cases of a models folder that this computer may run, and why others are left out.

    :param models: names in the manifest; none: all
    :param backends: their names, `naive` among them; none: all that are installed, but for those
        that one has to ask for
    :param devices: as the backends name them; what a backend cannot use fails when it is loaded
    :param precisions: none: all that a backend has, fp16 on accelerators only
    :raises ValueError: for a backend or precision that does not exist
    """
    for name, known in [(name, (*BACKENDS, *ON_REQUEST, NAIVE)) for name in backends] + [
            (name, PRECISIONS) for name in precisions]:
        if name not in known:
            raise ValueError(f'there is no {name!r}; there are {", ".join(known)}')
    manifest = Manifest.read(models_dir)
    with_fp16 = [device for device in devices if 'fp16' in precisions or (
        device != 'cpu' if device != 'auto' else has_nvidia_driver())]
    left_out = {}
    installed = []
    known = (*BACKENDS, *ON_REQUEST) if backends else BACKENDS
    asked = [name for name in known if not backends or name in backends]
    for name, status in backend_status(asked).items():
        if status.problem:
            left_out[name] = status.problem
        else:
            installed.append(name)
    cases = []
    for model in models or manifest.models:
        entry = manifest.model(model)
        if (not backends or NAIVE in backends) and 'pytorch' not in left_out:
            cases.append(Case(NAIVE, 'fp32', model, models_dir, 1, threads))
        for name in installed:
            cls = backend_class(name)
            for precision in sorted(cls.precisions, key=PRECISIONS.index):
                if precisions and precision not in precisions:
                    continue
                # on a CPU fp16 is mostly not there
                wanted = with_fp16 if precision == 'fp16' else devices
                if not wanted:
                    continue
                try:
                    find_model_file(entry, *cls.file_choices(precision)[-1])
                except BackendError as error:
                    left_out[f'{model} {name} {precision}'] = str(error)
                    continue
                cases += [Case(name, precision, model, models_dir, batch, threads, device)
                          for device in wanted for batch in batches]
    return cases, left_out
