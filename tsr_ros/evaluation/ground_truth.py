# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

LABELS = ('prohibition', 'obligation', 'warning', 'recommendation', 'light')


class GroundTruth(NamedTuple):
    """What really is in one image; every field has one row per object."""

    xyxy: np.ndarray           # (N, 4) float32, pixels of the image
    class_id: np.ndarray       # (N,) int32
    track_id: tuple[str, ...]  # the same for one object in every image; '' where not tracked
    position_m: np.ndarray     # (N, 3) float32, metres in the camera's optical frame
    #                            (x right, y down, z ahead); NaN where not known
    visible: np.ndarray        # (N,) float32, share of the object that is not hidden, 0 to 1

    @classmethod
    def of(cls, xyxy: Sequence = (), class_id: Sequence = (),
           track_id: Sequence[str] | None = None, position_m: Sequence | None = None,
           visible: Sequence | None = None) -> 'GroundTruth':
        """
        Return ground truth of anything that converts to these arrays.

        Left out, objects are untracked, of unknown position and wholly visible.

        :raises ValueError: where the number of rows differs.
        """
        xyxy = np.asarray(xyxy, np.float32).reshape(-1, 4)
        count = len(xyxy)
        truth = cls(
            xyxy, np.asarray(class_id, np.int32).reshape(-1),
            ('',) * count if track_id is None else tuple(track_id),
            (np.full((count, 3), np.nan, np.float32) if position_m is None
             else np.asarray(position_m, np.float32).reshape(-1, 3)),
            (np.ones(count, np.float32) if visible is None
             else np.asarray(visible, np.float32).reshape(-1)))
        for name, rows in truth._asdict().items():
            if len(rows) != count:
                raise ValueError(f'{count} boxes, but {len(rows)} rows of {name}')
        return truth

    def select(self, index: np.ndarray) -> 'GroundTruth':
        """Return the rows that a mask names."""
        index = np.asarray(index, bool)
        return GroundTruth(
            self.xyxy[index], self.class_id[index],
            tuple(track for track, keep in zip(self.track_id, index, strict=True) if keep),
            self.position_m[index], self.visible[index])
