# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from tsr_ros.evaluation.ground_truth import GroundTruth
from tsr_ros.evaluation.matching import ImageResult
from tsr_ros.evaluation.plots import f1_over_threshold, precision_recall
from tsr_ros.evaluation.run import judge
from tsr_ros.vision.detections import Detections
from tsr_ros.vision.draw import draw_detections


@pytest.mark.parametrize('draw', [precision_recall, f1_over_threshold])
def test_a_class_has_one_colour_in_curves_and_pictures(draw):
    labels = [f'class {k}' for k in range(9)]
    boxes = np.tile(np.array([[2, 2, 12, 12]], np.float32), (9, 1))
    found = Detections(boxes, np.full(9, 0.9, np.float32), np.arange(9))
    result = ImageResult('a.png', '', found, GroundTruth.of(boxes, np.arange(9)))
    figure = draw(judge(None, labels, [], [result]))
    lines = figure.axes[0].get_lines()
    for k in range(9):
        picture = draw_detections(
            np.zeros((20, 20, 3), np.uint8), found.select(np.arange(9) == k), labels)
        assert np.multiply(to_rgb(lines[k].get_color()), 255) == pytest.approx(
            picture[2, 2, ::-1] * 0.75, abs=1)  # darker, on white
