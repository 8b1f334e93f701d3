# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import numpy as np
import pytest
from helpers import square_image, with_int8

from tsr_ros.backends import auto
from tsr_ros.backends.auto import AutoBackend, Candidate, find_candidates
from tsr_ros.backends.base import BackendError
from tsr_ros.backends.build_cache import BuildCache
from tsr_ros.backends.detector import load_detector
from tsr_ros.backends.factory import BackendStatus
from tsr_ros.backends.measure import Measurement, measure, median_ms

IMAGE = square_image([(20, 30, 16, 0)])


@pytest.fixture
def computer(monkeypatch, tmp_path, small_models):
    """Return a function that makes an AutoBackend where only some are installed, with times."""
    measured = []
    told = []

    def make(times, models_dir=small_models, **options):
        installed = {name for name, _ in times}
        monkeypatch.setattr(auto, 'backend_status', lambda: {
            name: BackendStatus('1', '' if name in installed else 'not here')
            for name in ('onnxruntime', 'openvino', 'pytorch', 'tflite')})

        def stand_in(name, precisions, options, on_progress):
            measured.append((name, tuple(precisions)))
            return {precision: Measurement(times.get((name, precision)),
                                           '' if times.get((name, precision)) else 'it crashed',
                                           lasting=(name, precision) not in times)
                    for precision in precisions}
        monkeypatch.setattr(auto, 'measure', stand_in)
        backend = AutoBackend('small', models_dir=models_dir, threads=1, **options)
        backend.cache = BuildCache(tmp_path / 'auto')
        backend.on_progress = told.append
        return backend
    make.measured, make.told = measured, told
    return make


def chosen(backend):
    with backend:
        backend.load()
        info = backend.describe()
        assert len(backend.infer(IMAGE[None])) == 3
        return info.name, info.precision


@pytest.mark.parametrize(('times', 'options', 'expected'), [
    ({('onnxruntime', 'fp32'): 5.0}, {}, ('onnxruntime', 'fp32')),
    ({('onnxruntime', 'fp32'): 5.0, ('openvino', 'fp32'): 4.0}, {}, ('openvino', 'fp32')),
    ({('onnxruntime', 'fp32'): 5.0, ('openvino', 'fp32'): 4.0, ('openvino', 'bf16'): 2.0}, {},
     ('openvino', 'bf16')),
    # only this precision
    ({('onnxruntime', 'fp32'): 5.0, ('openvino', 'fp32'): 6.0, ('openvino', 'bf16'): 2.0},
     {'precision': 'fp32'}, ('onnxruntime', 'fp32')),
    # bf16 may cost 0.002
    ({('onnxruntime', 'fp32'): 5.0, ('openvino', 'fp32'): 6.0, ('openvino', 'bf16'): 2.0},
     {'max_loss': 0.001}, ('onnxruntime', 'fp32')),
    # one that crashes is slower than all
    ({('onnxruntime', 'fp32'): 5.0, ('openvino', 'fp32'): None}, {}, ('onnxruntime', 'fp32')),
    # one that was measured and cannot be loaded after all: ONNX Runtime knows no such device
    ({('onnxruntime', 'fp32'): 1.0, ('openvino', 'fp32'): 5.0}, {'device': 'CPU'},
     ('openvino', 'fp32')),
])
def test_the_fastest_is_chosen(computer, times, options, expected):
    assert chosen(computer(times, **options)) == expected


def test_it_says_what_it_chose_and_why(computer):
    backend = computer({('onnxruntime', 'fp32'): 5.25, ('openvino', 'fp32'): 4.0,
                        ('openvino', 'bf16'): None})
    with backend:
        backend.load()
        detail = backend.describe().detail
    why = '4.0 ms (measurements made just now), others: '
    assert f'auto chose it: {why}onnxruntime fp32 5.2 ms' in detail
    assert 'openvino bf16 failed (it crashed)' in detail
    assert computer.told[-1].startswith(f'auto chose openvino fp32, {why}')


