# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`tsr evaluate`, with a network that really finds coloured squares."""

import json
import re
import xml.etree.ElementTree as ET

import cv2
import numpy as np
import pytest
from helpers import LABELS, square_image

from tsr_ros.backends.detector import load_detector
from tsr_ros.cli import main
from tsr_ros.evaluation.dataset import DataError
from tsr_ros.evaluation.run import evaluate

# (left, top, width, class), in images of 160 x 96 pixels, as the network sees them
IMAGES = {
    'none': [],
    'red': [(20, 30, 16, 0)],
    'two': [(16, 40, 16, 1), (110, 20, 16, 2)],
    'green': [(60, 20, 64, 1)],
    'blue': [(100, 50, 16, 2)],
}
NIGHT = ('red', 'blue')


def write_data(folder, labels=None):
    """Write images of squares and their labels; `labels` replaces those of some images."""
    (folder / 'images').mkdir(parents=True)
    (folder / 'labels').mkdir()
    rows = ['image,split,light_condition']
    for name, squares in IMAGES.items():
        assert cv2.imwrite(str(folder / 'images' / f'{name}.png'), square_image(squares))
        there = (labels or {}).get(name, squares)
        (folder / 'labels' / f'{name}.txt').write_text(''.join(
            f'{class_id} {(left + width / 2) / 160} {(top + width / 2) / 96} {width / 160} '
            f'{width / 96}\n' for left, top, width, class_id in there))
        rows.append(f'{name}.png,test,{"night" if name in NIGHT else "day"}')
    (folder / 'split.csv').write_text('\n'.join(rows) + '\n')
    (folder / 'classes.txt').write_text('\n'.join(LABELS) + '\n')
    return folder


def run_tsr(capsys, small_models, *words):
    status = main(['evaluate', '--models-dir', str(small_models), '--model', 'small', '--threads',
                   '1', *map(str, words)])
    return status, capsys.readouterr()


@pytest.mark.parametrize('backend', ['onnxruntime', 'openvino', 'pytorch'])
def test_all_right(tmp_path, small_models, backend):
    folder = write_data(tmp_path)
    with load_detector('small', backend, models_dir=str(small_models), threads=1) as detector:
        evaluation = evaluate(detector, folder, 'test', progress=False)
    assert evaluation.subject.backend.name == backend
    scores = evaluation.scores
    assert [row.objects for row in scores.classes] == [1, 2, 2, 0, 0]
    assert scores.overall[3:6] == pytest.approx((1, 1, 1))
    assert scores.overall.ap50 == pytest.approx(1)
    assert scores.overall.ap50_95 > 0.9  # boxes to half a pixel
    assert scores.confusion.trace() == 5
    assert scores.confusion.sum() == 5
    assert {group: group_scores.overall.images
            for group, group_scores in evaluation.groups['condition'].items()} == {
                'day': 3, 'night': 2}
    assert {group: group_scores.overall.objects
            for group, group_scores in evaluation.groups['size'].items()} == {
                'small': 4, 'medium': 1, 'large': 0}


def test_each_mistake_is_told(tmp_path, small_models, capsys):
    folder = write_data(tmp_path / 'data', labels={
        'red': [(20, 30, 16, 1)],       # taken for another class
        'green': [],                    # a false alarm
        'none': [(60, 20, 64, 2)],      # missed
    })
    status, said = run_tsr(capsys, small_models, '--data', folder, '--json', tmp_path / 's.json',
                           '--out', tmp_path / 'out', '--threshold', 0.3)
    assert status == 0
    scores = json.loads((tmp_path / 's.json').read_text())
    # rows are what is there: obligation and warning are 1 and 2, background the last
    assert scores['confusion']['counts'] == [
        [0, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0], [0, 0, 2, 0, 0, 1], [0] * 6, [0] * 6,
        [0, 1, 0, 0, 0, 0]]
    assert scores['confusion']['labels'] == [*LABELS, 'background']
    assert scores['classes'][2]['recall'] == pytest.approx(2 / 3)
    assert scores['by_condition']['night']['overall']['images'] == 2
    assert scores['mistakes'] == {
        'missed_unseen': 1, 'missed_low_score': 0, 'wrong_class': 1, 'false_second_box': 0,
        'false_poor_box': 0, 'false_nothing': 1}
    assert [line.split()[0] for line in said.out.splitlines() if line.startswith(LABELS[1])] == [
        LABELS[1]]
    assert re.search(r'^taken for another class +1$', said.out, re.M)

    page = (tmp_path / 'out' / 'index.html').read_text()
    assert not re.search(r'(src|href)="(?!data:|#)', page)  # nothing has to be fetched
    assert page.count('<img ') == 3  # one picture for each mistake
    assert 'obligation taken for prohibition' in page
    assert 'warning, 64 x 64 px, not seen at all · none.png, day' in page
    assert json.loads((tmp_path / 'out' / 'scores.json').read_text()) == scores
    plots = sorted((tmp_path / 'out').glob('*.svg'))
    assert [plot.stem for plot in plots] == [
        'by_size', 'confusion', 'f1_over_threshold', 'precision_recall']
    for plot in plots:
        assert ET.parse(plot).getroot().tag.endswith('svg')
    assert {path.suffix for path in (tmp_path / 'out').iterdir()} == {'.html', '.json', '.svg'}


