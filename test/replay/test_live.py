# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import itertools
import os
import signal

import cv2
import numpy as np
import pytest
import rclpy
from helpers import square_image
from rosgraph_msgs.msg import Clock

from tsr_ros.replay import live
from tsr_ros.replay.bag import COMPRESSED_TOPIC, BagWriter
from tsr_ros.replay.frame import encode_jpeg
from tsr_ros.replay.messages import compressed_image
from tsr_ros.replay.node_process import LiveError, NodeError, NodeProcess
from tsr_ros.replay.offline import replay_offline
from tsr_ros.replay.player_node import ReadAhead
from tsr_ros.replay.run import STAGES, DetectorOptions
from tsr_ros.replay.score import score_run
from tsr_ros.replay.sources import SourceError, open_source

pytestmark = pytest.mark.usefixtures('ros_domain')


@pytest.fixture(scope='module')
def options(small_models):
    return DetectorOptions(model='small', models_dir=str(small_models), threads=1)


@pytest.fixture
def images(tmp_path):
    for number in range(40):
        # large, so that to decode one takes far longer than to send it
        picture = square_image([(32 + 24 * number, 320, 128, 0)], (1280, 768))
        cv2.imwrite(str(tmp_path / f'{number:02}.png'), picture)
    return tmp_path


def replay(source, options, **more):
    return live.replay_live(open_source(source), options, progress=False, **more)


@pytest.mark.parametrize('image_transport', ['compressed', 'raw'])
def test_what_is_answered_is_what_offline_finds(drive, options, image_transport):
    run = replay(drive, options, image_transport=image_transport)
    expected = replay_offline(open_source(drive), options, progress=False)
    assert run.answered + sum(run.dropped.values()) == len(run.answers) == 12
    assert run.answered > 0
    for answer, offline in zip(run.answers, expected.answers, strict=True):
        assert answer.stamp_ns == offline.stamp_ns
        assert answer.ground_truth.track_id == ('red', 'green')
        if answer.detections is None:
            continue
        confident = expected.confident(offline)
        assert answer.detections.class_id.tolist() == confident.class_id.tolist()
        assert np.allclose(answer.detections.xyxy, confident.xyxy, atol=1e-3)
        assert np.allclose(answer.detections.score, confident.score, atol=1e-6)
        assert set(answer.times_ms) == {*STAGES, 'total', 'age_at_arrival', 'end_to_end'}
        assert answer.times_ms['end_to_end'] >= answer.times_ms['inference'] > 0
    assert run.detector['model'] == 'small'
    assert run.detector['backend'].startswith('onnxruntime')
    # red is there in all frames; it can be found from frame 2 on at the earliest
    red = score_run(run).signs[0]
    assert (red.frames, red.visible.distance_m) == (12, 40)
    assert red.detected is None or red.detected.distance_m <= 36


def test_a_pace_that_nobody_can_keep_leaves_no_frame_unaccounted(images, options):
    run = replay(images, options, rate=1000.0)
    assert len(run.answers) == 40
    assert run.answered + sum(run.dropped.values()) == 40
    assert 0 < run.answered < 40
    assert run.dropped['overwritten'] + run.dropped['lost'] > 0


def test_a_damaged_frame_is_counted_as_bad(tmp_path, options):
    (tmp_path / 'a.png').write_bytes(b'\x89PNG')
    run = replay(tmp_path, options)
    assert (len(run.answers), run.answered, run.dropped['bad']) == (1, 0, 1)
    assert run.stages() == []


def test_a_damaged_frame_cannot_be_sent_raw(tmp_path, options):
    (tmp_path / 'a.png').write_bytes(b'\x89PNG')
    with pytest.raises(LiveError, match=r'(?s)player_node failed.*a\.png.*cut short'):
        replay(tmp_path, options, image_transport='raw')


def test_a_detector_that_cannot_start_says_why(drive, options):
    with pytest.raises(LiveError, match=r"did not start.*names no model 'other'"):
        replay(drive, options._replace(model='other'))


def test_results_are_not_mixed_up_with_those_of_others(drive, options):
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('somebody', context=context)
    node.create_publisher(Clock, '/clock', 1)
    try:
        with pytest.raises(LiveError, match=r'somebody else publishes on /clock.*ROS_DOMAIN_ID'):
            replay(drive, options)
    finally:
        node.destroy_node()
        context.shutdown()


def test_a_detector_that_dies_ends_the_replay(drive, options, monkeypatch):
    watch = live._watch

    def kill_and_watch(observer, executor, detector, *rest):
        os.kill(detector.pid, signal.SIGKILL)
        watch(observer, executor, detector, *rest)

    monkeypatch.setattr(live, '_watch', kill_and_watch)
    with pytest.raises(LiveError, match=r'(?s)detector_node was ended by SIGKILL.*last lines.*'
                                        'Waiting for images'):
        replay(drive, options)


@pytest.mark.parametrize(('step', 'least', 'told'), [
    ('_introduce', 0, '0'), ('_watch', 1, r'[1-9]\d*')])
def test_a_player_that_hangs_ends_the_replay(images, options, monkeypatch, step, least, told):
    steps = {name: getattr(live, name) for name in ('_introduce', '_watch')}

    def halt(observer, executor, detector, player, *rest):
        while len(observer.sent) < least:
            executor.spin_once(timeout_sec=0.1)
        os.kill(player.pid, signal.SIGSTOP)
        monkeypatch.setattr(live, '_STALLED_S', 3.0)  # only now: to start may take longer
        steps[step](observer, executor, detector, player, *rest)

    monkeypatch.setattr(live, step, halt)
    with pytest.raises(LiveError, match=rf'player has told nothing for \d+ s; {told} frames'):
        replay(images, options)


def test_a_node_that_fails_shows_its_last_lines(tmp_path):
    with NodeProcess('tsr_ros.nodes.no_such_node', {}, {}, tmp_path) as node:
        node.wait(60.0)
        with pytest.raises(NodeError, match=r'(?s)exit status 1.*No module named.*no_such_node'):
            node.ended()


def test_a_loop_goes_on_with_rising_stamps(images):
    for image in sorted(images.iterdir())[3:]:
        image.unlink()
    with ReadAhead(open_source(images), 'compressed', loop=True) as frames:
        stamps = [frame.stamp_ns for frame in itertools.islice(frames, 7)]
    assert np.diff(stamps).tolist() == [100_000_000] * 6


@pytest.mark.parametrize('stamps_ns', [(2, 2), (3, 2)])
def test_frames_that_could_not_be_told_apart_are_refused(tmp_path, stamps_ns):
    with BagWriter(tmp_path / 'bag') as writer:
        for number, stamp_ns in enumerate(stamps_ns):
            writer.write(COMPRESSED_TOPIC, compressed_image(
                encode_jpeg(square_image([])), stamp_ns), number)
    with ReadAhead(open_source(tmp_path / 'bag'), 'compressed', loop=False) as frames, \
            pytest.raises(SourceError, match='bag:1 is not later'):
        list(frames)


def test_what_fails_while_reading_ahead_is_raised_where_frames_are_used(images):
    (images / '01.txt').write_text('no label')
    with ReadAhead(open_source(images), 'compressed', loop=False) as frames, \
            pytest.raises(SourceError, match=r'01\.txt:1'):
        list(frames)
