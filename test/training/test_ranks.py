# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Two processes on one computer, as `torchrun` starts them, against one."""

import os
import subprocess
import sys

import pytest
import yaml

from tsr_ros.training.records import read_records

SETTINGS = {
    'labels': ['stop', 'turn', 'yield'],
    'epochs': 2,
    'input_size': 64,
    'nominal_batch': 10,  # one process adds up two batches, two processes share them
    'optimizer': 'sgd',
    'learning_rate': 0.01,
    'warmup_steps': 2,
    'precision': 'fp32',
    'workers': 0,
    'threads': 1,
    'stages': [{'until': 1.0, 'view': 'whole', 'size': 64, 'batch': 5}],
}
COMMAND = 'import sys; from tsr_ros.cli import main; sys.exit(main())'


def run(command, *words):
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    return subprocess.run([*command, 'train', *map(str, words)], env=environment, text=True,
                          capture_output=True, timeout=300)


def test_two_processes_train_as_one_does(generated_data, tmp_path):
    settings, script = tmp_path / 'two.yaml', tmp_path / 'tsr.py'
    settings.write_text(yaml.safe_dump(SETTINGS))
    script.write_text(COMMAND)
    one, two = tmp_path / 'one', tmp_path / 'two'
    launcher = [sys.executable, '-m', 'torch.distributed.run', '--standalone',
                '--nproc-per-node=2', script]
    single = run([sys.executable, script], settings, '--data', generated_data, '--out', one)
    assert single.returncode == 0, single.stderr
    double = run(launcher, settings, '--data', generated_data, '--out', two)
    assert double.returncode == 0, double.stderr
    assert double.stdout.count('mAP@0.5') == 1  # one of them speaks
    for expected, result in zip(
            read_records(one / 'results.csv'), read_records(two / 'results.csv'), strict=True):
        assert result['step'] == expected['step']
        for part in ('loss', 'box', 'objectness', 'classes'):
            assert result[part] == pytest.approx(expected[part], rel=2e-3), part

    refused = run(launcher, settings, '--data', generated_data, '--out', tmp_path / 'three',
                  '--set', 'time_limit_min=5')
    assert refused.returncode != 0
    assert 'time_limit_min serves a single process' in refused.stderr
