# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every backend owes, on each of them."""

import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from helpers import square_image

from tsr_ros.backends.base import (
    BackendError,
    BackendMissing,
    DeviceError,
    ModelFileError,
    UnsupportedError,
    is_out_of_memory,
)
from tsr_ros.backends.detector import load_detector
from tsr_ros.backends.factory import BACKENDS, backend_class, backend_status, create_backend
from tsr_ros.backends.openvino import _is_there

INSTALLED = sorted(name for name, status in backend_status().items() if not status.problem)
ON_CPU = [name for name in INSTALLED if not name.startswith('tensorrt')]


@pytest.mark.parametrize('name', ON_CPU)
@pytest.mark.parametrize(('squares', 'resolution_wh', 'atol'), [
    ([], (160, 96), 0.5),
    ([(20, 30, 16, 0)], (160, 96), 0.5),
    ([(33, 17, 32, 1)], (160, 96), 0.5),
    ([(71, 11, 64, 2)], (160, 96), 0.5),
    ([(23, 37, 16, 0), (90, 20, 16, 1), (120, 60, 16, 2)], (160, 96), 0.5),
    ([(40, 60, 64, 0), (300, 90, 64, 2)], (640, 300), 2.0),  # four times the input, and padded
])
def test_boxes_in_pixels_of_the_source(small_models, name, squares, resolution_wh, atol):
    with load_detector('small', name, threads=1, models_dir=small_models) as detector:
        found = detector.detect(square_image(squares, resolution_wh))
        assert found.xyxy.dtype == found.score.dtype == np.float32
        assert found.class_id.dtype == np.int32
        order = np.lexsort(found.xyxy.T[::-1])
        expected = np.array([[x, y, x + w, y + w] for x, y, w, _ in sorted(squares)])
        np.testing.assert_allclose(found.xyxy[order], expected.reshape(-1, 4), atol=atol)
        np.testing.assert_array_equal(found.class_id[order], [c for *_, c in sorted(squares)])
        assert (found.score > 0.9).all()
        assert all(part >= 0 for part in detector.timings)


@pytest.mark.parametrize('name', ON_CPU)
def test_contract(small_models, name):
    backend = create_backend(name, 'small', threads=1, models_dir=small_models)
    with pytest.raises(BackendError, match='not loaded'):
        backend.infer(np.zeros((1, 96, 160, 3), np.uint8))
    with backend:
        backend.load()
        images = square_image([(20, 30, 16, 0)])[None]
        first = backend.infer(images)
        assert [head.shape for head in first] == [(1, 30, 12, 20), (1, 30, 6, 10), (1, 30, 3, 5)]
        assert all(head.dtype == np.float32 for head in first)
        kept = [head.copy() for head in first]
        images[:] = 0
        second = backend.infer(images)
        assert all(np.shares_memory(a, b) for a, b in zip(first, second))  # reused buffers
        assert not np.array_equal(second[0], kept[0])
        third = backend.infer(square_image([(20, 30, 16, 0)])[None])
        np.testing.assert_array_equal(third[0], kept[0])
        info = backend.describe()
        assert (info.name, info.precision, info.threads) == (name, 'fp32', 1)
        assert info.version == backend.version()
        assert 'cpu' in info.device.lower()
    backend.close()  # a second time
    with pytest.raises(BackendError, match='not loaded'):
        backend.infer(images)


@pytest.mark.parametrize('name', ON_CPU)
def test_another_size_and_batch(small_models, name):
    backend = create_backend(
        name, 'small', threads=1, batch=2, models_dir=small_models, input_wh=(192, 128))
    if name == 'tflite':
        with pytest.raises(UnsupportedError, match='made for images of 160 x 96, not 192 x 128'):
            backend.load()
        return
    with backend:
        backend.load()
        images = np.stack([square_image([(20, 30, 16, 0)], (192, 128)),
                           square_image([], (192, 128))])
        maps = backend.infer(images)
        assert maps[0].shape == (2, 30, 16, 24)
        assert maps[0][0, 4].max() > 3  # the objectness of the square
        assert maps[0][1, 4].max() < -3


