# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import copy

import pytest
from builtin_interfaces.msg import Time
from helpers import LABELS, square_image
from node_harness import NODE
from tsr_ros.msg import TrafficSignArray

PICTURES = [square_image([(left, 40, 32, 0)], (160, 96)) for left in (20, 26, 32, 38)]


@pytest.fixture
def signs(detector):
    arrays = []
    subscription = detector.subscribe(TrafficSignArray, NODE + '/signs', arrays.append)
    # a pair of images until they are listened to; the stamps of each are a new scene
    while not arrays:
        detector.ask(detector.image(square_image([])))
    yield arrays
    detector.node.destroy_subscription(subscription)


def stamped(header, tenths):
    header = copy.deepcopy(header)
    header.stamp.nanosec = tenths * 100_000_000
    return header


def follow(detector, signs, header, seen):
    """Send a picture of the moving sign for each '1', of nothing for each '0'; return answers."""
    answers = []
    for tenths, shown in enumerate(seen):
        picture = PICTURES[tenths % 4] if shown == '1' else square_image([])
        message = detector.image(picture, header=stamped(header, tenths))
        detections = detector.ask(message)
        found = detector.wait_for(
            lambda header=message.header: [one for one in signs if one.header == header],
            'the signs')[0]
        answers.append((detections, found))
    return answers


def test_a_sign_is_followed_and_confirmed_by_the_third_image(detector, signs):
    header = detector.header()
    answers = follow(detector, signs, header, '1110')
    for detections, found in answers[:3]:
        sign, = found.signs
        detection, = detections.detections
        assert detection.id == sign.id
        assert detection.bbox.center.position.x == pytest.approx(sign.bbox.center.position.x)
        assert (sign.class_id, sign.label) == (0, LABELS[0])
        assert sign.first_seen == Time(sec=header.stamp.sec)
    assert len({found.signs[0].id for _, found in answers}) == 1
    assert [found.signs[0].hits for _, found in answers] == [1, 2, 3, 3]
    assert [found.signs[0].confirmed for _, found in answers] == [False, False, True, True]
    # not seen in the fourth image, and not forgotten: its times and its place are the third's
    last = answers[3][1].signs[0]
    assert answers[3][0].detections == []
    third = Time(sec=header.stamp.sec, nanosec=200_000_000)
    assert (last.confirmed_at, last.last_seen) == (third, third)
    assert last.bbox.center.position.x == pytest.approx(48, abs=1)
    assert last.bbox.size_y == pytest.approx(32, abs=1.5)


def test_the_rules_can_be_changed_while_it_runs(detector, signs):
    with detector.parameters(**{'tracking.confirm_hits': 60, 'tracking.confirm_window': 2,
                                'tracking.timeout': 0.15}):
        answers = follow(detector, signs, detector.header(), '11001')
    assert [[sign.confirmed for sign in found.signs] for _, found in answers] == [
        [False], [True], [True], [], [False]]
    assert answers[4][1].signs[0].id != answers[0][1].signs[0].id
