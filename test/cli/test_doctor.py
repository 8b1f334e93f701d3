# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import json
import os
import shutil
import sys

import pytest
import yaml

from tsr_ros.backends.factory import BACKENDS
from tsr_ros.cli import doctor, main
from tsr_ros.cli.computer import describe_computer, describe_gpu, parse_cpuinfo


@pytest.fixture
def models(small_models, tmp_path):
    """Return a copy of the small models that a test may damage."""
    return shutil.copytree(small_models, tmp_path / 'models')


@pytest.fixture
def one_backend(monkeypatch):
    """Let only ONNX Runtime be tried, and nothing of ROS, which is quick."""
    monkeypatch.setattr(doctor, 'ROS_MODULES', ())
    monkeypatch.setattr(doctor, 'BACKENDS', {'onnxruntime': BACKENDS['onnxruntime']})


def test_everything_as_json(tsr, small_models):
    process = tsr('doctor', '--json', '--models-dir', small_models)
    stdout, stderr = process.communicate()
    report = json.loads(stdout)
    assert stderr == ''
    assert process.returncode == 0
    assert report['works']
    assert report['python']['version'] == '.'.join(map(str, sys.version_info[:3]))
    assert report['computer']['usable_cores'] == len(os.sched_getaffinity(0))
    assert report['ros']['distro'] == os.environ['ROS_DISTRO']
    assert report['ros']['works'], report['ros']
    assert not any(file['problem'] for file in report['models']['models']['small'])
    assert set(report['backends']) == set(BACKENDS)
    found = report['backends']['onnxruntime']
    assert found['runs']
    assert found['detail'].startswith('small fp32 on ')
    for backend in report['backends'].values():
        assert backend['runs'] != bool(backend['problem'])
        assert not backend['runs'] or backend['version']


def break_file(models):
    with open(models / 'small' / 'fp32.onnx', 'ab') as file:
        file.write(b'x')


def break_weights(models):
    with open(models / 'small' / 'weights.safetensors', 'ab') as file:
        file.write(b'x')


def remove_file(models):
    (models / 'small' / 'fp32.onnx').unlink()


def remove_manifest(models):
    (models / 'manifest.yaml').unlink()


def name_no_default(models):
    path = models / 'manifest.yaml'
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), 'default': 'big'}))


@pytest.mark.parametrize(('damage', 'where', 'expected'), [
    (break_file, 'file', 'is not the file that the manifest names'),
    (break_weights, 'file', 'weights.safetensors is not the file'),
    (remove_file, 'file', 'cannot be read: No such file'),
    (remove_manifest, 'folder', 'manifest.yaml cannot be read'),
    (name_no_default, 'folder', "no model 'big'"),
])
def test_a_damaged_model(models, one_backend, capsys, damage, where, expected):
    damage(models)
    assert main(['doctor', '--json', '--models-dir', str(models)]) == 1
    report = json.loads(capsys.readouterr().out)
    assert not report['works']
    if where == 'file':
        problems = {file['format']: file['problem']
                    for file in report['models']['models']['small']}
        assert expected in problems['onnx']
        assert expected in report['backends']['onnxruntime']['problem']
    else:
        assert expected in report['models']['problem']
        assert report['backends']['onnxruntime']['version']  # said even so
    lines = doctor.report_lines(report)
    assert any(expected in line for line in lines)
    assert lines[-1].endswith('no backend runs the default model.')


def hide(folder, name, content):
    """Put a module before the real one of that name."""
    (folder / f'{name}.py').write_text(content)


@pytest.mark.parametrize(('content', 'problem'), [
    ('raise ImportError("not for this computer")', 'not for this computer'),
    ('import os; os.kill(os.getpid(), 4)', 'killed by signal 4'),  # what an old CPU does: SIGILL
    ('import os; os._exit(3)', 'ended with status 3'),
])
def test_a_runtime_that_cannot_be_loaded(
        tmp_path, monkeypatch, small_models, one_backend, capsys, content, problem):
    hide(tmp_path, 'onnxruntime', content)
    monkeypatch.setenv('PYTHONPATH', f'{tmp_path}{os.pathsep}{os.environ["PYTHONPATH"]}')
    assert main(['doctor', '--models-dir', str(small_models)]) == 1
    text = capsys.readouterr().out
    assert problem in text
    assert 'pip install onnxruntime' in text


def test_ros_that_is_not_there_is_said_once(tmp_path, monkeypatch):
    hide(tmp_path, 'rclpy', 'raise ImportError("no rclpy here")')
    monkeypatch.setenv('PYTHONPATH', f'{tmp_path}{os.pathsep}{os.environ["PYTHONPATH"]}')
    monkeypatch.setattr(doctor, 'BACKENDS', {})
    report = doctor.examine(str(tmp_path))
    assert report['ros']['modules'] == {'rclpy': 'ImportError: no rclpy here'}
    lines = doctor.report_lines(report)
    assert '  no rclpy: ImportError: no rclpy here' in lines
    assert any('The node needs ROS 2' in line for line in lines)


X86 = """processor : 0
model name\t: Fast CPU @ 3 GHz
flags\t\t: fpu sse4_2 avx2 amx_int8 bmi

processor : 1
model name\t: Another
flags\t\t: avx
"""
ARM = """processor\t: 0
Features\t: fp asimd asimddp
Hardware\t: A board
"""


@pytest.mark.parametrize(('text', 'name', 'features'), [
    ('', '', []),
    (X86, 'Fast CPU @ 3 GHz', ['sse4_2', 'avx2', 'amx_int8']),
    (ARM, 'A board', ['asimd', 'asimddp']),
])
def test_cpuinfo(text, name, features):
    assert parse_cpuinfo(text) == (name, features)


def test_computer():
    computer = describe_computer()
    assert 1 <= computer['usable_cores'] <= computer['cores']
    assert computer['memory_gib'] > 0
    json.dumps(computer)


def test_gpu_or_the_reason_why_not():
    gpu = describe_gpu()
    assert bool(gpu['devices']) != bool(gpu['problem'])
    report = {'name': 'A GPU', 'memory_gib': 4.0, 'compute_capability': '5.3'}
    assert doctor._gpu_lines({'driver': '32.7', 'cuda': '10.2', 'devices': [report],
                              'problem': ''}) == [
        '  ok A GPU: 4.0 GiB, compute capability 5.3, driver 32.7, CUDA 10.2']