@pytest.mark.parametrize('name', ON_CPU)
def test_a_batch_gives_what_its_images_give_alone(random_models, name):
    images = np.random.RandomState(0).randint(0, 256, (3, 96, 160, 3)).astype(np.uint8)
    results = []
    for batch in 1, 3:
        with create_backend(
                name, 'random', threads=1, batch=batch, models_dir=random_models) as backend:
            backend.load()
            results.append([
                [head.copy() for head in backend.infer(images[i:i + batch])]
                for i in range(0, 3, batch)])
    alone, together = results
    for i in range(3):
        for one, all_ in zip(alone[i], together[0]):
            np.testing.assert_allclose(all_[i:i + 1], one, atol=1e-4)


@pytest.mark.parametrize('name', ON_CPU)
@pytest.mark.parametrize('images', [
    np.zeros((96, 160, 3), np.uint8), np.zeros((1, 96, 160, 3), np.float32),
    np.zeros((2, 96, 160, 3), np.uint8), np.zeros((1, 3, 96, 160), np.uint8),
])
def test_other_input_is_refused(small_models, name, images):
    with create_backend(name, 'small', threads=1, models_dir=small_models) as backend:
        backend.load()
        with pytest.raises(BackendError, match='takes uint8'):
            backend.infer(images)


@pytest.mark.parametrize('name', ON_CPU)
@pytest.mark.parametrize('damage', ['short', 'foreign', 'empty'])
def test_a_damaged_model_file_is_refused(small_models, tmp_path, name, damage):
    folder = tmp_path / 'models'
    shutil.copytree(str(small_models), str(folder))
    model_file = create_backend(name, 'small', models_dir=folder).model_file
    with open(model_file.path, 'r+b') as file:
        if damage == 'foreign':
            file.write(b'not a model, but as long as one')
        else:
            file.truncate(0 if damage == 'empty' else 1500)
    with pytest.raises(ModelFileError):
        backend_class(name)(model_file, threads=1).load()


@pytest.mark.parametrize('name', ON_CPU)
def test_labels_that_do_not_fit_are_refused(small_models, name):
    model_file = create_backend(name, 'small', models_dir=small_models).model_file
    wrong = model_file._replace(labels=['one', 'two'])
    backend = backend_class(name)(wrong, threads=1)
    with pytest.raises(ModelFileError, match='2 labels and input 160 x 96 need head maps'):
        backend.load()
    assert not backend.loaded


@pytest.mark.parametrize('name', ON_CPU)
def test_a_device_that_is_not_there(small_models, name):
    backend = create_backend(name, 'small', device='toaster', models_dir=small_models)
    with pytest.raises(UnsupportedError):
        backend.load()


@pytest.mark.parametrize(('name', 'device', 'error'), [
    ('onnxruntime', 'cuda:x', UnsupportedError), ('onnxruntime', 'cpu:3', UnsupportedError),
    ('openvino', 'cuda', UnsupportedError), ('pytorch', 'meta', UnsupportedError),
    # which another driver may bring
    ('openvino', 'gpu.77', DeviceError), ('pytorch', 'cuda:77', DeviceError),
])
def test_a_device_of_no_such_kind_or_number(small_models, name, device, error):
    with pytest.raises(error):
        create_backend(name, 'small', device=device, models_dir=small_models).load()


@pytest.mark.parametrize(('device', 'available', 'expected'), [
    ('GPU', [], False),
    ('GPU', ['CPU', 'GPU'], True),
    ('GPU', ['GPU.0', 'GPU.1'], True),  # which is GPU.0
    ('GPU.0', ['GPU'], True),
    ('GPU.1', ['GPU'], False),
    ('GPU.1', ['GPU.0', 'GPU.1'], True),
    ('GPU.2', ['GPU.0', 'GPU.1'], False),
    ('NPU', ['GPU'], False),
])
def test_openvino_s_devices(device, available, expected):
    assert _is_there(device, available) is expected


@pytest.mark.parametrize('name', ON_CPU)
def test_a_precision_that_it_does_not_have(small_models, name):
    with pytest.raises(BackendError, match='fp32'):
        create_backend(name, 'small', precision='fp4', models_dir=small_models)


@pytest.mark.parametrize('name', sorted(BACKENDS))
def test_a_missing_runtime_is_named(small_models, monkeypatch, name):
    modules = {'pytorch': ['torch'], 'tflite': ['ai_edge_litert', 'tensorflow']}
    for module in modules.get(name, [name]):
        monkeypatch.setitem(__import__('sys').modules, module, None)
    with pytest.raises(BackendMissing, match='pip install'):
        create_backend(name, 'small', models_dir=small_models)
    status = backend_status()[name]
    assert status.version == ''
    assert 'pip install' in status.problem


