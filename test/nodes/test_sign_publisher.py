# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
from types import SimpleNamespace

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from tsr_ros.nodes.sign_publisher import SignPublisher
from tsr_ros.vision.detections import Detections

ONE = Detections(np.array([[40, 40, 60, 60]], np.float32), np.array([0.9], np.float32),
                 np.array([0], np.int32))


class NodeStandIn:
    """The rules, and what was published."""

    _rules = {'confirm_hits': 2, 'confirm_window': 2, 'timeout': 1.0}  # noqa: RUF012

    def __init__(self):
        self.published = []

    def open_publisher(self, _message_type, _topic, _profile):
        return SimpleNamespace(publish=self.published.append)

    def get_parameter(self, name):
        return SimpleNamespace(value=self._rules[name[len('tracking.'):]])


@pytest.mark.parametrize(('stamps', 'times'), [
    ([Time(sec=7), Time(sec=7, nanosec=5)],
     (Time(sec=7), Time(sec=7, nanosec=5), Time(sec=7, nanosec=5))),
    # a camera that gives no stamps: followed by the time of arrival, which is nobody's stamp
    ([Time(), Time()], (Time(), Time(), Time())),
])
def test_times_are_stamps_of_images(stamps, times):
    node = NodeStandIn()
    signs = SignPublisher(node, ['prohibition'])
    for arrival, stamp in zip((100.0, 100.1), stamps, strict=True):
        header = Header(stamp=stamp)
        signs.follow(ONE, header, arrival)
        signs.publish(header)
    sign, = node.published[1].signs
    assert (sign.hits, sign.confirmed) == (2, True)
    assert (sign.first_seen, sign.confirmed_at, sign.last_seen) == times
