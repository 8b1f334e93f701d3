# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import contextlib
import functools
import json
import os
import platform
from typing import Any, NamedTuple

from .base import BackendError, DeviceError, available_cpus
from .build_cache import BuildCache, cache_folder
from .delegating import DelegatingBackend
from .factory import backend_class, backend_status, create_backend
from .manifest import (
    MAX_LOSS,
    Manifest,
    accuracy_loss,
    default_models_dir,
    find_model_file,
    is_own_file,
)
from .measure import Measurement, measure
from .nvidia_driver import find_gpu

# of mAP at IoU 0.5, what fp16 and bf16 may cost where the manifest has no score of theirs
ROUNDING_LOSS = 0.002
_FILE = 'measurements.json'  # in the cache


class Candidate(NamedTuple):
    """A backend in a precision that there is a model file for."""

    backend: str
    precision: str
    sha256: str  # of its files
    loss: Any  # of mAP at IoU 0.5 against fp32; None where nobody has measured it


class AutoBackend(DelegatingBackend):
    """
    The fastest backend of this computer whose accuracy is within a limit.

    The first load measures all that is installed, which takes seconds; the result is kept for
    this computer, these versions and this model.
    """

    name = 'auto'
    cache = None  # BuildCache; None for that in the user's cache folder

    def __init__(self, model='', precision='auto', max_loss=MAX_LOSS, models_dir=None,
                 **options):
        super().__init__(options.get('batch', 1))
        self._precision, self._max_loss = precision, max_loss
        # paths are absolute: what measures runs in another folder
        self._options = dict(
            options, model=os.path.abspath(model) if is_own_file(model) else str(model),
            models_dir=models_dir and os.path.abspath(str(models_dir)))

    def _load(self):
        model, models_dir = self._options['model'], self._options['models_dir']
        candidates = find_candidates(
            model, self._precision, models_dir, self._options.get('device', 'auto'))
        good = [c for c in candidates if c.loss is not None and c.loss <= self._max_loss]
        if not good:
            raise BackendError(
                'auto has nothing to choose from: no backend that runs here has a file of {} '
                'in {} precision with a measured loss of at most {:g} mAP'.format(
                    model or 'the default model', self._precision, self._max_loss))
        times, origin = self._times(good)
        others = []
        for candidate in sorted(good, key=lambda c: times[c].median_ms or float('inf')):
            time_ms, problem, _ = times[candidate]
            if time_ms is not None and self.backend is None:
                try:
                    self.backend = self._loaded(create_backend(
                        candidate.backend, precision=candidate.precision, **self._options))
                    chosen_ms = time_ms
                    continue
                except BackendError as error:
                    problem = str(error)
            others.append('{0.backend} {0.precision} {1}'.format(
                candidate, 'failed ({})'.format(problem) if problem
                else '{:.1f} ms'.format(time_ms)))
        if self.backend is None:
            raise BackendError('auto found no backend that runs: {}'.format('; '.join(others)))
        others += ['{0.backend} {0.precision} may lose too much ({1})'.format(
            c, 'not measured' if c.loss is None else '{:.3f} mAP'.format(c.loss))
            for c in candidates if c not in good]
        self._why = '{:.1f} ms (measurements {}), others: {}'.format(
            chosen_ms, origin, ', '.join(others) or 'none')
        self.progress('auto chose {0.backend.name} {0.backend.precision}, {0._why}'.format(self))

    def _times(self, candidates):
        """Return {Candidate: Measurement} and where that comes from."""
        key = {
            'computer': describe_computer(),
            'candidates': [list(c[:3]) for c in candidates],
            'versions': {c.backend: backend_class(c.backend).version() for c in candidates},
            'options': {name: self._options.get(name)
                        for name in ('device', 'threads', 'batch', 'input_wh')},
        }
        cache = self.cache or BuildCache(cache_folder('auto'))
        times = {}

        def measure_all():
            times.update(self._measured(candidates))
            return _as_json(times)
        content, origin = cache.get_or_make(
            _FILE, key, measure_all,
            lambda: self.progress('waiting for another process that measures'))
        if not times:  # those of an earlier start: what has failed may have been repaired since
            times.update(_from_json(content, candidates))
            if not times:
                origin = 'made just now, since those in the cache have another form'
            failed = [c for c in candidates
                      if c not in times or (times[c].problem and not times[c].lasting)]
            if failed:
                times.update(self._measured(failed))
                with contextlib.suppress(OSError):
                    cache.write(_FILE, key, _as_json(times))
        return times, origin

    def _measured(self, candidates):
        """Return {Candidate: Measurement}, measured now."""
        by_backend = {}
        for candidate in candidates:
            by_backend.setdefault(candidate.backend, []).append(candidate.precision)
        found = {name: measure(name, precisions, self._options, self.progress)
                 for name, precisions in by_backend.items()}
        return {c: found[c.backend][c.precision] for c in candidates}

    def _reason(self):
        return 'auto chose it: ' + self._why

    def _close(self):
        super()._close()
        self.backend = None


