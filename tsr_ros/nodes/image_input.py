# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0

import math
import time

from rclpy.qos import QoSProfile, qos_profile_sensor_data
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CompressedImage, Image

from .frame_slot import Frame

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # before Iron
    from rclpy.qos_event import SubscriptionEventCallbacks

MESSAGE_TYPES = {'raw': Image, 'compressed': CompressedImage}


def sensor_data_qos() -> QoSProfile:
    """Return best effort, volatile, depth 1: it fits every kind of camera driver."""
    default = qos_profile_sensor_data
    return QoSProfile(history=default.history, depth=1, reliability=default.reliability,
                      durability=default.durability)


class ImageInput:
    """
    Subscribe to the images and put them into a slot.

    :param node: the rclpy node.
    :param transport: raw or compressed.
    :param slot: FrameSlot.
    :param on_problem: called with a text when a publisher does not fit.
    :param age_offset: function of the stamp's age in seconds; says how old a frame counts when
        it arrives.
    """

    def __init__(self, node, transport, slot, on_problem, age_offset):
        self._node = node
        self._slot = slot
        self._on_problem = on_problem
        self._age_offset = age_offset
        self.newest_stamp_ns = 0
        self.newest_arrival = time.monotonic()
        # Like image_transport: `image` is what gets remapped, the transport's suffix comes after.
        topic = node.resolve_topic_name('image')
        if transport == 'compressed':
            topic += '/compressed'
        self.qos = sensor_data_qos()
        self._subscription = node.create_subscription(
            MESSAGE_TYPES[transport], topic, self._on_image, self.qos,
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible_qos),
            qos_overriding_options=QoSOverridingOptions.with_default_policies())
        self.topic = self._subscription.topic_name

    def close(self) -> None:
        """Stop to receive."""
        self._node.destroy_subscription(self._subscription)

    def publishers(self) -> int:
        """Return how many publish on the topic."""
        return self._node.count_publishers(self.topic)

    def _on_image(self, message):
        arrival = time.monotonic()
        stamp = message.header.stamp
        stamp_ns = stamp.sec * 1000000000 + stamp.nanosec
        stamp_age = math.nan
        if stamp_ns:
            stamp_age = (self._node.get_clock().now().nanoseconds - stamp_ns) / 1e9
            # images of several best-effort publishers may come a little out of order
            if stamp_ns < self.newest_stamp_ns - 1000000000:
                self._on_problem('time', 'the stamps of the images jumped back by {:.1f} s'.format(
                    (self.newest_stamp_ns - stamp_ns) / 1e9))
            self.newest_stamp_ns = stamp_ns
        self.newest_arrival = arrival
        self._slot.put(Frame(message, arrival, stamp_age, self._age_offset(stamp_age)))

    def _on_incompatible_qos(self, _event):
        for text in self.incompatible_publishers():
            self._on_problem('qos', text)

    def incompatible_publishers(self):
        """Return one line for each publisher whose policies do not fit, both sides named."""
        # of the policies, only the reliability can be overridden to ask for more than is offered
        wants = self.qos.reliability.name
        if wants != 'RELIABLE':
            return []
        return ['no images from {}/{}: it offers reliability {}, this node requests {} '
                '(parameter qos_overrides.{}.subscription.reliability)'.format(
                    info.node_namespace.rstrip('/'), info.node_name,
                    info.qos_profile.reliability.name.lower(), wants.lower(), self.topic)
                for info in self._node.get_publishers_info_by_topic(self.topic)
                if info.qos_profile.reliability.name != wants]