@pytest.mark.parametrize(('variables', 'device', 'message'), [
    ({'PATH': ''}, 'cpu', r'needs a C\+\+ compiler'),
    ({'CXX': '/bin/false'}, 'cpu', 'torch.compile failed .*; take the backend pytorch'),
    ({}, 'cuda', 'take the backend pytorch'),
])
def test_what_torch_compile_cannot_do(small_models, variables, device, message):
    program = (
        'import sys\n'
        'from tsr_ros.backends.base import BackendError\n'
        'from tsr_ros.backends.factory import create_backend\n'
        'try:\n'
        '    create_backend("pytorch_compiled", "small", device=sys.argv[1],\n'
        '                   models_dir=sys.argv[2]).load()\n'
        'except BackendError as error:\n'
        '    print(error)\n')
    # PyTorch remembers for the rest of a process whether there is a compiler
    found = subprocess.run([sys.executable, '-c', program, device, str(small_models)],
                           env=dict(os.environ, **variables), stdout=subprocess.PIPE, check=True,
                           text=True)
    assert re.search(message, found.stdout)


def test_an_unknown_backend():
    with pytest.raises(BackendError, match="no backend 'abacus'; there are onnxruntime, open"):
        create_backend('abacus')


@pytest.mark.parametrize('input_wh', [(0, 0), (100, 96), (160, 16), (-32, 96)])
def test_an_input_size_that_the_network_cannot_have(small_models, input_wh):
    with pytest.raises(BackendError, match='multiples of 32'):
        create_backend('onnxruntime', 'small', models_dir=small_models, input_wh=input_wh)


def test_a_model_of_one_s_own_by_path(small_models):
    with load_detector(small_models / 'small' / 'fp32.onnx', threads=1) as detector:
        assert len(detector.detect(square_image([(20, 30, 16, 0)])).score) == 1


@pytest.mark.parametrize('name', ON_CPU)
@pytest.mark.parametrize('precision', ['fp16', 'bf16'])
def test_another_precision_than_asked_for_is_never_run(random_models, name, precision):
    if precision not in backend_class(name).precisions:
        with pytest.raises(BackendError, match='not ' + precision):
            create_backend(name, 'random', precision=precision, models_dir=random_models)
        return
    backends = [create_backend(name, 'random', precision=p, threads=1, models_dir=random_models)
                for p in ('fp32', precision)]
    try:
        backends[1].load()
    except UnsupportedError:  # this CPU has not got it
        return
    images = np.random.RandomState(0).randint(0, 256, (1, 96, 160, 3)).astype(np.uint8)
    with backends[0], backends[1]:
        backends[0].load()
        exact, found = (backend.infer(images)[0] for backend in backends)
        assert 1e-4 < np.abs(exact - found).max() < 0.1 * np.abs(exact).max()
        assert backends[1].describe().precision == precision


def fail(*_):
    raise RuntimeError('Failed to allocate memory for requested buffer of size 939524096')


class Failing:
    infer = run_with_iobinding = staticmethod(fail)


@pytest.mark.parametrize(('name', 'part', 'stand_in'), [
    ('onnxruntime', '_session', Failing()),
    ('openvino', '_request', Failing()),
    ('pytorch', '_run', fail),
])
def test_memory_that_runs_out_is_the_device_s_failure(small_models, name, part, stand_in):
    with create_backend(name, 'small', threads=1, models_dir=small_models) as backend:
        backend.load()
        setattr(backend, part, stand_in)
        with pytest.raises(DeviceError, match='Failed to allocate memory'):
            backend.infer(np.zeros(backend.input_shape, np.uint8))


@pytest.mark.parametrize(('text', 'expected'), [
    ('', False),
    ('CUDA out of memory. Tried to allocate 20.00 MiB', True),
    ('CUDA failure 2: out of memory', True),
    ('std::bad_alloc', True),
    ('invalid memory format', False),
])
def test_what_speaks_of_memory(text, expected):
    assert is_out_of_memory(RuntimeError(text)) is expected
