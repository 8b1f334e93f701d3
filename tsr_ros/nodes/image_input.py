# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0

import math
import time

from sensor_msgs.msg import CompressedImage, Image

from tsr_ros.tracking.sign_tracker import MAX_DISORDER_NS

from . import qos
from .frame_slot import Frame
from .qos import event_handler

MESSAGE_TYPES = {'raw': Image, 'compressed': CompressedImage}
MAX_AHEAD = 1.0  # seconds that a stamp may lie in the future; /clock comes in steps


class ImageInput:
    """
    Subscribe to the images and put them into a slot.

    :param node: the rclpy node.
    :param transport: raw or compressed.
    :param slot: FrameSlot.
    :param on_problem: called with (kind, text) when the images' time jumps back.
    :param age_offset: function of the stamp's age in seconds; says how old a frame counts when
        it arrives.
    """

    def __init__(self, node, transport, slot, on_problem, age_offset):
        self._node = node
        self._slot = slot
        self._on_problem = on_problem
        self._age_offset = age_offset
        self._newest_stamp_ns = 0
        self.newest_arrival = time.monotonic()  # or when it began to wait
        # Like image_transport: `image` is what gets remapped, the transport's suffix comes after.
        topic = node.resolve_topic_name('image')
        if transport == 'compressed':
            topic += '/compressed'
        self.qos = qos.sensor_data()
        self.lost = 0  # by the middleware, as far as it says so
        self._type_name = 'sensor_msgs/msg/' + MESSAGE_TYPES[transport].__name__
        self._subscription = self._subscribe(MESSAGE_TYPES[transport], topic)
        self.topic = self._subscription.topic_name

    def _subscribe(self, message_type, topic):
        def subscribe(**events):
            return qos.open_topic(self._node.create_subscription, message_type, topic,
                                  self._on_image, self.qos, **events)
        try:
            return subscribe(event_callbacks=event_handler.SubscriptionEventCallbacks(
                message_lost=self._on_message_lost))
        except event_handler.UnsupportedEventTypeError:  # not every middleware counts them
            return subscribe()

    def close(self) -> None:
        """Stop to receive."""
        self._node.destroy_subscription(self._subscription)

    def publishers(self) -> int:
        """Return how many publish on the topic."""
        return self._node.count_publishers(self.topic)

    def incompatible_publishers(self):
        """Return a line for each publisher whose type or policies do not fit, both sides named."""
        lines = []
        for info in self._node.get_publishers_info_by_topic(self.topic):
            start = 'no images from {}/{}: it '.format(
                info.node_namespace.rstrip('/'), info.node_name)
            if info.topic_type != self._type_name:
                lines.append(start + 'publishes {} on {}, where this node takes {} '
                             '(parameter image_transport)'.format(
                                 info.topic_type, self.topic, self._type_name))
                continue
            for policy, offered, requested in qos.mismatches(info.qos_profile, self.qos):
                lines.append(start + 'offers {policy} {}, this node requests {} '
                             '(parameter qos_overrides.{}.subscription.{policy})'.format(
                                 offered, requested, self.topic, policy=policy))
        return lines

    def _on_message_lost(self, event):
        self.lost = event.total_count

    def _on_image(self, message):
        arrival = time.monotonic()
        stamp = message.header.stamp
        stamp_ns = stamp.sec * 1000000000 + stamp.nanosec
        stamp_age = math.nan
        if stamp_ns:
            now_ns = self._node.get_clock().now().nanoseconds
            if now_ns:  # simulated time is 0 until it begins
                stamp_age = (now_ns - stamp_ns) / 1e9
                if stamp_age < -MAX_AHEAD:
                    self._on_problem(
                        'clock', "the images' stamps are {:.1f} s ahead of this node's clock: "
                        'let the two clocks agree, by NTP or PTP'.format(-stamp_age))
            if stamp_ns < self._newest_stamp_ns - MAX_DISORDER_NS:
                self._on_problem(
                    'stamp', "the images' stamps jumped back by {:.1f} s: signs are followed "
                    'anew'.format((self._newest_stamp_ns - stamp_ns) / 1e9))
                self._newest_stamp_ns = stamp_ns
            self._newest_stamp_ns = max(self._newest_stamp_ns, stamp_ns)
        self.newest_arrival = arrival
        self._slot.put(Frame(message, arrival, stamp_age, self._age_offset(stamp_age)))
