# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import json

from helpers import LABELS

from tsr_ros.backends.manifest import FileEntry, ModelEntry
from tsr_ros.cli import main
from tsr_ros.cli.models import model_lines


def test_no_models(tmp_path, capsys):
    (tmp_path / 'manifest.yaml').write_text('version: 1\nmodels: {}')
    assert main(['models', '--models-dir', str(tmp_path)]) == 0
    assert capsys.readouterr().out == ''


def test_as_json(small_models, capsys):
    assert main(['models', '--json', '--models-dir', str(small_models)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer['folder'], answer['default']) == (str(small_models), 'small')
    model = answer['models']['small']
    assert model['labels'] == LABELS
    assert model['input_wh'] == [160, 96]
    file = {file['format']: file for file in model['files']}['torch']
    path = small_models / file['path']
    assert file['bytes'] == path.stat().st_size
    assert len(file['sha256']) == 64


def test_as_a_table():
    files = (
        FileEntry('onnx', 'fp32', 'a/fp32.onnx', '', 12345678, (), {}),
        FileEntry('openvino', 'int8', 'a/i.xml', '', 5000, (), {'map50': 0.9, 'note': 'x'}))
    entry = ModelEntry('a', 'yolov7-tiny', (640, 416), ['stop', 'go'], [], [], 'MIT',
                       {'map50': 0.91234}, files, '/models')
    assert model_lines(entry, is_default=True) == [
        'a (default)',
        '  architecture  yolov7-tiny',
        '  input         640 x 416 pixels',
        '  labels        stop, go',
        '  licence       MIT',
        '  scores        map50 0.912',
        '  format    precision    MB  file         scores',
        '  onnx      fp32       12.3  a/fp32.onnx',
        '  openvino  int8        0.0  a/i.xml      map50 0.900, note x',
        '',
    ]
