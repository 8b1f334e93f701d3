# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Several runs beside each other: one table, and a page of learning curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tsr_ros.evaluation.dataset import DataError
from tsr_ros.report.page import Page
from tsr_ros.report.plots import add_legend, new_figure
from tsr_ros.report.text_table import text_table
from tsr_ros.training.config import TrainingConfig, read_config
from tsr_ros.training.records import LOSS_PARTS, Record, read_records

CURVES = (*LOSS_PARTS[:4], 'learning_rate', 'map50')


def read_run(folder: Path) -> tuple[TrainingConfig | None, list[Record]]:
    """Return the settings of a run, None where it has none written down, and its records."""
    if not (folder / 'results.csv').exists():
        raise DataError(f'{folder}: no results.csv: not the folder of a run that ended an epoch')
    if not (folder / 'config.yaml').exists():
        return None, read_records(folder / 'results.csv')
    return read_config(folder / 'config.yaml'), read_records(folder / 'results.csv')


def write_report(folders: Sequence[Path], page: Path) -> str:
    """Write a page with the table and curves of runs, and return the table as text."""
    runs = {str(folder): read_run(folder) for folder in folders}
    rows = [summary(name, config, records) for name, (config, records) in runs.items()]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    cells = [[row.get(column, '') for column in columns] for row in rows]
    report = Page('Training runs')
    report.table(columns, cells)
    report.plot(draw_curves(runs), 'Means over each epoch; validation where it was done.')
    report.write(page)
    return text_table(columns, cells, left=len(columns))


def summary(
    name: str, config: TrainingConfig | None, records: Sequence[Record]
) -> dict[str, str]:
    """Return a run's row of the table: its settings, and its scores at the best epoch."""
    row = {'run': name}
    if config:
        row['network'] = config.architecture
        row['batch'] = '/'.join(str(stage.batch) for stage in config.stages)
        row['size'] = '/'.join(str(stage.size) for stage in config.stages)
    row['epochs'] = str(len(records)) + (f' of {config.epochs}' if config else '')
    if records:
        row['minutes'] = f'{records[-1]["minutes"]:.1f}'
        row['images/s'] = f'{sum(r["images_per_s"] for r in records) / len(records):.1f}'
        row['last loss'] = f'{records[-1]["loss"]:.4f}'
    scored = [record for record in records if 'map50' in record]
    if scored:
        best = max(scored, key=lambda record: record['map50'])
        row['best mAP@0.5'], row['at epoch'] = f'{best["map50"]:.4f}', f'{best["epoch"]:g}'
        row |= {
            key.removeprefix('ap50_'): f'{value:.3f}'
            for key, value in best.items()
            if key.startswith('ap50_')
        }
    return row


def draw_curves(runs: dict[str, tuple[TrainingConfig | None, list[Record]]]) -> Any:
    """Return a Matplotlib figure of learning curves over the epochs."""
    figure, axes = new_figure(11, 6.5, nrows=2, ncols=3)
    for axis, name in zip(axes.flat, CURVES):
        for run, (_, records) in runs.items():
            points = [(r['epoch'], r[name]) for r in records if name in r]
            marker = '.' if len(points) < 40 else None
            axis.plot(*zip(*points) if points else ((), ()), label=run, marker=marker)
        axis.set_title('validation mAP@0.5' if name == 'map50' else name.replace('_', ' '))
        axis.set_xlabel('epoch')
    add_legend(axes.flat[0])
    return figure
