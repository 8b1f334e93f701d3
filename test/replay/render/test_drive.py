# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Drives and pictures with a stand-in for Blender, which takes minutes and 1 GB."""

import json
import os
import re
import sys
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from tsr_ros.cli import main
from tsr_ros.evaluation.dataset import read_dataset
from tsr_ros.evaluation.ground_truth import LABELS
from tsr_ros.replay.bag import BagReader
from tsr_ros.replay.render import blender_process
from tsr_ros.replay.render.blender_process import (
    PYTHON_VARIABLE,
    BlenderError,
    BlenderMissingError,
    find_blender_python,
)
from tsr_ros.replay.render.drive import render_drive
from tsr_ros.replay.render.images import render_images
from tsr_ros.replay.render.recording import record_drive
from tsr_ros.replay.render.scene import parse_scene
from tsr_ros.training.drawn_signs import read_sign_pictures

STAND_IN = [sys.executable, str(Path(__file__).with_name('stand_in.py'))]
SCENE = parse_scene({
    'name': 'road', 'length_s': 0.5, 'resolution_wh': [320, 180], 'random_signs': 5,
    'billboards': 1, 'weather': 'rain', 'time_of_day': 'night'})


def rendered(work, command=STAND_IN, scene=SCENE):
    return render_drive(scene, work, 1, command=command, progress=False)


def pictures(work):
    return sorted(file.name for file in work.glob('road-*/*.jpg'))


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """Return the frames of the drive, rendered in one go."""
    return list(rendered(tmp_path_factory.mktemp('whole')))


