# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Looking through a data set before it is trained on: what is wrong, what looks wrong, what is."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from tsr_ros.evaluation.dataset import (
    IMAGE_SUFFIXES,
    DataError,
    check_layout,
    label_path,
    parse_label,
    read_class_names,
    read_image,
    read_label_lines,
    read_labelled_classes,
    read_table,
)
from tsr_ros.report.plots import new_figure
from tsr_ros.training.likeness import alike_pairs, difference_hash, is_flat

TINY_PX = 6.0  # side of an object in its image


@dataclasses.dataclass
class Entry:
    """What is known about one image."""

    name: str
    split: str
    scene: str = ''
    size_wh: tuple[int, int] | None = None
    class_id: list[int] = dataclasses.field(default_factory=list)
    sides_px: list[float] = dataclasses.field(default_factory=list)
    digest: str = ''
    hash: np.ndarray | None = None


@dataclasses.dataclass
class DataReport:
    """What a check found: errors stop training, warnings do not."""

    folder: Path
    labels: list[str]
    entries: list[Entry]
    errors: list[str]
    warnings: list[str]

    @property
    def splits(self) -> list[str]:
        """The splits, the usual three first."""
        names = {entry.split for entry in self.entries}
        usual = [name for name in ('train', 'val', 'test') if name in names]
        return usual + sorted(names - set(usual))

    def counts(self) -> np.ndarray:
        """Return objects (S, C) per split and class."""
        rows = {split: row for row, split in enumerate(self.splits)}
        counts = np.zeros((len(rows), len(self.labels)), int)
        for entry in self.entries:
            np.add.at(counts[rows[entry.split]], entry.class_id, 1)
        return counts


def check_data(
    folder: Path,
    num_classes: int | None = None,
    others: Sequence[DataReport] = (),
) -> DataReport:
    """
    Look through a data set in YOLO layout.

    :param num_classes: where neither classes.txt nor data.yaml names the classes
    :param others: reports of further data, which must not hold images of this one's val and test
    :raises DataError: where there is no data set at all
    """
    check_layout(folder)
    labels = read_class_names(folder) or [f'class {k}' for k in range(num_classes or 0)]
    if not labels:
        raise DataError(
            f'{folder}: neither classes.txt nor data.yaml names the classes: give their number'
        )
    report = DataReport(folder, labels, [], [], [])
    splits = read_splits(report)
    files = sorted((folder / 'images').rglob('*'))
    images = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
    for path in tqdm(images, 'checking', leave=False, disable=None):
        report.entries.append(check_image(report, path, splits))
    check_files(report, images, splits)
    check_likeness(report, others)
    check_scenes(report)
    try:
        read_labelled_classes(folder, len(labels))
    except DataError as error:
        report.errors.append(str(error))
    for split, row in zip(report.splits, report.counts()):
        for label, count in zip(labels, row):
            if split and not count:
                report.warnings.append(f'split {split!r} has no object of class {label!r}')
    return report


def read_splits(report: DataReport) -> dict[str, tuple[str, str]]:
    """Return split and scene by image stem, from split.csv if there is one."""
    path = report.folder / 'split.csv'
    splits: dict[str, tuple[str, str]] = {}
    if not path.exists():
        return splits
    for number, row in enumerate(read_table(path, ('image', 'split')), 2):
        stem, split = Path(row['image']).stem, row['split']
        if stem in splits:
            report.errors.append(
                f'{path}:{number}: {row["image"]} is in {splits[stem][0]!r} already'
            )
        splits[stem] = split, row.get('scene_group') or ''
    return splits


def check_image(report: DataReport, path: Path, splits: dict[str, tuple[str, str]]) -> Entry:
    """Check an image and its labels."""
    inside = path.relative_to(report.folder / 'images')
    by_folder = str(inside.parent) if inside.parent != Path('.') else ''
    split, scene = splits.get(path.stem, (by_folder, ''))
    entry = Entry(str(inside), split, scene)
    try:
        image = read_image(path)
    except DataError as error:
        report.errors.append(str(error))
    else:
        entry.size_wh = image.shape[1], image.shape[0]
        entry.digest = hashlib.sha256(image.tobytes()).hexdigest()
        if is_flat(image):
            report.warnings.append(f'{path}: shows nothing: all of one colour')
        else:
            entry.hash = difference_hash(image)
    check_labels(report, label_path(report.folder, path), entry)
    return entry


def check_labels(report: DataReport, path: Path, entry: Entry) -> None:
    """Check each line of a label file."""
    try:
        lines = read_label_lines(path)
    except DataError as error:
        report.errors.append(str(error))
        return
    seen: dict[tuple, int] = {}
    for number, line in lines:
        where = f'{path}:{number}'
        try:
            class_id, box = parse_label(line, where, len(report.labels))
        except DataError as error:
            report.errors.append(str(error))
            continue
        key = class_id, *np.round(box, 3).tolist()
        if key in seen:
            report.warnings.append(f'{where}: the same box as in line {seen[key]}')
        seen.setdefault(key, number)
        entry.class_id.append(class_id)
        if entry.size_wh:
            sides = np.array(box[2:]) * entry.size_wh
            entry.sides_px.append(float(np.sqrt(sides.prod())))
            if sides.min() < TINY_PX:
                report.warnings.append(
                    f'{where}: the object is {sides[0]:.1f} x {sides[1]:.1f} pixels small'
                )


