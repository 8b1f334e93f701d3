# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import json
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest
from helpers import square_image

from tsr_ros.backends.base import BackendError
from tsr_ros.cli import main
from tsr_ros.replay.offline import replay_offline
from tsr_ros.replay.run import DetectorOptions
from tsr_ros.replay.score import score_run
from tsr_ros.replay.sources import SourceError, open_source


@pytest.fixture(scope='module')
def options(small_models):
    return DetectorOptions(model='small', models_dir=str(small_models), threads=1)


@pytest.fixture(scope='module')
def run(drive, options):
    return replay_offline(open_source(drive), options, progress=False)


def test_every_frame_is_answered(run):
    assert (len(run.answers), run.answered, run.problems) == (12, 12, [])
    assert run.stages() == ['decode', 'preprocess', 'inference', 'postprocess', 'total']
    assert run.detections_per_class() == {
        'prohibition': 10, 'obligation': 0, 'warning': 5, 'recommendation': 0, 'light': 0}
    assert run.duration_s == pytest.approx(1.2)


def test_the_drive_is_judged_as_worked_by_hand(run):
    score = score_run(run)
    red, green = score.signs
    # 20 m/s, 40 m at first: passed after 2 s; painted from frame 2 on, confirmed in frame 4
    assert red.visible == pytest.approx((40, 2.0), abs=1e-4)
    assert red.detected == pytest.approx((36, 1.8), abs=1e-4)
    assert red.confirmed == pytest.approx((32, 1.6), abs=1e-4)
    assert (green.track_id, green.detected, green.confirmed) == ('green', None, None)
    # 1.2 s are a fiftieth of a minute
    assert (score.false_alarms, score.false_signs) == (5, 1)
    assert score.false_alarms_per_minute == pytest.approx(250)
    by_label = {row.label: row for row in score.scores.classes}
    assert by_label['prohibition'].recall == pytest.approx(10 / 12)
    assert by_label['obligation'].recall == 0


def test_two_replays_give_the_same(run, drive, options):
    again = replay_offline(open_source(drive), options, progress=False)
    for first, second in zip(run.answers, again.answers, strict=True):
        for one, other in zip(first.detections, second.detections, strict=True):
            assert np.array_equal(one, other)
    assert json.dumps(score_run(run).as_dict()) == json.dumps(score_run(again).as_dict())


def test_curves_reach_below_the_score_that_counts(run, drive, options):
    strict = replay_offline(open_source(drive), options._replace(confidence_threshold=1.0),
                            progress=False)
    assert sum(strict.detections_per_class().values()) == 0
    scores = score_run(strict).scores
    assert scores.overall.recall == 0
    assert scores.overall.ap50 == score_run(run).scores.overall.ap50 > 0


def test_damaged_frames_are_named_and_passed_over(tmp_path, options):
    for name in 'ab':
        cv2.imwrite(str(tmp_path / f'{name}.png'), square_image([(24, 40, 16, 0)]))
    damaged = tmp_path / 'a.png'
    damaged.write_bytes(damaged.read_bytes()[:60])
    run = replay_offline(open_source(tmp_path), options, progress=False)
    assert (len(run.answers), run.answered, run.dropped['bad']) == (2, 1, 1)
    assert 'a.png: PNG of 60 bytes is cut short' in run.problems[0]


def test_a_source_without_one_good_frame_is_refused(tmp_path, options):
    (tmp_path / 'a.png').write_bytes(b'\x89PNG')
    with pytest.raises(SourceError, match=r'not one of its frames can be read; the first: a\.png'):
        replay_offline(open_source(tmp_path), options, progress=False)


def test_a_missing_model_is_refused(drive, options):
    with pytest.raises(BackendError, match='names no model'):
        replay_offline(open_source(drive), options._replace(model='other'), progress=False)


def test_the_command_prints_tables_and_writes_report_and_json(drive, small_models, tmp_path,
                                                              capsys):
    status = main(['bag', 'replay', str(drive), str(drive), '--model', 'small', '--models-dir',
                   str(small_models), '--threads', '1', '--out', str(tmp_path / 'out'),
                   '--json', str(tmp_path / 'all.json')])
    printed = capsys.readouterr().out
    assert status == 0
    for words in ('Each sign along the road', 'red', 'Conditions side by side', 'fog',
                  'signs never found, of 1 passed', 'ahead'):
        assert words in printed
    first, second = json.loads((tmp_path / 'all.json').read_text())
    assert first['score'] == second['score']
    assert first['frames'] == {'sent': 12, 'answered': 12, 'dropped': first['frames']['dropped']}
    assert [len(answer['detections']) for answer in first['answers']] == [
        0, 0, 1, 2, 2, 2, 2, 2, 1, 1, 1, 1]
    page = (tmp_path / 'out' / 'index.html').read_text()
    assert page.count('<svg') == 4
    assert 'data:image/jpeg;base64,' in page


