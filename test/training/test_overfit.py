# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import yaml

from tsr_ros.cli import main
from tsr_ros.training.records import read_records
from tsr_ros.training.trainer import Trainer

SETTINGS = {
    'labels': ['stop', 'turn', 'yield'],
    'epochs': 70,
    'input_size': 160,
    'nominal_batch': 5,
    'optimizer': 'adamw',
    'learning_rate': 0.002,
    'final_learning_rate': 0.02,
    'momentum': 0.9,
    'weight_decay': 0.01,
    'warmup_steps': 20,
    'ema_decay': 0.9,
    'ema_steps': 10,
    'gain_objectness': 4,
    'validate_every': 70,
    'workers': 0,
    'threads': 1,
    'stages': [
        {'until': 1.0, 'view': 'whole', 'size': 160, 'batch': 5, 'scale': [1, 1], 'weather': 0},
    ],
}


def test_twenty_images_are_learnt(generated_data, tmp_path):
    settings = tmp_path / 'overfit.yaml'
    settings.write_text(yaml.safe_dump(SETTINGS))
    out = tmp_path / 'run'
    assert main(['train', str(settings), '--data', str(generated_data), '--out', str(out)]) == 0
    records = read_records(out / 'results.csv')
    assert len(records) == 70
    assert records[-1]['map50'] > 0.95
    assert records[-1]['loss'] < records[0]['loss'] / 2


def test_the_last_epoch_is_validated_whenever_the_time_is_up(
        generated_data, tmp_path, monkeypatch):
    asked = []

    def progress(trainer, done=0.0):
        """Nearly 1 when the first epoch has ended, and 1 a moment later."""
        if trainer.epoch and not done:
            asked.append(trainer.epoch)
        return 1.0 if len(asked) > 1 else 0.999

    monkeypatch.setattr(Trainer, 'progress', progress)
    settings = tmp_path / 'short.yaml'
    settings.write_text(yaml.safe_dump(SETTINGS))
    out = tmp_path / 'run'
    assert main(['train', str(settings), '--data', str(generated_data), '--out', str(out)]) == 0
    records = read_records(out / 'results.csv')
    assert [record.get('map50') is not None for record in records] == [False, True]
    assert (out / 'last.safetensors').exists()