def test_it_measures_once(computer):
    times = {('onnxruntime', 'fp32'): 5.0, ('openvino', 'fp32'): 4.0}
    assert chosen(computer(times)) == chosen(computer(times)) == ('openvino', 'fp32')
    assert len(computer.measured) == 2  # each backend once
    assert 'from the cache' in computer.told[-1]
    # other computers, other versions, other options, other models
    chosen(computer(times, device='cpu'))
    assert len(computer.measured) == 4
    chosen(computer({**times, ('tflite', 'fp32'): 9.0}))
    assert len(computer.measured) == 7


def test_what_failed_is_tried_again_at_the_next_start(computer):
    times = {('onnxruntime', 'fp32'): 5.0, ('openvino', 'fp32'): None}
    assert chosen(computer(times)) == ('onnxruntime', 'fp32')
    assert chosen(computer(times)) == ('onnxruntime', 'fp32')
    times['openvino', 'fp32'] = 4.0  # repaired
    assert chosen(computer(times)) == chosen(computer(times)) == ('openvino', 'fp32')
    # what the computer cannot do is not tried again
    assert computer.measured == [
        ('onnxruntime', ('fp32', 'fp16')), ('openvino', ('fp32', 'bf16', 'fp16')),
        ('openvino', ('fp32',)), ('openvino', ('fp32',))]


def test_tensorrt_is_among_those_to_choose_from(monkeypatch, small_models):
    monkeypatch.setattr(auto, 'backend_status', lambda: {'tensorrt': BackendStatus('10', '')})
    assert [(candidate.precision, candidate.loss) for candidate in find_candidates(
        'small', models_dir=small_models)] == [('fp32', 0.0), ('fp16', auto.ROUNDING_LOSS)]


class Slow:
    """A backend that takes so many seconds by a clock that nobody else uses."""

    input_shape = (1, 96, 160, 3)

    def __init__(self, monkeypatch, seconds):
        self.now, self.seconds, self.runs = 100.0, seconds, 0
        monkeypatch.setattr('tsr_ros.backends.measure.time.perf_counter', lambda: self.now)

    def infer(self, images):
        assert (images.shape, images.dtype) == (self.input_shape, np.uint8)
        self.now += self.seconds
        self.runs += 1


@pytest.mark.parametrize(('seconds', 'runs'), [
    (0.001, 50), (0.0625, 8), (0.5, 3), (1.25, 3), (2.0, 2), (4.0, 1), (60.0, 1)])
def test_slow_networks_are_run_less_often(monkeypatch, seconds, runs):
    slow = Slow(monkeypatch, seconds)
    assert median_ms(slow) == pytest.approx(seconds * 1e3)
    assert slow.runs == runs + 1  # one to warm up


@pytest.mark.parametrize('change', ['computer', 'version'])
def test_what_a_measurement_depends_on(computer, monkeypatch, change):
    times = {('onnxruntime', 'fp32'): 5.0}
    chosen(computer(times))
    if change == 'computer':
        monkeypatch.setattr(auto, 'describe_computer', lambda: {'cpu': 'another'})
    else:
        monkeypatch.setattr('tsr_ros.backends.onnxruntime.OnnxRuntimeBackend.version',
                            classmethod(lambda cls: '0.1'))
    chosen(computer(times))
    assert len(computer.measured) == 2


def test_a_damaged_measurement_is_made_anew(computer, tmp_path):
    times = {('onnxruntime', 'fp32'): 5.0}
    chosen(computer(times))
    path = next((tmp_path / 'auto').glob('measurements-*[!k].json'))
    path.write_bytes(b'{"onnxruntime"')
    assert chosen(computer(times)) == ('onnxruntime', 'fp32')
    assert len(computer.measured) == 2


