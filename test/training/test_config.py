# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys

import pytest
import yaml
from helpers import in_ascii_locale

from tsr_ros.evaluation.dataset import DataError
from tsr_ros.training.config import config_from, plain_values, read_config

PLAIN = {'labels': ['a', 'b'], 'data': 'there', 'stages': [{'until': 0.5}, {'until': 1.0}]}


def write(tmp_path, values):
    path = tmp_path / 'run.yaml'
    path.write_text(values if isinstance(values, str) else yaml.safe_dump(values))
    return path


@pytest.mark.parametrize(('changes', 'expected'), [
    ({}, {'learning_rate': 0.01}),
    ({'learning_rate': 1}, {'learning_rate': 1.0}),
    ({'learning_rate': '1e-3'}, {'learning_rate': 0.001}),  # which YAML takes for a word
    ({'time_limit_min': 3}, {'time_limit_min': 3.0}),
    ({'emphasis': {'b': 2.0}}, {'emphasis': {'b': 2.0}}),
])
def test_settings(tmp_path, changes, expected):
    config = read_config(write(tmp_path, PLAIN), changes)
    assert config.labels == ('a', 'b')
    assert [str(path) for path in config.data] == ['there']
    for key, value in expected.items():
        assert getattr(config, key) == value
        assert type(getattr(config, key)) is type(value)


def test_a_change_inside_a_stage(tmp_path):
    config = read_config(write(tmp_path, PLAIN), {'stages.1.batch': 3, 'stages.0.scale': [1, 2]})
    assert [stage.batch for stage in config.stages] == [16, 3]
    assert config.stages[0].scale == (1, 2)


def test_what_is_written_down_reads_the_same(tmp_path):
    config = read_config(write(tmp_path, PLAIN), {'data': [str(tmp_path)], 'seed': 4})
    again = read_config(write(tmp_path, plain_values(config)))
    assert again == config


@pytest.mark.parametrize(('values', 'changes', 'message'), [
    ('', {}, 'expected keys and values'),
    ('a: [', {}, 'not YAML'),
    ({}, {}, r"needs the settings \['labels'\]"),
    (PLAIN, {'epoch': 3}, r"no setting \['epoch'\]"),
    (PLAIN, {'epochs': 'many'}, "epochs is of type int, not 'many'"),
    (PLAIN, {'epochs': 1.5}, 'epochs is of type int, not 1.5'),
    (PLAIN, {'epochs': 0}, 'epochs is at least 1'),
    (PLAIN, {'tensorboard': 1}, 'tensorboard is of type bool'),
    (PLAIN, {'seed': True}, 'seed is of type int, not True'),
    (PLAIN, {'learning_rate': 'slow'}, "learning_rate is a number, not 'slow'"),
    (PLAIN, {'optimizer': 'adam'}, 'optimizer is sgd or adamw'),
    (PLAIN, {'precision': 'int8'}, 'precision is one of bf16, fp16, fp32'),
    (PLAIN, {'labels': 'a'}, 'labels is a list'),
    (PLAIN, {'emphasis': 'b'}, "emphasis is of type dict or nothing, not 'b'"),
    (PLAIN, {'emphasis': {'c': 2}}, "emphasis names 'c', which is none of the labels"),
    (PLAIN, {'emphasis': {'b': 0}}, 'emphasis of b is a number above 0, not 0'),
    (PLAIN, {'emphasis': {'b': True}}, 'emphasis of b is a number above 0, not True'),
    (PLAIN, {'stages.0.drawn_lights': 0.1}, "drawn_lights draws a 'light', which is none"),
    (PLAIN, {'stages.0.drawn_signs': 0.1}, 'drawn_signs needs sign_pictures, a folder'),
    (PLAIN, {'stages': []}, 'the last stage lasts until 1.0'),
    (PLAIN, {'stages': [1]}, 'a stage is keys and values'),
    (PLAIN, {'stages.1.until': 0.9}, 'the last stage lasts until 1.0'),
    (PLAIN, {'stages.0.view': 'wide'}, 'view is mosaic, whole or crop'),
    (PLAIN, {'stages.0.size': 100}, 'divisible by 32'),
    (PLAIN, {'stages.0.batch': 0}, 'batch is at least 1'),
    (PLAIN, {'stages.0.scale': [2, 1]}, 'from small to large'),
    (PLAIN, {'stages.7.batch': 1}, "no setting 'stages.7.batch'"),
])
def test_wrong_settings_are_named(tmp_path, values, changes, message):
    path = write(tmp_path, values)
    with pytest.raises(DataError, match=message) as caught:
        read_config(path, changes)
    assert str(caught.value).startswith(str(path))


def test_labels_may_be_given_as_plain_values():
    assert config_from({'labels': ['a']}).stages[0].view == 'mosaic'


def test_labels_are_utf8_in_every_locale(tmp_path):
    (tmp_path / 'run.yaml').write_text('labels: [größe]', encoding='utf-8')
    subprocess.run(
        [sys.executable, '-c', 'from pathlib import Path\n'
         'from tsr_ros.training.config import read_config\n'
         'from tsr_ros.training.records import read_records, write_table\n'
         'labels = read_config(Path("run.yaml")).labels\n'
         'write_table(Path("results.csv"), [{"epoch": 1, f"ap50_{labels[0]}": 0.5}], labels)\n'
         'assert read_records(Path("results.csv")) == [{"epoch": 1, f"ap50_{labels[0]}": 0.5}]\n'],
        cwd=tmp_path, env=in_ascii_locale(), check=True)
    assert ',ap50_größe\n' in (tmp_path / 'results.csv').read_text(encoding='utf-8')
