# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import json
import os
import signal

import cv2
import numpy as np
import pytest
from helpers import square_image

from tsr_ros.cli import main
from tsr_ros.cli.detect import as_record, free_name, summary
from tsr_ros.cli.json_records import JsonArrayFile
from tsr_ros.replay import messages
from tsr_ros.replay.bag import BagWriter
from tsr_ros.vision.detections import Detections

# (squares, what is found in the picture): the small network finds squares to half a pixel
PICTURES = {
    'empty.png': [],
    'red.png': [(60, 30, 32, 0)],
    'two.png': [(20, 20, 16, 2), (110, 60, 16, 1)],
}
LABEL = {0: 'prohibition', 1: 'obligation', 2: 'warning'}


@pytest.fixture
def folder(tmp_path):
    """Return a folder of pictures, one of them in a folder inside, and a file that is none."""
    folder = tmp_path / 'pictures'
    (folder / 'more').mkdir(parents=True)
    for name, squares in PICTURES.items():
        inside = folder / 'more' if name == 'two.png' else folder
        cv2.imwrite(str(inside / name), square_image(squares))
    (folder / 'red.txt').write_text('a caption, not a label')
    return folder


@pytest.fixture
def film(tmp_path):
    """Return a film of three frames with a red square that moves by 20 pixels."""
    path = tmp_path / 'film.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 10, (160, 96))
    for number in range(3):
        writer.write(square_image([(20 + 20 * number, 30, 32, 0)]))
    writer.release()
    return path


@pytest.fixture
def detect(small_models, capsys):
    """Return a function that runs `tsr detect` on the small network; (status, stdout, stderr)."""
    def run(*words):
        status = main(['detect', '--models-dir', str(small_models), '--model', 'small',
                       *map(str, words)])
        return status, *capsys.readouterr()
    return run


def check(record, squares, tolerance=0.5):
    """Compare a record with the squares that were painted."""
    assert (record['width'], record['height']) == (160, 96)
    found = sorted(record['detections'], key=lambda detection: detection['xyxy'])
    assert [(one['label'], one['class_id']) for one in found] == [
        (LABEL[class_id], class_id) for *_, class_id in sorted(squares)]
    for one, (left, top, width, _) in zip(found, sorted(squares)):
        assert one['xyxy'] == pytest.approx([left, top, left + width, top + width], abs=tolerance)
        assert 0.9 < one['score'] <= 1


@pytest.mark.parametrize('backend', ['onnxruntime', 'pytorch'])
def test_a_folder_as_a_json_array(detect, folder, tmp_path, backend):
    status, stdout, stderr = detect(folder, '--json', tmp_path / 'a.json', '--backend', backend)
    assert (status, stdout, stderr) == (0, '', '')
    records = json.loads((tmp_path / 'a.json').read_text())
    names = [str(folder / name) for name in ('empty.png', 'more/two.png', 'red.png')]
    assert [record['image'] for record in records] == names
    for record in records:
        check(record, PICTURES[record['image'].rpartition('/')[2]])
    assert not list(tmp_path.glob('*.part'))


@pytest.mark.parametrize('to_file', [True, False])
def test_a_name_that_is_no_utf8(tsr, small_models, tmp_path, to_file):
    name = os.fsdecode(b'pi\xc3\xa8ce \xff.png')
    (tmp_path / name).write_bytes(cv2.imencode('.png', square_image([]))[1].tobytes())
    target = tmp_path / 'a.json' if to_file else '-'
    process = tsr('detect', '--models-dir', small_models, '--model', 'small', tmp_path / name,
                  '--json', target)
    stdout, stderr = process.communicate()
    assert (process.returncode, stderr) == (0, '')
    text = (tmp_path / 'a.json').read_text(encoding='utf-8') if to_file else f'[{stdout}]'
    record, = json.loads(text)
    assert os.path.basename(record['image']) == name
    assert 'pièce' in text


