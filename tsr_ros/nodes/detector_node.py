# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0

import math
import sys
import time

import cv2
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType, JumpThreshold
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo

from tsr_ros.backends.base import BackendError
from tsr_ros.backends.detector import load_detector
from tsr_ros.msg import LatencyReport
from tsr_ros.vision.draw import draw_detections

from . import parameters
from .conversions import to_compressed_image, to_detection_array, to_image, to_label_info
from .detection_loop import DetectionLoop
from .diagnostics import (
    ERROR,
    WARN,
    DelayWatch,
    Limits,
    Problem,
    RecentProblems,
    input_problems,
    latency_values,
    make_status,
)
from .frame_slot import FrameSlot
from .image_input import ImageInput
from .latency_window import STAGES, LatencyWindow

LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE,
                     durability=DurabilityPolicy.TRANSIENT_LOCAL)
RESULTS = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)


class DetectorNode(LifecycleNode):
    """
    Find signs and lights in the images of a topic.

    The executor's thread receives images into a slot that keeps the newest; a second thread takes
    them from there, detects and publishes. docs/node.md describes topics and parameters.
    """

    def __init__(self, **kwargs):
        super().__init__('detector_node', **kwargs)
        self._state = 'unconfigured'
        self.add_on_set_parameters_callback(
            lambda changes: parameters.check(changes, self._state))
        parameters.declare(self)
        self._detector = None
        self._input = None
        self._loop = None
        self._problems = RecentProblems()
        self._reset_statistics()
        self._jumps = self.get_clock().create_jump_callback(
            JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1)),
            post_callback=self._on_time_jump)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        # a steady clock, so that there are diagnostics when simulated time stands still
        self.create_timer(self._value('diagnostics.period'), self._publish_diagnostics,
                          clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _value(self, name):
        return self.get_parameter(name).value

    # -- lifecycle ---------------------------------------------------------------------------

    def on_configure(self, _state):
        """Load the model and create the publishers."""
        self._problems.clear('configure')
        try:
            self._detector = load_detector(
                self._value('model'), backend=self._value('backend'),
                precision=self._value('precision'), device=self._value('device'),
                threads=self._value('threads'), models_dir=self._value('models_dir') or None)
        except BackendError as error:
            self._problems.note('configure', Problem(ERROR, 'not configured: {}'.format(error)),
                                math.inf)
            self.get_logger().error('Not configured: {}'.format(error))
            return TransitionCallbackReturn.FAILURE
        parameters.declare_class_thresholds(self, self._detector.labels)
        self._window = LatencyWindow(self._value('diagnostics.window'))
        self._create_publishers()
        header = Header(stamp=self.get_clock().now().to_msg())
        self._label_info_publisher.publish(
            to_label_info(self._detector.labels, self._value('confidence_threshold'), header))
        info = self._detector.backend.describe()
        self.get_logger().info('{}: {} {}, {}, {}, {} threads'.format(
            self._value('model'), info.name, info.version, info.precision, info.device,
            info.threads))
        self._state = 'inactive'
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state):
        """Start to receive and to detect."""
        self._reset_statistics()
        self._window = LatencyWindow(self._value('diagnostics.window'))
        self._loop = DetectionLoop(self._slot, self._detector, self, self._answer, self._report,
                                   self._on_problem)
        self._input = ImageInput(self, self._value('image_transport'), self._slot,
                                 self._on_problem, self._age_offset)
        self.get_logger().info('Waiting for images on {}'.format(self._input.topic))
        self._state = 'active'
        return super().on_activate(state)

    def on_deactivate(self, state):
        """Stop to receive; the image at hand is still answered."""
        self._stop()
        self._state = 'inactive'
        return super().on_deactivate(state)

    def on_cleanup(self, _state):
        """Let the model go."""
        self._release()
        self._state = 'unconfigured'
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, _state):
        """Stop and let everything go."""
        self._release()
        self._state = 'finalized'
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, _state):
        """Come back to a state from which the node can be configured again."""
        self._release()
        self._state = 'unconfigured'
        return TransitionCallbackReturn.SUCCESS

    def _create_publishers(self):
        def create(message_type, topic, qos):
            return self.create_publisher(
                message_type, topic, qos,
                qos_overriding_options=QoSOverridingOptions.with_default_policies())
        self._detections_publisher = create(Detection2DArray, '~/detections', RESULTS)
        self._latency_publisher = create(LatencyReport, '~/latency', RESULTS)
        self._label_info_publisher = create(LabelInfo, '~/label_info', LATCHED)
        self._annotated_publisher = create(Image, '~/image_annotated', RESULTS)
        self._annotated_jpeg_publisher = create(
            CompressedImage, '~/image_annotated/compressed', RESULTS)
        self._own_publishers = [
            self._detections_publisher, self._latency_publisher, self._label_info_publisher,
            self._annotated_publisher, self._annotated_jpeg_publisher]

    def _stop(self):
        if self._input is not None:
            self._input.close()
            self._input = None
        if self._loop is not None:
            self._loop.close()
            self._loop = None

    def _release(self):
        self._stop()
        if self._detector is None:
            return
        for publisher in self._own_publishers:
            self.destroy_publisher(publisher)
        parameters.undeclare_class_thresholds(self)
        self._detector.close()
        self._detector = None

    def start(self) -> None:
        """Configure and activate."""
        if self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    def close(self) -> None:
        """Stop the detection thread and let the model go, whatever the state."""
        self._release()

    def _reset_statistics(self):
        self._slot = FrameSlot(time.monotonic)
        self._delays = DelayWatch()
        self._activated_at = time.monotonic()

    # -- one frame's way: all of it in the detection thread ------------------------------------

    def max_frame_age(self) -> float:
        """Return the age in seconds at which a frame is dropped, 0 for never."""
        return self._value('max_frame_age')

    def apply_thresholds(self) -> None:
        """Hand the newest values of the parameters to the detector."""
        overall = self._value('confidence_threshold')
        per_class = [self._value(parameters.CLASS_CONFIDENCE + label) or overall
                     for label in self._detector.labels]
        self._detector.set_thresholds(per_class, self._value('iou_threshold'),
                                      self._value('max_detections'))

    def _age_offset(self, stamp_age):
        from_stamp = self._value('frame_age_from') == 'stamp' and not math.isnan(stamp_age)
        return stamp_age if from_stamp else 0.0

    def _answer(self, frame, detections):
        self._detections_publisher.publish(
            to_detection_array(detections, self._detector.labels, frame.message.header))

    def _report(self, frame, bgr, detections, times_ms):
        now = time.monotonic()
        self._problems.clear('inference')
        self._window.add(times_ms, now)
        self._delays.add(times_ms['total'], now, self._limits())
        counts = self._slot.counts()
        report = LatencyReport(
            header=frame.message.header, received=counts.received, answered=counts.answered,
            dropped_overwritten=counts.overwritten, dropped_too_old=counts.too_old,
            dropped_bad=counts.bad,
            **{stage + '_ms': times_ms[stage] for stage in STAGES if stage != 'stamp_age'},
            stamp_age_ms=times_ms['stamp_age'])
        self._latency_publisher.publish(report)
        self._publish_annotated(bgr, detections, frame.message.header)

    def _publish_annotated(self, bgr, detections, header):
        raw = self._annotated_publisher.get_subscription_count() > 0
        jpeg = self._annotated_jpeg_publisher.get_subscription_count() > 0
        if not raw and not jpeg:
            return
        picture = draw_detections(bgr, detections, self._detector.labels, copy=True,
                                  line_width=self._value('draw.line_width'),
                                  show_labels=self._value('draw.labels'))
        if raw:
            self._annotated_publisher.publish(to_image(picture, header))
        if jpeg:
            _, data = cv2.imencode('.jpg', picture, (
                cv2.IMWRITE_JPEG_QUALITY, self._value('draw.jpeg_quality')))
            self._annotated_jpeg_publisher.publish(to_compressed_image(data, header))

    # -- what went wrong, and how fast it goes -------------------------------------------------

    def _on_problem(self, kind, text):
        level = ERROR if kind in ('inference', 'qos') else WARN
        self._problems.note(kind, Problem(level, text), time.monotonic())
        self.get_logger().warn(text, throttle_duration_sec=5.0)

    def _on_time_jump(self, jump):
        if jump.delta.nanoseconds < 0:
            self._on_problem('time', "the node's clock jumped back by {:.1f} s".format(
                -jump.delta.nanoseconds / 1e9))

    def _limits(self):
        return Limits(*(self._value('diagnostics.' + name) for name in Limits._fields))

    def _publish_diagnostics(self):
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        message.status = [self._detector_status()]
        if self._input is not None:
            message.status += [self._input_status(), self._latency_status()]
        self._diagnostics.publish(message)

    def _detector_status(self):
        problems = self._problems.problems(time.monotonic())
        values = [('state', self._state), ('model', self._value('model'))]
        device = ''
        if self._detector is None:
            values.append(('backend', self._value('backend')))
        else:
            info = self._detector.backend.describe()
            device = info.device
            values += [('backend', '{} {}'.format(info.name, info.version)),
                       ('precision', info.precision), ('device', info.device),
                       ('threads', info.threads), ('detail', info.detail)]
        return self._status('detector', device, problems, values, fine=self._state)

    def _input_status(self):
        now = time.monotonic()
        counts = self._slot.counts()
        newest = self._input.newest_arrival if counts.received else self._activated_at
        publishers = self._input.publishers()
        problems = input_problems(counts, (now - newest) * 1e3, publishers, self._input.topic,
                                  self._limits())
        values = [('topic', self._input.topic), ('publishers', publishers),
                  ('reliability', self._input.qos.reliability.name.lower()),
                  ('received', counts.received), ('answered', counts.answered),
                  ('dropped_overwritten', counts.overwritten),
                  ('dropped_too_old', counts.too_old), ('dropped_bad', counts.bad),
                  ('answered_per_second', '{:.2f}'.format(self._window.rate(now)))]
        return self._status('input', self._input.topic, problems, values)

    def _latency_status(self):
        problem = self._delays.problem(time.monotonic(), self._limits())
        return self._status('latency', '', [problem] if problem else [],
                            latency_values(self._window.summary()))

    def _status(self, part, hardware_id, problems, values, fine='ok'):
        name = '{}: {}'.format(self.get_fully_qualified_name().lstrip('/'), part)
        return make_status(name, hardware_id, problems, values, fine)


def main(args=None) -> int:
    """Run the node until it is interrupted; return the exit status."""
    rclpy.init(args=args)
    node = None
    try:
        node = DetectorNode()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        if node.get_parameter('autostart').value:
            node.start()
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        if node is not None:
            node.close()
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
