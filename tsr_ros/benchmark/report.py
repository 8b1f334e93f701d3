# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark as one page to read."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tsr_ros.benchmark.host import load_warning
from tsr_ros.benchmark.results import ReplayResult
from tsr_ros.benchmark.study import BACKENDS, LATENCIES, MACHINES, WORK_GFLOP
from tsr_ros.benchmark.tables import (
    HEADINGS,
    REPLAY_HEADINGS,
    UNTRAINED,
    case_rows,
    format_ms,
    is_on_cpu,
    models,
    recommend,
    replay_rows,
    study_case,
    study_headings,
    study_rows,
)
from tsr_ros.report.page import Page
from tsr_ros.report.plots import ABOVE, BESIDE, COLOURS, new_figure

_MARKERS = {'fp32': 'o', 'bf16': 's', 'fp16': '^', 'int8': 'D'}
_LEAST_POINTS = 2.0  # that the axis of the accuracy spans
_STUDY_MODEL = 'yolov7'  # the study's network


def build_page(result: Mapping[str, Any], replays: Sequence[ReplayResult] = ()) -> Page:
    """Return the report of one result, with a table of replays where there are any."""
    host = result['host']
    parts = (host.get('board'), host['cpu'], f'{host["cpus"]} CPUs', f'{host["memory_gib"]} GiB',
             *host['gpu'])
    page = Page(result['title'] or 'Which runtime is fastest on this computer?',
                f'{", ".join(part for part in parts if part)} · {result["time"]}')
    for model in models(result):
        page.text(recommend(result, model), 'lead')
    if warning := load_warning(result.get('load_average')):
        page.text(warning)
    for model in models(result):
        _model_section(page, result, model)
    _accuracy_section(page, result)
    _study_section(page, result)
    if replays:
        _replay_section(page, replays)
    _method_section(page, result)
    return page


def _model_section(page: Page, result: Mapping[str, Any], model: str) -> None:
    cases = [case for case in result['cases'] if case['model'] == model]
    width, height = cases[0]['input_wh']
    work = cases[0]['work_gflop']
    page.heading(f'{model}, {width} x {height}' + (f', {work:.2f} GFLOP' if work else ''))
    if model.endswith(UNTRAINED):
        page.text('These weights are not trained: they find nothing, but take as long as trained '
                  'ones of the same network.')
    for on_cpu in (True, False):
        shown = [case for case in cases if is_on_cpu(case) == on_cpu and case['batch'] == 1]
        if shown:
            page.plot(_bars(shown), 'Median of the network (dark) and of all from image to boxes '
                                    '(light); the black mark is the floor: the work over the '
                                    'most this processor does in that precision.')
            page.plot(_distributions(shown),
                      'Every run from image to boxes: the box holds the middle half, the line is '
                      'the median, the whiskers end at 5 % and 95 %.')
    # two tables, which a screen is wide enough for
    headings, *rows = HEADINGS, *case_rows(result, model)
    which, network_end = 3, HEADINGS.index('image to boxes')
    page.heading('The network alone, ms', 3)
    page.table(headings[:network_end], [row[:network_end] for row in rows], left=2)
    page.heading('From image to boxes, median in ms, and what it takes', 3)
    headings, *rows = [row[:which] + row[network_end:] for row in (headings, *rows)]
    page.table(headings, rows, left=2)
    page.text(f'{_runs(cases)} of each. Ratios are to PyTorch eager in fp32 with the usual pre- '
              'and postprocessing (naive); floor: the work over the most that this processor does '
              'in that precision. images/s are at the median, in a batch above 1 of the network '
              'alone. Memory is that of a process with the backend alone, node MB that of the ROS '
              'node with it, neither with what lies on an accelerator. Disturbed: bursts during '
              'which other programs kept using the machine.', 'soft')


