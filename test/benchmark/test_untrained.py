# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from tsr_ros.backends.factory import backend_status, create_backend
from tsr_ros.benchmark.cases import find_cases
from tsr_ros.benchmark.untrained import make_untrained_model

IMAGE = np.random.default_rng(0).integers(0, 256, (96, 160, 3), np.uint8)


@pytest.fixture(scope='module')
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp('untrained')
    assert make_untrained_model('yolov7-tiny', folder, IMAGE, (64, 64)) == 'yolov7-tiny-untrained'
    return folder


@pytest.mark.parametrize(('backend', 'precision'), [
    ('onnxruntime', 'fp32'), ('onnxruntime', 'int8'), ('openvino', 'int8'), ('pytorch', 'bf16'),
    ('tflite', 'fp32'), ('tflite', 'int8')])
def test_every_backend_runs_untrained_weights(models, backend, precision):
    if backend_status()[backend].problem:
        pytest.skip('this runtime is not made for this Python')
    cases, _ = find_cases(str(models), ['yolov7-tiny-untrained'], [backend], [precision])
    assert [(case.backend, case.precision) for case in cases] == [(backend, precision)]
    with create_backend(backend, cases[0].model, precision, threads=1,
                        models_dir=str(models)) as network:
        network.load()
        maps = network.infer(np.full((1, 64, 64, 3), 114, np.uint8))
        assert [head.shape for head in maps] == [(1, 30, 8, 8), (1, 30, 4, 4), (1, 30, 2, 2)]
        assert all(np.isfinite(head).all() for head in maps)


def test_what_is_there_is_kept(models):
    files = {path: path.stat().st_mtime_ns for path in models.rglob('*')
             if path.suffix in ('.onnx', '.tflite', '.safetensors')}
    make_untrained_model('yolov7-tiny', models, IMAGE, (64, 64))
    assert {path: path.stat().st_mtime_ns for path in files} == files


@pytest.mark.parametrize('driver', [False, True])
def test_only_files_of_the_wanted_precisions_are_made(tmp_path, monkeypatch, driver):
    monkeypatch.setattr('tsr_ros.benchmark.untrained.has_nvidia_driver', lambda: driver)
    make_untrained_model('yolov7-tiny', tmp_path, IMAGE, (64, 64), ['fp16', 'bf16'])
    made = {path.name for path in (tmp_path / 'yolov7-tiny-untrained').iterdir()}
    assert {'fp32.onnx', 'fp16.onnx'} <= made
    assert not any('int8' in name for name in made)
