# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import rclpy
from helpers import square_image
from rclpy.executors import SingleThreadedExecutor
from rclpy.task import Future
from sensor_msgs.msg import TimeReference

from tsr_ros.replay import demo
from tsr_ros.replay.player_node import LEDGER
from tsr_ros.replay.sources import SourceError

pytestmark = pytest.mark.usefixtures('ros_domain')


def start(models, source, out, *more):
    return subprocess.Popen(
        [sys.executable, '-m', 'tsr_ros.replay.demo', str(source), '--model', 'small',
         '--models-dir', str(models), '--out', str(out), *more],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / 'images'
    folder.mkdir()
    for number in range(100):
        cv2.imwrite(str(folder / f'{number:03}.png'), square_image([(24, 40, 16, 0)]))
    return folder


def test_a_film_is_played_and_shown(tmp_path, small_models):
    film = tmp_path / 'film & more.avi'
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*'MJPG'), 20.0, (160, 96))
    for _ in range(20):
        writer.write(square_image([(24, 40, 16, 0)]))
    writer.release()
    process = start(small_models, film, tmp_path / 'out')
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    sent = re.search(r'^sent +20 +100\.0 %$', output, re.MULTILINE)
    counts = re.findall(r'^(?:answered|dropped.*?) +(\d+) +[\d.]+ %$', output, re.MULTILINE)
    assert sent
    assert sum(map(int, counts)) == 20
    assert re.search(r'^inference +the network( +[\d.]+){4}$', output, re.MULTILINE)
    page = (tmp_path / 'out' / 'index.html').read_text()
    assert 'film &amp; more.avi' in page
    assert '<svg' in page
    assert 'data:image/jpeg;base64,' in page
    # it fetches nothing
    assert not re.search(r'(href|src)="(?!data:|#)', page)
    assert not re.search(r'url\((?!#)|@import|<script', page)


def test_ctrl_c_ends_all_of_it(tmp_path, small_models, images):
    process = start(small_models, images, tmp_path / 'out')
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('listener', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    first = Future(executor=executor)
    node.create_subscription(TimeReference, '/player_node/sent',
                             lambda message: first.done() or first.set_result(message), LEDGER)
    executor.spin_until_future_complete(first)
    executor.shutdown()
    node.destroy_node()
    context.shutdown()
    children = Path(f'/proc/{process.pid}/task/{process.pid}/children').read_text().split()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    # the interpreter may complain at its very end of an answer that rclpy was about to take
    assert 'demo: interrupted' in errors.splitlines()
    assert 'Traceback' not in errors
    assert len(children) == 2
    for child in children:
        with pytest.raises(ProcessLookupError):
            os.kill(int(child), 0)
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(('name', 'rate', 'told'), [
    (b'a.png', '-1', 'the rate is -1, but it lies between 0.01 and 1000'),
    (b'a.png', '2000', 'the rate is 2000'),
    (b'\xff.png', '1', 'is not UTF-8, and ROS 2 takes no other; rename it'),
])
def test_what_the_player_would_not_take_is_said(tmp_path, small_models, name, rate, told):
    image = tmp_path / os.fsdecode(name)
    image.write_bytes(cv2.imencode('.png', square_image([]))[1].tobytes())
    process = start(small_models, image, tmp_path / 'out', '--rate', rate)
    _, errors = process.communicate()
    assert process.returncode == 1
    assert told in errors
    assert 'Traceback' not in errors


def test_bad_sources_are_refused(tmp_path, capsys):
    assert demo.main([str(tmp_path / 'nothing')]) == 1
    assert 'nothing does not exist' in capsys.readouterr().err


def test_the_rainy_night_is_played_first(tmp_path):
    with pytest.raises(SourceError, match='no recording'):
        demo.default_source(tmp_path)
    for name in ('fog', 'clear_day', 'night_rain'):
        expected = tmp_path / name
        expected.mkdir()
        (expected / 'metadata.yaml').write_text('')
        if name == 'clear_day':
            assert demo.default_source(tmp_path) == expected
    assert demo.default_source(tmp_path) == expected
