# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images to quantize with: few, but of every kind that the camera meets."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from tsr_ros.evaluation.dataset import IMAGE_SUFFIXES, read_image, read_label_lines, read_table
from tsr_ros.vision.letterbox import letterbox


def choose_images(folder: str | Path, count: int) -> list[Path]:
    """
    Choose up to `count` images of a folder that differ in light and in the classes they show.

    Sorted by class (from YOLO labels in `labels` instead of `images`, where there are some) and
    then by brightness, every n-th is taken: dark and bright, with each class and with none.
    Where a split.csv divides them, or folders in `images` do, those of the split `train` are
    meant.
    """
    folder = Path(folder)
    split_file, train_folder = folder / 'split.csv', folder / 'images' / 'train'
    by_folder = train_folder.is_dir() and not split_file.exists()
    paths = sorted(path for path in (train_folder if by_folder else folder).rglob('*')
                   if path.suffix.lower() in IMAGE_SUFFIXES)
    if split_file.exists():
        train = {Path(row['image']).stem for row in read_table(split_file, ('image', 'split'))
                 if row['split'] == 'train'}
        paths = [path for path in paths if path.stem in train]
    if not paths:
        raise ValueError(f'there is no image to calibrate with in {folder}')
    if len(paths) <= count:
        return paths
    ranked = sorted(
        tqdm(paths, desc='choose calibration images', unit='image', leave=False),
        key=lambda path: (_highest_class(path), _brightness(path)))
    return [ranked[i] for i in np.linspace(0, len(ranked) - 1, count).round().astype(int)]


def calibration_inputs(paths: list[Path], input_wh: tuple[int, int]) -> Iterator[np.ndarray]:
    """Yield the network's input, (1, H, W, 3) uint8, for each image; raises DataError."""
    for path in tqdm(paths, desc='calibrate', unit='image', leave=False):
        yield letterbox(read_image(path), input_wh)[0][None]


def _highest_class(path: Path) -> int:
    """Return the greatest class id in an image, by which all come up; -1 where there is none."""
    before, _, inside = str(path.absolute()).rpartition('/images/')
    labels = Path(f'{before}/labels/{inside}').with_suffix('.txt')
    if not labels.is_file():
        return -1
    return max((int(line.split()[0]) for _, line in read_label_lines(labels)), default=-1)


def _brightness(path: Path) -> float:
    data = np.fromfile(path, np.uint8)  # imread takes no names that are not UTF-8
    small = cv2.imdecode(data, cv2.IMREAD_REDUCED_GRAYSCALE_8) if len(data) else None
    return 0.0 if small is None else float(small.mean())
