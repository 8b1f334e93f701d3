# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Reading data in YOLO layout: images/ and labels/, divided by split.csv or by folders in both.

split.csv has the columns image and split, and may have light_condition and source; without it the
images of a split lie in images/SPLIT. classes.txt or data.yaml names the classes;
labelled_classes.csv lists the classes that are labelled, for images where some are not. A line of
a label file is: class, centre x, centre y, width, height, as shares of the image.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import yaml

from tsr_ros.evaluation.ground_truth import GroundTruth
from tsr_ros.vision.boxes import cxcywh_to_xyxy
from tsr_ros.vision.image_codecs import ImageError, check_complete

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp')
LEAST_SIDE = 1e-6  # of a box, as a share: less is a rounding error


class DataError(ValueError):
    """A file of the data that cannot be used; says which, where and why."""


class LabelledImage(NamedTuple):
    """One image's file and what is known about it."""

    path: Path
    class_id: np.ndarray  # (N,) int
    boxes: np.ndarray  # (N, 4) float32 centre x, centre y, width, height as shares
    labelled: np.ndarray  # (C,) bool: whether all objects of the class are labelled
    condition: str = ''  # of light and weather, '' where not known
    source: str = ''  # the collection that it comes from, '' where not known


def ground_truth(item: LabelledImage, resolution_wh: tuple[int, int]) -> GroundTruth:
    """Return an image's objects, in its pixels."""
    width, height = resolution_wh
    return GroundTruth.of(cxcywh_to_xyxy(item.boxes) * [width, height, width, height],
                          item.class_id)


def read_image(path: Path) -> np.ndarray:
    """
    Return an image (H, W, 3) uint8 BGR, upright where the file says how.

    :raises DataError: where it cannot be read, is no image or is cut short
    """
    path = Path(path)
    try:
        data = path.read_bytes()
        check_complete(data)
    except OSError as error:
        raise DataError(f'{path}: cannot be read: {error.strerror}') from None
    except ImageError as error:
        raise DataError(f'{path}: {error}') from None
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if image is None:
        raise DataError(f'{path}: not an image that can be read')
    return image


def read_class_names(folder: Path) -> list[str] | None:
    """
    Return the names of the classes, from classes.txt or data.yaml; None where neither has them.

    :raises DataError: for a file that does not have the form expected, or two that differ
    """
    listed, named = None, None
    path = folder / 'classes.txt'
    if path.exists():
        listed = [line.strip() for line in _read_text(path).splitlines() if line.strip()]
    path = folder / 'data.yaml'
    if path.exists():
        try:
            named = yaml.safe_load(_read_text(path))['names']
            if isinstance(named, dict):
                named = [named[i] for i in range(len(named))]
            named = [str(name) for name in named]
        except (yaml.YAMLError, KeyError, TypeError):
            raise DataError(f'{path}: expected `names` with a list of the classes') from None
    if listed and named and listed != named:
        raise DataError(f'{path}: names {named}, but classes.txt has {listed}')
    return listed or named


def read_labels(path: Path, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """
    Return class ids (N,) and boxes (N, 4) of a label file.

    :raises DataError: for a file that is missing, a line that is no label, a class that is not
        there, or a box without area or outside the image; with file and line number
    """
    class_ids, boxes = [], []
    for number, line in read_label_lines(path):
        class_id, box = parse_label(line, f'{path}:{number}', num_classes)
        class_ids.append(class_id)
        boxes.append(box)
    return np.array(class_ids, int), np.array(boxes, np.float32).reshape(-1, 4)


def read_label_lines(path: Path) -> list[tuple[int, str]]:
    """
    Return the lines of a label file that are not empty, with their numbers.

    :raises DataError: where it is missing or no text
    """
    if not path.exists():
        raise DataError(f'{path}: missing; an image without objects has an empty file')
    return [(number, line) for number, line in enumerate(_read_text(path).splitlines(), 1)
            if line.strip()]


def parse_label(line: str, where: str, num_classes: int) -> tuple[int, list[float]]:
    """
    Return the class and the box of a line, its edges cut to the image.

    :param where: file and line, for the message
    :raises DataError: for what is no label of one of the classes inside the image
    """
    try:
        class_id, *box = (float(word) for word in line.split())
    except ValueError:
        raise DataError(f'{where}: expected five numbers, found {line!r}') from None
    if len(box) != 4 or not np.isfinite([class_id, *box]).all():
        raise DataError(f'{where}: expected five finite numbers, found {line!r}')
    if class_id != int(class_id) or not 0 <= class_id < num_classes:
        raise DataError(f'{where}: class {class_id:g} is not one of 0 to {num_classes - 1}')
    x, y, width, height = box
    edges = np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2])
    if (edges < -0.01).any() or (edges > 1.01).any():
        raise DataError(f'{where}: the box leaves the image: {line!r}')
    low, high = edges[:2].clip(0, 1), edges[2:].clip(0, 1)
    if (high - low < LEAST_SIDE).any():
        raise DataError(f'{where}: the box has no area in the image: {line!r}')
    return int(class_id), [*(low + high) / 2, *(high - low)]


def label_line(class_id: int, xyxy: Sequence[float], resolution_wh: Sequence[int]) -> str:
    """Return the line of a label file for a box in pixels of its image."""
    left, top, right, bottom = xyxy
    width, height = resolution_wh
    return (f'{class_id} {(left + right) / 2 / width:.6f} {(top + bottom) / 2 / height:.6f} '
            f'{(right - left) / width:.6f} {(bottom - top) / height:.6f}\n')


