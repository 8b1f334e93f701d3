# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import csv
import json
import resource
import shutil
import struct

import cv2
import pytest
import torch
import yaml
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tsr_ros.cli import main
from tsr_ros.training.records import read_records
from tsr_ros.training.samples import Samples
from tsr_ros.training.trainer import Trainer
from tsr_ros.yolov7.checkpoint import load_weights, save_weights
from tsr_ros.yolov7.network import build_network

TINY = {
    'labels': ['stop', 'turn', 'yield'],
    'epochs': 1,
    'input_size': 64,
    'nominal_batch': 10,
    'optimizer': 'adamw',
    'learning_rate': 0.001,
    'warmup_steps': 2,
    'workers': 0,
    'threads': 1,
    'stages': [{'until': 1.0, 'view': 'whole', 'size': 64, 'batch': 10}],
}


@pytest.fixture
def settings(tmp_path):
    path = tmp_path / 'tiny.yaml'
    path.write_text(yaml.safe_dump(TINY))
    return path


@pytest.fixture
def data(generated_data, tmp_path):
    """Return a copy of the generated data to damage."""
    return shutil.copytree(generated_data, tmp_path / 'set')


def train(settings, data, out, *words):
    return main(['train', str(settings), '--data', str(data), '--out', str(out), *words])


def test_a_run_leaves_whole_files(settings, generated_data, tmp_path, capsys):
    out = tmp_path / 'run'
    assert train(settings, generated_data, out, '--set', 'tensorboard=true') == 0
    names = {path.name for path in out.iterdir()}
    events = {name for name in names if name.startswith('events.out.tfevents')}
    assert len(events) == 1
    assert names - events == {
        'config.yaml', 'state.safetensors', 'results.csv', 'last.safetensors', 'best.safetensors',
        'samples_stage1.jpg', 'validation.jpg'}
    assert f'{out}/best.safetensors: mAP@0.5' in capsys.readouterr().out
    network = load_weights(out / 'best.safetensors')
    assert network.labels == TINY['labels']
    assert network.input_wh == (64, 64)
    assert cv2.imread(str(out / 'samples_stage1.jpg')).shape == (1200, 1600, 3)  # ten of 400
    assert cv2.imread(str(out / 'validation.jpg')).shape == (1600, 1600, 3)
    with (out / 'results.csv').open() as file:
        row = next(csv.DictReader(file))
    logged = dict(read_events(out / events.pop()))
    assert logged['train/loss'] == pytest.approx(float(row['loss']))
    assert logged['validation/map50'] == pytest.approx(float(row['map50']))
    assert row['epoch'] == '1'
    assert row['step'] == '2'


def read_events(path):
    """Yield the scalars of an event file: records of length, checksum, message, checksum."""
    from tensorboardX.proto.event_pb2 import Event

    data, place = path.read_bytes(), 0
    while place < len(data):
        length, = struct.unpack_from('<Q', data, place)
        for value in Event.FromString(data[place + 12:place + 12 + length]).summary.value:
            yield value.tag, value.simple_value
        place += length + 16


def damage(path, content):
    return lambda folder: (folder / path).write_text(content)


def cut_image(folder):
    path = folder / 'images' / '003.png'
    path.write_bytes(path.read_bytes()[:2000])