def test_json_on_standard_output(tmp_path, small_models, capsys):
    status, said = run_tsr(capsys, small_models, '--data', write_data(tmp_path / 'data'),
                           '--split', '', '--json', '-', '--out', tmp_path / 'out')
    assert status == 0
    scores = json.loads(said.out)
    assert scores['overall']['ap50'] == pytest.approx(1)
    assert scores['precision_at_recall']['obligation'] == [1] * 101
    assert 'light' not in scores['precision_at_recall']
    assert scores['split'] == ''
    assert (tmp_path / 'out' / 'index.html').exists()


def test_an_empty_set_of_objects(tmp_path, small_models, capsys):
    folder = write_data(tmp_path / 'data', labels=dict.fromkeys(IMAGES, ()))
    status, said = run_tsr(capsys, small_models, '--data', folder, '--out', tmp_path / 'out')
    assert status == 0
    assert 'all' in said.out
    json.loads((tmp_path / 'out' / 'scores.json').read_text())


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-30])


@pytest.mark.parametrize(('file', 'change', 'words'), [
    ('images/two.png', cut_short, r'two\.png: PNG of \d+ bytes is cut short'),
    ('images/two.png', lambda path: path.unlink(), "image 'two' is not in"),
    ('labels/two.txt', lambda path: path.unlink(), r'two\.txt: missing'),
    ('labels/two.txt', lambda path: path.write_text('9 .5 .5 .1 .1'), r'two\.txt:1: class 9'),
    ('classes.txt', lambda path: path.write_text('cat\ndog\n'),
     'its classes are cat, dog, but the model knows prohibition, '),
    ('split.csv', lambda path: path.unlink(), "no split 'test'"),
])
def test_bad_data_is_named_and_nothing_written(tmp_path, small_models, capsys, file, change,
                                               words):
    folder = write_data(tmp_path / 'data')
    change(folder / file)
    status, said = run_tsr(capsys, small_models, '--data', folder, '--out', tmp_path / 'out',
                           '--json', tmp_path / 'out' / 'more.json')
    assert status == 1
    assert re.search(words, said.err)
    assert 'Traceback' not in said.err
    assert list((tmp_path / 'out').iterdir()) == []


def test_label_order_matters(tmp_path, small_models):
    folder = write_data(tmp_path)
    (folder / 'classes.txt').write_text('\n'.join(LABELS[::-1]))
    with load_detector('small', models_dir=str(small_models), threads=1) as detector, \
            pytest.raises(DataError, match='names and order'):
        evaluate(detector, folder, 'test', progress=False)


def test_images_that_are_not_square_and_of_other_sizes(tmp_path, small_models):
    folder = write_data(tmp_path)
    for name, squares in IMAGES.items():  # three times as large: labels are shares and stay
        image = np.kron(square_image(squares), np.ones((3, 3, 1), np.uint8))
        assert cv2.imwrite(str(folder / 'images' / f'{name}.png'), image)
    with load_detector('small', models_dir=str(small_models), threads=1) as detector:
        scores = evaluate(detector, folder, None, progress=False).scores
    assert scores.overall.ap50 == pytest.approx(1)
    assert scores.overall.f1 == pytest.approx(1)
