# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import logging
import os
import sqlite3

import cv2
import numpy as np
import pytest
from helpers import LABELS, square_image

from tsr_ros.evaluation.ground_truth import GroundTruth
from tsr_ros.replay.bag import BagWriter
from tsr_ros.replay.messages import camera_info, detections, image, transform
from tsr_ros.replay.sources import SourceError, open_source
from tsr_ros.vision.image_codecs import ImageError


def write_film(path, count=5, rate_hz=20.0):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), rate_hz, (160, 96))
    for number in range(count):
        writer.write(square_image([], ground=(40 * number % 240,) * 3))
    writer.release()
    return path


def write_image(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), square_image([(24, 40, 16, 0)]))
    return path


def write_text(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_film_gives_its_frames_at_its_pace(tmp_path):
    source = open_source(write_film(tmp_path / 'film.mp4'))
    assert (source.kind, source.count, source.rate_hz, source.has_ground_truth) == (
        'film', 5, 20.0, False)
    for _ in range(2):  # it can be read more than once
        frames = list(source.frames())
        assert [frame.stamp_ns for frame in frames] == [
            1_000_000_000 + number * 50_000_000 for number in range(5)]
        # each its own picture, also when all are kept
        assert [round(frame.bgr().mean() / 40) for frame in frames] == [0, 1, 2, 3, 4]


def test_a_film_plays_at_another_rate(tmp_path):
    frames = list(open_source(write_film(tmp_path / 'film.mp4'), rate_hz=4).frames())
    assert frames[1].stamp_ns - frames[0].stamp_ns == 250_000_000


@pytest.mark.parametrize(('image', 'label'), [
    ('images/a.png', 'labels/a.txt'),
    ('a.png', 'labels/a.txt'),
    ('a.png', 'a.txt'),
])
def test_labels_beside_images_are_their_ground_truth(tmp_path, image, label):
    write_image(tmp_path / image)
    write_image(tmp_path / image.replace('a.', 'b.'))
    # 16 x 24 pixels about the middle of 160 x 96
    write_text(tmp_path / label, '1 0.5 0.5 0.1 0.25\n')
    source = open_source(tmp_path)
    assert (source.kind, source.count, source.rate_hz) == ('images', 2, 10.0)
    assert source.has_ground_truth
    first, second = source.frames()
    assert first.ground_truth.xyxy == pytest.approx(np.array([[72, 36, 88, 60]]))
    assert first.ground_truth.class_id.tolist() == [1]
    assert second.ground_truth is None  # not labelled is not the same as empty
    assert first.bgr().shape == (96, 160, 3)
    assert second.stamp_ns - first.stamp_ns == 100_000_000


@pytest.mark.parametrize('names', [
    ['1', '2', '10', '11'],
    ['frame_9', 'frame_10', 'frame_10b', 'frame_100'],
    ['a2_1', 'a2_12', 'a10_2'],
    ['007', '7', '08', '8', '9'],  # equal numbers by their digits
    ['1', '-', 'a', 'b'],
])
def test_images_come_in_the_order_of_their_numbers(tmp_path, names):
    for name in reversed(names):
        write_image(tmp_path / f'{name}.png')
    assert [frame.name for frame in open_source(tmp_path).frames()] == [
        f'{name}.png' for name in names]


@pytest.mark.parametrize(('image', 'label'), [
    ('images/train/a.png', 'labels/train/a.txt'),
    ('train/images/a.png', 'train/labels/a.txt'),
])
def test_one_split_of_a_set_is_a_source(tmp_path, image, label):
    write_image(tmp_path / image)
    write_text(tmp_path / label, '1 0.5 0.5 0.1 0.25\n')
    write_text(tmp_path / 'data.yaml', 'names: [sign, lamp]\n')
    source = open_source((tmp_path / image).parent)
    assert source.labels == ('sign', 'lamp')
    assert source.has_ground_truth
    assert next(source.frames()).ground_truth.class_id.tolist() == [1]


def test_a_set_in_splits_asks_for_one_of_them(tmp_path):
    write_image(tmp_path / 'images' / 'train' / 'a.png')
    write_image(tmp_path / 'images' / 'val' / 'b.png')
    with pytest.raises(SourceError, match='name one of its folders: images/train, images/val'):
        open_source(tmp_path)


@pytest.mark.parametrize(('file', 'text'), [
    ('data.yaml', 'names: [sign, lamp]'), ('data.yaml', 'names: {0: sign, 1: lamp}'),
    ('images/data.yaml', 'names: [sign, lamp]'), ('classes.txt', 'sign\nlamp\n')])
def test_a_file_beside_the_images_names_the_classes(tmp_path, file, text):
    write_image(tmp_path / 'images' / 'a.png')
    write_text(tmp_path / file, text)
    assert open_source(tmp_path).labels == ('sign', 'lamp')


def test_a_single_image_is_a_source(tmp_path):
    source = open_source(write_image(tmp_path / 'a.png'))
    assert [frame.name for frame in source.frames()] == ['a.png']


def test_a_damaged_image_is_told_where_it_is_decoded(tmp_path):
    image = write_image(tmp_path / 'a.png')
    image.write_bytes(image.read_bytes()[:60])
    (frame,) = open_source(tmp_path).frames()
    with pytest.raises(ImageError, match='cut short'):
        frame.bgr()


def test_a_recording_is_a_source(drive):
    source = open_source(drive)
    assert source[1:8] == ('drive', 'recording', 'fog', tuple(LABELS), 10.0, 12, True)
    assert len(list(source.frames())) == 12
    assert (source.camera_info.width, source.camera_info.height) == (160, 96)


def test_the_pace_of_a_recording_is_that_of_its_camera(tmp_path):
    # ten pictures a second; the car's place is recorded for a minute more
    with BagWriter(tmp_path / 'bag') as writer:
        for number in range(11):
            stamp_ns = 10**9 + number * 10**8
            writer.write('/camera', image(square_image([]), stamp_ns), stamp_ns)
        for second in range(1, 62):
            writer.write('/tf', transform(second * 10**9, 'map', 'car', [0, 0, 0], [0, 0, 0, 1]),
                         second * 10**9)
    source = open_source(tmp_path / 'bag')
    assert (source.rate_hz, source.count) == (pytest.approx(10), 11)


@pytest.mark.parametrize(('topic', 'focal_px', 'judged', 'told'), [
    ('/camera/image_raw', 111, True, []),
    ('/right/image_raw', 222, False, ['/right/image_raw has no ground_truth; '
                                      "/camera/ground_truth is taken for another camera's"]),
    ('/rear/image_raw', None, False, [
        "no camera_info; /camera/camera_info or /right/camera_info is taken for another camera's",
        'no ground_truth']),
])
def test_one_of_several_cameras(tmp_path, caplog, topic, focal_px, judged, told):
    stamp_ns = 10**9
    with BagWriter(tmp_path / 'bag') as writer:
        for camera, focal in (('/camera', 111), ('/right', 222), ('/rear', None)):
            writer.write(f'{camera}/image_raw', image(square_image([]), stamp_ns), stamp_ns)
            if focal is not None:
                writer.write(f'{camera}/camera_info', camera_info((160, 96), stamp_ns, focal),
                             stamp_ns)
        writer.write('/camera/ground_truth', detections(GroundTruth.of(), LABELS, stamp_ns),
                     stamp_ns)
    source = open_source(tmp_path / 'bag', topic=topic)
    assert source.has_ground_truth == judged
    assert (next(source.frames()).ground_truth is not None) == judged
    assert (source.camera_info and source.camera_info.k[0]) == focal_px
    assert len(caplog.messages) == len(told)
    assert all(words in message for words, message in zip(told, caplog.messages))


def cut(path, count):
    path.write_bytes(path.read_bytes()[:count])
    return path


def test_a_recording_that_is_damaged_near_its_end_is_read_up_to_there(tmp_path):
    with BagWriter(tmp_path / 'bag', 'sqlite3') as writer:
        for number in range(5):
            writer.write('/camera', image(np.zeros((8, 12, 3), np.uint8), 10**9 * (number + 1)),
                         10**9 * (number + 1))
    file, = (tmp_path / 'bag').glob('*.db3')
    with sqlite3.connect(file) as database:
        database.execute('UPDATE messages SET data = substr(data, 1, 40) WHERE timestamp = 5e9')
    database.close()
    source = open_source(tmp_path / 'bag')
    assert (source.rate_hz, source.count) == (1.0, 5)
    frames = source.frames()
    assert [next(frames).stamp_ns for _ in range(4)] == [10**9, 2 * 10**9, 3 * 10**9, 4 * 10**9]
    with pytest.raises(SourceError, match='bag is cut short or damaged'):
        next(frames)


BAD = {
    'missing': (lambda folder: folder / 'nothing', 'does not exist'),
    'empty folder': (lambda folder: folder, 'has no images'),
    'no film': (lambda folder: write_text(folder / 'a.mp4', 'no film'), 'not a film'),
    'other file': (lambda folder: write_text(folder / 'a.txt', 'text'), 'not a rosbag2'),
    'cut film': (lambda folder: cut(write_film(folder / 'a.mp4'), 500), 'not a film'),
    'film without frames': (lambda folder: write_film(folder / 'a.avi', count=0),
                            'no frame|not a film'),
    'damaged recording': (lambda folder: write_text(folder / 'a.mcap', 'no recording'), 'damaged'),
    'a name that is no UTF-8': (lambda folder: write_film(folder / 'a.mp4').rename(
        folder / os.fsdecode(b'\xff.mp4')), 'not UTF-8'),
    'classes unnamed': (lambda folder: write_text(write_image(folder / 'a.png').with_name(
        'data.yaml'), 'nc: 5').parent, 'expected `names` with a list of the classes'),
}


@pytest.mark.parametrize('case', BAD)
def test_bad_sources_are_refused_by_name(tmp_path, case):
    make, message = BAD[case]
    path = make(tmp_path)
    with pytest.raises(SourceError, match=message) as error:
        open_source(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(('options', 'message'), [
    ({'rate_hz': 0}, 'the rate is 0 Hz, but it lies between 0.01 and 1000'),
    ({'rate_hz': 1e-9}, 'the rate is 1e-09 Hz'),
    ({'rate_hz': 1001}, 'the rate is 1001 Hz'),
    ({'rate_hz': float('nan')}, 'the rate is nan Hz'),
    ({'topic': '/camera'}, 'no topic'),
])
def test_bad_options_are_refused(tmp_path, options, message):
    write_image(tmp_path / 'a.png')
    with pytest.raises(SourceError, match=message):
        open_source(tmp_path, **options)


def test_a_wrong_label_names_its_line(tmp_path):
    write_image(tmp_path / 'a.png')
    write_text(tmp_path / 'a.txt', '0 0.5 0.5 0.1 0.1\n7 0.5 0.5 0.1 0.1\n')
    with pytest.raises(SourceError, match=r'a\.txt:2'):
        list(open_source(tmp_path).frames())


def test_a_film_that_ends_early_is_told(tmp_path, caplog):
    film = write_film(tmp_path / 'film.avi', count=60)
    # an AVI says in its first bytes that there are 60
    cut(film, film.stat().st_size // 2)
    source = open_source(film)
    with caplog.at_level(logging.WARNING):
        count = len(list(source.frames()))
    assert 0 < count < 58
    assert f'{count} of 60 frames' in caplog.text
