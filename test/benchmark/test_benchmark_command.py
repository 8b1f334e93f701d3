# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import json
import os

import cv2
import pytest
from helpers import LABELS, square_image

from tsr_ros.benchmark import node_memory, peak
from tsr_ros.benchmark.results import ReplayResult, ResultError, read_replays, read_result
from tsr_ros.cli import main


@pytest.fixture(scope='module')
def replayed(small_models, tmp_path_factory):
    """Replay an image with its label, and one without, and return the file of the numbers."""
    folder = tmp_path_factory.mktemp('replayed')
    for name in ('labelled', 'plain'):
        (folder / name / 'images').mkdir(parents=True)
        cv2.imwrite(str(folder / name / 'images' / '0.png'), square_image([(24, 40, 16, 0)]))
    (folder / 'labelled' / 'labels').mkdir()
    # 160 x 96 pixels: the square's middle is at 32, 48
    (folder / 'labelled' / 'labels' / '0.txt').write_text(f'0 0.2 0.5 0.1 {16 / 96}')
    (folder / 'labelled' / 'classes.txt').write_text('\n'.join(LABELS))
    assert main(['bag', 'replay', str(folder / 'labelled'), str(folder / 'plain'), '--model',
                 'small', '--models-dir', str(small_models), '--threads', '1', '--json',
                 str(folder / 'replay.json'), '--out', str(folder / 'report')]) == 0
    return folder / 'replay.json'


def test_what_a_replay_wrote_is_read(replayed):
    result, = read_replays(replayed)  # the one with ground truth
    assert result.detector.startswith('small, onnxruntime ')
    assert result.detector.endswith(' fp32, offline')
    # a picture has neither signs along a road nor minutes
    assert result._replace(detector='', condition='') == ReplayResult(
        'labelled', '', '', 1, pytest.approx(1), 1, 1, None, 0, 0, None)


@pytest.mark.parametrize('text', ['', '{}', '[1]', '[{"score": {}}]', '{"tsr_benchmark": 1}'])
def test_other_files_are_no_replays(tmp_path, text):
    (tmp_path / 'a.json').write_text(text)
    with pytest.raises(ResultError, match=r'a\.json was not written by `tsr bag replay --json`'):
        read_replays(tmp_path / 'a.json')


def test_a_benchmark_from_the_command_line(small_models, replayed, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(peak, '_LEAST_S', 0.01)
    monkeypatch.setattr(os, 'getloadavg', lambda: (2.0, 1.0, 0.5))
    words = ['benchmark', '--models-dir', str(small_models), '--backend', 'onnxruntime',
             '--precision', 'fp32', '--threads', '1', '--runs', '3', '--rounds', '3']
    for name in 'pc', 'nano':
        assert main([*words, '--replay', str(replayed), '--title', f'<{name}>', '--out',
                     str(tmp_path / name)]) == 0
    said, errors = capsys.readouterr()
    assert all('(load average 2.0)' in text for text in (said, errors))
    assert 'Deploy small with backend onnxruntime in fp32' in said
    result = json.loads((tmp_path / 'pc' / 'benchmark.json').read_text())
    assert result['peaks']['fp32']['gflops'] > 0
    assert result['load_average'] == 2.0
    case, = result['cases']
    assert case['floor_ms'] > 0
    assert (tmp_path / 'pc' / 'benchmark.csv').read_text().count('\n') == 2
    page = (tmp_path / 'pc' / 'index.html').read_text()
    assert '&lt;pc&gt;' in page
    assert 'Night and weather' in page
    assert '<td class=left>labelled</td>' in page

    files = [str(tmp_path / name / 'benchmark.json') for name in ('pc', 'nano')]
    assert main(['benchmark', 'compare', *files, '--out', str(tmp_path)]) == 0
    assert 'pc, ms  nano, ms' in capsys.readouterr().out
    assert 'Runtimes on several computers' in (tmp_path / 'compare.html').read_text()


def test_what_was_timed_is_there_when_the_node_is_interrupted(small_models, tmp_path, monkeypatch):
    def interrupt(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(peak, '_LEAST_S', 0.01)
    monkeypatch.setattr(node_memory, 'has_ros', lambda: True)
    monkeypatch.setattr(node_memory, 'add_node_memory', interrupt)
    assert main(['benchmark', '--models-dir', str(small_models), '--backend', 'onnxruntime',
                 '--precision', 'fp32', '--threads', '1', '--runs', '3', '--rounds', '3', '--node',
                 '--out', str(tmp_path)]) == 130
    assert len(read_result(tmp_path / 'benchmark.json')['cases']) == 1


@pytest.mark.parametrize(('words', 'status', 'message'), [
    (['--runs', '0'], 2, '0 is less than 1'),
    (['--threads', '-1'], 2, '-1 is less than 0'),
    (['--batch', 'two'], 2, 'two is no whole number'),
    (['--backend', 'onxruntime'], 1, "there is no 'onxruntime'"),
    (['--image', 'nowhere.jpg'], 1, 'nowhere.jpg is not a picture'),
    (['--replay', 'nowhere.json'], 1, 'nowhere.json'),
    (['compare', 'a.json'], 1, 'give two results or more'),
    (['compair', 'a.json', 'b.json'], 1, 'give two results or more'),
])
def test_what_is_wrong_is_said_before_anything_is_timed(small_models, tmp_path, capsys, words,
                                                        status, message):
    try:
        ended = main(['benchmark', '--models-dir', str(small_models), '--out', str(tmp_path / 'o'),
                      *words])
    except SystemExit as error:
        ended = error.code
    assert ended == status
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'o' / 'benchmark.json').exists()