def test_the_numbers_are_there_where_the_report_cannot_be_written(drive, small_models, tmp_path,
                                                                  capsys):
    (tmp_path / 'out' / 'index.html').mkdir(parents=True)
    assert main(['bag', 'replay', str(drive), '--model', 'small', '--models-dir',
                 str(small_models), '--threads', '1', '--out', str(tmp_path / 'out'),
                 '--json', str(tmp_path / 'all.json')]) == 1
    assert 'index.html' in capsys.readouterr().err
    assert len(json.loads((tmp_path / 'all.json').read_text())) == 1


@pytest.mark.parametrize(('good', 'status', 'said'), [
    (True, 1, 'left out: '), (False, 1, 'not one of the recordings could be replayed')])
def test_a_recording_that_fails_on_the_way_does_not_take_the_others_along(
        drive, small_models, tmp_path, capsys, good, status, said):
    for folder in ('a', 'b'):  # their second label file cannot be read
        (tmp_path / folder).mkdir()
        for name in '12':
            cv2.imwrite(str(tmp_path / folder / f'{name}.png'), square_image([]))
        (tmp_path / folder / '1.txt').write_text('')
        (tmp_path / folder / '2.txt').write_text('0 half')
    sources = [tmp_path / 'a', *[drive] * good, tmp_path / 'b']
    assert main(['bag', 'replay', *map(str, sources), '--model', 'small', '--models-dir',
                 str(small_models), '--threads', '1', '--out', str(tmp_path / 'out'),
                 '--json', str(tmp_path / 'all.json')]) == status
    assert said in (errors := capsys.readouterr().err)
    assert errors.count('2.txt:1: expected five numbers') == 2
    if good:
        only, = json.loads((tmp_path / 'all.json').read_text())
        assert only['source']['name'] == 'drive'
        assert '<h1>drive: offline replay</h1>' in (tmp_path / 'out' / 'index.html').read_text()


def test_what_is_finished_is_not_lost_when_it_is_interrupted(drive, small_models, tmp_path):
    (tmp_path / 'long').mkdir()
    picture = cv2.imencode('.png', square_image([]))[1].tobytes()
    for number in range(3000):
        (tmp_path / 'long' / f'{number:04d}.png').write_bytes(picture)
    process = subprocess.Popen(
        [sys.executable, '-u', '-c', 'from tsr_ros.cli import main; raise SystemExit(main())',
         'bag', 'replay', str(drive),
         str(tmp_path / 'long'), '--model', 'small', '--models-dir', str(small_models),
         '--threads', '1', '--out', str(tmp_path / 'out')],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    first = next(line for line in process.stdout if 'drive, offline' in line)
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=60)
    assert first
    assert process.returncode == 130
    assert 'interrupted; what is finished is reported' in errors
    assert 'long' not in printed
    assert '<h1>drive: offline replay</h1>' in (tmp_path / 'out' / 'index.html').read_text()


def test_what_has_no_ground_truth_is_not_judged(tmp_path, small_models, capsys):
    cv2.imwrite(str(tmp_path / 'a.png'), square_image([(24, 40, 16, 0)]))
    assert main(['bag', 'replay', str(tmp_path), '--model', 'small', '--models-dir',
                 str(small_models), '--out', str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert 'no ground truth' in printed
    assert 'recall' not in printed
    assert '<svg' in (tmp_path / 'index.html').read_text()


@pytest.mark.parametrize(('words', 'message'), [
    (['--rate', '2'], '--rate is for --mode live'),
    (['--mode', 'live', '--rate', '0'], '--rate is 0, but it lies between 0.01 and 1000'),
    (['--mode', 'live', '--rate', '2000'], '--rate is 2000'),
    (['--mode', 'live', '--rate', 'nan'], '--rate is nan'),
    (['--json', '.'], '--json . is a folder; name a file'),
    (['--conf', '0'], 'between 0.01 and 1'),
    (['--topic', '/nothing'], 'has no images on /nothing'),
    (['--model', 'other'], 'names no model'),
])
def test_bad_words_are_refused(drive, small_models, words, message, capsys):
    status = main(['bag', 'replay', str(drive), '--models-dir', str(small_models), *words])
    assert status == 1
    assert message in capsys.readouterr().err
