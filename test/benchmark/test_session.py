# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import copy
import json
import shutil

import numpy as np
import pytest
import yaml
from helpers import square_image

from tsr_ros.backends.base import BackendInfo
from tsr_ros.benchmark.cases import find_cases
from tsr_ros.benchmark.host import Activity
from tsr_ros.benchmark.report import build_page
from tsr_ros.benchmark.results import ResultError, read_result, to_csv, to_result
from tsr_ros.benchmark.session import Measurement, Session, disturbance
from tsr_ros.benchmark.tables import HEADINGS, case_rows, recommend
from tsr_ros.benchmark.worker import Burst, Case, CaseError, Worker

IMAGE = square_image([(20, 30, 16, 0)])


@pytest.fixture(scope='module')
def result(small_models):
    """Measure two backends for real, with the small network."""
    cases = [Case('naive', 'fp32', 'nothing', str(small_models)),
             Case('onnxruntime', 'fp32', 'small', str(small_models), threads=1),
             Case('pytorch', 'fp32', 'small', str(small_models), batch=2, threads=1)]
    session = Session(cases, IMAGE, runs=6, rounds=3, progress=False, note=lambda text: None)
    return to_result(session.measure(), session.failed, {}, IMAGE, 'Test')


def test_every_case_is_measured_or_named(result):
    assert [case['title'] for case in result['cases']] == [
        'small onnxruntime fp32', 'small pytorch fp32, batch 2']
    assert list(result['left_out']) == ['nothing naive fp32']
    assert "names no model 'nothing'" in result['left_out']['nothing naive fp32']
    for case in result['cases']:
        assert [len(values) for values in case['durations_ms'].values()] == [6] * 4
        assert case['statistics']['inference']['lowest_ms'] > 0
        assert case['resident_mb'] > 10
        assert case['bursts'] == 3
        assert case['work_gflop'] > 0


def test_the_result_survives_its_file(result, tmp_path):
    (tmp_path / 'a.json').write_text(json.dumps(result))
    assert read_result(tmp_path / 'a.json') == json.loads(json.dumps(result))
    lines = to_csv(result).splitlines()
    assert len(lines) == 3
    assert lines[1].startswith('small,onnxruntime,fp32,1,cpu,1,')
    rows = case_rows(result, 'small')
    assert [len(row) for row in rows] == [len(HEADINGS)] * 2
    html = build_page(result).html()
    assert recommend(result, 'small') in html
    assert 'nothing naive fp32' in html


def test_the_page_says_how_the_computer_was(result):
    noted = copy.deepcopy(result)
    noted['host'].update(board='Some board', governor='powersave')
    noted['load_average'] = 1.25
    noted['host']['versions'] = {'onnxruntime': '1.30.0'}  # of another than the one imported
    for case in noted['cases']:
        case['runtime'] = 'onnxruntime 1.31.1'
    noted['cases'][0].update(frequency_mhz=800.0, temperature_c=50.0, energy_j=2.0,
                             repeated_bursts=0, disturbed_bursts=0)
    noted['cases'][1].update(frequency_mhz=1200.0, temperature_c=None, energy_j=None,
                             repeated_bursts=2, disturbed_bursts=1)
    html = build_page(noted).html()
    assert 'Some board, ' in html
    assert 'at work before it began (load average 1.2)' in html
    for what, told in (
            ('threads on the CPU', '1'), ('clock, average of each case', '800 to 1200 MHz'),
            ('rule that sets the clock', 'powersave'), ('highest temperature', '50 °C'),
            ('energy of an image, whole package', '2 J'), ('load average at the start', '1.2'),
            ('measured', 'onnxruntime 1.31.1'), ('onnxruntime, installed', '1.30.0'),
            ('bursts', '6, repeated because others used the machine 2, disturbed all the same 1')):
        assert f'<td class=left>{what}</td><td class=left>{told}</td>' in html
    assert '6 runs (so few that p99 is all but the slowest) of each' in html


def test_a_smaller_network_is_not_set_beside_the_study_without_a_word(result):
    words = ' of the work of the network that the study timed'
    assert "Beside the study's tables" not in build_page(result).html()
    named = json.loads(json.dumps(result).replace('"small"', '"yolov7-tiny"'))
    assert words in build_page(named).html()
    for case in named['cases']:
        case['work_gflop'] = 103.22 * case['input_wh'][0] * case['input_wh'][1] / 640**2
    assert words not in build_page(named).html()


@pytest.mark.parametrize('device', ['cpu', 'cuda'])
def test_the_study_stands_beside_what_was_measured_alone(result, device):
    named = json.loads(json.dumps(result).replace('"small"', '"yolov7-tiny"'))
    for case in named['cases']:
        case['device'] = device
    html = build_page(named).html()
    assert '<th>study: Colab GPU</th>' in html
    assert ('<th>here: CPU, fp32</th>' in html) == (device == 'cpu')
    assert ('<th>here: accelerator</th>' in html) == (device == 'cuda')


