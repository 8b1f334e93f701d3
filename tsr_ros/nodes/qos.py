# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The quality of service that the topics are offered and asked for with."""

from rclpy.qos import (
    DurabilityPolicy,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
    qos_profile_sensor_data,
)
from rclpy.qos_overriding_options import QoSOverridingOptions

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


def overridable() -> QoSOverridingOptions:
    """Return the options for the parameters qos_overrides.<topic>.<publisher|subscription>.*."""
    return QoSOverridingOptions((
        QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY,
        QoSPolicyKind.DURABILITY))


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
