# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command `tsr parity`, and what it counts."""

import json
import shutil

import cv2
import numpy as np
import pytest
import yaml
from helpers import LABELS, square_image, write_manifest, write_random_model

from tsr_ros.backends.base import Backend, DeviceError
from tsr_ros.backends.factory import backend_status
from tsr_ros.cli import main
from tsr_ros.evaluation.dataset import read_image
from tsr_ros.export.parity import Row, compare_boxes, find_problems
from tsr_ros.vision.detections import Detections

FP32 = sorted(
    name for name, status in backend_status().items()
    if not status.problem and name not in ('pytorch', 'auto') and not name.startswith('tensorrt'))


def detections(*boxes):
    """Of (left, top, width, score, class)."""
    return Detections(
        np.array([[x, y, x + w, y + w] for x, y, w, *_ in boxes], np.float32).reshape(-1, 4),
        np.array([score for *_, score, _ in boxes], np.float32),
        np.array([c for *_, c in boxes], np.int32))


@pytest.mark.parametrize(('expected', 'found', 'iou', 'pixels', 'scores', 'missing', 'extra'), [
    ([], [], [], [], [], 0, 0),
    ([(0, 0, 10, .9, 1)], [], [], [], [], 1, 0),
    ([], [(0, 0, 10, .9, 1)], [], [], [], 0, 1),
    ([(0, 0, 10, .9, 1)], [(0, 0, 10, .9, 1)], [1], [0], [0], 0, 0),
    ([(0, 0, 10, .9, 1)], [(0, 0, 10, .9, 2)], [], [], [], 1, 1),  # another class
    ([(0, 0, 10, .9, 1)], [(2, 0, 10, .8, 1)], [80 / 120], [2], [.1], 0, 0),
    ([(0, 0, 10, .9, 1)], [(6, 0, 10, .8, 1)], [], [], [], 1, 1),  # too far away
    ([(0, 0, 10, .31, 1)], [(0, 0, 10, .27, 1)], [1], [0], [.04], 0, 0),  # just below
    ([(0, 0, 10, .31, 1)], [(0, 0, 10, .2, 1)], [], [], [], 1, 0),
    ([(0, 0, 10, .29, 1)], [], [], [], [], 0, 0),  # not sure enough to be missed
    ([(0, 0, 10, .27, 1)], [(0, 0, 10, .31, 1)], [], [], [], 0, 0),
    # each counts once, and the nearest is taken
    ([(0, 0, 10, .9, 1), (0, 1, 10, .8, 1)], [(0, 1, 10, .8, 1), (0, 0, 10, .9, 1)],
     [1, 1], [0, 0], [0, 0], 0, 0),
    ([(0, 0, 10, .9, 1), (0, 1, 10, .8, 1)], [(0, 0, 10, .9, 1)], [1], [0], [0], 1, 0),
])
def test_boxes(expected, found, iou, pixels, scores, missing, extra):
    result = compare_boxes(detections(*expected), detections(*found))
    np.testing.assert_allclose(result.iou, iou, rtol=1e-6)
    np.testing.assert_allclose(result.pixels, pixels, atol=1e-6)
    np.testing.assert_allclose(result.score, scores, atol=1e-6)
    assert (result.missing, result.extra) == (missing, extra)


NONE = float('nan')


def row(precision='fp32', map_max=0.0, missing=0, pixels=NONE, score=NONE, loss=NONE):
    return Row('b', precision, '1', 'cpu', map_max, 0, 0, missing, 0, NONE, pixels, score, NONE,
               loss, ())


@pytest.mark.parametrize(('values', 'problems'), [
    ({}, []),
    ({'pixels': .5, 'score': .002, 'loss': .001}, []),
    ({'pixels': .6}, ['a box lies 0.60 px off, not 0.5']),
    ({'score': .003, 'missing': 1}, ['a score differs by 0.0030, not 0.002',
                                     '1 boxes are missing, not 0']),
    ({'precision': 'int8', 'pixels': 3, 'score': .1, 'missing': 2, 'loss': .01}, []),
    ({'precision': 'int8', 'loss': .011}, ['mAP@0.5 is 0.0110 lower, not 0.01']),
    ({'precision': 'bf16', 'loss': .003}, ['mAP@0.5 is 0.0030 lower, not 0.002']),
    ({'precision': 'int8', 'map_max': NONE}, ['the maps are not finite']),
])
def test_limits(values, problems):
    assert list(find_problems(row(**values))) == problems


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / 'pictures'
    folder.mkdir()
    rng = np.random.RandomState(0)
    for i in range(3):
        noise = rng.randint(0, 256, (90, 120, 3)).astype(np.uint8)
        cv2.imwrite(str(folder / f'{i}.png'), cv2.GaussianBlur(noise, (0, 0), i + 1))
    return folder


def parity(*words):
    return main(['parity', '--threads', '1', *map(str, words)])


