# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The quality of service that the topics are offered and asked for with."""

from rclpy.exceptions import ParameterException
from rclpy.qos import (
    DurabilityPolicy,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
    qos_profile_sensor_data,
)
from rclpy.qos_overriding_options import QoSOverridingOptions

try:
    from rclpy import event_handler
except ImportError:  # Humble
    from rclpy import qos_event as event_handler

# Overrides are written into a profile, so each topic gets one of its own.


def sensor_data() -> QoSProfile:
    """
    Return best effort, volatile, depth 2: it fits every kind of camera driver.

    With room for one image alone, the middleware drops what comes while the receiving thread is
    held up for a moment, and nobody counts it.
    """
    default = qos_profile_sensor_data
    return QoSProfile(history=default.history, depth=2, reliability=default.reliability,
                      durability=default.durability)


def results() -> QoSProfile:
    """Return reliable, volatile, with room for a reader that is late now and then."""
    return QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)


def latched() -> QoSProfile:
    """Return reliable, and handed to readers that come later."""
    return QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE,
                      durability=DurabilityPolicy.TRANSIENT_LOCAL)


class QosError(Exception):
    """A topic cannot be opened with the policies that are wanted; says which topic and why."""


def open_topic(create, message_type, topic, *arguments, **options):
    """
    Return a publisher or subscription whose policies the user's parameters may replace.

    These are qos_overrides.<topic>.<publisher|subscription>.<policy>.

    :param create: create_publisher or create_subscription of a node; the rest are its arguments
    :raises QosError: for parameters that make no sense
    """
    overriding = QoSOverridingOptions((
        QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY,
        QoSPolicyKind.DURABILITY))
    try:
        return create(message_type, topic, *arguments, qos_overriding_options=overriding,
                      **options)
    except event_handler.UnsupportedEventTypeError:
        raise
    except (ParameterException, RuntimeError) as error:
        raise QosError('{} cannot be opened, look at the parameters qos_overrides.*: {}'.format(
            topic, error))


# The policies that can be overridden so as to ask for more than is offered, weakest value first.
_RISING = {
    'reliability': (ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE),
    'durability': (DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL),
}


def mismatches(offered: QoSProfile, requested: QoSProfile):
    """Return (policy, offered value, requested value) of each policy that keeps two apart."""
    found = []
    for policy, rising in _RISING.items():
        offer, request = getattr(offered, policy), getattr(requested, policy)
        if offer in rising and request in rising and rising.index(offer) < rising.index(request):
            found.append((policy, offer.name.lower(), request.name.lower()))
    return found