def _runs(cases: Sequence[Mapping[str, Any]]) -> str:
    runs = sorted({case['statistics']['total']['runs'] for case in cases})
    text = f'{" or ".join(map(str, runs))} runs'
    return text if runs[0] >= 100 else f'{text} (so few that p99 is all but the slowest)'


def _bars(cases: Sequence[Mapping[str, Any]]) -> Any:
    cases = sorted(cases, key=lambda case: -case['statistics']['total']['median_ms'])
    figure, axes = new_figure(9, 0.7 + 0.42 * len(cases))
    place = np.arange(len(cases))
    total = [case['statistics']['total']['median_ms'] for case in cases]
    network = [case['statistics']['inference']['median_ms'] for case in cases]
    axes.barh(place, total, color=COLOURS[5], label='image to boxes')
    axes.barh(place, network, color=COLOURS[0], label='network')
    for k, case in enumerate(cases):
        axes.annotate(f'{format_ms(total[k])} ms', (total[k], k), (4, 0), va='center',
                      textcoords='offset points')
        if case['floor_ms']:
            axes.plot([case['floor_ms']] * 2, [k - 0.4, k + 0.4], color='black', linewidth=2)
    axes.set_yticks(place, [f'{case["backend"]} {case["precision"]}' for case in cases])
    axes.set_xlabel('ms')
    axes.grid(axis='y', visible=False)
    axes.set_xlim(0, 1.12 * max(total))
    axes.legend(loc='upper right')
    return figure


def _distributions(cases: Sequence[Mapping[str, Any]]) -> Any:
    cases = sorted(cases, key=lambda case: -case['statistics']['total']['median_ms'])
    figure, axes = new_figure(9, 0.7 + 0.42 * len(cases))
    durations = [case['durations_ms']['total'] for case in cases]
    lying = {'orientation': 'horizontal'} if 'orientation' in inspect.signature(
        axes.boxplot).parameters else {'vert': False}  # before Matplotlib 3.10
    boxes = axes.boxplot(durations, **lying, whis=(5, 95), widths=0.6, patch_artist=True,
                         flierprops={'marker': '.', 'markersize': 3, 'alpha': 0.5})
    for box in boxes['boxes']:
        box.set_facecolor(COLOURS[5])
    for line in boxes['medians']:
        line.set_color('black')
    axes.set_yticks(range(1, len(cases) + 1),
                    [f'{case["backend"]} {case["precision"]}' for case in cases])
    axes.set_xlabel('ms from image to boxes (logarithmic)')
    _logarithmic(axes)
    return figure


def _logarithmic(axes: Any) -> None:
    axes.set_xscale('log')
    axes.xaxis.set_major_formatter(lambda value, _: f'{value:g}')
    # all nine of a decade would run into each other
    axes.xaxis.set_minor_formatter(
        lambda value, _: f'{value:g}' if f'{value:e}'[0] in '235' else '')


def _accuracy_section(page: Page, result: Mapping[str, Any]) -> None:
    cases = [case for case in result['cases'] if case.get('map50') is not None
             and case['batch'] == 1]
    if not cases:
        return
    page.heading('Accuracy against latency')
    figure, axes = new_figure(9, 4)
    several = len({case['model'] for case in cases}) > 1
    backends = list(dict.fromkeys(case['backend'] for case in cases))
    precisions = [name for name in _MARKERS if any(case['precision'] == name for case in cases)]
    for case in cases:
        place = case['statistics']['total']['median_ms'], 100 * case['map50']
        axes.plot(*place, _MARKERS[case['precision']], color=COLOURS[
            backends.index(case['backend'])], markersize=8, alpha=0.8)
        if several:
            axes.annotate(case['model'], place, (6, 5), textcoords='offset points', fontsize=8)
    for name in backends:
        axes.plot([], [], 's', color=COLOURS[backends.index(name)], label=name)
    for name in precisions:
        axes.plot([], [], _MARKERS[name], color='none', markeredgecolor='black', label=name)
    # tenths of a point must not look like a gulf
    low, high = axes.get_ylim()
    half = max((high - low) / 2, _LEAST_POINTS / 2)
    axes.set_ylim((low + high) / 2 - half, (low + high) / 2 + half)
    _logarithmic(axes)
    axes.set_xlabel('ms from image to boxes, median (logarithmic)')
    axes.set_ylabel('mAP@0.5, points')
    axes.legend(**BESIDE)
    page.plot(figure, 'The best are at the top left. mAP@0.5 as the manifest of the models has '
                      'it, measured by `tsr export --evaluate` through the same backend. What '
                      'nobody has measured, such as bf16 made of the fp32 file, is not shown.')


