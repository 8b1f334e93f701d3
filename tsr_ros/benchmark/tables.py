# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Results as rows of text: for the terminal, and for the report's tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tsr_ros.backends.auto import ROUNDING_LOSS
from tsr_ros.backends.manifest import MAX_LOSS
from tsr_ros.benchmark.study import BACKENDS, LATENCIES
from tsr_ros.benchmark.worker import NAIVE
from tsr_ros.replay.tables import CLEAR_DAY

if TYPE_CHECKING:  # it brings more than the table of a running node needs
    from tsr_ros.benchmark.results import ReplayResult

UNTRAINED = '-untrained'  # at the end of a model's name
_AS_FAST = 1.05  # from one day to the next, medians differ by more
REFERENCE = NAIVE  # ratios are to its case of the same model


def format_ms(value: float | None) -> str:
    """Return milliseconds with three digits that count, or a dash."""
    if value is None:
        return '–'
    if value >= 100:
        return f'{value:.0f}'
    return f'{value:.1f}' if value >= 10 else f'{value:.2f}'


def find_case(result: Mapping[str, Any], model: str, backend: str) -> dict[str, Any] | None:
    """Return a case of batch 1 in fp32, or None."""
    return next((case for case in result['cases'] if case['batch'] == 1 and (
        case['model'], case['backend'], case['precision']) == (model, backend, 'fp32')), None)


def is_on_cpu(case: Mapping[str, Any]) -> bool:
    """Tell whether a case ran on the processor, not on an accelerator."""
    return 'cpu' in case['device'].lower()


def backend_name(case: Mapping[str, Any]) -> str:
    """Return the backend, and the accelerator that it ran on, if any."""
    return case['backend'] if is_on_cpu(case) else f'{case["backend"]} on {case["device"]}'


def models(result: Mapping[str, Any]) -> list[str]:
    """Return the models measured, in their order."""
    return list(dict.fromkeys(case['model'] for case in result['cases']))


def loss(case: Mapping[str, Any]) -> float | None:
    """Return what a case loses of fp32's mAP@0.5, or None where nobody has measured it."""
    if case.get('map50') is None or case.get('map50_fp32') is None:
        return None
    return case['map50_fp32'] - case['map50']


def _is_good(case: Mapping[str, Any]) -> bool:
    """Tell, as `backend: auto` does, whether a precision may be deployed."""
    cost = loss(case)
    if cost is None:
        return case['precision'] in ('fp32', 'bf16', 'fp16')  # which lose ROUNDING_LOSS at most
    return case['precision'] == 'fp32' or cost <= MAX_LOSS


HEADINGS = ('backend', 'precision', 'batch', 'lowest', 'average', 'highest', 'median', 'p95',
            'p99', 'ratio', 'floor', 'image to boxes', 'ratio', 'images/s', 'memory MB',
            'node MB', 'mAP@0.5', 'disturbed')


def case_rows(result: Mapping[str, Any], model: str) -> list[tuple[str, ...]]:
    """
    Return a row for each case of a model, as HEADINGS names them, fastest first.

    Times are of the network unless it says image to boxes, in milliseconds; ratios are to
    PyTorch eager fp32 with the usual pre- and postprocessing.
    """
    reference = find_case(result, model, REFERENCE)
    cases = sorted((case for case in result['cases'] if case['model'] == model),
                   key=lambda case: (case['batch'],
                                     case['statistics']['inference']['median_ms']))
    rows = []
    for case in cases:
        network, total = case['statistics']['inference'], case['statistics']['total']
        one = case['batch'] == 1
        rows.append((
            backend_name(case), case['precision'], str(case['batch']),
            *(format_ms(network[key]) for key in ('lowest_ms', 'average_ms', 'highest_ms',
                                                  'median_ms', 'p95_ms', 'p99_ms')),
            _ratio(network, reference, 'inference') if one else '–',
            format_ms(case['floor_ms']), format_ms(total['median_ms']) if one else '–',
            _ratio(total, reference, 'total') if one else '–',
            f'{1000 * case["batch"] / total["median_ms"]:.1f}', f'{case["resident_mb"]:.0f}',
            f'{case["node_resident_mb"]:.0f}' if case.get('node_resident_mb') else '–',
            '–' if case.get('map50') is None else f'{case["map50"]:.3f}',
            f'{case["disturbed_bursts"]} of {case["bursts"]}'))
    return rows


def _ratio(statistics: Mapping[str, float], reference: Mapping[str, Any] | None,
           part: str) -> str:
    if reference is None:
        return '–'
    return f'{statistics["median_ms"] / reference["statistics"][part]["median_ms"]:.2f}'


