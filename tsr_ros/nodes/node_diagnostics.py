# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0

import math
import time

from diagnostic_msgs.msg import DiagnosticArray

from .diagnostics import (
    ERROR,
    WARN,
    DelayWatch,
    Growth,
    Limits,
    Problem,
    RecentProblems,
    input_problems,
    latency_values,
    lost_problems,
    make_status,
)
from .latency_window import LatencyWindow

SERIOUS = ('configure', 'inference', 'hang')


class NodeDiagnostics:
    """
    Collect what goes wrong and how fast it goes, and publish it on /diagnostics.

    :param node: the rclpy node; its parameters diagnostics.* say what is too slow.
    """

    def __init__(self, node):
        self._node = node
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._problems = RecentProblems()
        self._slot = self._input = self._loop = None

    def start(self, slot) -> None:
        """Begin anew, with a slot that frames will come through."""
        self._window = LatencyWindow(self._value('window'))
        self._delays = DelayWatch()
        self._growth = Growth(time.monotonic())
        self._lost_before = 0
        self._slot = slot

    def watch(self, image_input, loop) -> None:
        """Publish about these too from now on."""
        self._input, self._loop = image_input, loop

    def stop(self) -> None:
        """Watch them no longer."""
        self._slot = self._input = self._loop = None

    def problem(self, kind: str, text: str, lasting: bool = False) -> None:
        """
        Remember a problem for the next messages, and log it if it is a new one.

        :param lasting: until it is cleared, not only for some seconds.
        """
        level = ERROR if kind in SERIOUS else WARN
        now = time.monotonic()
        if self._problems.note(kind, Problem(level, text), math.inf if lasting else now):
            # one line for each severity: before Kilted rclpy allows a line no more than one
            if level == ERROR:
                self._node.get_logger().error(text)
            else:
                self._node.get_logger().warning(text)

    def over(self, kind: str) -> None:
        """Forget a problem."""
        self._problems.clear(kind)

    def answered(self, times_ms) -> None:
        """Take the durations of one frame that was just answered, by stage."""
        now = time.monotonic()
        self._window.add(times_ms)
        self._delays.add(times_ms['total'], now, self._limits())

    def publish(self, state: str, info) -> None:
        """
        Publish what is known at this moment.

        :param state: of the node's life cycle.
        :param info: BackendInfo of what runs, or None where the node is not configured.
        """
        message = DiagnosticArray()
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.status = [self._detector_status(state, info)]
        if self._input is not None:
            message.status += [self._input_status(), self._latency_status()]
        self._publisher.publish(message)

    def _detector_status(self, state, info):
        values = [('state', state), ('model', self._node.get_parameter('model').value)]
        device = ''
        if info is None:
            values.append(('backend', self._node.get_parameter('backend').value))
        else:
            device = info.device
            values += [('backend', '{} {}'.format(info.name, info.version)),
                       ('precision', info.precision), ('device', info.device),
                       ('threads', info.threads), ('detail', info.detail)]
        problems = self._problems.problems(time.monotonic())
        return self._status('detector', device, problems, values, fine=state)

    def _input_status(self):
        now = time.monotonic()
        counts = self._slot.counts()
        grown, seconds = self._growth.look(counts, now)
        topic, publishers = self._input.topic, self._input.publishers()
        problems = [Problem(ERROR, line) for line in self._input.incompatible_publishers()]
        problems += input_problems(counts, grown, (now - self._input.newest_arrival) * 1e3,
                                   publishers, topic, self._limits())
        lost, self._lost_before = self._input.lost - self._lost_before, self._input.lost
        problems += lost_problems(lost)
        values = [('topic', topic), ('publishers', publishers)]
        values += [(policy, getattr(self._input.qos, policy).name.lower())
                   for policy in ('reliability', 'durability')]
        values += [('received', counts.received), ('answered', counts.answered),
                   ('dropped_overwritten', counts.overwritten),
                   ('dropped_too_old', counts.too_old), ('dropped_bad', counts.bad),
                   ('lost_by_middleware', self._input.lost)]
        values += [(name + '_per_second', '{:.2f}'.format(getattr(grown, name) / seconds))
                   for name in ('received', 'answered')]
        return self._status('input', topic, problems, values)

    def _latency_status(self):
        now = time.monotonic()
        problems = self._delays.problems(self._loop.busy_for(now), now, self._limits())
        return self._status('latency', '', problems, latency_values(self._window.summary()))

    def _status(self, part, hardware_id, problems, values, fine='ok'):
        name = '{}: {}'.format(self._node.get_fully_qualified_name().lstrip('/'), part)
        return make_status(name, hardware_id, problems, values, fine)

    def _value(self, name):
        return self._node.get_parameter('diagnostics.' + name).value

    def _limits(self):
        return Limits(*(self._value(name) for name in Limits._fields))
