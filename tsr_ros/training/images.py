# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The images of the data, as many in memory as fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tsr_ros.evaluation.dataset import read_image


class Images(Sequence):
    """
    Images (H, W, 3) uint8 BGR by index; all are read once, which proves them.

    Decoded, they stay in memory, which worker processes share, up to a limit. The others are read
    again each time.
    """

    def __init__(self, paths: Sequence[Path], memory_gb: float, show: bool = True) -> None:
        self.paths = paths
        self.kept: list[np.ndarray | None] = []
        self.resolutions_wh: list[tuple[int, int]] = []
        room = memory_gb * 1e9
        for path in tqdm(paths, 'reading images', leave=False, disable=None if show else True):
            image = read_image(path)
            room -= image.nbytes
            self.kept.append(image if room >= 0 else None)
            self.resolutions_wh.append((image.shape[1], image.shape[0]))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> np.ndarray:
        image = self.kept[index]
        return read_image(self.paths[index]) if image is None else image

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[index] for index in range(len(self)))
