# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Runs as people start them: real processes, killed or interrupted, and resumed."""

import csv
import os
import signal
import subprocess
import sys

import pytest
import torch
import yaml
from safetensors.torch import load_file

SETTINGS = {
    'labels': ['stop', 'turn', 'yield'],
    'epochs': 3,
    'input_size': 96,
    'nominal_batch': 4,
    'optimizer': 'adamw',
    'learning_rate': 0.001,
    'warmup_steps': 4,
    'ema_steps': 10,
    'validate_every': 2,
    'workers': 0,
    'threads': 1,
    'stages': [
        {'until': 0.5, 'view': 'mosaic', 'size': 96, 'batch': 2, 'paste': 0.5, 'mixup': 0.3},
        {'until': 1.0, 'view': 'whole', 'size': 128, 'batch': 2},
    ],
}


def start(*words):
    """Start `tsr train` in a process group of its own, as a terminal does."""
    environment = {**os.environ, 'PYTHONUNBUFFERED': '1', 'OMP_NUM_THREADS': '1'}
    return subprocess.Popen(
        [sys.executable, '-c', 'import sys; from tsr_ros.cli import main; sys.exit(main())',
         'train', *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        start_new_session=True)


def finish(process):
    """Wait for the end and return what was said on stderr."""
    _, said = process.communicate(timeout=300)
    return said


def wait_for_epoch(process, epoch):
    """Wait until an epoch is reported, which is when the next one begins."""
    for line in process.stdout:
        if line.startswith(f'epoch {epoch} '):
            return
    raise AssertionError(process.stderr.read())


def read_results(path):
    """Return the table without what depends on the clock."""
    with (path / 'results.csv').open() as file:
        rows = list(csv.DictReader(file))
    return [{key: value for key, value in row.items() if key not in ('minutes', 'images_per_s')}
            for row in rows]


@pytest.fixture(scope='module')
def settings(tmp_path_factory):
    path = tmp_path_factory.mktemp('settings') / 'small.yaml'
    path.write_text(yaml.safe_dump(SETTINGS))
    return path


@pytest.fixture(scope='module')
def uninterrupted(settings, generated_data, tmp_path_factory):
    """Return the folder of a run from beginning to end."""
    folder = tmp_path_factory.mktemp('runs') / 'whole'
    process = start(settings, '--data', generated_data, '--out', folder)
    said = finish(process)
    assert process.returncode == 0, said
    return folder


def assert_same_result(folder, uninterrupted):
    state = 'state.safetensors'
    expected, result = load_file(uninterrupted / state), load_file(folder / state)
    assert list(result) == list(expected)
    for name, value in expected.items():
        assert torch.equal(result[name], value), name
    assert read_results(folder) == read_results(uninterrupted)
    for name in ('best.safetensors', 'last.safetensors'):
        expected, result = load_file(uninterrupted / name), load_file(folder / name)
        assert all(torch.equal(result[key], value) for key, value in expected.items())
    assert not list(folder.glob('.*'))


def test_killed_and_resumed(settings, generated_data, uninterrupted, tmp_path):
    folder = tmp_path / 'run'
    process = start(settings, '--data', generated_data, '--out', folder)
    wait_for_epoch(process, 1)
    os.killpg(process.pid, signal.SIGKILL)
    finish(process)
    assert process.returncode == -signal.SIGKILL
    assert len(read_results(folder)) == 1
    process = start('--resume', '--out', folder)  # with the settings that it began with
    said = finish(process)
    assert process.returncode == 0, said
    assert_same_result(folder, uninterrupted)


def test_a_state_every_second_epoch_and_at_the_end(
        settings, generated_data, uninterrupted, tmp_path):
    folder = tmp_path / 'run'
    process = start(settings, '--data', generated_data, '--out', folder, '--set', 'save_every=2')
    wait_for_epoch(process, 1)
    assert not (folder / 'state.safetensors').exists()
    wait_for_epoch(process, 2)
    os.killpg(process.pid, signal.SIGKILL)
    finish(process)
    assert (folder / 'state.safetensors').exists()
    process = start('--resume', '--out', folder)
    said = finish(process)
    assert process.returncode == 0, said
    assert_same_result(folder, uninterrupted)  # of the third epoch


@pytest.mark.parametrize(('number', 'workers'), [(signal.SIGINT, 1), (signal.SIGTERM, 1)])
def test_interrupted_in_an_epoch_and_resumed(
        settings, generated_data, uninterrupted, tmp_path, number, workers):
    folder = tmp_path / 'run'
    words = ['--data', generated_data, '--out', folder, '--set', f'workers={workers}']
    process = start(settings, *words)
    wait_for_epoch(process, 1)
    os.killpg(process.pid, number)  # as a terminal and systemd do: it reaches the workers, too
    said = finish(process)
    assert process.returncode == 130
    assert 'stopped after step' in said
    assert 'in epoch 2; go on with: tsr train --resume --out' in said
    assert 'Traceback' not in said
    process = start(settings, *words, '--resume', '--set', f'workers={1 - workers}')
    said = finish(process)
    assert process.returncode == 0, said
    assert f'resumed with workers {1 - workers}, before {workers}' in said
    assert_same_result(folder, uninterrupted)


def test_a_folder_with_a_run_is_not_overwritten(settings, generated_data, uninterrupted):
    before = (uninterrupted / 'state.safetensors').read_bytes()
    process = start(settings, '--data', generated_data, '--out', uninterrupted)
    said = finish(process)
    assert process.returncode == 1
    assert 'holds a run already: resume it or choose another folder' in said
    assert (uninterrupted / 'state.safetensors').read_bytes() == before
