# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0

from builtin_interfaces.msg import Time

from tsr_ros.msg import TrafficSign, TrafficSignArray
from tsr_ros.tracking.sign_tracker import SignTracker

from . import qos
from .conversions import set_box


class SignPublisher:
    """
    Follow the signs from image to image, and publish which are in view and which are confirmed.

    :param node: the DetectorNode; its parameters tracking.* say how, it releases the publisher.
    :param labels: names by class id.
    """

    def __init__(self, node, labels):
        self._node = node
        self._labels = labels
        self._tracker = SignTracker()
        self._publisher = node.open_publisher(TrafficSignArray, '~/signs', qos.results())

    def follow(self, detections, header, arrival):
        """
        Take the detections of the next image; return the id of each one's sign.

        :param arrival: seconds, steady clock; stands in for a stamp that is zero.
        """
        window = self._value('confirm_window')
        self._tracker.set_rules(
            min(self._value('confirm_hits'), window), window, self._value('timeout'))
        stamp_ns = header.stamp.sec * 1000000000 + header.stamp.nanosec
        tracks = self._tracker.update(detections, stamp_ns or int(arrival * 1e9))
        return [track.id for track in tracks]

    def publish(self, header) -> None:
        """Publish the signs that are followed."""
        message = TrafficSignArray()
        message.header = header
        stamped = bool(header.stamp.sec or header.stamp.nanosec)
        message.signs = [self._to_sign(track, stamped) for track in self._tracker.tracks]
        self._publisher.publish(message)

    def _to_sign(self, track, stamped):
        sign = TrafficSign()
        sign.id, sign.class_id, sign.label = track.id, track.class_id, self._labels[track.class_id]
        sign.score, sign.hits, sign.confirmed = track.score, track.hits, track.confirmed
        set_box(sign.bbox, *track.xyxy.tolist())
        if stamped:  # else its times are of the steady clock, and the images' stamps zero
            sign.first_seen = _to_time(track.first_seen_ns)
            sign.confirmed_at = _to_time(track.confirmed_ns)
            sign.last_seen = _to_time(track.last_seen_ns)
        return sign

    def _value(self, name):
        return self._node.get_parameter('tracking.' + name).value


def _to_time(stamp_ns):
    return Time(sec=stamp_ns // 1000000000, nanosec=stamp_ns % 1000000000)
