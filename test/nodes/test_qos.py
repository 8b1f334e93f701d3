# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

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
