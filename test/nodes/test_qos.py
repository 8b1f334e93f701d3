# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from tsr_ros.nodes import qos

WEAK, STRONG = ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE
VOLATILE, LATCHED = DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL


def profile(reliability, durability):
    return QoSProfile(depth=1, reliability=reliability, durability=durability)


@pytest.mark.parametrize(
    ('offered', 'requested', 'expected'),
    [
        ((WEAK, VOLATILE), (WEAK, VOLATILE), []),
        # more than was asked for is fine
        ((STRONG, LATCHED), (WEAK, VOLATILE), []),
        ((WEAK, LATCHED), (STRONG, LATCHED), [('reliability', 'best_effort', 'reliable')]),
        ((STRONG, VOLATILE), (STRONG, LATCHED), [('durability', 'volatile', 'transient_local')]),
        ((WEAK, VOLATILE), (STRONG, LATCHED), [
            ('reliability', 'best_effort', 'reliable'),
            ('durability', 'volatile', 'transient_local')]),
        # what the middleware decides cannot be told
        ((ReliabilityPolicy.SYSTEM_DEFAULT, VOLATILE), (STRONG, VOLATILE), []),
    ],
)
def test_mismatches(offered, requested, expected):
    assert qos.mismatches(profile(*offered), profile(*requested)) == expected


def test_each_topic_has_a_profile_of_its_own():
    # rclpy writes overrides into the profile that it is given
    for make in qos.sensor_data, qos.results, qos.latched:
        assert make() is not make()


@pytest.fixture
def open_topic(domain_id):
    """Return a function that opens /image for a node with these parameters."""
    context = Context()
    rclpy.init(context=context, domain_id=domain_id)
    nodes = []

    def subscribe(profile, **overrides):
        nodes.append(Node('camera', context=context, parameter_overrides=[
            Parameter(f'qos_overrides./image.subscription.{policy}', value=value)
            for policy, value in overrides.items()]))
        return qos.open_topic(nodes[-1].create_subscription, Image, '/image', print, profile)

    yield subscribe
    for node in nodes:
        node.destroy_node()
    context.try_shutdown()


def test_policies_are_replaced(open_topic):
    profile = qos.sensor_data()
    open_topic(profile, depth=7, reliability='reliable')
    assert (profile.depth, profile.reliability) == (7, STRONG)


@pytest.mark.parametrize(('overrides', 'message'), [
    ({'depth': 'abc'}, "qos_overrides./image.subscription.depth' to 'abc'"),
    ({'depth': -3}, '*: '),  # which the middleware says in its own words
    ({'reliability': 'perhaps'}, 'perhaps'),
])
def test_policies_that_make_no_sense_are_named(open_topic, overrides, message):
    with pytest.raises(qos.QosError, match=r'/image cannot be opened.*qos_over') as refused:
        open_topic(qos.sensor_data(), **overrides)
    assert message in str(refused.value)
