# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from tsr_ros.training.config import read_config

FOLDER = Path(__file__).parents[2] / 'config' / 'training'
LABELS = ('prohibition', 'obligation', 'warning', 'recommendation', 'light')


@pytest.mark.parametrize(('name', 'epochs', 'batches', 'architecture'), [
    ('study_55', 55, [16], 'yolov7'), ('study_110', 110, [16], 'yolov7'),
    ('study_126', 126, [16], 'yolov7'), ('cpu', 200, [8, 4], 'yolov7-tiny'),
    ('cpu_further', 400, [8, 4], 'yolov7-tiny'), ('cpu_drawn', 400, [8, 4], 'yolov7-tiny'),
    ('gpu', 2000, [32, 32], 'yolov7-tiny'), ('gpu_yolov7', 2000, [16, 16], 'yolov7')])
def test_configurations(name, epochs, batches, architecture):
    config = read_config(FOLDER / f'{name}.yaml', {'data': ['x']})
    assert config.labels == LABELS
    assert (config.epochs, config.architecture) == (epochs, architecture)
    assert [stage.batch for stage in config.stages] == batches
    assert config.input_size == 640
    if name.startswith('study'):  # after a recipe that knows no weather
        assert [stage.weather for stage in config.stages] == [0]


def test_every_configuration_is_tested():
    assert {path.stem for path in FOLDER.iterdir()} == {
        'study_55', 'study_110', 'study_126', 'cpu', 'cpu_further', 'cpu_drawn', 'gpu',
        'gpu_yolov7'}
