# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Reading data in YOLO layout: images/, labels/, split.csv and, for some, labelled_classes.csv.

A line of a label file is: class, centre x, centre y, width, height, as shares of the image.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp')


class DataError(ValueError):
    """A file of the data that cannot be used; says which, where and why."""


class LabelledImage(NamedTuple):
    """One image's file and what is known about it."""

    path: Path
    class_id: np.ndarray  # (N,) int
    boxes: np.ndarray  # (N, 4) float32 centre x, centre y, width, height as shares
    labelled: np.ndarray  # (C,) bool: whether all objects of the class are labelled


def read_labels(path: Path, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """
    Return class ids (N,) and boxes (N, 4) of a label file.

    :raises DataError: for a line that is no label, a class that is not there, or a box without
        area or outside the image; with file and line number
    """
    class_ids, boxes = [], []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip():
            continue
        where = f'{path}:{number}'
        try:
            class_id, *box = (float(word) for word in line.split())
        except ValueError:
            raise DataError(f'{where}: expected five numbers, found {line!r}') from None
        if len(box) != 4 or not np.isfinite(box).all():
            raise DataError(f'{where}: expected five finite numbers, found {line!r}')
        if class_id != int(class_id) or not 0 <= class_id < num_classes:
            raise DataError(f'{where}: class {class_id:g} is not one of 0 to {num_classes - 1}')
        x, y, width, height = box
        if width <= 0 or height <= 0:
            raise DataError(f'{where}: the box has no area: {line!r}')
        edges = np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2])
        if (edges < -0.01).any() or (edges > 1.01).any():
            raise DataError(f'{where}: the box leaves the image: {line!r}')
        low, high = edges[:2].clip(0, 1), edges[2:].clip(0, 1)
        class_ids.append(int(class_id))
        boxes.append([*(low + high) / 2, *(high - low)])
    return np.array(class_ids, int), np.array(boxes, np.float32).reshape(-1, 4)


def read_table(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Return the rows of a CSV file that must have these columns."""
    with path.open(newline='') as file:
        reader = csv.DictReader(file)
        missing = set(columns) - set(reader.fieldnames or ())
        if missing:
            raise DataError(f'{path}: no column {sorted(missing)}: found {reader.fieldnames}')
        return list(reader)


def read_dataset(folder: Path, split: str | None, num_classes: int) -> list[LabelledImage]:
    """
    Return the images of a split, or all where `split` is None or the folder has no split.csv.

    An image without a label file has no objects only if its label file is there and empty.

    :raises DataError: for what is missing or wrong, with file and line
    """
    images = {
        path.stem: path
        for path in sorted((folder / 'images').glob('*'))
        if path.suffix.lower() in IMAGE_SUFFIXES
    }
    if not images:
        raise DataError(f'{folder / "images"}: no images')
    stems = list(images)
    split_file = folder / 'split.csv'
    if split is not None and split_file.exists():
        rows = read_table(split_file, ('image', 'split'))
        stems = [Path(row['image']).stem for row in rows if row['split'] == split]
        if not stems:
            known = sorted({row['split'] for row in rows})
            raise DataError(f'{split_file}: no image of split {split!r}: there are {known}')
    labelled = read_labelled_classes(folder, num_classes)
    everything = np.ones(num_classes, bool)
    dataset = []
    for stem in stems:
        if stem not in images:
            raise DataError(f'{split_file}: image {stem!r} is not in {folder / "images"}')
        label_file = folder / 'labels' / f'{stem}.txt'
        if not label_file.exists():
            raise DataError(f'{label_file}: missing; an image without objects has an empty file')
        class_id, boxes = read_labels(label_file, num_classes)
        dataset.append(
            LabelledImage(images[stem], class_id, boxes, labelled.get(stem, everything))
        )
    return dataset


def read_labelled_classes(folder: Path, num_classes: int) -> dict[str, np.ndarray]:
    """Return which classes are labelled (C,) per image stem, from labelled_classes.csv if any."""
    path = folder / 'labelled_classes.csv'
    if not path.exists():
        return {}
    labelled = {}
    for number, row in enumerate(read_table(path, ('image', 'labelled_classes')), 2):
        try:
            classes = [int(word) for word in row['labelled_classes'].split(';') if word]
            flags = np.zeros(num_classes, bool)
            flags[classes] = True
        except (ValueError, IndexError) as error:
            raise DataError(f'{path}:{number}: {row["labelled_classes"]!r}: {error}') from None
        labelled[Path(row['image']).stem] = flags
    return labelled