def _study_section(page: Page, result: Mapping[str, Any]) -> None:
    shown = [model for model in models(result) if model.startswith(_STUDY_MODEL)]
    if not shown:
        return
    page.heading("Beside the study's tables")
    page.text('Abouzid et al., "Evaluating YOLOv7 Deployment Performance on Diverse Platforms and '
              'Strategies for Real-time Object Detection", Tables IV to VII: average (lowest to '
              'highest) of one inference with YOLOv7, in milliseconds. Machines: ' + '; '.join(
                  f'{name}: {words}' for name, words in MACHINES.items()) + '.', 'soft')
    page.text('The columns "here" are of the network alone, at batch 1: on the CPU in fp32, on an '
              'accelerator in the fastest precision, which is named.', 'soft')
    for model in sorted(shown, key=lambda model: -_share_of_work(result, model)):
        page.heading(f'{model} here', 3)
        share = _share_of_work(result, model)
        if share < 0.9:
            page.text(f'{model} does {100 * share:.0f} % of the work of the network that the '
                      'study timed: beside its figures these show what a smaller network saves, '
                      'not which runtime is better.')
        columns = zip(study_headings(), *study_rows(result, model), strict=True)
        # on the CPU or on an accelerator nothing may have been measured
        shown_columns = [column for column in columns if set(column[1:]) != {'–'}]
        headings, *rows = zip(*shown_columns, strict=True)
        page.table(headings, rows)
        for machines, heading in (
                (('PC CPU', 'Colab CPU', 'Nano CPU'), 'on a CPU'), (('Colab GPU',), 'on a GPU')):
            page.plot(_study_bars(result, model, machines), f'Average inference {heading}.')


def _share_of_work(result: Mapping[str, Any], model: str) -> float:
    """Return the model's work over that of the study's network; 1 where it is not known."""
    case = next(case for case in result['cases'] if case['model'] == model)
    width, height = case['input_wh']
    work = case['work_gflop'] or WORK_GFLOP
    return work / (WORK_GFLOP * (1 if case['work_gflop'] is None else width * height / 640**2))


def _study_bars(result: Mapping[str, Any], model: str, machines: Sequence[str]) -> Any:
    on_cpu = machines[0].endswith('CPU')
    bars = {machine: [next((entry.average_ms for entry in LATENCIES if (
        entry.runtime, entry.machine) == (runtime, machine)), np.nan) for runtime in BACKENDS]
        for machine in machines}
    own = [study_case(result, model, runtime, on_cpu) for runtime in BACKENDS]
    if any(own):
        bars['this computer'] = [
            case['statistics']['inference']['average_ms'] if case else np.nan for case in own]
    figure, axes = new_figure(9, 3.5)
    width = 0.8 / len(bars)
    for k, (name, values) in enumerate(bars.items()):
        place = np.arange(len(BACKENDS)) + (k - (len(bars) - 1) / 2) * width
        colour = COLOURS[3] if name == 'this computer' else COLOURS[k]
        drawn = axes.bar(place, values, width, label=name, color=colour)
        axes.bar_label(drawn, ['' if np.isnan(value) else format_ms(value) for value in values],
                       fontsize=8, padding=2)
    axes.set_ylabel('ms')
    axes.set_xticks(range(len(BACKENDS)), BACKENDS)
    axes.grid(axis='x', visible=False)
    axes.legend(ncol=len(bars), **ABOVE)
    return figure