def recommend(result: Mapping[str, Any], model: str) -> str:
    """Return which backend and precision to deploy on this computer, in a sentence and why."""
    cases = [case for case in result['cases'] if case['model'] == model and case['batch'] == 1
             and case['backend'] != NAIVE]
    if not cases:
        return f'No backend ran {model} here.'
    good = [case for case in cases if _is_good(case)]
    ranked = sorted(good or cases, key=lambda case: case['statistics']['total']['median_ms'])
    best = ranked[0]
    median = best['statistics']['total']['median_ms']
    device = '' if is_on_cpu(best) else f' on {best["device"]}'
    text = (f'Deploy {model} with backend {best["backend"]} in {best["precision"]}{device}: '
            f'{format_ms(median)} ms from image to boxes, {1000 / median:.0f} images a second')
    reference = find_case(result, model, REFERENCE)
    if reference:
        ratio = reference['statistics']['total']['median_ms'] / median
        where = '' if is_on_cpu(best) else ' on the CPU,'
        text += f', {ratio:.1f} times as fast as PyTorch{where} as most scripts use it'
    cost = loss(best)
    if best['precision'] != 'fp32' and cost is not None:
        text += (f'; it costs {100 * cost:.1f} points of mAP@0.5' if cost > 0
                 else '; it costs nothing of mAP@0.5')
    elif best['precision'] != 'fp32':
        text += (f'; what {best["precision"]} costs of mAP@0.5 was not measured'
                 + (f', rounding is taken to cost {100 * ROUNDING_LOSS:.1f} points at most'
                    if best in good else ''))
    near = [case for case in ranked[1:]
            if case['statistics']['total']['median_ms'] <= _AS_FAST * median]
    if near:
        text += f'. As fast within {100 * (_AS_FAST - 1):.0f} %: {_names(near)}'
    unknown = [case for case in cases if case not in good and loss(case) is None
               and case['statistics']['total']['median_ms'] < median]
    if unknown:
        text += f'. Faster, but of unknown accuracy: {_names(unknown)}'
    return text + '.'


def _names(cases: Sequence[Mapping[str, Any]]) -> str:
    return ', '.join(f'{backend_name(case)} {case["precision"]}' for case in cases)


def study_rows(result: Mapping[str, Any], model: str) -> list[tuple[str, ...]]:
    """
    Return the study's table with this computer's columns beside it, times in milliseconds.

    Each cell is 'average (lowest to highest)', as the study gives AV, LV and HV; for ours see
    `study_case`.
    """
    machines = list(dict.fromkeys(entry.machine for entry in LATENCIES))
    rows = []
    for runtime in BACKENDS:
        cells = {entry.machine: _span(entry.average_ms, entry.lowest_ms, entry.highest_ms)
                 for entry in LATENCIES if entry.runtime == runtime}
        ours = [_own_span(study_case(result, model, runtime, on_cpu)) for on_cpu in (True, False)]
        rows.append((runtime, *(cells.get(machine, '–') for machine in machines), *ours))
    return rows


def study_case(result: Mapping[str, Any], model: str, runtime: str,
               on_cpu: bool) -> Mapping[str, Any] | None:
    """
    Return our case that stands beside the study's of a runtime, or None.

    That is the one in fp32 on the CPU, and on an accelerator that of the fastest precision.
    """
    cases = [case for case in result['cases'] if case['model'] == model and case['batch'] == 1
             and case['backend'] in BACKENDS[runtime] and is_on_cpu(case) == on_cpu
             and (case['precision'] == 'fp32' or not on_cpu)]
    return min(cases, key=lambda case: case['statistics']['inference']['median_ms'], default=None)


def _own_span(case: Mapping[str, Any] | None) -> str:
    if case is None:
        return '–'
    statistics = case['statistics']['inference']
    span = _span(statistics['average_ms'], statistics['lowest_ms'], statistics['highest_ms'])
    return span if is_on_cpu(case) else f'{span}, {case["precision"]}'


def study_headings() -> tuple[str, ...]:
    """Return the headings of `study_rows`."""
    machines = list(dict.fromkeys(entry.machine for entry in LATENCIES))
    return ('runtime', *(f'study: {machine}' for machine in machines), 'here: CPU, fp32',
            'here: accelerator')


def _span(average: float, lowest: float, highest: float) -> str:
    return f'{format_ms(average)} ({format_ms(lowest)} to {format_ms(highest)})'


REPLAY_HEADINGS = ('recording', 'condition', 'detector', 'frames', 'mAP@0.5', 'cost', 'precision',
                   'recall', 'detected m', 'missed', 'false alarms/min')


def replay_rows(replays: Sequence[ReplayResult]) -> list[tuple[str, ...]]:
    """Return a row for each replay; its cost is against the first clear day of its detector."""
    clear: dict[str, float | None] = {}
    for replay in replays:
        if replay.condition == CLEAR_DAY:
            clear.setdefault(replay.detector, replay.map50)

    def number(value: float | None, digits: int) -> str:
        return '–' if value is None else f'{value:.{digits}f}'

    rows = []
    for replay in replays:
        reference = clear.get(replay.detector)
        cost = None if replay.condition == CLEAR_DAY or None in (reference, replay.map50) else (
            100 * (reference - replay.map50))
        rows.append((
            replay.source, replay.condition, replay.detector, str(replay.frames),
            number(replay.map50, 3), number(cost, 1), number(replay.precision, 3),
            number(replay.recall, 3), number(replay.detected_m, 1),
            f'{replay.missed} of {replay.signs}' if replay.signs else '–',
            number(replay.false_alarms_per_minute, 0)))
    return rows
