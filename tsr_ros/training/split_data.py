# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Dividing a data set: scenes stay whole, and classes are shared out as evenly as they can be."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tsr_ros.evaluation.dataset import (
    DataError,
    LabelledImage,
    images_by_stem,
    read_class_names,
    read_dataset,
    read_image,
    read_table,
)
from tsr_ros.report.files import whole_file
from tsr_ros.training.likeness import alike_pairs, difference_hash, groups_of

SPLITS = ('train', 'val', 'test')


def assign_groups(counts: np.ndarray, shares: Sequence[float], seed: int = 0) -> np.ndarray:
    """
    Return the split (G,) of each group: the one that lacks most of the group's rarest class.

    Iterative stratification, after Sechidis et al., 'On the Stratification of Multi-Label Data',
    2011, over groups instead of images.

    :param counts: (G, K) what each group holds of each class; one column may count the images
    :param shares: what each split is to have, as shares of all
    """
    rng = np.random.default_rng(seed)
    shares = np.array(shares, float) / np.sum(shares)
    lacking = shares[:, None] * counts.sum(0)
    split = np.full(len(counts), -1)
    order = rng.permutation(len(counts))
    # large groups first: small ones even out what they leave
    order = order[np.argsort(-counts[order].sum(1), kind='stable')]
    left = counts.sum(0).astype(float)
    while (split < 0).any():
        open_groups = order[split[order] < 0]
        here = counts[open_groups].sum(0) > 0
        rarest = np.where(here, left, np.inf).argmin() if here.any() else 0
        for group in open_groups[counts[open_groups, rarest] > 0] if here.any() else open_groups:
            need = lacking[:, rarest]
            best = np.flatnonzero(need >= need.max() - 1e-9)
            chosen = best[lacking[best].sum(1).argmax()]
            split[group] = chosen
            lacking[chosen] -= counts[group]
            left -= counts[group]
    return split


def find_scenes(items: Sequence[LabelledImage]) -> list[str]:
    """Return a scene for each image: images that look alike are of one."""
    hashes = np.stack([
        difference_hash(read_image(item.path))
        for item in tqdm(items, 'comparing images', leave=False, disable=None)
    ])
    return [str(group) for group in groups_of(len(items), alike_pairs(hashes))]


def split_data(
    folder: Path,
    shares: Sequence[float] = (70, 20, 10),
    group_by: str | None = None,
    seed: int = 0,
) -> list[tuple[str, int, np.ndarray]]:
    """
    Write split.csv, and return each split's name, images and objects (C,) per class.

    Other columns of a split.csv that is there stay.

    :param group_by: the column of split.csv that names scenes, whose images stay together; where
        None, that is scene_group if there is one, and else images that look alike
    :raises DataError: for data that cannot be read or shares that make no sense
    """
    if not 2 <= len(shares) <= len(SPLITS) or min(shares) <= 0:
        raise DataError(f'shares are two or three numbers above 0, not {list(shares)}')
    names = read_class_names(folder)
    if not names:
        raise DataError(f'{folder}: neither classes.txt nor data.yaml names the classes')
    items = read_dataset(folder, None, len(names))
    path = folder / 'split.csv'
    images_by_stem((item.path for item in items), path)  # that is how it will name them
    rows = read_table(path, ('image',)) if path.exists() else []
    known = {Path(row['image']).stem: row for row in rows}
    scenes = read_scenes(path, items, known, group_by) or find_scenes(items)
    counts = np.array([
        [*np.bincount(item.class_id, minlength=len(names)), 1] for item in items
    ])
    group_names, group = np.unique(scenes, return_inverse=True)
    totals = np.zeros((len(group_names), counts.shape[1]), int)
    np.add.at(totals, group, counts)
    split = assign_groups(totals, shares, seed)[group]

    columns = list(dict.fromkeys(['image', 'split', 'scene_group', *(rows[0] if rows else ())]))
    with whole_file(path) as part, part.open('w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, columns, restval='', lineterminator='\n')
        writer.writeheader()
        for item, scene, k in zip(items, scenes, split):
            row = known.get(item.path.stem, {})
            writer.writerow(
                {**row, 'image': item.path.name, 'split': SPLITS[k], 'scene_group': scene}
            )
    return [
        (SPLITS[k], int((split == k).sum()), counts[split == k, :-1].sum(0))
        for k in range(len(shares))
    ]


def read_scenes(
    path: Path,
    items: Sequence[LabelledImage],
    known: dict[str, dict[str, str]],
    group_by: str | None,
) -> list[str] | None:
    """Return each image's scene by a column of split.csv, or None where there is no such one."""
    column = group_by or 'scene_group'
    scenes = [known.get(item.path.stem, {}).get(column) or '' for item in items]
    if all(scenes):
        return scenes
    if group_by:
        missing = items[scenes.index('')].path.name
        raise DataError(f'{path}: no {group_by!r} for image {missing}')
    return None