def test_all_agree_in_fp32(random_models, pictures, tmp_path, capsys):
    path = tmp_path / 'parity.json'
    assert parity('--models-dir', random_models, '--images', pictures, '--json', path) == 0
    text = capsys.readouterr().out
    assert text.startswith('random against pytorch ')
    result = json.loads(path.read_text())
    assert result['reference']['backend'] == 'pytorch'
    assert (result['images'], result['good'], result['map50']) == (3, True, None)
    rows = {(r['backend'], r['precision']): r for r in result['rows']}
    assert {name for name, precision in rows if precision == 'fp32'} == set(FP32)
    for name in FP32:
        assert 0 < rows[name, 'fp32']['map_max'] < 1e-3
        assert name in text
    bf16 = rows['pytorch', 'bf16']
    assert bf16['map_max'] > 100 * rows['onnxruntime', 'fp32']['map_max']
    assert 'has no int8 file' in result['left_out']['tflite int8']


def test_what_was_asked_for_and_cannot_run_is_no_success(random_models, pictures, capsys):
    words = ('--models-dir', random_models, '--images', pictures)
    assert parity(*words, '--backends', 'tensorrt') == 1  # there is no GPU
    assert 'failed: tensorrt: ' in capsys.readouterr().out
    assert parity(*words, '--backends', 'onnxruntime,tensorrt') == 1
    assert 'failed: tensorrt: ' in capsys.readouterr().out


def test_a_device_that_fails_is_no_success(random_models, pictures, monkeypatch, capsys):
    def run_out(self):
        if self.name == 'openvino':
            raise DeviceError('out of memory')
        load(self)
    load = Backend.load
    monkeypatch.setattr(Backend, 'load', run_out)
    assert parity('--models-dir', random_models, '--images', pictures,
                  '--backends', 'openvino') == 1
    assert 'failed: openvino fp32: out of memory' in capsys.readouterr().out


def test_a_damaged_file_fails_alone(random_models, pictures, tmp_path, capsys):
    models = tmp_path / 'models'
    shutil.copytree(random_models, models)
    damaged, = models.rglob('fp32.onnx')
    damaged.write_bytes(damaged.read_bytes()[:-7])
    path = tmp_path / 'parity.json'
    assert parity('--models-dir', models, '--images', pictures, '--json', path,
                  '--backends', 'onnxruntime,pytorch') == 1
    result = json.loads(path.read_text())
    assert list(result['failed']) == ['onnxruntime fp32', 'onnxruntime fp16']  # made of it
    assert 'pytorch bf16' in [f'{r["backend"]} {r["precision"]}' for r in result['rows']]
    assert not result['good']
    assert 'failed: onnxruntime fp32: ' in capsys.readouterr().out


def test_map_where_there_are_labels(small_models, tmp_path, monkeypatch, capsys):
    read = []
    monkeypatch.setattr(
        'tsr_ros.export.parity.read_image', lambda path: read.append(path) or read_image(path))
    for name in 'images', 'labels':
        (tmp_path / name).mkdir()
    squares = [(20, 30, 16, 0), (100, 40, 32, 2)]
    cv2.imwrite(str(tmp_path / 'images' / 'a.png'), square_image(squares))
    (tmp_path / 'labels' / 'a.txt').write_text(''.join(
        f'{c} {(x + w / 2) / 160} {(y + w / 2) / 96} {w / 160} {w / 96}\n'
        for x, y, w, c in squares))
    (tmp_path / 'classes.txt').write_text('\n'.join(LABELS))
    path = tmp_path / 'parity.json'
    assert parity('--models-dir', small_models, '--images', tmp_path, '--json', path,
                  '--backends', 'onnxruntime') == 0
    result = json.loads(path.read_text())
    assert result['map50'] > 0.95
    assert [(r['backend'], r['matched'], r['missing']) for r in result['rows']] == [
        ('onnxruntime', 2, 0)]
    assert abs(result['rows'][0]['map50_loss']) < 1e-6
    assert len(read) == 2  # by the reference and by the one
    assert 'mAP@0.5' in capsys.readouterr().out


def test_without_pytorch_onnx_runtime_is_the_reference(
        random_models, pictures, capsys, monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'torch', None)
    assert parity('--models-dir', random_models, '--images', pictures) == 0
    text = capsys.readouterr().out
    assert 'PyTorch is not here' in text
    assert 'random against onnxruntime ' in text
    assert 'left out: pytorch:' in text


def test_a_file_of_other_weights_is_found_out(random_models, pictures, tmp_path, capsys):
    models = tmp_path / 'models'
    shutil.copytree(random_models, models)
    write_random_model(tmp_path / 'other', seed=1)
    shutil.copy(tmp_path / 'other' / 'random' / 'fp32.tflite', models / 'random')
    entry = yaml.safe_load((models / 'manifest.yaml').read_text())['models']['random']
    write_manifest(models, 'random', entry)
    assert parity('--models-dir', models, '--images', pictures, '--backends', 'tflite') == 1
    assert 'tflite fp32: ' in capsys.readouterr().out


@pytest.mark.parametrize(('words', 'message'), [
    (('--images', '/nowhere'), 'there is no image in /nowhere'),
    (('--model', 'big'), "names no model 'big'"),
    (('--backends', 'abacus'), "no backend 'abacus'"),
])
def test_what_cannot_be(random_models, pictures, capsys, words, message):
    assert parity('--models-dir', random_models, '--images', pictures, *words) == 1
    assert message in capsys.readouterr().err
