# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest
import torch

from tsr_ros.evaluation.dataset import LabelledImage
from tsr_ros.training.validation import average_precisions, detect

SIDE = 24  # of the boxes, in images of 64 x 64 pixels


class Cells(torch.nn.Module):
    """In a network's place: finds a square in each of these cells (row, column, score, class)."""

    anchors = torch.full((3, 3, 2), float(SIDE))
    strides = (8, 16, 32)
    num_classes = 2

    def __init__(self, cells):
        super().__init__()
        self.cells = cells

    def forward(self, x):
        maps = [torch.full((len(x), 3 * 7, 64 // stride, 64 // stride), -20.0)
                for stride in self.strides]
        for row, column, score, class_id in self.cells:
            maps[0][:, :4, row, column] = 0  # in the middle of the cell, as large as the anchor
            maps[0][:, 4, row, column] = math.log(score / (1 - score))
            maps[0][:, 5 + class_id, row, column] = 20
        return maps


@pytest.mark.parametrize(('cells', 'expected'), [
    ([], []),
    ([(2, 3, 0.9, 0)], [(28, 20, 0)]),
    ([(2, 3, 0.002, 1)], [(28, 20, 1)]),  # as low as `tsr evaluate` goes
    ([(2, 3, 0.0005, 1)], []),
    # one beside the other: they overlap by 16 x 24 of 32 x 24 pixels, an IoU of 0.5
    ([(2, 3, 0.9, 0), (2, 4, 0.8, 0)], [(28, 20, 0)]),
    ([(2, 3, 0.9, 0), (2, 4, 0.8, 1)], [(28, 20, 0), (36, 20, 1)]),
])
def test_what_is_found(cells, expected):
    found, = detect(Cells(cells), [np.zeros((64, 64, 3), np.uint8)], 64)
    centres = [(x - SIDE / 2, y - SIDE / 2, x + SIDE / 2, y + SIDE / 2) for x, y, _ in expected]
    assert found.xyxy == pytest.approx(np.array(centres, np.float32).reshape(-1, 4), abs=1e-3)
    assert found.class_id.tolist() == [class_id for *_, class_id in expected]


def test_average_precision(tmp_path):
    box = np.array([[28 / 64, 20 / 64, SIDE / 64, SIDE / 64]], np.float32)
    items = [LabelledImage(tmp_path / name, np.array([0]), box, np.ones(2, bool))
             for name in ('found', 'missed')]
    found = [*detect(Cells([(2, 3, 0.9, 0)]), [np.zeros((64, 64, 3), np.uint8)], 64),
             *detect(Cells([]), [np.zeros((64, 64, 3), np.uint8)], 64)]
    first, second = average_precisions(items, [(64, 64)] * 2, found, 2)
    assert first == pytest.approx(51 / 101)  # of the recalls 0 to 1, those up to a half
    assert math.isnan(second)