@pytest.mark.parametrize(('backend', 'precision', 'map50'), [
    ('onnxruntime', 'fp32', 0.8), ('openvino', 'fp32', 0.85),
    ('openvino', 'bf16', None),  # nobody has measured what is made of the file of fp32
    ('naive', 'fp32', 0.9),
])
def test_what_the_manifest_says_of_the_accuracy(small_models, tmp_path, backend, precision, map50):
    models = tmp_path / 'models'
    shutil.copytree(small_models, models)
    content = yaml.safe_load((models / 'manifest.yaml').read_text())
    files = {file['format']: file for file in content['models']['small']['files']}
    files['torch']['scores'] = {'map50': 0.9}
    files['onnx']['scores'] = {'map50': 0.8, 'map50_fp32': 0.9, 'map50_openvino': 0.85}
    (models / 'manifest.yaml').write_text(yaml.safe_dump(content))
    file = files['torch' if backend == 'naive' else 'onnx']
    loaded = {'info': BackendInfo(backend, '1', 'cpu', precision, 1, '')._asdict(),
              'model_sha256': file['sha256'], 'input_wh': [160, 96], 'load_ms': 1.0,
              'file': file['path'], 'file_bytes': file['bytes']}
    measurement = Measurement(
        Case(backend, precision, 'small', str(models)), loaded,
        [Burst([1.0], [1.0], [1.0], [3.0], 0.0, 0.0)], 1.0, 0, 0, [], [], None)
    case, = to_result([measurement], {}, {}, IMAGE)['cases']
    assert (case['map50'], case['map50_fp32']) == (map50, 0.9)


@pytest.mark.parametrize(('text', 'message'), [
    ('', 'not the result of a benchmark'),
    ('[]', 'not the result of a benchmark'),
    ('{"tsr_benchmark": 99}', 'version 99 is not known'),
    ('{"tsr_benchmark": 1, "cases": [{"statistics": {}}]}', 'not the result of a benchmark'),
    ('{"tsr_benchmark": 1, "cases": [], "host": {"cpu": ""}}', 'no processor is named'),
    ('{"tsr_benchmark": 1, "cases": [], "host": {"cpu": "A", "cpus": 1}}', 'it lacks gpu, time'),
])
def test_other_files_are_refused(tmp_path, text, message):
    path = tmp_path / 'a.json'
    path.write_text(text)
    with pytest.raises(ResultError, match=message):
        read_result(path)


def test_a_worker_that_dies_is_named(small_models):
    with Worker(Case('onnxruntime', 'fp32', 'small', str(small_models)), IMAGE) as worker:
        worker._process.kill()
        with pytest.raises(CaseError, match='its process ended with status -9'):
            worker.run(1)


def test_a_case_that_fails_later_is_named_and_the_others_go_on(small_models, monkeypatch):
    cases = [Case('onnxruntime', 'fp32', 'small', str(small_models), threads=1),
             Case('tflite', 'fp32', 'small', str(small_models), threads=1)]
    turns = []
    run = Worker.run

    def run_or_die(worker, count):
        turns.append(worker.case.backend)
        if len(turns) == 3:  # the second turn of tflite, which begins the second round
            worker._process.kill()
        return run(worker, count)
    monkeypatch.setattr(Worker, 'run', run_or_die)
    monkeypatch.setattr('tsr_ros.benchmark.session._MOST_DISTURBANCE', float('inf'))
    said = []
    session = Session(cases, IMAGE, runs=3, rounds=3, progress=False, note=said.append)
    measured, = session.measure()
    assert measured.case == cases[0]
    assert len(measured.bursts) == 3
    # a turn that is not counted, and three that are
    assert turns == ['onnxruntime', 'tflite', 'tflite', *['onnxruntime'] * 3]
    assert list(session.failed) == ['small tflite fp32']
    assert 'its process ended with status -9' in said[0]


def test_the_first_turn_is_not_counted(small_models, monkeypatch):
    taken = []

    def run(worker, count):
        taken.append(Burst([0.0], [0.0], [0.0], [float(len(taken))], 0.0, 1.0))
        return taken[-1]
    monkeypatch.setattr(Worker, 'run', run)
    monkeypatch.setattr('tsr_ros.benchmark.session._MOST_DISTURBANCE', float('inf'))
    case = Case('onnxruntime', 'fp32', 'small', str(small_models), threads=1)
    measured, = Session([case], IMAGE, runs=3, rounds=3, progress=False).measure()
    assert [burst.total_ms for burst in measured.bursts] == [[1.0], [2.0], [3.0]]


