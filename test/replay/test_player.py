# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest
import rclpy
from helpers import LABELS
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, TimeReference
from vision_msgs.msg import Detection2DArray, LabelInfo

from tsr_ros.nodes.qos import latched
from tsr_ros.replay.messages import stamp_ns
from tsr_ros.replay.node_process import NodeProcess
from tsr_ros.replay.player_node import LEDGER, main
from tsr_ros.replay.sources import open_source

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = pytest.mark.usefixtures('ros_domain')


@pytest.fixture
def listener():
    """Return a node, its executor, and what it has received by topic."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('listener', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    received = defaultdict(list)

    def listen(message_type, topic, qos):
        node.create_subscription(message_type, topic, received[topic].append, qos)

    all_of_them = QoSProfile(depth=10000)
    listen(Clock, '/clock', all_of_them)
    listen(CameraInfo, '/camera/camera_info', all_of_them)
    listen(Detection2DArray, '/camera/ground_truth', all_of_them)
    listen(LabelInfo, '/camera/label_info', latched())
    listen(TimeReference, '/player_node/sent', LEDGER)
    # the images last: with them the player starts, and it has then heard of the others
    listen(CompressedImage, '/camera/image_raw/compressed', all_of_them)
    yield executor, received
    executor.shutdown()
    node.destroy_node()
    context.shutdown()


def play(source, folder, **parameters):
    return NodeProcess('tsr_ros.replay.player_node', dict(parameters, source=str(source)),
                       {'image': '/camera/image_raw'}, folder)


def test_a_recording_arrives_whole(drive, tmp_path, listener):
    executor, received = listener
    frames = list(open_source(drive).frames())
    with play(drive, tmp_path, rate=2.0) as player:
        while not player.ended():
            executor.spin_once(timeout_sec=0.1)
        assert 'Played 12 frames' in player.last_lines()

    images = received['/camera/image_raw/compressed']
    assert [(stamp_ns(image), bytes(image.data)) for image in images] == [
        (frame.stamp_ns, frame.compressed) for frame in frames]
    stamps = [frame.stamp_ns for frame in frames]
    for topic in ('/camera/camera_info', '/camera/ground_truth', '/player_node/sent'):
        assert [stamp_ns(message) for message in received[topic]] == stamps, topic
    info = received['/camera/camera_info'][0]
    assert (info.width, info.height) == (160, 96)

    red, green = received['/camera/ground_truth'][3].detections
    assert (red.id, red.results[0].hypothesis.class_id) == ('red', LABELS[0])
    assert (red.bbox.center.position.x, red.bbox.center.position.y) == (32, 48)
    assert green.results[0].pose.pose.position.z == 38
    (label_info,) = received['/camera/label_info']
    assert [entry.class_name for entry in label_info.class_map] == LABELS

    clock = [message.clock.sec * 10**9 + message.clock.nanosec for message in received['/clock']]
    assert clock == sorted(clock)
    assert clock[0] >= stamps[0]
    assert clock[-1] >= stamps[-1]
    sent = [message.time_ref.sec * 10**9 + message.time_ref.nanosec
            for message in received['/player_node/sent']]
    assert sent == sorted(sent)


def test_a_loop_never_ends_by_itself(drive, tmp_path, listener):
    executor, received = listener
    with play(drive, tmp_path, rate=100.0, loop=True) as player:
        while len(received['/player_node/sent']) < 30:
            executor.spin_once(timeout_sec=0.1)
            assert not player.ended()
    stamps = [stamp_ns(message) for message in received['/player_node/sent']]
    assert {later - earlier for earlier, later in pairwise(stamps)} == {100_000_000}
    assert player.ended()  # well, on Ctrl-C


@pytest.mark.parametrize(('arguments', 'status', 'text'), [
    ([], 1, '/nowhere does not exist'),
    (['-p', 'image_transport:=theora'], 1,
     "image_transport is 'theora'; it can be raw or compressed"),
    (['-p', 'rate:=0.0'], 2, 'rate out of range'),
    (['-p', 'rate:=2'], 2, "'rate' to '2' of type 'INTEGER', expecting type 'DOUBLE'"),
    (['--nonsense'], 2, "ROS cannot start with these arguments: ['--nonsense']"),
])
def test_bad_arguments_are_refused_in_one_line(capsys, arguments, status, text):
    assert main(['player_node', '--ros-args', '-p', 'source:=/nowhere', *arguments]) == status
    line, = capsys.readouterr().err.splitlines()
    assert line.startswith('player_node: ')
    assert text in line


def test_without_rosbags_it_says_what_to_install(tmp_path):
    (tmp_path / 'rosbags').mkdir()  # an empty package that is found first
    (tmp_path / 'rosbags' / '__init__.py').touch()
    path = os.pathsep.join([str(tmp_path), os.environ.get('PYTHONPATH', '')])
    ended = subprocess.run([sys.executable, ROOT / 'scripts' / 'player_node'], text=True,
                           capture_output=True, env=dict(os.environ, PYTHONPATH=path))
    assert ended.returncode == 1
    line, = ended.stderr.splitlines()
    assert line.startswith('player_node: the Python package rosbags is needed')
    assert 'pip install rosbags' in line
