# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import os

import cv2
import numpy as np
import pytest
import yaml

from tsr_ros.cli import main
from tsr_ros.evaluation.dataset import read_labels
from tsr_ros.evaluation.ground_truth import LABELS, GroundTruth
from tsr_ros.replay import messages
from tsr_ros.replay.bag import COMPRESSED_TOPIC, BagWriter, frames
from tsr_ros.replay.exporting import export_images, export_video
from tsr_ros.replay.frame import Frame, encode_jpeg
from tsr_ros.replay.importing import import_recording
from tsr_ros.replay.label_files import label_text
from tsr_ros.replay.sources import open_source

SECOND = 10**9
WIDTH, HEIGHT = 64, 48
BOX = [16, 12, 48, 36]
DAMAGED = b'\xff\xd8\xff' + bytes(100)
TRUTHS = [GroundTruth.of([BOX], [4], ['light_1']), GroundTruth.of(), None]


def picture(number, resolution_wh=(WIDTH, HEIGHT)):
    return np.full((*resolution_wh[::-1], 3), 40 * number + 30, np.uint8)


def write_bag(path, pictures=None, truths=TRUTHS):
    """Write a picture each 0.2 s."""
    with BagWriter(path) as writer:
        for number, truth in enumerate(truths):
            bgr = picture(number) if pictures is None else pictures[number]
            writer.write_frame(Frame('', SECOND + number * SECOND // 5, encode_jpeg(bgr), None,
                                     truth))
    return path


def film_frames(path):
    film = cv2.VideoCapture(str(path))
    rate_hz, found = film.get(cv2.CAP_PROP_FPS), []
    while True:
        good, bgr = film.read()
        if not good:
            return rate_hz, found
        found.append(bgr)


@pytest.mark.parametrize(('xyxy', 'class_id', 'expected'), [
    ([], [], ''),
    ([BOX], [4], '4 0.500000 0.500000 0.500000 0.500000\n'),
    ([[0, 0, 64, 48], [60, 44, 64, 48]], [0, 1],
     '0 0.500000 0.500000 1.000000 1.000000\n1 0.968750 0.958333 0.062500 0.083333\n'),
    ([[-64, -48, 32, 24]], [2], '2 0.250000 0.250000 0.500000 0.500000\n'),
    ([[-20, 0, 0, 10], [64, 0, 80, 10], [10, 10, 10, 20]], [0, 1, 2], ''),
])
def test_label_text(xyxy, class_id, expected):
    assert label_text(GroundTruth.of(xyxy, class_id), (WIDTH, HEIGHT)) == expected


def test_video(tmp_path):
    source = open_source(write_bag(tmp_path / 'bag'))
    assert export_video(source, tmp_path / 'out/film.mp4', progress=False) == (3, ())
    rate_hz, found = film_frames(tmp_path / 'out/film.mp4')
    assert rate_hz == pytest.approx(5)
    assert [round(float(bgr.mean()), -1) for bgr in found] == [30, 70, 110]
    assert [file.name for file in (tmp_path / 'out').iterdir()] == ['film.mp4']


def test_video_with_boxes(tmp_path):
    source = open_source(write_bag(tmp_path / 'bag'))
    export_video(source, tmp_path / 'film.mp4', boxes=True, progress=False)
    with_box, empty, unknown = film_frames(tmp_path / 'film.mp4')[1]
    assert np.ptp(with_box.astype(int)[12:36, 16:48]) > 60
    assert np.ptp(empty.astype(int)) < 20
    assert np.ptp(unknown.astype(int)) < 20


def test_images(tmp_path):
    bag = write_bag(tmp_path / 'bag')
    assert export_images(open_source(bag), tmp_path / 'set', progress=False) == (3, ())
    files = sorted(file.relative_to(tmp_path / 'set').as_posix()
                   for file in (tmp_path / 'set').rglob('*') if file.is_file())
    assert files == [
        'data.yaml', 'images/bag_000000.jpg', 'images/bag_000001.jpg', 'images/bag_000002.jpg',
        'labels/bag_000000.txt', 'labels/bag_000001.txt']
    for number, frame in enumerate(frames(bag)):
        stored = (tmp_path / f'set/images/bag_{number:06d}.jpg').read_bytes()
        assert stored == frame.compressed
    class_id, cxcywh = read_labels(tmp_path / 'set/labels/bag_000000.txt', 5)
    assert class_id.tolist() == [4]
    np.testing.assert_allclose(cxcywh, [[0.5, 0.5, 0.5, 0.5]])
    assert (tmp_path / 'set/labels/bag_000001.txt').read_text() == ''
    names = yaml.safe_load((tmp_path / 'set/data.yaml').read_text())['names']
    assert list(names.values()) == list(LABELS)


def test_a_series_of_images_does_not_wait_for_the_disk(tmp_path, monkeypatch):
    bag = write_bag(tmp_path / 'bag')
    written = []
    monkeypatch.setattr(os, 'fsync', written.append)
    export_images(open_source(bag), tmp_path / 'set', progress=False)
    assert len(written) == 1  # of data.yaml


def test_images_with_boxes_are_drawn_anew(tmp_path):
    bag = write_bag(tmp_path / 'bag')
    export_images(open_source(bag), tmp_path / 'set', boxes=True, progress=False)
    drawn = cv2.imread(str(tmp_path / 'set/images/bag_000000.jpg'))
    assert np.ptp(drawn.astype(int)) > 60