@pytest.mark.parametrize(('spoil', 'message'), [
    (cut_image, '003.png: '),
    (damage('images/003.png', 'no image'), '003.png: not an image'),
    (damage('labels/003.txt', '0 0.5 0.5 0.1 0.1\n5 0.5 0.5 0.1 0.1'), '003.txt:2: class 5 is'),
    (damage('labels/003.txt', '0 0.5 0.5 0 0'), '003.txt:1: the box has no area'),
    (damage('labels/003.txt', '0 0.5 0.5 1.5 0.1'), '003.txt:1: the box leaves the image'),
    (damage('labels/003.txt', 'stop 0.5 0.5 0.1 0.1'), '003.txt:1: expected five numbers'),
    (lambda f: (f / 'labels/003.txt').unlink(), '003.txt: missing'),
    (lambda f: (f / 'images/003.png').unlink(), "image '003' is not in"),
    (damage('split.csv', 'image,split\n000.png,train\n'), "no image of split 'val'"),
    (lambda f: (f / 'split.csv').unlink(), "no split 'train'"),
    (damage('classes.txt', 'stop\nturn\n'), "has the classes ['stop', 'turn'], the settings"),
    (shutil.rmtree, 'no folder images'),
])
def test_bad_data_stop_training_before_it_starts(settings, data, tmp_path, capsys, spoil, message):
    spoil(data)
    out = tmp_path / 'run'
    assert train(settings, data, out) == 1
    assert message in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(('words', 'message'), [
    (['--set', 'learning_rate'], '--set takes KEY=VALUE'),
    (['--set', 'architecture=yolov9'], "unknown architecture 'yolov9'"),
    (['--set', 'stages.0.size=100'], 'divisible by 32'),
    (['--weights', 'nowhere.safetensors'], 'nowhere.safetensors'),
    (['--extra-data', 'nowhere'], 'nowhere'),
])
def test_bad_settings_are_named(settings, generated_data, tmp_path, capsys, words, message):
    out = tmp_path / 'run'
    assert train(settings, generated_data, out, *words) == 1
    assert message in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize('arguments', [[], ['--resume'], ['--resume', '--out', 'nowhere']])
