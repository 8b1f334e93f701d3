# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The results of a benchmark as plain data: JSON and CSV."""

from __future__ import annotations

import csv
import datetime
import hashlib
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tsr_ros.backends.base import BackendError
from tsr_ros.backends.manifest import Manifest, default_models_dir, find_model_file
from tsr_ros.backends.weights import read_network
from tsr_ros.benchmark.host import describe_host
from tsr_ros.benchmark.peak import Peak, floor_ms
from tsr_ros.benchmark.session import Measurement
from tsr_ros.benchmark.statistics import LatencyStatistics, summarise
from tsr_ros.benchmark.work import network_gflop
from tsr_ros.benchmark.worker import NAIVE

VERSION = 1
_CSV_COLUMNS = (
    'model', 'backend', 'precision', 'batch', 'device', 'threads', 'network_lowest_ms',
    'network_average_ms', 'network_highest_ms', 'network_median_ms', 'network_p95_ms',
    'network_p99_ms', 'total_median_ms', 'total_p95_ms', 'total_p99_ms', 'images_per_s',
    'floor_ms', 'resident_mb', 'node_resident_mb', 'load_ms', 'energy_j', 'map50',
    'disturbed_bursts')


class ResultError(ValueError):
    """A file that is not the result of a benchmark; says which and why."""


def to_result(measurements: list[Measurement], failed: Mapping[str, str],
              peaks: Mapping[str, Peak], image: np.ndarray, title: str = '') -> dict[str, Any]:
    """Return everything about a benchmark as plain data."""
    result = {
        'tsr_benchmark': VERSION,
        'title': title,
        'time': datetime.datetime.now(datetime.timezone.utc).isoformat(timespec='seconds'),
        'host': describe_host(),
        'peaks': {precision: peak._asdict() for precision, peak in peaks.items()},
        'image': {'sha256': hashlib.sha256(image.tobytes()).hexdigest(),
                  'resolution_wh': [image.shape[1], image.shape[0]]},
        'cases': [_case(measurement, peaks) for measurement in measurements],
        'left_out': dict(failed),
    }
    return result


def _case(measurement: Measurement, peaks: Mapping[str, Peak]) -> dict[str, Any]:
    case, loaded = measurement.case, measurement.loaded
    info = loaded['info']
    columns = {
        part: [value for burst in measurement.bursts for value in getattr(burst, part + '_ms')]
        for part in ('preprocess', 'inference', 'postprocess', 'total')}
    gflop, scores = _model_facts(measurement)
    precision = info['precision']
    on_cpu = 'cpu' in info['device'].lower()
    peak = peaks.get(precision) if on_cpu else None
    return {
        'title': case.title, 'model': case.model, 'backend': case.backend,
        'precision': precision, 'batch': case.batch, 'device': info['device'],
        'threads': info['threads'], 'runtime': f'{info["name"]} {info["version"]}',
        'detail': info['detail'], 'file': loaded['file'], 'file_bytes': loaded['file_bytes'],
        'model_sha256': loaded['model_sha256'], 'input_wh': loaded['input_wh'],
        'load_ms': loaded['load_ms'], 'resident_mb': measurement.resident_mb,
        'work_gflop': gflop, 'floor_ms': (
            floor_ms(gflop * case.batch, peak) if peak and gflop else None),
        'durations_ms': {part: [round(value, 4) for value in values]
                         for part, values in columns.items()},
        'statistics': {part: summarise(values)._asdict() for part, values in columns.items()},
        'disturbed_bursts': measurement.disturbed, 'repeated_bursts': measurement.repeated,
        'bursts': len(measurement.bursts),
        'frequency_mhz': _mean(measurement.frequencies_mhz),
        'temperature_c': max(measurement.temperatures_c, default=None),
        'energy_j': measurement.energy_j,
        **scores,
    }