def _replay_section(page: Page, replays: Sequence[ReplayResult]) -> None:
    page.heading('Night and weather')
    page.text('Recordings replayed with their ground truth (`tsr bag replay`): how right the '
              'detector is in each light and weather.')
    headings, rows, left = REPLAY_HEADINGS, replay_rows(replays), 3
    if len({replay.detector for replay in replays}) == 1:  # once is enough
        page.text(f'Detector: {replays[0].detector}.')
        headings, *rows = [(*row[:2], *row[3:]) for row in (headings, *rows)]
        left = 2
    page.table(headings, rows, left)
    page.text('Cost: points (hundredths) of mAP@0.5 lost against the clear day by the same '
              'detector; of light and weather alone where road and signs are the same. Detected: '
              'from which distance, the median over the signs, one never found counting as 0 m. A '
              'sign more or less among few may be chance.', 'soft')


def _method_section(page: Page, result: Mapping[str, Any]) -> None:
    host = result['host']
    page.heading('How it was measured')
    page.text(
        'Each backend lives in a process of its own, loaded and warm. They take turns in bursts, '
        'each round beginning with another one, so that a machine that slows down does so for '
        'all. The first round, and two runs before each burst, are not counted. A burst during '
        'which other programs took more than 5 % of the processors is repeated, up to three '
        'times. Preprocessing is the letterbox, postprocessing the decoding of the maps and NMS.')
    peaks = ', '.join(f'{precision} {peak["gflops"]:.0f} GFLOP/s ({peak["runtime"]})'
                      for precision, peak in result['peaks'].items())
    width, height = result['image']['resolution_wh']
    rows = [
        ('processor', f'{host["cpu"]}, {host["cpus"]} CPUs, {" ".join(host["instructions"])}'),
        ('measured peaks', peaks or 'not measured'), *_circumstances(result),
        ('system', host['system']),
        ('Python', host['python']), ('tsr_ros', host['tsr_ros']),
        # as they say themselves; what is installed may be another version than what is imported
        ('measured', ', '.join(dict.fromkeys(case['runtime'] for case in result['cases']))),
        *((f'{package}, installed', version) for package, version in host['versions'].items()),
        ('image', f'{width} x {height}, sha256 {result["image"]["sha256"][:16]}…'),
        *((f'model file of {case["title"]}',
           f'{case["file"]}, sha256 {case["model_sha256"][:16]}…') for case in result['cases'])]
    page.table(('', ''), rows, left=2)
    if result['left_out']:
        page.heading('Left out', 3)
        page.table(('case', 'why'), result['left_out'].items(), left=2)


def _circumstances(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return how the computer was while it was measured, as far as it tells that."""
    cases = result['cases']

    def span(key: str, unit: str = '') -> str:
        values = [case[key] for case in cases if case.get(key) is not None]
        if not values:
            return 'not told'
        low, high = f'{min(values):.4g}', f'{max(values):.4g}'
        return (low if low == high else f'{low} to {high}') + unit

    load = result.get('load_average')
    return [
        ('threads on the CPU', span('threads')),
        ('clock, average of each case', span('frequency_mhz', ' MHz')),
        ('rule that sets the clock', result['host'].get('governor') or 'not told'),
        ('highest temperature', span('temperature_c', ' °C')),
        ('energy of an image, whole package', span('energy_j', ' J')),
        ('load average at the start', 'not noted' if load is None else f'{load:.1f}'),
        ('bursts', f'{sum(case["bursts"] for case in cases)}, repeated because others used the '
                   f'machine {sum(case["repeated_bursts"] for case in cases)}, disturbed all the '
                   f'same {sum(case["disturbed_bursts"] for case in cases)}'),
    ]
