# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Several computers side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tsr_ros.benchmark.tables import backend_name, format_ms, models, recommend
from tsr_ros.report.page import Page
from tsr_ros.report.plots import COLOURS, add_legend, new_figure


def compare_rows(results: Sequence[Mapping[str, Any]],
                 names: Sequence[str]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return headings and a row for each case that any of the computers has: image to boxes."""
    keys = list(dict.fromkeys(
        (case['model'], backend_name(case), case['precision'])
        for result in results for case in result['cases'] if case['batch'] == 1))
    medians = [{(case['model'], backend_name(case), case['precision']):
                case['statistics']['total']['median_ms']
                for case in result['cases'] if case['batch'] == 1} for result in results]
    rows = [(*key, *(format_ms(median.get(key)) for median in medians)) for key in keys]
    return ('model', 'backend', 'precision', *(f'{name}, ms' for name in names)), rows


def differences(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return, in words, what was not the same on all computers, so that times do not compare."""
    found = []
    for model in dict.fromkeys(model for result in results for model in models(result)):
        sizes = {tuple(case.get('input_wh', ())) for result in results
                 for case in result['cases'] if case['model'] == model}
        if len(sizes) > 1:
            found.append(f'the input of {model}, '
                         + ' or '.join(f'{width} x {height}' for width, height in sorted(sizes)))
    if len({result.get('image', {}).get('sha256') for result in results}) > 1:
        found.append('the picture')
    return found


def build_page(results: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Page:
    """Return the page of a comparison."""
    page = Page('Runtimes on several computers', ' · '.join(names))
    page.table(('computer', 'processor', 'accelerator', 'measured'), [
        (name, f'{result["host"].get("board") or result["host"]["cpu"]}, '
               f'{result["host"]["cpus"]} CPUs',
         ', '.join(result['host']['gpu']) or '–', result['time'])
        for name, result in zip(names, results)], left=4)
    if not_the_same := differences(results):
        page.text(f'Not the same everywhere, so take care: {"; ".join(not_the_same)}.')
    for model in dict.fromkeys(model for result in results for model in models(result)):
        page.heading(model)
        for name, result in zip(names, results):
            if model in models(result):
                page.text(f'{name}: {recommend(result, model)}')
        page.plot(_points(results, names, model), 'Median from image to boxes.')
    headings, rows = compare_rows(results, names)
    page.heading('All cases')
    page.table(headings, rows, left=3)
    page.text('Median from image to boxes in milliseconds, batch 1.', 'soft')
    return page


def _points(results: Sequence[Mapping[str, Any]], names: Sequence[str], model: str) -> Any:
    medians = [{f'{backend_name(case)} {case["precision"]}':
                case['statistics']['total']['median_ms']
                for case in result['cases'] if case['model'] == model and case['batch'] == 1}
               for result in results]
    titles = list(dict.fromkeys(title for median in medians for title in median))
    figure, axes = new_figure(9, 1 + 0.25 * len(titles) * (len(results) + 1))
    height = 0.8 / len(results)
    for k, (name, median) in enumerate(zip(names, medians)):
        place = np.arange(len(titles)) + (k - (len(results) - 1) / 2) * height
        values = [median.get(title, np.nan) for title in titles]
        # points: on a logarithmic axis the length of a bar says nothing
        axes.plot(values, place, 'o', label=name, color=COLOURS[k % len(COLOURS)])
        for value, at in zip(values, place):
            if not np.isnan(value):
                axes.annotate(format_ms(value), (value, at), (7, 0), va='center', fontsize=8,
                              textcoords='offset points')
    axes.set_yticks(range(len(titles)), titles)
    axes.invert_yaxis()
    axes.set_xscale('log')
    axes.set_xlabel('ms (logarithmic)')
    add_legend(axes)
    return figure