@pytest.mark.parametrize(('kept', 'measured', 'origin'), [
    # as before it was told what can never change: what failed is tried once more
    ({'onnxruntime': {'fp32': [5.0, ''], 'fp16': [None, 'it crashed']},
      'openvino': {'fp32': [4.0, ''], 'bf16': [9.0, ''], 'fp16': [None, 'it crashed']}},
     [('onnxruntime', ('fp16',)), ('openvino', ('fp16',))], '(measurements from the cache)'),
    *[(kept, [('onnxruntime', ('fp32', 'fp16')), ('openvino', ('fp32', 'bf16', 'fp16'))],
       'made just now, since those in the cache have another form')
      for kept in ([['onnxruntime', 'fp32', 5.0, '', False]], {'onnxruntime': {'fp32': 5.0}},
                   {'onnxruntime': {'fp32': {'median_ms': 5.0, 'problem': ''}}}, {}, None, 7)],
])
def test_a_cache_that_another_version_has_written(computer, kept, measured, origin):
    times = {('onnxruntime', 'fp32'): 5.0, ('openvino', 'fp32'): 4.0}
    backend = computer(times)
    assert chosen(backend) == ('openvino', 'fp32')
    sidecar, = Path(backend.cache.folder).glob('measurements-*.json.json')
    key = json.loads(sidecar.read_text())['key']
    computer.measured.clear()
    backend.cache.write('measurements.json', key, json.dumps(kept).encode())
    assert chosen(computer(times)) == ('openvino', 'fp32')
    assert computer.measured == measured
    assert origin in computer.told[-1]
    chosen(computer(times))
    assert computer.measured == measured  # and kept


@pytest.mark.parametrize(('scores', 'max_loss', 'expected'), [
    ({}, 0.01, 'fp32'),
    ({'map50_fp32': 0.9, 'map50': 0.895}, 0.01, 'int8'),
    ({'map50_fp32': 0.9, 'map50': 0.88}, 0.01, 'fp32'),
    ({'map50_fp32': 0.9, 'map50': 0.88}, 0.03, 'int8'),
    ({'map50_fp32': 0.9, 'map50': 0.88, 'map50_onnxruntime': 0.9}, 0.01, 'int8'),
    ({'map50_fp32': 0.9, 'map50': 0.9, 'map50_onnxruntime': 0.8}, 0.01, 'fp32'),
    ({'map50_fp32': 0.9, 'map50': 0.91}, 0.0, 'int8'),  # better than fp32
])
def test_accuracy_counts_before_speed(computer, small_models, tmp_path, scores, max_loss,
                                      expected):
    folder = with_int8(tmp_path / 'models', small_models, scores)
    times = {('onnxruntime', 'fp32'): 5.0, ('onnxruntime', 'int8'): 1.0}
    backend = computer(times, models_dir=folder, max_loss=max_loss)
    with backend:
        backend.load()
        assert backend.describe().precision == expected
        assert ('onnxruntime int8 may lose too much' in backend.describe().detail) == (
            expected == 'fp32')


def test_nothing_to_choose_from(computer):
    with pytest.raises(BackendError, match=r'auto has nothing to choose from: .* in int8'):
        computer({('onnxruntime', 'fp32'): 5.0}, precision='int8').load()
    with pytest.raises(BackendError, match='found no backend that runs: onnxruntime fp32 failed'):
        computer({('onnxruntime', 'fp32'): None}, precision='fp32').load()


def test_an_own_file(monkeypatch, small_models):
    monkeypatch.setattr(auto, 'backend_status', lambda: {
        name: BackendStatus('1', '') for name in ('onnxruntime', 'openvino', 'tflite')})
    path = small_models / 'small' / 'fp32.onnx'
    found = find_candidates(str(path), 'fp32')
    assert [(c.backend, c.precision, c.loss) for c in found] == [
        ('onnxruntime', 'fp32', 0.0), ('openvino', 'fp32', 0.0)]
    assert isinstance(found[0], Candidate)