def test_the_line_of_a_name_that_is_no_utf8_has_its_bytes(tsr, small_models, tmp_path):
    name = tmp_path / os.fsdecode(b'\xff.png')
    name.write_bytes(cv2.imencode('.png', square_image(PICTURES['red.png']))[1].tobytes())
    process = tsr('detect', '--models-dir', small_models, '--model', 'small', name, text=False)
    stdout, stderr = process.communicate()
    assert (process.returncode, stderr) == (0, b'')
    assert stdout.startswith(os.fsencode(name) + b': 1 prohibition')


def test_a_film_as_lines(detect, film):
    status, stdout, _ = detect(film, '--json', '-')
    assert status == 0
    records = [json.loads(line) for line in stdout.splitlines()]
    assert [record['image'] for record in records] == [f'{film}#{number}' for number in range(3)]
    for number, record in enumerate(records):
        check(record, [(20 + 20 * number, 30, 32, 0)], tolerance=1)  # JPEG blurs the edges


def test_several_sources_as_text(detect, folder, film):
    status, stdout, _ = detect(folder / 'empty.png', film, folder / 'red.png')
    assert status == 0
    lines = stdout.splitlines()
    assert [line.partition(':')[0] for line in lines] == [
        *(f'{film}#{number}' for number in range(3)), str(folder / 'red.png')]
    assert all('1 prohibition (' in line for line in lines)


def test_one_of_several_topics(detect, folder, tmp_path):
    with BagWriter(tmp_path / 'bag') as writer:
        for number, topic in enumerate(('/left', '/right')):
            picture = square_image([(60, 30, 32, number)])
            writer.write(topic, messages.image(picture, 10**9), 10**9)
    status, _, errors = detect(tmp_path / 'bag')
    assert status == 1
    assert 'name one with --topic: /left, /right' in errors
    # what has no topics is not disturbed by it
    status, printed, _ = detect(tmp_path / 'bag', folder / 'red.png', '--topic', '/right')
    assert status == 0
    assert [line.split(' (')[0].partition(': ')[2] for line in printed.splitlines()] == [
        '1 obligation', '1 prohibition']


def test_drawn_pictures_and_their_names(detect, folder, film, tmp_path):
    drawn = tmp_path / 'new' / 'drawn'
    assert detect(folder, film, folder / 'red.png', '--save', drawn)[0] == 0
    assert sorted(path.name for path in drawn.iterdir()) == [
        'empty.jpg', 'film-000000.jpg', 'film-000001.jpg', 'film-000002.jpg', 'more-two.jpg',
        'red-2.jpg', 'red.jpg']

    def changed(name):
        picture = cv2.imread(str(drawn / f'{name}.jpg')).astype(int)
        return np.abs(picture - square_image(PICTURES[f'{name}.png'])).max() > 60
    assert changed('red')
    assert not changed('empty')


@pytest.mark.parametrize(('damage', 'expected'), [
    (lambda path: path.write_bytes(b''), 'compressed image is empty'),
    (lambda path: path.write_bytes(b'no picture'), 'cannot be decoded'),
    (lambda path: path.write_bytes(path.read_bytes()[:200]), 'cut short or damaged'),
])
def test_a_damaged_picture_is_named_and_the_rest_goes_on(detect, folder, damage, expected):
    damage(folder / 'more' / 'two.png')
    status, stdout, stderr = detect(folder, '--json', '-')
    assert status == 1
    assert [json.loads(line)['image'] for line in stdout.splitlines()] == [
        str(folder / 'empty.png'), str(folder / 'red.png')]
    assert f'tsr detect: {folder / "more" / "two.png"}: ' in stderr
    assert expected in stderr


