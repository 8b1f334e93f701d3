# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import time

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image

from tsr_ros.nodes import qos
from tsr_ros.nodes.frame_slot import FrameSlot
from tsr_ros.nodes.image_input import ImageInput

PATIENCE_S = 30.0


@pytest.fixture
def node(domain_id):
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain_id)
    node = Node('receiver', context=context, namespace='/image_input')
    yield node
    node.destroy_node()
    context.try_shutdown()


def spin_until(node, condition):
    """Let the node work until a condition holds; fail where it never does."""
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        executor.spin_once(timeout_sec=0.05)
    executor.shutdown()


def test_an_image_that_comes_while_the_node_is_busy_is_counted(node):
    slot = FrameSlot(time.monotonic)
    images = ImageInput(node, 'raw', slot, pytest.fail, lambda age: 0.0)
    publisher = node.create_publisher(Image, 'image', qos.results())
    spin_until(node, lambda: publisher.get_subscription_count() and images.publishers())
    for width in (1, 2):  # both arrive before the node looks
        publisher.publish(Image(width=width))
    spin_until(node, lambda: slot.counts().received == 2)
    assert slot.counts().overwritten == 1
    assert slot.take(lambda: 0.0).message.width == 2