def test_there_and_back_through_images(tmp_path):
    bag = write_bag(tmp_path / 'bag')
    export_images(open_source(bag), tmp_path / 'set', progress=False)
    import_recording(tmp_path / 'set', tmp_path / 'again', rate_hz=5, progress=False)
    for first, second in zip(frames(bag), frames(tmp_path / 'again'), strict=True):
        assert (first.stamp_ns, first.compressed) == (second.stamp_ns, second.compressed)
        assert (first.ground_truth is None) == (second.ground_truth is None)
        if first.ground_truth is not None:
            np.testing.assert_allclose(first.ground_truth.xyxy, second.ground_truth.xyxy,
                                       atol=1e-3)


@pytest.mark.parametrize(('target', 'files'), [
    ('film.mp4', ['film.mp4']), ('set', ['bag_000000.jpg', 'bag_000002.jpg'])])
def test_damaged_pictures_are_left_out_and_named(tmp_path, capsys, target, files):
    with BagWriter(tmp_path / 'bag') as writer:
        for number, data in enumerate([encode_jpeg(picture(0)), DAMAGED, encode_jpeg(picture(1))]):
            stamp_ns = SECOND * (number + 1)
            writer.write(COMPRESSED_TOPIC, messages.compressed_image(data, stamp_ns), stamp_ns)
    assert main(['bag', 'export', str(tmp_path / 'bag'), str(tmp_path / target)]) == 1
    said = capsys.readouterr()
    assert '2 frames' in said.out
    assert '  bag:1: JPEG of 103 bytes is cut short or damaged' in said.err
    written = [file for file in tmp_path.rglob('*') if file.suffix in ('.mp4', '.jpg')]
    assert sorted(file.name for file in written) == files


def two_sizes(folder):
    return write_bag(folder / 'bag', [picture(0), picture(1, (32, 32)), picture(2)]), \
        'film.mp4', ' 32 x 32 pixels, those before it 64 x 48'


def only_damaged_pictures(folder):
    with BagWriter(folder / 'bag') as writer:
        writer.write(COMPRESSED_TOPIC, messages.compressed_image(DAMAGED, SECOND), SECOND)
    return folder / 'bag', 'film.mp4', 'has no readable picture'


def film_exists(folder):
    (folder / 'film.mp4').write_text('precious')
    return write_bag(folder / 'bag'), 'film.mp4', 'exists already; --overwrite replaces it'


def folder_is_not_empty(folder):
    (folder / 'set').mkdir()
    (folder / 'set/notes.txt').write_text('precious')
    return write_bag(folder / 'bag'), 'set', 'exists already and is not empty'


def no_recording(folder):
    return folder / 'bag', 'film.mp4', 'does not exist'


@pytest.mark.parametrize('case', [two_sizes, only_damaged_pictures, film_exists,
                                  folder_is_not_empty, no_recording])
def test_what_cannot_be_exported(tmp_path, capsys, case):
    bag, target, message = case(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert main(['bag', 'export', str(bag), str(tmp_path / target)]) == 1
    assert message in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


def test_command(tmp_path, capsys):
    bag = write_bag(tmp_path / 'bag', truths=[None, None])
    assert main(['bag', 'export', str(bag), str(tmp_path / 'film.mp4'), '--boxes']) == 0
    said = capsys.readouterr()
    assert said.out == f'{tmp_path}/film.mp4: 2 frames\n'
    assert 'has no ground truth, so no boxes are drawn' in said.err
    assert main(['bag', 'export', str(bag), str(tmp_path / 'set')]) == 0
    assert main(['bag', 'export', str(bag), str(tmp_path / 'set'), '--overwrite']) == 0


def test_info(tmp_path, capsys):
    assert main(['bag', 'info', str(write_bag(tmp_path / 'bag'))]) == 0
    said = capsys.readouterr().out
    assert '     3  /camera/image_raw/compressed  sensor_msgs/msg/CompressedImage  64 x 48' in said
    assert 'ground truth of 2 frames on /camera/ground_truth\n' in said
    assert '  light                 1 boxes,   1 tracks' in said
    assert '  warning               0 boxes,   0 tracks' in said


def test_info_of_images_that_cannot_be_decoded(tmp_path, capsys):
    depth = messages.image(picture(0), SECOND)
    depth.encoding = '32FC1'
    with BagWriter(tmp_path / 'bag') as writer:
        writer.write('/camera/image_raw', messages.image(picture(0), SECOND), SECOND)
        writer.write('/camera/depth/image_raw', depth, SECOND)
    assert main(['bag', 'info', str(tmp_path / 'bag')]) == 0
    said = capsys.readouterr().out
    assert '1  /camera/image_raw  sensor_msgs/msg/Image  64 x 48\n' in said
    assert "1  /camera/depth/image_raw  sensor_msgs/msg/Image  (encoding '32FC1' is not" in said


def test_info_of_a_damaged_recording(tmp_path, capsys):
    bag = write_bag(tmp_path / 'bag')
    (bag / 'bag.mcap').write_bytes(b'')
    assert main(['bag', 'info', str(bag)]) == 1
    assert 'is cut short or damaged' in capsys.readouterr().err
