# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
from typing import NamedTuple

import numpy as np


class Detections(NamedTuple):
    """What was found in one image, best first; the three arrays have one row per box."""

    xyxy: np.ndarray  # (N, 4) float32, pixels of the source image
    score: np.ndarray  # (N,) float32, 0 to 1
    class_id: np.ndarray  # (N,) int32, index into the model's labels

    @classmethod
    def empty(cls):
        """Return detections without a row."""
        return cls(
            np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32)
        )

    def select(self, index):
        """Return the rows that `index` (a mask, a slice or row numbers) names."""
        return Detections(self.xyxy[index], self.score[index], self.class_id[index])
