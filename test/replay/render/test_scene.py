# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
import yaml

from tsr_ros.replay.render.scene import SceneError, parse_scene, read_scene

RECORDINGS = Path(__file__).parents[3] / 'rosbag'


def test_defaults():
    scene = parse_scene({'name': 'road'})
    assert (scene.frame_count, scene.resolution_wh) == (100, (960, 540))
    assert (scene.condition, scene.wetness, scene.signs) == ('clear_day', 0, ())


@pytest.mark.parametrize('path', sorted(RECORDINGS.glob('*.yaml')), ids=lambda path: path.stem)
def test_the_scenes_of_the_recordings(path):
    scene = read_scene(path)
    assert scene.name == scene.condition == path.stem
    assert scene.frame_count == 100
    assert scene.max_bytes < 3_000_000


@pytest.mark.parametrize(('time_of_day', 'weather', 'condition'), [
    ('day', 'clear', 'clear_day'), ('day', 'rain', 'rain'), ('day', 'fog', 'fog'),
    ('night', 'clear', 'night'), ('night', 'rain', 'night_rain'), ('night', 'fog', 'night_fog'),
    ('low_sun', 'clear', 'low_sun'), ('low_sun', 'rain', 'rain'),
    ('day', 'snow', 'snow'), ('low_sun', 'snow', 'snow'),
])
def test_condition(time_of_day, weather, condition):
    scene = parse_scene({'name': 'road', 'time_of_day': time_of_day, 'weather': weather})
    assert scene.condition == condition


@pytest.mark.parametrize(('values', 'message'), [
    ({}, 'name: is missing'),
    ({'name': '../road'}, "name: '../road' must be letters"),
    ({'name': 5}, 'name: expected text, got 5'),
    ({'wether': 'rain'}, 'wether: no such setting; did you mean "weather"?'),
    ({'weather': 'hail'}, "weather: 'hail' is none of clear, rain, fog, snow"),
    ({'length_s': 0}, 'length_s: 0 is outside 0.1 … 3600'),
    ({'length_s': 'ten'}, "length_s: expected a number, got 'ten'"),
    ({'seed': 1.5}, 'seed: expected a whole number, got 1.5'),
    ({'seed': True}, 'seed: expected a whole number, got True'),
    ({'length_s': float('nan')}, 'length_s: nan is outside'),
    ({'resolution_wh': [960]}, 'resolution_wh: expected [width, height]'),
    ({'resolution_wh': [960, 5]}, 'two whole numbers of 16 … 8192 pixels'),
    ({'camera': {'fov': 60}}, 'camera.fov: no such setting'),
    ({'camera': [1]}, 'camera: expected a mapping, got [1]'),
    ({'signs': {'face': 'stop'}}, 'signs: expected a list of placements'),
    ({'signs': [{'face': 'stop'}]}, 'signs[0].at_m: is missing'),
    ({'signs': [{'face': 'stop', 'at_m': 5}, {'face': 'halt', 'at_m': 9}]},
     "signs[1].face: 'halt' is none of speed_limit_40, "),
])
def test_what_is_wrong_is_said(values, message):
    if values and 'name' not in values:
        values = {'name': 'road', **values}
    with pytest.raises(SceneError) as caught:
        parse_scene(values)
    assert message in str(caught.value)


@pytest.mark.parametrize(('content', 'message'), [
    (None, 'cannot be read: No such file'),
    ('', 'expected a mapping of settings'),
    ('- rain', 'expected a mapping of settings'),
    ('weather: [', 'is not YAML'),
    ('weather: hail', "weather: 'hail' is none of"),
    ('!!python/object/apply:os.system [exit]', 'is not YAML'),
])
def test_files(tmp_path, content, message):
    path = tmp_path / 'road.yaml'
    if content is not None:
        path.write_text(content)
    with pytest.raises(SceneError) as caught:
        read_scene(path)
    assert str(caught.value).startswith(f'{path}: ')
    assert message in str(caught.value)


def test_changes_replace_what_the_file_says(tmp_path):
    path = tmp_path / 'road.yaml'
    path.write_text(yaml.safe_dump({'weather': 'rain', 'seed': 3}))
    scene = read_scene(path, {'seed': 4, 'resolution_wh': [640, 360]})
    assert (scene.name, scene.weather, scene.seed) == ('road', 'rain', 4)
    assert scene.resolution_wh == (640, 360)
    with pytest.raises(SceneError, match='seed: -1 is outside'):
        read_scene(path, {'seed': -1})
