# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark as one page to read."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tsr_ros.benchmark.results import ReplayResult
from tsr_ros.benchmark.study import LATENCIES, MACHINES
from tsr_ros.benchmark.tables import (
    HEADINGS,
    REPLAY_HEADINGS,
    case_rows,
    format_ms,
    is_on_cpu,
    models,
    recommend,
    replay_rows,
    study_headings,
    study_rows,
)
from tsr_ros.report.page import Page
from tsr_ros.report.plots import COLOURS, new_figure

_STUDY_MODEL = 'yolov7'  # the study's network


def build_page(result: Mapping[str, Any], replays: Sequence[ReplayResult] = ()) -> Page:
    """Return the report of one result, with a table of replays where there are any."""
    host = result['host']
    page = Page(result['title'] or 'Which runtime is fastest on this computer?',
                f'{host["cpu"]}, {host["cpus"]} CPUs, {host["memory_gib"]} GiB'
                f'{", " + ", ".join(host["gpu"]) if host["gpu"] else ""} · {result["time"]}')
    for model in models(result):
        page.text(recommend(result, model), 'lead')
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
    for on_cpu in (True, False):
        shown = [case for case in cases if is_on_cpu(case) == on_cpu and case['batch'] == 1]
        if shown:
            page.plot(_bars(shown), 'Median of the network (dark) and of all from image to boxes '
                                    '(light); the black mark is the floor: the work over the '
                                    'most this processor does in that precision.')
            page.plot(_distributions(shown),
                      'Every run from image to boxes: the box holds the middle half, the line is '
                      'the median, the whiskers end at 5 % and 95 %.')
    page.table(HEADINGS, case_rows(result, model), left=2)
    page.text('Milliseconds; lowest to p99 and floor are of the network alone. Ratios are to '
              'PyTorch eager in fp32 with the usual pre- and postprocessing (naive). Memory is '
              'that of a process with the backend alone, node MB that of the ROS node with it. '
              'Disturbed: bursts during which other programs kept using the machine.', 'soft')


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
    axes.set_xscale('log')
    axes.xaxis.set_major_formatter(lambda value, _: f'{value:g}')
    axes.xaxis.set_minor_formatter(lambda value, _: f'{value:g}')
    return figure


def _accuracy_section(page: Page, result: Mapping[str, Any]) -> None:
    cases = [case for case in result['cases'] if case.get('map50') is not None
             and case['batch'] == 1]
    if not cases:
        return
    page.heading('Accuracy against latency')
    figure, axes = new_figure(9, 4)
    shown = {case['model'] for case in cases}
    backends = list(dict.fromkeys(case['backend'] for case in cases))
    for k, backend in enumerate(backends):
        own = [case for case in cases if case['backend'] == backend]
        axes.plot([case['statistics']['total']['median_ms'] for case in own],
                  [100 * case['map50'] for case in own], 'o', color=COLOURS[k], label=backend)
        for case in own:
            words = case['precision'] if len(shown) == 1 else (
                f'{case["model"]} {case["precision"]}')
            axes.annotate(words, (case['statistics']['total']['median_ms'], 100 * case['map50']),
                          (5, 5), textcoords='offset points', fontsize=8)
    axes.set_xscale('log')
    axes.xaxis.set_major_formatter(lambda value, _: f'{value:g}')
    axes.xaxis.set_minor_formatter(lambda value, _: f'{value:g}')
    axes.set_xlabel('ms from image to boxes, median (logarithmic)')
    axes.set_ylabel('mAP@0.5, points')
    axes.legend()
    page.plot(figure, 'The best are at the top left. mAP@0.5 as the manifest of the models has '
                      'it, measured by `tsr export --evaluate` through the same backend.')


def _study_section(page: Page, result: Mapping[str, Any]) -> None:
    shown = [model for model in models(result) if model.startswith(_STUDY_MODEL)]
    if not shown:
        return
    page.heading("Beside the study's tables")
    page.text('Abouzid et al., "Evaluating YOLOv7 Deployment Performance on Diverse Platforms and '
              'Strategies for Real-time Object Detection", Tables IV to VII: average (lowest to '
              'highest) of one inference with YOLOv7, in milliseconds. Machines: ' + '; '.join(
                  f'{name}: {words}' for name, words in MACHINES.items()) + '.', 'soft')
    for model in shown:
        page.heading(f'{model} here', 3)
        page.table(study_headings(), study_rows(result, model))
        for machines, heading in (
                (('PC CPU', 'Colab CPU', 'Nano CPU'), 'on a CPU'), (('Colab GPU',), 'on a GPU')):
            page.plot(_study_bars(result, model, machines), f'Average inference {heading}.')


def _study_bars(result: Mapping[str, Any], model: str, machines: Sequence[str]) -> Any:
    on_cpu = machines[0].endswith('CPU')
    headings, rows = study_headings(), study_rows(result, model)
    column = headings.index('here: CPU' if on_cpu else 'here: accelerator')
    runtimes = [row[0] for row in rows]
    bars = {machine: [next((entry.average_ms for entry in LATENCIES if (
        entry.runtime, entry.machine) == (runtime, machine)), np.nan) for runtime in runtimes]
        for machine in machines}
    bars['this computer'] = [
        float(row[column].split()[0]) if row[column] != '–' else np.nan for row in rows]
    figure, axes = new_figure(9, 3.5)
    width = 0.8 / len(bars)
    for k, (name, values) in enumerate(bars.items()):
        place = np.arange(len(runtimes)) + (k - (len(bars) - 1) / 2) * width
        colour = COLOURS[3] if name == 'this computer' else COLOURS[k]
        drawn = axes.bar(place, values, width, label=name, color=colour)
        axes.bar_label(drawn, ['' if np.isnan(value) else format_ms(value) for value in values],
                       fontsize=8, padding=2)
    axes.set_yscale('log')
    axes.set_ylabel('ms (logarithmic)')
    axes.set_xticks(range(len(runtimes)), runtimes)
    axes.grid(axis='x', visible=False)
    axes.legend(ncol=len(bars))
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * 3)
    return figure


def _replay_section(page: Page, replays: Sequence[ReplayResult]) -> None:
    page.heading('Night and weather')
    page.text('Recordings replayed with their ground truth (`tsr bag replay`): how right the '
              'detector is in each light and weather.')
    page.table(REPLAY_HEADINGS, replay_rows(replays), left=3)
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
        'all. Two runs before each burst are not counted. A burst during which other programs '
        'took more than 5 % of the processors is repeated, up to three times. Preprocessing is '
        'the letterbox, postprocessing the decoding of the maps and NMS.')
    peaks = ', '.join(f'{precision} {peak["gflops"]:.0f} GFLOP/s ({peak["runtime"]})'
                      for precision, peak in result['peaks'].items())
    width, height = result['image']['resolution_wh']
    rows = [
        ('processor', f'{host["cpu"]}, {host["cpus"]} CPUs, {" ".join(host["instructions"])}'),
        ('measured peaks', peaks or 'not measured'), ('system', host['system']),
        ('Python', host['python']), ('tsr_ros', host['tsr_ros']),
        *host['versions'].items(),
        ('image', f'{width} x {height}, sha256 {result["image"]["sha256"][:16]}…'),
        *((f'model file of {case["title"]}',
           f'{case["file"]}, sha256 {case["model_sha256"][:16]}…') for case in result['cases'])]
    page.table(('', ''), rows, left=2)
    if result['left_out']:
        page.heading('Left out', 3)
        page.table(('case', 'why'), result['left_out'].items(), left=2)
