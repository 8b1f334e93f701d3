# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import shutil

import pytest
import yaml
from helpers import ANCHORS, LABELS

from tsr_ros.backends import manifest
from tsr_ros.backends.base import ModelFileError
from tsr_ros.backends.manifest import FileEntry, Manifest, find_model_file, open_model


@pytest.fixture
def folder(small_models, tmp_path):
    """Return a copy of the small models that a test may damage."""
    return str(shutil.copytree(str(small_models), str(tmp_path / 'models')))


def change(folder, edit):
    path = folder + '/manifest.yaml'
    with open(path) as file:
        content = yaml.safe_load(file)
    edit(content)
    with open(path, 'w') as file:
        yaml.safe_dump(content, file)


def test_models_and_their_files(small_models):
    entry = Manifest.read(small_models).model('small')
    assert entry.labels == LABELS
    assert entry.input_wh == (160, 96)
    assert [(file.format, file.precision) for file in entry.files] == [
        ('torch', 'fp32'), ('onnx', 'fp32'), ('tflite', 'fp32')]


@pytest.mark.parametrize(('content', 'message'), [
    ('', 'not a model manifest'),
    ('[1, 2]', 'not a model manifest'),
    ('version: 2\nmodels: {}', 'version 2 is not known'),
    ('version: 1', 'models'),
    ('version: 1\nmodels: {a: {}}', 'files'),
    ('version: 1\nmodels: {a: {files: [{format: exe, precision: fp32, path: a, sha256: b,'
     ' bytes: 1}]}}', "'exe' of a is not known"),
    ('a: [', 'not a model manifest'),
    ('!!python/object/apply:os.getcwd []', 'not a model manifest'),
])
def test_a_bad_manifest_is_refused(tmp_path, content, message):
    (tmp_path / 'manifest.yaml').write_text(content)
    with pytest.raises(ModelFileError, match=message):
        Manifest.read(tmp_path)


@pytest.mark.parametrize(('where', 'changes', 'message'), [
    ('model', {'labels': 5}, 'small: labels are a list of names, not 5'),
    ('model', {'labels': ['stop', 7]}, 'labels are a list of names'),
    ('model', {'labels': []}, 'labels are a list of names'),
    ('model', {'input_wh': [640]}, 'input_wh is a width and a height'),
    ('model', {'input_wh': [640.0, 640.0]}, 'input_wh is a width and a height'),
    ('model', {'input_wh': [0, 640]}, 'input_wh is a width and a height'),
    ('model', {'strides': 8}, 'strides are a list of whole numbers'),
    ('model', {'anchors': None}, r'anchors are lists of \[width, height\]'),
    ('model', {'anchors': ANCHORS[:2]}, 'one for each of the 3 strides'),
    ('model', {'anchors': [[[8, 8, 8]]] * 3}, 'anchors are lists'),
    ('file', {'path': 5}, 'texts'),
    ('file', {'sha256': None}, 'texts'),
    ('file', {'bytes': None}, 'bytes are a number'),
    ('file', {'scores': 'good'}, 'scores have names'),
    ('file', {'data': 'x'}, 'is not a model manifest'),
])
def test_a_manifest_with_values_of_another_kind(folder, where, changes, message):
    def edit(content):
        model = content['models']['small']
        (model if where == 'model' else model['files'][1]).update(changes)
    change(folder, edit)
    with pytest.raises(ModelFileError, match=message):
        Manifest.read(folder)


def test_a_missing_manifest(tmp_path):
    with pytest.raises(ModelFileError, match='No such file'):
        Manifest.read(tmp_path)


def test_an_unknown_model(small_models):
    with pytest.raises(ModelFileError, match="names no model 'big'; it has small"):
        Manifest.read(small_models).model('big')


def test_a_model_by_name_and_the_default(small_models):
    by_name = open_model('small', 'onnx', models_dir=small_models)
    assert by_name == open_model('', ('openvino', 'onnx'), models_dir=small_models)
    assert by_name.labels == LABELS
    assert by_name.precision == 'fp32'


def test_a_changed_file_is_refused(folder):
    with open(folder + '/small/fp32.onnx', 'ab') as file:
        file.write(b'x')
    with pytest.raises(ModelFileError, match=r'fp32\.onnx is not the file'):
        open_model('small', 'onnx', models_dir=folder)


def test_changed_weights_behind_an_onnx_file_are_refused(folder):
    with open(folder + '/small/weights.safetensors', 'r+b') as file:
        file.seek(-1, 2)
        file.write(b'x')
    with pytest.raises(ModelFileError, match=r'weights\.safetensors is not the file'):
        open_model('small', 'onnx', models_dir=folder)


def test_a_missing_model_file(folder):
    change(folder, lambda content: content['models']['small']['files'][1].update(path='gone.onnx'))
    with pytest.raises(ModelFileError, match=r'gone\.onnx cannot be read'):
        open_model('small', 'onnx', models_dir=folder)


