# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Which images look alike, by the gradients of a small copy: dHash.

N. Krawetz, 'Kind of Like That', 2013; here of both directions, 2 x 64 bits.
"""

from __future__ import annotations

import cv2
import numpy as np

SIDE = 8
ALIKE_BITS = 12  # of 128 that may differ
FLAT = 2.0  # grey levels; an image that varies less shows nothing


def difference_hash(image: np.ndarray) -> np.ndarray:
    """Return the hash (2,) uint64 of an image (H, W, 3): where it grows brighter."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    across = cv2.resize(grey, (SIDE + 1, SIDE), interpolation=cv2.INTER_AREA).astype(int)
    down = cv2.resize(grey, (SIDE, SIDE + 1), interpolation=cv2.INTER_AREA).astype(int)
    bits = np.stack((across[:, 1:] > across[:, :-1], down[1:] > down[:-1]))
    return np.packbits(bits.reshape(2, -1), axis=1).view(np.uint64)[:, 0]


def is_flat(image: np.ndarray) -> bool:
    """Tell whether an image shows nothing at all."""
    return float(image.std()) < FLAT


def alike_pairs(hashes: np.ndarray) -> np.ndarray:
    """Return pairs (P, 2) of rows of hashes (N, 2) that differ in few bits, the first smaller."""
    pairs = [np.zeros((0, 2), int)]
    for i in range(len(hashes) - 1):
        distance = np.bitwise_count(hashes[i + 1 :] ^ hashes[i]).sum(1)
        others = np.flatnonzero(distance <= ALIKE_BITS) + i + 1
        pairs.append(np.column_stack((np.full(len(others), i), others)))
    return np.concatenate(pairs)


def groups_of(count: int, pairs: np.ndarray) -> np.ndarray:
    """Return a group (N,) for each of N rows; rows that pairs link share the smallest row."""
    group = np.arange(count)
    for i, j in pairs:
        first, second = group[i], group[j]
        if first != second:
            group[group == max(first, second)] = min(first, second)
    return group
