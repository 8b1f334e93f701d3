# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command `tsr export`, on the network that finds squares."""

import hashlib
import shutil
from concurrent.futures import ThreadPoolExecutor

import cv2
import pytest
import yaml
from helpers import LABELS, square_image

from tsr_ros.backends.detector import load_detector
from tsr_ros.backends.manifest import Manifest
from tsr_ros.backends.weights import read_network
from tsr_ros.cli import main
from tsr_ros.export import targets
from tsr_ros.export.model_folder import ModelFolder


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Pictures of squares in YOLO layout: four to train and to calibrate, four to judge."""
    folder = tmp_path_factory.mktemp('data')
    for name in 'images', 'labels':
        (folder / name).mkdir()
    rows = ['image,split']
    for i in range(8):
        squares = [(20 + 3 * i, 30, 16, i % 3), (100, 40, 32, (i + 1) % 3)]
        cv2.imwrite(str(folder / 'images' / f'{i}.png'),
                    square_image(squares, ground=(20 + 10 * i,) * 3))
        (folder / 'labels' / f'{i}.txt').write_text(''.join(
            f'{c} {(x + w / 2) / 160} {(y + w / 2) / 96} {w / 160} {w / 96}\n'
            for x, y, w, c in squares))
        rows.append(f'{i}.png,{"train" if i < 4 else "val"}')
    (folder / 'split.csv').write_text('\n'.join(rows))
    (folder / 'classes.txt').write_text('\n'.join(LABELS))
    return folder


@pytest.fixture
def weights(small_models):
    return small_models / 'small' / 'weights.safetensors'


def export(*words):
    return main(['export', *map(str, words)])


def files(out):
    return {(f.format, f.precision): f for f in Manifest.read(out.parent).model(out.name).files}


def test_every_format_and_its_scores(weights, data, tmp_path):
    out = tmp_path / 'models' / 'mine'
    assert export('--weights', weights, '--out', out, '--to', 'onnx,onnx-tensorrt,tflite',
                  '--precision', 'fp32,fp16,int8', '--calibration', data, '--evaluate', data,
                  '--licence', 'Apache-2.0', '--data', 'squares', '--threads', 1) == 0
    entry = Manifest.read(out.parent).model('mine')
    assert (entry.licence, entry.data, entry.labels) == ('Apache-2.0', 'squares', LABELS)
    assert entry.scores['map50'] > 0.95
    found = files(out)
    assert set(found) == {
        ('torch', 'fp32'), ('onnx', 'fp32'), ('onnx', 'fp16'), ('onnx', 'int8'),
        ('onnx-tensorrt', 'int8'), ('tflite', 'fp32'), ('tflite', 'int8')}
    for file in found.values():
        content = (out.parent / file.path).read_bytes()
        assert (file.sha256, file.bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    assert {p.name for p in out.iterdir()} == {file.path[len('mine/'):] for file in found.values()}
    for kind, backends in ((('onnx', 'int8'), ('onnxruntime', 'openvino')),
                           (('tflite', 'fp32'), ('tflite',))):
        scores = found[kind].scores
        assert scores['map50_fp32'] == entry.scores['map50']
        assert scores['map50'] == min(scores['map50_' + name] for name in backends)
        assert (scores['split'], scores['images']) == ('val', 4)
    line = yaml.safe_load((out.parent / 'manifest.yaml').read_text())['models']['mine']['files']
    int8 = next(f for f in line if (f['format'], f['precision']) == ('tflite', 'int8'))
    assert int8['calibration_images'] == 4
    assert set(int8['made_with']) == {'ai-edge-litert', 'onnxruntime'}
    with load_detector('mine', 'tflite', 'fp32', threads=1, models_dir=out.parent) as detector:
        assert len(detector.detect(square_image([(20, 30, 16, 0)])).score) == 1


def test_what_is_up_to_date_stays_and_what_is_not_is_made_again(
        weights, data, tmp_path, capsys):
    out = tmp_path / 'models' / 'mine'
    words = ('--out', out, '--to', 'onnx', '--precision', 'fp32,int8', '--calibration', data)
    export('--weights', weights, *words)
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    (out / 'int8.onnx').write_bytes(b'torn')
    capsys.readouterr()
    assert export(*words) == 0  # the weights are there
    assert 'fp32.onnx is up to date' in capsys.readouterr().out
    after = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    assert {name for name in before if before[name] != after[name]} == {'int8.onnx'}
    assert export(*words, '--keep-float', 'conv0') == 0
    assert 'int8.onnx written' in capsys.readouterr().out
    assert (out / 'fp32.onnx').stat().st_mtime_ns == before['fp32.onnx']


def test_an_interrupted_export_goes_on(weights, tmp_path, capsys, monkeypatch):
    out = tmp_path / 'models' / 'mine'
    words = ('--weights', weights, '--out', out, '--to', 'onnx,tflite', '--precision', 'fp32')

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(targets, '_write_tflite', interrupt)
        assert export(*words) == 130
    assert set(files(out)) == {('torch', 'fp32'), ('onnx', 'fp32')}
    capsys.readouterr()
    assert export(*words) == 0
    said = capsys.readouterr().out
    assert 'fp32.onnx is up to date' in said
    assert 'fp32.tflite written' in said


def test_files_of_other_weights_leave_the_manifest_and_other_models_stay(
        weights, random_models, small_models, tmp_path, capsys):
    models = tmp_path / 'models'
    shutil.copytree(small_models, models)
    out = models / 'mine'
    export('--weights', weights, '--out', out, '--to', 'tflite', '--licence', 'MIT')
    export('--weights', random_models / 'random' / 'weights.safetensors', '--out', out)
    assert 'mine/fp32.tflite was made of other weights' in capsys.readouterr().out
    assert set(files(out)) == {('torch', 'fp32'), ('onnx', 'fp32')}
    manifest = Manifest.read(models)
    assert manifest.default == 'small'
    assert manifest.model('mine').licence == 'MIT'
    assert manifest.model('small') == Manifest.read(small_models).model('small')._replace(
        folder=str(models))


@pytest.mark.parametrize(('formats', 'precisions', 'names'), [
    ([], ['fp32'], []),
    (['onnx'], ['fp32'], ['fp32.onnx']),
    (['onnx', 'tflite'], ['int8', 'fp16'], ['fp16.onnx', 'int8.onnx', 'int8.tflite']),
    (['openvino', 'onnxruntime'], ['fp32', 'int8'], ['fp32.onnx', 'int8.onnx']),
    (['tensorrt'], ['fp32', 'int8'], ['fp32.onnx', 'int8-tensorrt.onnx']),
])
def test_the_files_for_formats_and_backends(formats, precisions, names):
    assert [t.file_name for t in targets.choose_targets(formats, precisions)] == names


def test_two_at_once_both_end_in_the_manifest(small_models, tmp_path):
    network = read_network(str(small_models / 'small' / 'weights.safetensors'))
    folders = [ModelFolder(tmp_path / name) for name in ('one', 'two')]

    def fill(folder):
        folder.open(small_models / 'small' / 'weights.safetensors', network)
        for precision in 'fp32', 'fp16', 'int8':
            (folder.path / precision).write_text(precision)
            folder.put('onnx', precision, folder.path / precision)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(fill, folders))
    for folder in folders:
        assert len(files(folder.path)) == 4


@pytest.mark.parametrize(('words', 'message'), [
    (('--to', 'doc'), "no format 'doc'; there are onnx, onnx-tensorrt, onnxr"),
    (('--precision', 'fp4'), "no precision 'fp4'"),
    (('--to', 'tflite', '--precision', 'fp16'), 'tflite has no fp16 file'),
    (('--precision', 'int8'), 'int8 is calibrated on images'),
    (('--precision', 'int8', '--calibration', '/nowhere'), 'no image to calibrate with'),
    (('--weights', '/nowhere.safetensors'), 'nowhere.safetensors cannot be read'),
    (('--evaluate', '/nowhere'), '/nowhere: no folder images'),
])
def test_what_cannot_be(weights, tmp_path, capsys, words, message):
    out = tmp_path / 'models' / 'mine'
    assert export('--weights', weights, '--out', out, *words) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.rglob('*.part'))


def test_what_is_no_manifest_is_not_written_over(weights, tmp_path, capsys):
    (tmp_path / 'manifest.yaml').write_text('my notes')
    assert export('--weights', weights, '--out', tmp_path / 'mine') == 1
    assert 'not a model manifest' in capsys.readouterr().err
    assert (tmp_path / 'manifest.yaml').read_text() == 'my notes'