def test_frames(whole):
    assert [frame.number for frame in whole] == [0, 1, 2, 3, 4]
    assert [frame.stamp_ns for frame in whole] == [
        1_000_000_000, 1_100_000_000, 1_200_000_000, 1_300_000_000, 1_400_000_000]
    for frame in whole:
        bgr = cv2.imdecode(np.frombuffer(frame.jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert bgr.shape == (180, 320, 3)
        assert np.linalg.norm(frame.orientation_xyzw) == pytest.approx(1)
        assert frame.labels
    assert whole[0].position[1] < whole[4].position[1]


def test_labels_are_those_of_the_frame(whole):
    nearest = [min(label.distance_m for label in frame.labels) for frame in whole]
    # 50 km/h for 0.1 s: 1.39 m nearer in each frame
    np.testing.assert_allclose(np.diff(nearest), -1.39, atol=0.1)


def test_broken_off_and_taken_up_again_is_as_if_in_one_go(tmp_path, whole):
    assert len(list(islice(rendered(tmp_path), 2))) == 2
    assert pictures(tmp_path) == ['00000.jpg', '00001.jpg']
    assert list(rendered(tmp_path)) == whole


def test_a_crash_keeps_what_was_finished(tmp_path, whole):
    with pytest.raises(BlenderError, match=r'before frame 3 \(exit status 1\): out of lamp oil'):
        list(rendered(tmp_path, [*STAND_IN, '3']))
    assert pictures(tmp_path) == ['00000.jpg', '00001.jpg', '00002.jpg']
    assert list(rendered(tmp_path)) == whole


def test_a_finished_drive_needs_no_renderer(tmp_path, whole):
    list(rendered(tmp_path))
    assert list(rendered(tmp_path, ['/no/such/renderer'])) == whole


def test_half_a_frame_is_rendered_again(tmp_path, whole):
    list(rendered(tmp_path))
    (notes,) = tmp_path.glob('road-*/00002.json')
    notes.unlink()
    for light in tmp_path.glob('light-*/00002.npz'):
        light.unlink()
    assert list(rendered(tmp_path)) == whole


def test_light_is_shared_by_drives_that_differ_in_weather_only(tmp_path):
    day = {'name': 'road', 'length_s': 0.2, 'resolution_wh': [320, 180], 'random_signs': 3}
    rain = parse_scene({**day, 'weather': 'rain'})
    fog = parse_scene({**day, 'weather': 'fog', 'visibility_m': 60, 'road_wetness': 1.0})
    wet = list(rendered(tmp_path, scene=rain))
    foggy = list(rendered(tmp_path, ['/no/such/renderer'], scene=fog))
    assert wet[0].jpeg != foggy[0].jpeg
    assert wet[0].position == foggy[0].position
    assert foggy[0].labels[0].transmission < wet[0].labels[0].transmission


def test_recording(tmp_path, whole):
    record_drive(SCENE, tmp_path / 'road', tmp_path / 'work', command=STAND_IN, progress=False)
    with BagReader(tmp_path / 'road') as bag:
        counts = {topic.name: topic.count for topic in bag.topics}
        assert counts == {
            '/camera/image_raw/compressed': 5, '/camera/camera_info': 5,
            '/camera/ground_truth': 5, '/camera/label_info': 1, '/tf': 5}
        assert (bag.condition, bag.metadata['licence']) == ('night_rain', 'Apache-2.0')
        assert json.loads(bag.metadata['scene'])['random_signs'] == 5
        (info,) = [message for _, _, message in islice(bag.messages(['/camera/camera_info']), 1)]
        assert info.k[0] == pytest.approx(160 / np.tan(np.radians(32)))
        for frame, expected in zip(bag.frames(), whole, strict=True):
            assert frame.compressed == expected.jpeg
            truth = frame.ground_truth
            seen = [label for label in expected.labels if label.is_recognisable]
            assert truth.track_id == tuple(f'{label.face}_{label.track_id}' for label in seen)
            np.testing.assert_allclose(truth.xyxy, [label.xyxy for label in seen], atol=1e-3)
            np.testing.assert_allclose(
                np.linalg.norm(truth.position_m, axis=1), [label.distance_m for label in seen],
                rtol=1e-5)


def test_a_crash_leaves_no_recording_but_its_frames(tmp_path):
    with pytest.raises(BlenderError):
        record_drive(SCENE, tmp_path / 'road', tmp_path / 'work', command=[*STAND_IN, '2'],
                     progress=False)
    assert [file.name for file in tmp_path.iterdir()] == ['work']
    assert pictures(tmp_path / 'work') == ['00000.jpg', '00001.jpg']


def test_images(tmp_path):
    def render(count):
        render_images(tmp_path / 'set', count, tmp_path / 'work', resolution_wh=(320, 320),
                      command=STAND_IN, progress=False)

    render(2)
    first = {file.name: file.read_bytes() for file in (tmp_path / 'set/images').iterdir()}
    assert len(first) == 2
    render(17)  # into a second scene
    again = {file.name: file.read_bytes() for file in (tmp_path / 'set/images').iterdir()}
    assert len(again) == 17
    assert len({name.rsplit('_', 1)[0] for name in again}) == 2
    assert first.items() <= again.items()
    dataset = read_dataset(tmp_path / 'set', None, 5)
    assert len(dataset) == 17
    assert sum(len(image.boxes) for image in dataset) > 17
    assert cv2.imread(str(dataset[0].path)).shape == (320, 320, 3)
    assert list((tmp_path / 'work').glob('*/*.npz')) == []


# -- without Blender -----------------------------------------------------------------------------

def not_there(folder):
    return folder / 'python'


def without_bpy(folder):
    return sys.executable


def not_startable(folder):
    (folder / 'python').write_text('no program')
    return folder / 'python'


@pytest.mark.parametrize(('python', 'message'), [
    (not_there, 'does not exist'),
    (without_bpy, 'lacks bpy'),
    (not_startable, 'the right to be started'),
])
def test_how_to_get_blender(tmp_path, monkeypatch, capsys, python, message):
    monkeypatch.setenv(PYTHON_VARIABLE, str(python(tmp_path)))
    scene = tmp_path / 'road.yaml'
    scene.write_text('length_s: 1\n')
    assert main(['bag', 'render', str(scene), '--out', str(tmp_path / 'road'),
                 '--work', str(tmp_path / 'work')]) == 1
    said = capsys.readouterr().err
    assert message in said
    assert 'pip install bpy==5.0.1' in said
    assert not (tmp_path / 'road').exists()


def test_the_renderer_sees_this_package_and_none_that_lies_beside_it(tmp_path):
    command = [sys.executable, '-c', 'import sys, tsr_ros.replay.render.road; '
               'sys.exit("sees " + " ".join(sys.path[1:2]))']
    with pytest.raises(BlenderError, match=r'sees (\S+)') as caught:
        list(rendered(tmp_path, command))
    folder = Path(re.search(r'sees (\S+?);', str(caught.value))[1])
    assert [entry.name for entry in folder.iterdir()] == ['tsr_ros']


def test_this_python_serves_where_it_has_what_is_needed(monkeypatch, tmp_path):
    monkeypatch.delenv(PYTHON_VARIABLE, raising=False)
    monkeypatch.setattr(blender_process, '_DEFAULT_PYTHON', tmp_path / 'python')
    with pytest.raises(BlenderMissingError):
        find_blender_python()
    monkeypatch.setattr(blender_process, '_REQUIREMENTS', ('json', 'numpy'))
    assert find_blender_python() == sys.executable


# -- the command ---------------------------------------------------------------------------------

@pytest.fixture
def blender(tmp_path, monkeypatch):
    """Install a stand-in that is found like Blender's Python; $STOP_AT makes it crash."""
    python = tmp_path / 'blender'
    python.write_text(f'#!/bin/sh\nif [ "$1" = -c ]; then exit 0; fi\n'
                      f'exec {" ".join(STAND_IN)} $STOP_AT "$3"\n')
    python.chmod(0o755)
    monkeypatch.setenv(PYTHON_VARIABLE, str(python))
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'road.yaml').write_text(
        'length_s: 0.3\nresolution_wh: [160, 90]\nrandom_signs: 3\n')


def test_command(blender, monkeypatch, capsys):
    arguments = ['bag', 'render', 'road.yaml', '--work', 'work', '--threads', '1']
    monkeypatch.setenv('STOP_AT', '2')
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert 'Finished frames are kept' in said
    assert 'out of lamp oil' in said
    assert not os.path.exists('road')
    monkeypatch.delenv('STOP_AT')
    assert main(arguments) == 0
    assert capsys.readouterr().out == 'road: 3 frames\n'
    assert main(arguments) == 1
    assert 'road exists already; --overwrite' in capsys.readouterr().err


def test_settings(blender, capsys):
    assert main(['bag', 'render', 'road.yaml', '--work', 'work', '--out', 'wet/drive', '--seed',
                 '5', '--length', '0.2', '--rate', '20', '--resolution', '192x108', '--weather',
                 'fog', '--visibility', '70', '--time-of-day', 'night']) == 0
    with BagReader('wet/drive') as bag:
        scene = json.loads(bag.metadata['scene'])
        assert bag.condition == 'night_fog'
        assert len(list(bag.frames())) == 4
    assert (scene['seed'], scene['resolution_wh'], scene['visibility_m']) == (5, [192, 108], 70)


def test_image_command(blender, capsys):
    assert main(['bag', 'render', '--images', '2', 'set', '--work', 'work', '--resolution',
                 '128x128', '--seed', '4']) == 0
    assert len(list(Path('set/images').iterdir())) == len(list(Path('set/labels').iterdir())) == 2


def test_sign_command(blender, capsys):
    assert main(['bag', 'render', '--signs', '2', 'signs']) == 0
    assert 'signs: 54 pictures' in capsys.readouterr().out
    pictures = read_sign_pictures(Path('signs'), LABELS)
    assert np.bincount([picture.class_id for picture in pictures]).tolist() == [18, 10, 14, 12]


@pytest.mark.parametrize(('arguments', 'message'), [
    ([], 'name either a scene file or --images'),
    (['road.yaml', '--images', '2', 'set'], 'name either a scene file or --images'),
    (['--images', '2', 'set', '--signs', '2', 'set'], 'name either a scene file or --images'),
    (['--signs', '0', 'set'], '--signs 0: expected a whole number'),
    (['--signs', '2', 'set', '--resolution', '64x64'], 'with --signs, only --seed'),
    (['--images', 'two', 'set'], '--images two: expected a whole number'),
    (['--images', '0', 'set'], '--images 0: expected a whole number'),
    (['--images', '2', 'set', '--weather', 'rain'], 'only --seed, --resolution and --samples'),
    (['road.yaml', '--length', '-1'], 'road.yaml: length_s: -1.0 is outside'),
    (['road.yaml', '--resolution', '4x4'], 'road.yaml: resolution_wh: expected'),
    (['lane.yaml'], 'lane.yaml: cannot be read: No such file'),
])
def test_what_the_command_does_not_take(blender, capsys, arguments, message):
    assert main(['bag', 'render', *arguments]) == 1
    assert message in capsys.readouterr().err
    assert sorted(file.name for file in Path().iterdir()) == ['blender', 'road.yaml']