@pytest.mark.parametrize('name', ['weights.safetensors', 'fp32.onnx', 'fp32.tflite'])
def test_a_file_of_one_s_own_describes_itself(small_models, name):
    path = str(small_models / 'small' / name)
    model_file = open_model(path, ('torch', 'onnx', 'tflite'))
    assert model_file.path == path
    assert model_file.labels == LABELS
    assert model_file.anchors == ANCHORS
    assert model_file.input_wh == (160, 96)
    assert model_file.strides == [8, 16, 32]


def test_a_neighbour_describes_a_file_that_cannot(tmp_path):
    path = tmp_path / 'mine.tflite'
    path.write_bytes(b'any')
    with pytest.raises(ModelFileError, match='is not a TensorFlow Lite file'):
        open_model(path, 'tflite')
    (tmp_path / 'mine.tflite.yaml').write_text(yaml.safe_dump({
        'labels': ['a'], 'anchors': ANCHORS, 'strides': [8, 16, 32], 'input_wh': [64, 32],
        'precision': 'int8'}))
    model_file = open_model(path, 'tflite', 'int8')
    assert (model_file.labels, model_file.input_wh) == (['a'], (64, 32))
    assert model_file.precision == 'int8'


@pytest.mark.parametrize(('name', 'content', 'message'), [
    ('a.onnx', b'', 'says nothing of labels'),
    ('a.onnx', b'no onnx at all', 'does not describe itself'),
    ('a.safetensors', b'short', 'no whole safetensors'),
    ('a.onnx', None, 'cannot be read'),
    ('a.tflite', b'', 'is not a TensorFlow Lite file'),
    ('a.tflite', b'\x10\0\0\0TFL3', 'is not a whole TensorFlow Lite file'),
    # a model with a version alone
    ('a.tflite', b'\x0e\0\0\0TFL3\x06\0\x08\0\x04\0\x06\0\0\0\x03\0\0\0',
     'says nothing of labels'),
])
def test_a_bad_file_of_one_s_own(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelFileError, match=message):
        open_model(tmp_path / name, ('torch', 'onnx', 'tflite'))


def test_a_file_of_one_s_own_for_another_backend(small_models):
    with pytest.raises(ModelFileError, match='is of format torch, but onnx is needed'):
        open_model(small_models / 'small' / 'weights.safetensors', 'onnx')


def file(format_, precision, map50=None):
    scores = {} if map50 is None else {'map50': map50, 'map50_fp32': 0.9}
    return FileEntry(format_, precision, format_ + precision, '', 0, (), scores)


@pytest.mark.parametrize(('files', 'precision', 'expected'), [
    ([], 'auto', None),
    ([file('onnx', 'fp32')], 'auto', 'onnxfp32'),
    ([file('onnx', 'fp32')], 'bf16', 'onnxfp32'),
    ([file('onnx', 'fp32')], 'int8', None),
    ([file('onnx', 'fp32'), file('onnx', 'int8')], 'auto', 'onnxfp32'),
    ([file('onnx', 'fp32'), file('onnx', 'int8')], 'int8', 'onnxint8'),
    ([file('onnx', 'fp32'), file('onnx', 'int8', 0.895)], 'auto', 'onnxint8'),
    ([file('onnx', 'fp32'), file('onnx', 'int8', 0.85)], 'auto', 'onnxfp32'),
    ([file('onnx', 'fp32'), file('openvino', 'fp32')], 'fp32', 'openvinofp32'),
    ([file('onnx', 'fp32'), file('onnx', 'fp16')], 'fp16', 'onnxfp16'),
    ([file('tflite', 'fp32')], 'auto', None),
])
def test_the_file_that_suits(small_models, files, precision, expected):
    entry = Manifest.read(small_models).model('small')._replace(files=tuple(files))
    if expected is None:
        with pytest.raises(ModelFileError, match='small has no'):
            find_model_file(entry, ('openvino', 'onnx'), precision)
    else:
        assert find_model_file(entry, ('openvino', 'onnx'), precision).path == expected


def test_one_format_may_be_named_alone(small_models):
    entry = Manifest.read(small_models).model('small')
    assert find_model_file(entry, 'onnx') == find_model_file(entry, ('onnx',))
    with pytest.raises(ModelFileError, match='file of format openvino; it has'):
        find_model_file(entry, 'openvino')


def test_the_models_of_an_installed_package_are_found(tmp_path, monkeypatch):
    module = tmp_path / 'lib' / 'python3' / 'tsr_ros' / 'backends' / 'manifest.py'
    monkeypatch.setattr(manifest, '__file__', str(module))
    with pytest.raises(ModelFileError, match='no models were installed'):
        manifest.default_models_dir()
    share = tmp_path / 'share' / 'tsr_ros' / 'models'
    share.mkdir(parents=True)
    (share / 'manifest.yaml').write_text('version: 1')
    assert manifest.default_models_dir() == str(share)
