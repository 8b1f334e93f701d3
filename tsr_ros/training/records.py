# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a run writes down after each epoch: a table, and TensorBoard's events where wanted."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from tsr_ros.evaluation.dataset import DataError
from tsr_ros.report.files import write_text

Record = dict[str, float]
LOSS_PARTS = ('loss', 'box', 'objectness', 'classes', 'positives')
COLUMNS = ('epoch', 'step', 'minutes', 'images_per_s', 'learning_rate', *LOSS_PARTS, 'map50')


def write_table(path: Path, records: Sequence[Record], labels: Sequence[str]) -> None:
    """Write all records as CSV, one line an epoch; the old file stays until the new is whole."""
    text = io.StringIO()
    columns = [*COLUMNS, *(f'ap50_{label}' for label in labels)]
    writer = csv.DictWriter(text, columns, restval='', lineterminator='\n')
    writer.writeheader()
    writer.writerows(records)
    write_text(path, text.getvalue())


def read_records(path: Path) -> list[Record]:
    """Return the records of a table that `write_table` wrote; what was left out is left out."""
    try:
        with path.open(newline='', encoding='utf-8') as file:
            rows = list(csv.DictReader(file))
        records = [{key: float(text) for key, text in row.items() if text} for row in rows]
        return [record for record in records if record['epoch']]
    except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise DataError(f'{path}: not the table of a training run: {error}') from None


class EventLog:
    """TensorBoard's event file, which needs the package tensorboardX."""

    def __init__(self, folder: Path, first_epoch: int) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            raise DataError(
                'tensorboard: true needs the package tensorboardX: pip install tensorboardX'
            ) from None
        # events of epochs that are trained again after a crash are superseded
        self.writer = SummaryWriter(str(folder), purge_step=first_epoch + 1)

    def add(self, record: Mapping[str, float]) -> None:
        """Write the values of an epoch."""
        for name, value in record.items():
            if name in LOSS_PARTS:
                name = f'train/{name}'
            elif name.startswith(('map50', 'ap50_')):
                name = f'validation/{name}'
            self.writer.add_scalar(name, value, int(record['epoch']))
        self.writer.flush()

    def close(self) -> None:
        """End the file."""
        self.writer.close()
