# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writing labelled images in the layout that YOLO trainers read: images/, labels/, data.yaml."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import yaml

from tsr_ros.evaluation.dataset import label_line
from tsr_ros.evaluation.ground_truth import GroundTruth


def label_text(truth: GroundTruth, resolution_wh: Sequence[int]) -> str:
    """
    Return a label file's text: lines 'class cx cy width height', as shares of the image.

    Boxes are clipped to the image; those without area in it are left out.
    """
    width, height = resolution_wh
    lines = []
    for class_id, box in zip(truth.class_id, truth.xyxy.astype(float)):
        x0, y0, x1, y1 = np.clip(box, 0, [width, height, width, height])
        if x1 > x0 and y1 > y0:
            lines.append(label_line(class_id, (x0, y0, x1, y1), resolution_wh))
    return ''.join(lines)


def data_yaml(labels: Sequence[str]) -> str:
    """Return the text of the data.yaml that names the classes."""
    return yaml.safe_dump({'train': 'images', 'names': dict(enumerate(labels))}, sort_keys=False)
