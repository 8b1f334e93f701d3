# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
from pathlib import Path

import pytest

from tsr_ros.evaluation.ground_truth import LABELS
from tsr_ros.training.config import read_config

FOLDER = Path(__file__).parents[2] / 'config' / 'training'


@pytest.mark.parametrize('path', sorted(FOLDER.iterdir()), ids=lambda path: path.stem)
def test_configurations(path):
    config = read_config(path, {'data': ['x']})
    assert config.labels == LABELS
    assert config.input_size == 640


@pytest.mark.parametrize('epochs', [55, 110, 126])
def test_the_runs_of_the_study_differ_in_their_epochs_alone(epochs):
    config = read_config(FOLDER / f'study_{epochs}.yaml')
    assert dataclasses.replace(config, epochs=55) == read_config(FOLDER / 'study_55.yaml')
    assert (config.epochs, config.architecture) == (epochs, 'yolov7')
    assert [(stage.batch, stage.weather) for stage in config.stages] == [(16, 0)]  # no conditions