def _as_json(times):
    """Return {Candidate: Measurement} as bytes."""
    found = {}
    for candidate, time in times.items():
        found.setdefault(candidate.backend, {})[candidate.precision] = time
    return json.dumps(found).encode()


def _from_json(content, candidates):
    """Return {Candidate: Measurement} of what _as_json gave, {} where it has another form."""
    try:
        found = json.loads(content.decode())
        return {c: _measurement(*found[c.backend][c.precision]) for c in candidates}
    except (ValueError, LookupError, TypeError, AttributeError):
        return {}


def _measurement(median_ms, problem, lasting=False):  # which older caches do not have
    return Measurement(median_ms if median_ms is None else float(median_ms), problem, lasting)


def find_candidates(model='', precision='auto', models_dir=None, device='auto'):
    """Return a Candidate for each backend that runs here and precision it has a file for."""
    result = []
    for name, status in backend_status().items():
        if status.problem:
            continue
        for wanted in backend_class(name).precisions:
            if precision in ('auto', wanted):
                result += _candidate(name, wanted, model, models_dir, device)
    return result


def _candidate(name, precision, model, models_dir, device):
    """Return a list with the Candidate of a backend in one precision, or an empty one."""
    cls = backend_class(name)
    if is_own_file(model):
        try:
            file = create_backend(name, model, precision).model_file
        except BackendError:
            return []
        # how right his own file is, is the user's affair
        return [Candidate(name, precision, file.sha256, 0.0)]
    manifest = Manifest.read(models_dir or default_models_dir())
    entry = manifest.model(model or manifest.default)
    (formats, wanted), = cls.file_choices(precision, device)
    try:
        file = find_model_file(entry, formats, wanted)
    except BackendError:
        return []
    sha256 = ' '.join([file.sha256] + [data[1] for data in file.data])
    return [Candidate(name, precision, sha256, _loss(file, name, precision))]


def _loss(file, backend, precision):
    if precision == 'fp32':
        return 0.0
    loss = accuracy_loss(file, backend) if file.precision == precision else None
    if loss is None and precision in ('fp16', 'bf16'):
        return ROUNDING_LOSS
    return loss


def describe_computer():
    """Return what the speed of a backend depends on, for a cache's key."""
    try:
        gpu = list(find_gpu()[1:])
    except DeviceError:
        gpu = None
    return {'machine': platform.machine(), 'cpu': _cpu_name(), 'cpus': available_cpus(),
            'gpu': gpu}


@functools.lru_cache(maxsize=None)
def _cpu_name():
    try:
        with open('/proc/cpuinfo', encoding='utf-8', errors='replace') as file:
            lines = file.read().splitlines()
    except OSError:
        return platform.processor()
    names = [line for line in lines if line.startswith(('model name', 'Hardware', 'Model'))]
    return ' '.join(sorted({line.partition(':')[2].strip() for line in names}))