def _model_facts(measurement: Measurement) -> tuple[float | None, dict[str, float | None]]:
    """
    Return the network's work in GFLOP, and what the manifest says of the accuracy.

    A score counts for the precision in which it was measured: bf16 made of a file of fp32 has
    none.
    """
    case = measurement.case
    try:
        entry = Manifest.read(case.models_dir or default_models_dir()).model(case.model)
        weights = find_model_file(entry, ('torch',), 'fp32')
        gflop = network_gflop(read_network(os.path.join(entry.folder, weights.path)),
                              measurement.loaded['input_wh'])
    except BackendError:  # the user's own file, of which no manifest tells
        return None, {'map50': None, 'map50_fp32': None}
    sha256 = measurement.loaded['model_sha256']
    scores = next((file.scores for file in entry.files if file.sha256 == sha256
                   and file.precision == measurement.loaded['info']['precision']), {})
    reference = weights.scores.get('map50', scores.get('map50_fp32'))
    map50 = reference if case.backend == NAIVE else scores.get(
        f'map50_{case.backend}', scores.get('map50'))
    return gflop, {'map50': map50, 'map50_fp32': reference}


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def to_csv(result: Mapping[str, Any]) -> str:
    """Return one line for each case."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _CSV_COLUMNS, extrasaction='ignore', lineterminator='\n')
    writer.writeheader()
    for case in result['cases']:
        row = dict(case)
        for part, name in (('inference', 'network'), ('total', 'total')):
            row |= {f'{name}_{key}': round(value, 3)
                    for key, value in case['statistics'][part].items() if key.endswith('_ms')}
        row['images_per_s'] = round(
            1000 * case['batch'] / case['statistics']['total']['median_ms'], 2)
        writer.writerow(row)
    return text.getvalue()


def read_result(path: str | Path) -> dict[str, Any]:
    """
    Return the result in a JSON file.

    :raises ResultError: where it is not one, or of a version that is not known
    """
    try:
        result = json.loads(Path(path).read_text(encoding='utf-8'))
        if result['tsr_benchmark'] != VERSION:
            raise ResultError(f'{path}: version {result["tsr_benchmark"]} is not known here; '
                              f'this package reads {VERSION}')
        for case in result['cases']:
            missing = {'title', 'model', 'backend', 'precision', 'batch', 'device'} - set(case)
            for part in ('inference', 'total'):
                missing |= set(LatencyStatistics._fields) - set(case['statistics'][part])
            if missing:
                raise ValueError(f'a case without {", ".join(sorted(missing))}')
        if not result['host']['cpu']:
            raise ValueError('no processor is named')
        missing = ({'cpus', 'gpu'} - set(result['host'])) | ({'time'} - set(result))
        if missing:
            raise ValueError(f'it lacks {", ".join(sorted(missing))}')
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, ResultError):
            raise
        raise ResultError(f'{path} is not the result of a benchmark: {error!r}') from None
    return result


class ReplayResult(NamedTuple):
    """One recording replayed with its ground truth: what of it stands beside the latencies."""

    source: str
    condition: str  # of light and weather
    detector: str  # model, backend and arithmetic, and whether it was offline or live
    frames: int
    map50: float | None
    precision: float | None
    recall: float | None
    detected_m: float | None  # median over the signs, one never found counting as 0 m
    missed: int  # signs passed and never found
    signs: int  # passed
    false_alarms_per_minute: float | None


def read_replays(path: str | Path) -> list[ReplayResult]:
    """
    Return what a file of `tsr bag replay --json` says; recordings without ground truth are left.

    :raises ResultError: where it is no such file
    """
    try:
        replays = json.loads(Path(path).read_text(encoding='utf-8'))
        if not isinstance(replays, list):
            raise TypeError('it is no list of replays')
        return [_replay(replay) for replay in replays if replay['score'] is not None]
    except (ValueError, KeyError, TypeError) as error:
        raise ResultError(
            f'{path} was not written by `tsr bag replay --json`: {error!r}') from None


def _replay(replay: Mapping[str, Any]) -> ReplayResult:
    detector, score = replay['detector'], replay['score']
    return ReplayResult(
        replay['source']['name'], replay['source']['condition'],
        f'{detector["model"]}, {detector["backend"]} {detector["precision"]}, {replay["mode"]}',
        replay['frames']['sent'],
        *(score['overall'][key] for key in ('ap50', 'precision', 'recall')),
        score.get('detected_m'), score['missed_signs'],
        score.get('passed_signs', len(score['signs'])),
        score['false_alarms_per_minute'])