def test_the_naive_detector_finds_the_same(tmp_path):
    import torch

    from tsr_ros.backends.detector import load_detector
    from tsr_ros.backends.manifest import open_model
    from tsr_ros.benchmark.naive import NaiveDetector
    from tsr_ros.yolov7 import build_network, save_weights
    torch.manual_seed(1)
    path = tmp_path / 'w.safetensors'
    network = build_network('yolov7-tiny', 5)
    with torch.no_grad():
        for _ in range(20):  # so that the batch norms pass on what they get
            network.train()(torch.rand(2, 3, 96, 160))
    for index in network.outputs:  # so that a few places pass the threshold
        network.body[index].conv.weight.data.normal_()
        network.body[index].conv.bias.data[:] = -1
    save_weights(path, network, list('abcde'), (160, 96))
    image = np.random.default_rng(0).integers(0, 256, (120, 220, 3), np.uint8)
    naive = NaiveDetector(open_model(path, 'torch'), 1, confidence=0.6).detect(image)
    with load_detector(path, 'pytorch', threads=1, confidence=0.6) as detector:
        ours = detector.detect(image)
    assert len(ours.score) > 3
    np.testing.assert_allclose(naive.score, ours.score, atol=1e-3)
    np.testing.assert_allclose(naive.xyxy, ours.xyxy, atol=0.1)
    np.testing.assert_array_equal(naive.class_id, ours.class_id)


@pytest.mark.parametrize(('busy_s', 'stolen_s', 'own_s', 'cpu_s', 'expected'), [
    (0.0, 0.0, 0.0, 0.0, 0.0),
    (4.0, 0.0, 0.5, 3.5, 0.0),   # all of it its own
    (5.0, 0.0, 0.5, 3.5, 0.25),  # a second of two processors for two seconds
    (4.0, 2.0, 0.5, 3.5, 0.5),   # taken away by a hypervisor
    (3.0, 0.0, 0.5, 3.5, 0.0),   # counters are coarse
])
def test_what_others_take(monkeypatch, busy_s, stolen_s, own_s, cpu_s, expected):
    monkeypatch.setattr('tsr_ros.benchmark.session.available_cpus', lambda: 2)
    before = Activity(10.0, 1.0, 3.0, None)
    after = Activity(10.0 + busy_s, 1.0 + stolen_s, 3.0 + own_s, None)
    burst = Burst([], [], [], [], cpu_s, 2.0)
    assert disturbance(before, after, burst) == pytest.approx(expected)


def test_cases_of_this_computer(small_models):
    cases, left_out = find_cases(str(small_models), [], batches=(1, 4))
    titles = {case.title for case in cases}
    assert {'small naive fp32', 'small onnxruntime fp32', 'small onnxruntime fp32, batch 4',
            'small pytorch bf16'} <= titles
    assert not any('fp16' in title for title in titles)
    assert not any('pytorch_compiled' in title for title in titles)
    assert 'has no int8 file' in left_out['small onnxruntime int8']


@pytest.mark.parametrize(('backends', 'expected'), [
    (['naive'], ['small naive fp32']),
    (['pytorch_compiled'], ['small pytorch_compiled fp32', 'small pytorch_compiled bf16']),
])
def test_cases_that_are_asked_for(small_models, backends, expected):
    cases, _ = find_cases(str(small_models), [], backends)
    assert [case.title for case in cases] == expected


@pytest.mark.parametrize(('device', 'driver', 'expected'), [
    ('auto', False, False), ('auto', True, True), ('cpu', True, False), ('cuda:1', False, True)])
def test_fp16_is_for_accelerators(small_models, monkeypatch, device, driver, expected):
    monkeypatch.setattr('tsr_ros.benchmark.cases.has_nvidia_driver', lambda: driver)
    cases, _ = find_cases(str(small_models), ['small'], ['onnxruntime'], devices=[device])
    assert ('fp16' in [case.precision for case in cases]) == expected


def test_a_case_for_each_device(small_models):
    cases, _ = find_cases(str(small_models), ['small'], ['onnxruntime', 'naive'],
                          devices=['cpu', 'cuda'])
    assert [case.title for case in cases] == [
        'small naive fp32', 'small onnxruntime fp32 on cpu', 'small onnxruntime fp32 on cuda',
        'small onnxruntime fp16 on cuda']


@pytest.mark.parametrize(('backends', 'precisions', 'message'), [
    (['onxruntime'], [], "there is no 'onxruntime'; there are onnxruntime, .*, naive"),
    (['auto'], [], "there is no 'auto'"),
    ([], ['fp31'], "there is no 'fp31'; there are fp32, bf16, fp16, int8"),
])
def test_misspelt_names_are_said(small_models, backends, precisions, message):
    with pytest.raises(ValueError, match=message):
        find_cases(str(small_models), [], backends, precisions)