def test_no_settings(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(['train', *arguments]) == 1
    said = capsys.readouterr().err
    assert 'which settings' in said or 'nowhere/config.yaml' in said
    assert list(tmp_path.iterdir()) == []


def test_an_exploding_loss_stops_the_run(settings, generated_data, tmp_path, capsys):
    out = tmp_path / 'run'
    words = ['--set', 'learning_rate=1e30', '--set', 'warmup_steps=0', '--set', 'epochs=20']
    assert train(settings, generated_data, out, *words) == 1
    said = capsys.readouterr().err
    assert 'at step' in said
    assert 'lower learning_rate' in said
    state = out / 'state.safetensors'
    kept = f'{state} keeps what was trained before' if state.exists() else 'nothing is saved yet'
    assert kept in said


def test_a_state_that_lacks_something_is_refused(settings, generated_data, tmp_path, capsys):
    out = tmp_path / 'run'
    assert train(settings, generated_data, out) == 0
    state = out / 'state.safetensors'
    with safe_open(state, 'pt') as file:
        metadata = file.metadata()
    progress = json.loads(metadata['progress'])
    del progress['batches_of']
    save_file(load_file(state), state, {**metadata, 'progress': json.dumps(progress)})
    capsys.readouterr()
    assert train(settings, generated_data, out, '--resume', '--set', 'epochs=2') == 1
    assert f"{state}: says nothing of 'batches_of'" in capsys.readouterr().err


@pytest.fixture
def small_files():
    """Let no file grow beyond 20 MB, as if the disk were full; the state needs 96."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000_000, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_last_state_whole(
        settings, generated_data, tmp_path, capsys, small_files):
    out = tmp_path / 'run'
    assert train(settings, generated_data, out) == 0
    state = (out / 'state.safetensors').read_bytes()
    small_files()
    assert train(settings, generated_data, out, '--resume', '--set', 'epochs=2') == 1
    said = capsys.readouterr().err
    assert 'resumed with epochs 2, before 1' in said
    assert 'state.safetensors cannot be written' in said
    assert 'is whole: make room and resume' in said
    assert (out / 'state.safetensors').read_bytes() == state
    assert len(read_records(out / 'results.csv')) == 1
    assert not list(out.glob('.*'))


def test_a_full_disk_at_the_first_epoch_leaves_nothing_half_written(
        settings, generated_data, tmp_path, capsys, small_files):
    out = tmp_path / 'run'
    small_files()
    assert train(settings, generated_data, out) == 1
    assert 'cannot be written' in capsys.readouterr().err
    assert not (out / 'state.safetensors').exists()
    assert not list(out.glob('.*'))


def test_no_room_stops_training_before_it_starts(
        settings, generated_data, tmp_path, capsys, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, 'disk_usage', lambda path: usage._replace(free=50 << 20))
    assert train(settings, generated_data, tmp_path / 'run') == 1
    assert '50 MB are free, the run needs' in capsys.readouterr().err


def test_training_starts_from_weights(settings, generated_data, tmp_path):
    torch.manual_seed(3)
    weights, out = tmp_path / 'w.safetensors', tmp_path / 'run'
    network = build_network('yolov7-tiny', 3)
    save_weights(weights, network, TINY['labels'])
    words = ['--weights', str(weights), '--set', 'learning_rate=1e-9']
    assert train(settings, generated_data, out, *words) == 0
    with safe_open(out / 'state.safetensors', 'pt') as file:
        trained = file.get_tensor('network.body.0.conv.weight')
    assert torch.allclose(trained, network.body[0].conv.weight, rtol=2e-3, atol=1e-4)


def test_weights_of_other_classes_are_refused(settings, generated_data, tmp_path, capsys):
    weights = tmp_path / 'w.safetensors'
    save_weights(weights, build_network('yolov7-tiny', 2), ['a', 'b'])
    assert train(settings, generated_data, tmp_path / 'run', '--weights', str(weights)) == 1
    assert 'has 2 classes, the settings have 3 labels' in capsys.readouterr().err


@pytest.mark.parametrize('precision', ['fp32', 'fp16'])
def test_other_precisions_train(settings, generated_data, tmp_path, precision):
    out = tmp_path / 'run'
    assert train(settings, generated_data, out, '--set', f'precision={precision}') == 0
    record = read_records(out / 'results.csv')[0]
    assert 0 < record['loss'] < 10


def test_runs_are_compared(settings, generated_data, tmp_path, capsys):
    one, two = tmp_path / 'one', tmp_path / 'two <b>'
    assert train(settings, generated_data, one) == 0
    shutil.copytree(one, two)
    best = read_records(one / 'results.csv')[0]['map50']
    capsys.readouterr()
    page = tmp_path / 'report.html'
    assert main(['train', '--report', str(one), str(two), '--out', str(page)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:5] == ['run', 'network', 'batch', 'size', 'epochs']
    assert lines[1].startswith(f'{one} ')
    assert f'{best:.4f}' in lines[1]
    text = page.read_text()
    assert 'two &lt;b&gt;' in text
    assert 'two <b>' not in text
    assert '<svg' in text
    assert main(['train', '--report', str(tmp_path)]) == 1
    assert 'not the folder of a run' in capsys.readouterr().err


ONE_STAGE = 'stages=[{until: 1.0, view: whole, size: 64, batch: 4}]'


@pytest.mark.parametrize(('change', 'first'), [
    ('learning_rate=0.0005', 8),  # goes on after the two batches of four
    ('stages.0.batch=2', 8),  # of a stage that is over
    ('stages.1.batch=2', 0),
    ('stages.1.batch=10', 0),  # two batches: as many as were trained on
    ('stages.1.batch=20', 0),  # one: fewer
    ('stages.1.view=crop', 0),
    (ONE_STAGE, 0),  # stage 2 is there no more
    ('seed=1', 0),
    ('emphasis={stop: 3}', 0),
])
def test_resumed_with_other_batches_an_epoch_begins_anew(
        settings, generated_data, tmp_path, monkeypatch, capsys, change, first):
    # 20 images in batches of 4, in the second stage from the start; interrupted after two
    second = {'until': 1.0, 'view': 'whole', 'size': 64, 'batch': 4}
    settings.write_text(yaml.safe_dump(
        {**TINY, 'nominal_batch': 4, 'stages': [{**second, 'until': 0.0}, second]}))
    places, getitem, train_batch = [], Samples.__getitem__, Trainer.train_batch

    def note(samples, key):
        places.append(key[1])
        return getitem(samples, key)

    def interrupt(trainer, *arguments):
        train_batch(trainer, *arguments)
        return trainer.batch == 1

    monkeypatch.setattr(Samples, '__getitem__', note)
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, 'train_batch', interrupt)
        assert train(settings, generated_data, tmp_path / 'run') == 130
    assert places == list(range(8))
    places.clear()
    capsys.readouterr()
    assert train(settings, generated_data, tmp_path / 'run', '--resume', '--set', change) == 0
    assert places == list(range(first, 20))
    assert ('epoch 1 begins anew' in capsys.readouterr().err) == (first == 0)
