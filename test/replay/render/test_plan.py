# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import json
import math
import subprocess
import sys

import pytest

from tsr_ros.evaluation.ground_truth import LABELS
from tsr_ros.replay.render.catalogue import FACES, LIGHT
from tsr_ros.replay.render.plan import make_plan, make_view_plan, plan_key
from tsr_ros.replay.render.road import Road
from tsr_ros.replay.render.scene import parse_scene

DRIVE = {'name': 'drive', 'seed': 58, 'random_signs': 16, 'length_s': 3}
HALF_WIDTH_M = 3.5  # of the road
IN_ANOTHER_PROCESS = '''
import sys, json
from tsr_ros.replay.render.plan import make_plan, plan_key
from tsr_ros.replay.render.scene import parse_scene
print(plan_key(make_plan(parse_scene(json.loads(sys.argv[1])))))
'''


def plan_of(**changes):
    return make_plan(parse_scene({**DRIVE, **changes}))


def test_no_signs():
    assert plan_of(random_signs=0)['signs'] == []


def test_the_same_scene_gives_the_same_plan_in_every_process():
    found = subprocess.run([sys.executable, '-c', IN_ANOTHER_PROCESS, json.dumps(DRIVE)],
                           capture_output=True, text=True, check=True)
    assert found.stdout.strip() == plan_key(plan_of())


@pytest.mark.parametrize(('change', 'is_same'), [
    ({'name': 'other'}, True),
    ({'visibility_m': 90.0}, True),          # added to the rendered light afterwards
    ({'jpeg_quality': 50}, True),
    ({'seed': 59}, False),
    ({'weather': 'rain'}, False),
    ({'time_of_day': 'night'}, False),
    ({'resolution_wh': [640, 360]}, False),
    ({'signs': [{'face': 'stop', 'at_m': 58}]}, False),
])
def test_what_needs_other_light(change, is_same):
    assert (plan_key(plan_of(**change)) == plan_key(plan_of())) == is_same


def test_fog_shares_the_light_of_rain():
    fog = plan_of(weather='fog', visibility_m=90, road_wetness=1.0)
    assert plan_key(fog) == plan_key(plan_of(weather='rain'))


def test_weather_and_light_do_not_move_the_signs():
    signs = plan_of()['signs']
    assert plan_of(weather='rain', time_of_day='night')['signs'] == signs


def test_all_classes_are_there_and_stand_in_order_beside_the_road():
    plan, road = plan_of(), Road(58)
    signs = plan['signs']
    assert {sign['class_id'] for sign in signs} == set(range(len(LABELS)))
    assert [sign['track_id'] for sign in signs] == list(range(1, 17))
    assert [sign['along_m'] for sign in signs] == sorted(sign['along_m'] for sign in signs)
    for sign in signs:
        face = FACES[sign['face']]
        assert (sign['class_id'], tuple(sign['size_m'])) == (face.class_id, face.size_m)
        inner_edge = abs(sign['across_m']) - sign['size_m'][0] / 2
        assert inner_edge > HALF_WIDTH_M + 0.5
        lower_edge = sign['up_m'] - sign['size_m'][1] / 2
        assert 1.7 < lower_edge < 2.6
        assert sign['location'] == pytest.approx(
            road.point(sign['along_m'], sign['across_m'], sign['up_m']))


def test_a_placed_sign_stands_where_it_was_placed():
    plan = plan_of(random_signs=0, signs=[
        {'face': 'stop', 'at_m': 58, 'side': 'left', 'height_m': 2.5, 'tilt_deg': 10,
         'wear': 0.7}])
    (sign,) = plan['signs']
    assert (sign['along_m'], sign['up_m'], sign['wear']) == (58, 2.5, 0.7)
    assert sign['across_m'] < -HALF_WIDTH_M
    assert sign['rotation'][1] == pytest.approx(math.radians(10))


def test_lights_have_a_crossing():
    plan = plan_of()
    assert plan['junctions_m'] == sorted(
        sign['along_m'] for sign in plan['signs'] if sign['class_id'] == LIGHT)


def test_the_camera_moves_at_the_speed_given_in_its_lane():
    plan, road = plan_of(speed_kmh=36), Road(58)
    poses = plan['poses']
    assert len(poses) == 30 + 2
    first, last = poses[1]['camera'], poses[30]['camera']
    assert first['along_m'] == pytest.approx(0, abs=1e-9)
    assert road.advance(first['along_m'], 29.0) == pytest.approx(last['along_m'], abs=0.05)
    for pose in poses:
        along = pose['camera']['along_m']
        assert math.dist(pose['camera']['location'], road.point(along, 1.75, 1.3)) < 0.2


def test_cars_keep_their_lanes():
    plan, road = plan_of(cars_ahead=2, cars_oncoming=3), Road(58)
    assert [car['oncoming'] for car in plan['cars']] == [False, False, True, True, True]
    for car, start, end in zip(plan['cars'], plan['poses'][0]['cars'], plan['poses'][-1]['cars']):
        moved_m = end['location'][1] - start['location'][1]
        assert moved_m < 0 if car['oncoming'] else moved_m > 0
        centre = road.centre(start['location'][1])[0]
        assert (start['location'][0] < centre) == car['oncoming']


def test_views_are_unblurred_and_many():
    plan = make_view_plan(parse_scene(DRIVE), 5)
    assert len(plan['poses']) == 5 + 2
    assert plan['shutter_frames'] == 0
    assert len({tuple(pose['camera']['location']) for pose in plan['poses']}) == 5
    assert make_view_plan(parse_scene(DRIVE), 5) == plan