@pytest.mark.parametrize(('words', 'expected'), [
    (['nothing.png'], 'nothing.png does not exist'),
    (['{folder}/red.txt'], 'is not a rosbag2'),
    (['{folder}/void'], 'holds no images'),
    (['{folder}', '{folder}/broken.mp4'], 'broken.mp4'),
    (['{folder}', '--model', 'big'], "names no model 'big'; it has small"),
    (['{folder}', '--models-dir', '/nowhere'], '/nowhere/manifest.yaml cannot be read'),
    (['{folder}', '--precision', 'int8'], 'has no int8 file'),
    (['{folder}', '--device', 'abacus'], 'abacus'),
    (['{folder}', '--save', '{folder}/drawn'], 'name a folder outside'),
    (['{folder}', '--json', '{folder}/no/a.json'], 'No such file'),
    (['{folder}', '--json', '{folder}'], 'Is a directory'),
])
def test_what_cannot_be_is_said_before_anything_is_written(detect, folder, words, expected):
    (folder / 'void').mkdir()
    (folder / 'broken.mp4').write_bytes(b'not a film')
    before = sorted(folder.rglob('*'))
    status, stdout, stderr = detect(*(word.format(folder=folder) for word in words))
    assert (status, stdout) == (1, '')
    # decoders of films add lines of their own
    said = [line for line in stderr.splitlines() if line.startswith('tsr detect: ')]
    assert len(said) == 1
    assert expected in said[0]
    assert sorted(folder.rglob('*')) == before


@pytest.mark.parametrize(('words', 'expected'), [
    (['--conf', '1.5'], '1.5 does not lie between 0 and 1'),
    (['--iou', 'nan'], 'nan does not lie'),
    (['--conf', 'high'], 'invalid'),
    (['--threads', '-1'], '-1 is less than 0'),
    (['--backend', 'abacus'], "invalid choice: 'abacus'"),
])
def test_bad_arguments(detect, capsys, words, expected):
    with pytest.raises(SystemExit) as end:
        detect('a.png', *words)
    assert end.value.code == 2
    assert expected in capsys.readouterr().err


def test_an_interrupted_run_keeps_what_it_has(tsr, small_models, tmp_path):
    result = tmp_path / 'a.json'
    result.write_text('an older result')
    pictures, drawn = [tmp_path / f'{name}.png' for name in 'abc'], tmp_path / 'drawn'
    for picture in pictures:
        cv2.imwrite(str(picture), square_image(PICTURES['red.png']))
    # into the second picture nobody writes: it goes no farther
    pictures[1].unlink()
    os.mkfifo(pictures[1])
    process = tsr('detect', '--models-dir', small_models, '--model', 'small', *pictures,
                  '--json', result, '--save', drawn)
    while not (drawn / 'a.jpg').exists():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate()
    assert process.returncode == 130
    assert 'tsr detect: interrupted' in stderr
    assert 'Traceback' not in stderr
    assert result.read_text() == 'an older result'
    part, = tmp_path.glob('a.json.*.part')
    records = json.loads(part.read_text())
    assert [record['image'] for record in records] == [str(pictures[0])]
    assert f'1 results until then are in {part}' in stderr


def test_two_runs_that_write_one_file_do_not_mix_their_results(tmp_path):
    path = tmp_path / 'a.json'
    with JsonArrayFile(path) as first, JsonArrayFile(path) as second:
        first.write({'run': 1})
        second.write({'run': 2})
        first.write({'run': 1})
    assert json.loads(path.read_text()) == [{'run': 1}] * 2  # the one that ended last
    assert list(tmp_path.iterdir()) == [path]


def test_a_record_is_plain_json():
    image = np.zeros((20, 30, 3), np.uint8)
    assert as_record('a', image, Detections.empty(), []) == {
        'image': 'a', 'width': 30, 'height': 20, 'detections': []}
    found = Detections(np.array([[1.234, 2, 3, 4.567]], np.float32),
                       np.array([0.98766], np.float32), np.array([1], np.int32))
    record = json.loads(json.dumps(as_record('a', image, found, ['stop', 'go'])))
    assert record['detections'] == [
        {'label': 'go', 'class_id': 1, 'score': 0.9877, 'xyxy': [1.23, 2, 3, 4.57]}]


def test_summary():
    assert summary(Detections.empty(), []) == ''
    found = Detections(np.zeros((3, 4), np.float32), np.array([0.9, 0.8, 0.7], np.float32),
                       np.array([1, 0, 1], np.int32))
    assert summary(found, ['stop', 'go']) == '2 go (0.90, 0.70), 1 stop (0.80)'


def test_free_names():
    taken = set()
    assert [free_name(name, taken) for name in ('a', 'a-2', 'a', 'b')] == ['a', 'a-2', 'a-3', 'b']