def test_a_backend_is_measured_in_a_process_of_its_own(small_models):
    told = []
    options = {'model': 'small', 'models_dir': str(small_models), 'threads': 1, 'batch': 1,
               'device': 'auto', 'input_wh': None}
    result = measure('onnxruntime', ['fp32', 'int8'], options, told.append)
    assert told == ['measuring onnxruntime fp32', 'measuring onnxruntime int8']
    assert result['fp32'][0] > 0
    assert result['fp32'][1] == ''
    assert result['int8'][0] is None
    assert 'no int8 file' in result['int8'][1]
    json.dumps(result)


@pytest.mark.parametrize(('name', 'changes', 'lasting'), [
    ('openvino', {'device': 'cuda'}, True),
    ('tflite', {'input_wh': [192, 128]}, True),
    ('onnxruntime', {'device': 'cuda'}, False),  # which another build of it may have
])
def test_what_a_backend_never_takes_is_told_apart(small_models, name, changes, lasting):
    options = {'model': 'small', 'models_dir': str(small_models), 'threads': 1, 'batch': 1,
               'device': 'auto', 'input_wh': None, **changes}
    assert measure(name, ['fp32'], options)['fp32'].lasting is lasting


def stand_in_for_python(monkeypatch, folder, script):
    program = folder / 'python'
    program.write_text('#!/bin/sh\n' + script + '\n')
    program.chmod(0o700)
    monkeypatch.setattr('tsr_ros.backends.measure.sys.executable', str(program))


@pytest.mark.parametrize(('script', 'why'), [
    ('exit 1', 'its process ended early, with status 1'),
    ('echo no room >&2; exit 3', 'its process ended early, with status 3, no room'),
    ('kill -SEGV $$', 'its process ended early, by signal 11'),
    ('echo hello; echo 3; exec sleep 1000', 'it did not answer in time'),
])
def test_a_process_that_ends_early_or_says_nothing(monkeypatch, tmp_path, script, why):
    from tsr_ros.backends import measure as module
    stand_in_for_python(monkeypatch, tmp_path, script)
    if 'sleep' in script:
        monkeypatch.setattr(module, '_SILENCE', 0.05)
    assert measure('onnxruntime', ['fp32', 'fp16'], {}) == dict.fromkeys(
        ['fp32', 'fp16'], (None, why, False))


def test_a_process_that_ends_early_takes_one_precision_along(monkeypatch, tmp_path):
    stand_in_for_python(monkeypatch, tmp_path, """
case "$3" in *fp32*) kill -KILL $$; esac
echo '{"precision": "fp16", "median_ms": 3.5, "problem": "", "lasting": false}'
case "$3" in *int8*) echo '{"precision": "int8", "median_ms": null, "problem": "no int8",
 "lasting": true}' | tr -d '\\n'; esac""")
    assert measure('tensorrt', ['fp32', 'fp16', 'int8'], {}) == {
        'fp32': (None, 'its process ended early, by signal 9', False),
        'fp16': (3.5, '', False), 'int8': (None, 'no int8', True)}


def test_by_name_with_real_measurements(monkeypatch, tmp_path, small_models):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    monkeypatch.setattr(auto, 'backend_status', lambda: {
        name: BackendStatus('1', '') for name in ('onnxruntime', 'openvino')})
    monkeypatch.chdir(small_models.parent)  # the path is relative; what measures runs elsewhere
    with load_detector('small', 'auto', precision='fp32', threads=1,
                       models_dir=small_models.name) as detector:
        info = detector.backend.describe()
        assert info.name in ('onnxruntime', 'openvino')
        assert 'auto chose it' in info.detail
        np.testing.assert_allclose(detector.detect(IMAGE).xyxy, [[20, 30, 36, 46]], atol=0.5)
    assert list((tmp_path / 'tsr_ros' / 'auto').glob('measurements-*.json'))