def read_table(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Return the rows of a CSV file that must have these columns."""
    reader = csv.DictReader(_read_text(path).splitlines(), restval='')
    missing = set(columns) - set(reader.fieldnames or ())
    if missing:
        raise DataError(f'{path}: no column {sorted(missing)}: found {reader.fieldnames}')
    return list(reader)


def read_dataset(folder: Path, split: str | None, num_classes: int) -> list[LabelledImage]:
    """
    Return the images of a split, or all of the folder where `split` is None.

    An image without a label file has no objects only if its label file is there and empty.

    :raises DataError: for what is missing or wrong, with file and line
    """
    folder = Path(folder)
    check_layout(folder)
    split_file = folder / 'split.csv'
    rows = read_table(split_file, ('image', 'split')) if split_file.exists() else []
    paths = _find_images(folder, None if rows else split)
    known = {Path(row['image']).stem: row for row in rows}
    by_stem = images_by_stem(paths, split_file) if rows else {}
    if split is not None and rows:
        stems = _stems_of_split(split_file, rows, split)
        for stem in stems:
            if stem not in by_stem:
                raise DataError(f'{split_file}: image {stem!r} is not in {folder / "images"}')
        paths = [by_stem[stem] for stem in stems]
    labelled = read_labelled_classes(folder, num_classes)
    everything = np.ones(num_classes, bool)
    dataset = []
    for path in paths:
        class_id, boxes = read_labels(label_path(folder, path), num_classes)
        row = known.get(path.stem, {})
        dataset.append(LabelledImage(
            path, class_id, boxes, labelled.get(path.stem, everything),
            row.get('light_condition') or '', row.get('source') or ''))
    return dataset


def check_layout(folder: Path) -> None:
    """Raise where a folder holds no data set in YOLO layout."""
    if not (folder / 'images').is_dir():
        raise DataError(f'{folder}: no folder images; expected images/ and labels/')


def label_path(folder: Path, image: Path) -> Path:
    """Return where the labels of an image of a data set lie: as in images/, so in labels/."""
    return (folder / 'labels' / image.relative_to(folder / 'images')).with_suffix('.txt')


def images_by_stem(paths: Iterable[Path], split_file: Path) -> dict[str, Path]:
    """
    Return images by the stem that split.csv names them by.

    :raises DataError: where two have the same
    """
    images: dict[str, Path] = {}
    for path in paths:
        if path.stem in images:
            raise DataError(f'{split_file}: {path.stem!r} may be {images[path.stem]} or {path}: '
                            'give one of them another name')
        images[path.stem] = path
    return images


def read_labelled_classes(folder: Path, num_classes: int) -> dict[str, np.ndarray]:
    """
    Return which classes are labelled (C,) per image stem, from labelled_classes.csv if any.

    :raises DataError: for an image that is not there or named twice, or a class that is not there;
        with file and line
    """
    path = folder / 'labelled_classes.csv'
    if not path.exists():
        return {}
    files = (folder / 'images').rglob('*')
    stems = {file.stem for file in files if file.suffix.lower() in IMAGE_SUFFIXES}
    labelled = {}
    for number, row in enumerate(read_table(path, ('image', 'labelled_classes')), 2):
        where, stem = f'{path}:{number}', Path(row['image']).stem
        if stem not in stems:
            # a slip here would count the unlabelled objects of the image that was meant
            raise DataError(f'{where}: image {row["image"]!r} is not in {folder / "images"}')
        if stem in labelled:
            raise DataError(f'{where}: {row["image"]} is named twice')
        try:
            classes = [int(word) for word in row['labelled_classes'].split(';') if word]
        except ValueError as error:
            raise DataError(f'{where}: {row["labelled_classes"]!r}: {error}') from None
        flags = np.zeros(num_classes, bool)
        for class_id in classes:
            if not 0 <= class_id < num_classes:
                raise DataError(f'{where}: class {class_id} is not one of 0 to {num_classes - 1}')
            flags[class_id] = True
        labelled[stem] = flags
    return labelled


def _stems_of_split(path: Path, rows: list[dict[str, str]], split: str) -> list[str]:
    """Return the stems of the images that the rows of split.csv put into a split."""
    lines: dict[str, int] = {}
    for number, row in enumerate(rows, 2):
        stem = Path(row['image']).stem
        if row['split'] != split:
            continue
        if stem in lines:
            where, first = f'{path}:{number}', lines[stem]
            raise DataError(f'{where}: {row["image"]} is in {split!r} already, by line {first}')
        lines[stem] = number
    if not lines:
        splits = sorted({row['split'] for row in rows})
        raise DataError(f'{path}: no image of split {split!r}: there are {splits}')
    return list(lines)


def _find_images(folder: Path, split: str | None) -> list[Path]:
    """Return the images of images/SPLIT, or, where `split` is None, all below images/."""
    root = folder / 'images'
    if split is not None:
        root /= split
        if not root.is_dir():
            raise DataError(f'{folder}: no split {split!r}: neither split.csv nor images/{split}')
    images: dict[Path, Path] = {}
    for path in sorted(root.rglob('*') if split is None else root.iterdir()):
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            continue
        other = images.setdefault(path.with_suffix(''), path)
        if other is not path:
            raise DataError(f'{path}: {other.name} has the same labels')
    if not images:
        raise DataError(f'{root}: no images ({", ".join(IMAGE_SUFFIXES)})')
    return list(images.values())


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding='utf-8')
    except UnicodeDecodeError as error:
        raise DataError(f'{path}: not text: {error}') from None
