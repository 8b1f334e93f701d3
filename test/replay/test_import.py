# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import json

import cv2
import numpy as np
import pytest

from tsr_ros.cli import main
from tsr_ros.replay.bag import COMPRESSED_TOPIC, BagReader, frames
from tsr_ros.replay.frame import Frame
from tsr_ros.replay.importing import import_recording, thinned

SECOND = 10**9
WIDTH, HEIGHT = 64, 48


def picture(number):
    """Return a picture, uniformly as bright as its number tells."""
    return np.full((HEIGHT, WIDTH, 3), 20 * number + 10, np.uint8)


def number_of(bgr):
    """Return the number of a picture that has been through lossy compression."""
    return round((float(bgr.mean()) - 10) / 20)


def write_film(path, count, rate_hz):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), rate_hz, (WIDTH, HEIGHT))
    for number in range(count):
        writer.write(picture(number))
    writer.release()
    return path


def write_images(folder, count, suffix='.jpg'):
    folder.mkdir(parents=True)
    for number in range(count):
        cv2.imwrite(str(folder / f'{number:03d}{suffix}'), picture(number))
    return folder


def read(bag):
    """Return the times in tenths of a second from the first frame on, and the numbers."""
    found = list(frames(bag))
    start = found[0].stamp_ns
    return ([round((frame.stamp_ns - start) * 10 / SECOND, 3) for frame in found],
            [number_of(frame.bgr()) for frame in found])


@pytest.mark.parametrize(('stamps', 'rate_hz', 'kept'), [
    ([], 10, []),
    ([0, 100, 200, 300], 10, [0, 100, 200, 300]),
    ([0, 100, 200, 300], 30, [0, 100, 200, 300]),
    ([0, 100, 200, 300], 5, [0, 200]),
    ([7, 40.333333, 73.666667, 107, 140.333333], 10, [7, 107]),
    ([0, 40, 80, 120, 160, 200, 240, 280, 320], 10, [0, 120, 200, 320]),
    ([0, 500, 510, 520], 10, [0, 500]),
])
def test_thinned(stamps, rate_hz, kept):
    source = [Frame('', round(stamp * 1e6), None, None, None) for stamp in stamps]
    found = [frame.stamp_ns for frame in thinned(source, rate_hz)]
    assert found == [round(stamp * 1e6) for stamp in kept]


@pytest.mark.parametrize(('rate_hz', 'tenths', 'numbers'), [
    (None, [0, 0.5, 1, 1.5, 2, 2.5, 3], [0, 1, 2, 3, 4, 5, 6]),
    (10, [0, 1, 2, 3], [0, 2, 4, 6]),
    (100, [0, 0.5, 1, 1.5, 2, 2.5, 3], [0, 1, 2, 3, 4, 5, 6]),
])
def test_film(tmp_path, rate_hz, tenths, numbers):
    film = write_film(tmp_path / 'film.mp4', 7, 20)
    report = import_recording(film, tmp_path / 'bag', rate_hz=rate_hz, progress=False)
    assert report == (len(numbers), ())
    assert read(tmp_path / 'bag') == (tenths, numbers)


@pytest.mark.parametrize(('rate_hz', 'tenths'), [(None, [0, 1, 2]), (2, [0, 5, 10])])
@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_images(tmp_path, rate_hz, tenths, storage):
    folder = write_images(tmp_path / 'shots', 3)
    import_recording(folder, tmp_path / 'bag', rate_hz=rate_hz, storage=storage, progress=False)
    assert read(tmp_path / 'bag') == (tenths, [0, 1, 2])
    with BagReader(tmp_path / 'bag') as bag:
        assert bag.metadata == {'source': 'shots', 'condition': 'unspecified',
                                'licence': 'unspecified'}


@pytest.mark.parametrize(('suffix', 'as_they_are'), [
    ('.jpg', True), ('.png', True), ('.bmp', False), ('.webp', False)])
def test_what_is_stored(tmp_path, suffix, as_they_are):
    folder = write_images(tmp_path / 'shots', 1, suffix)
    import_recording(folder, tmp_path / 'bag', progress=False)
    (frame,) = frames(tmp_path / 'bag')
    assert (frame.compressed == (folder / f'000{suffix}').read_bytes()) == as_they_are
    assert frame.compressed[:3] in (b'\xff\xd8\xff', b'\x89PN')
    assert number_of(frame.bgr()) == 0


def test_raw(tmp_path):
    folder = write_images(tmp_path / 'shots', 2, '.png')
    import_recording(folder, tmp_path / 'bag', compressed=False, progress=False)
    for number, frame in enumerate(frames(tmp_path / 'bag')):
        assert frame.compressed is None
        np.testing.assert_array_equal(frame.bgr(), picture(number))