def check_files(
    report: DataReport, images: list[Path], splits: dict[str, tuple[str, str]]
) -> None:
    """Look for files that lack their counterpart."""
    stems = Counter(path.relative_to(report.folder / 'images').with_suffix('') for path in images)
    for stem, count in stems.items():
        if count > 1:
            report.errors.append(f'{count} images share the labels of {stem}')
    for path in sorted((report.folder / 'labels').rglob('*.txt')):
        if path.relative_to(report.folder / 'labels').with_suffix('') not in stems:
            report.warnings.append(f'{path}: there is no such image')
    if splits:
        names = Counter(stem.name for stem in stems)
        for stem in splits:
            if stem not in names:
                report.errors.append(f'{report.folder / "split.csv"}: no image {stem!r}')
        for stem, count in names.items():
            if count > 1:
                report.errors.append(
                    f'{report.folder / "split.csv"}: {stem!r} may be any of {count} images'
                )
        for entry in report.entries:
            if not entry.split:
                report.warnings.append(f'{entry.name}: in no split')


def check_likeness(report: DataReport, others: Sequence[DataReport] = ()) -> None:
    """
    Look for images that are there twice or look alike, in one split or across two.

    Those of `others`, further data to train on, count as one more split each.
    """
    entries = [(entry, entry.split or '(none)') for entry in report.entries]
    for other in others:
        entries += [(entry, other.folder.name) for entry in other.entries]
    first: dict[str, tuple[Entry, str]] = {}
    for entry, split in entries:
        if not entry.digest:
            continue
        other, other_split = first.setdefault(entry.digest, (entry, split))
        if other is not entry:
            say = report.warnings if split == other_split else report.errors
            say.append(f'{entry.name} ({split}): the same image as {other.name} ({other_split})')
    hashed = [(entry, split) for entry, split in entries if entry.hash is not None]
    if not hashed:
        return
    for i, j in alike_pairs(np.stack([entry.hash for entry, _ in hashed])):
        (one, split), (two, other_split) = hashed[i], hashed[j]
        if one.digest != two.digest and split != other_split:
            report.warnings.append(
                f'{one.name} ({split}) and {two.name} ({other_split}) look alike'
            )


def check_scenes(report: DataReport) -> None:
    """Look for scenes that are in more than one split."""
    splits = defaultdict(set)
    for entry in report.entries:
        if entry.scene and entry.split:
            splits[entry.scene].add(entry.split)
    for scene, names in sorted(splits.items()):
        if len(names) > 1:
            report.errors.append(f'scene {scene!r} is in {", ".join(sorted(names))}')


def tables(report: DataReport) -> list[tuple[list[str], list[list[Any]]]]:
    """Return two tables, headings and rows: classes per split, sizes per split."""
    classes, sizes = [], []
    for split, counts in zip(report.splits, report.counts()):
        mine = [entry for entry in report.entries if entry.split == split]
        empty = sum(not entry.class_id for entry in mine)
        classes.append([split or '(none)', len(mine), empty, *counts.tolist(), int(counts.sum())])
        widths = [entry.size_wh[0] for entry in mine if entry.size_wh]
        heights = [entry.size_wh[1] for entry in mine if entry.size_wh]
        sides = np.array([side for entry in mine for side in entry.sides_px])
        quarters = np.percentile(sides, (5, 50, 95)).round().astype(int) if len(sides) else ()
        sizes.append([
            split or '(none)',
            f'{min(widths)} to {max(widths)}' if widths else '',
            f'{min(heights)} to {max(heights)}' if heights else '',
            ' / '.join(str(side) for side in quarters),
        ])
    headings = ['split', 'images', 'without objects', *report.labels, 'objects']
    return [
        (headings, classes),
        (['split', 'width', 'height', 'side of objects in pixels, 5 / 50 / 95 %'], sizes),
    ]


def plot(report: DataReport) -> Any:
    """Return a Matplotlib figure: objects per class and split, and their sizes."""
    figure, (left, right) = new_figure(10, 4, ncols=2)
    counts, splits = report.counts(), report.splits
    width = 0.8 / max(len(splits), 1)
    for k, split in enumerate(splits):
        place = np.arange(len(report.labels)) + (k - (len(splits) - 1) / 2) * width
        left.bar(place, counts[k], width, label=split or '(none)')
        sides = [s for entry in report.entries if entry.split == split for s in entry.sides_px]
        right.hist(sides, np.geomspace(4, 1024, 25), histtype='step', label=split or '(none)')
    left.set_xticks(np.arange(len(report.labels)), report.labels)
    left.set_ylabel('objects')
    left.legend()
    right.set_xscale('log', base=2)
    right.set_xlabel('side of objects, pixels')
    return figure