def test_labels_become_ground_truth(tmp_path):
    write_images(tmp_path / 'set/images', 3)
    (tmp_path / 'set/labels').mkdir()
    (tmp_path / 'set/labels/000.txt').write_text('1 0.5 0.5 0.25 0.5\n0 0.125 0.25 0.25 0.5\n')
    (tmp_path / 'set/labels/001.txt').touch()
    (tmp_path / 'set/data.yaml').write_text('names: [cat, dog]\n')
    import_recording(tmp_path / 'set', tmp_path / 'bag', progress=False)
    with BagReader(tmp_path / 'bag') as bag:
        assert bag.labels(COMPRESSED_TOPIC) == ('cat', 'dog')
        two, none, unknown = (frame.ground_truth for frame in bag.frames())
    assert two.class_id.tolist() == [1, 0]
    np.testing.assert_allclose(two.xyxy, [[24, 12, 40, 36], [0, 0, 16, 24]])
    assert len(none.class_id) == 0
    assert unknown is None


def test_damaged_images_are_left_out_and_named(tmp_path, capsys):
    folder = write_images(tmp_path / 'shots', 3)
    (folder / '001.jpg').write_bytes((folder / '000.jpg').read_bytes()[:200])
    assert main(['bag', 'import', str(folder), '--out', str(tmp_path / 'bag')]) == 1
    said = capsys.readouterr()
    assert '2 frames' in said.out
    assert 'left out, 1 damaged' in said.err
    assert '001.jpg: ' in said.err
    assert read(tmp_path / 'bag') == ([0, 2], [0, 2])


def empty_film(folder):
    return write_film(folder / 'film.mp4', 0, 10), 'film.mp4 is not a film that can be read'


def no_film(folder):
    (folder / 'film.mp4').write_text('no film')
    return folder / 'film.mp4', 'film.mp4 is not a film that can be read'


def only_damaged_images(folder):
    write_images(folder / 'shots', 1)
    (folder / 'shots/000.jpg').write_bytes(b'\xff\xd8\xff')
    return folder / 'shots', 'nothing was written'


def no_images(folder):
    (folder / 'shots').mkdir()
    return folder / 'shots', 'has no images'


def wrong_label(folder):
    write_images(folder / 'images', 2)
    (folder / 'images/001.txt').write_text('0 0.5 0.5 0.25\n')
    return folder / 'images', 'images/001.txt:1: expected five'


def a_recording(folder):
    import_recording(write_images(folder / 'shots', 1), folder / 'one', progress=False)
    return folder / 'one', 'is a recording already'


def nothing(folder):
    return folder / 'nowhere', 'does not exist'


@pytest.mark.parametrize('source', [empty_film, no_film, only_damaged_images, no_images,
                                    wrong_label, a_recording, nothing])
def test_bad_sources(tmp_path, capsys, source):
    path, message = source(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert main(['bag', 'import', str(path), '--out', str(tmp_path / 'bag')]) == 1
    assert message in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize('rate', ['0', '-1', 'nan', '1e-9', '1e9'])
def test_impossible_rates(tmp_path, capsys, rate):
    folder = write_images(tmp_path / 'shots', 1)
    assert main(['bag', 'import', str(folder), '--out', str(tmp_path / 'bag'),
                 f'--rate={rate}']) == 1
    assert 'the rate is' in capsys.readouterr().err


def test_command(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    film = write_film(tmp_path / 'ring road.mp4', 4, 10)
    arguments = ['bag', 'import', str(film), '--storage', 'sqlite3', '--raw', '--rate', '5',
                 '--condition', 'fog', '--licence', 'CC0-1.0']
    assert main(arguments) == 0
    assert capsys.readouterr().out == 'ring road: 2 frames\n'
    assert main(arguments) == 1
    assert 'exists already; --overwrite' in capsys.readouterr().err
    assert main([*arguments, '--overwrite']) == 0
    assert [file.suffix for file in sorted((tmp_path / 'ring road').iterdir())] == [
        '.yaml', '.db3']
    capsys.readouterr()
    assert main(['bag', 'info', 'ring road', '--json']) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts['notes'] == {'source': 'ring road.mp4', 'condition': 'fog', 'licence': 'CC0-1.0'}
    assert facts['resolution_wh'] == {'/camera/image_raw': [WIDTH, HEIGHT]}
    assert facts['ground_truth'] == {}
    assert facts['duration_s'] == pytest.approx(0.2)
