# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0

import math
import os
import signal
import sys
import time
import traceback

import rclpy
from rclpy.clock import Clock, ClockType, JumpThreshold
from rclpy.duration import Duration
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo

from tsr_ros.backends.base import BackendError
from tsr_ros.backends.detector import load_detector
from tsr_ros.msg import LatencyReport

from . import parameters, qos
from .annotated_images import AnnotatedImages
from .conversions import to_detection_array, to_label_info
from .detection_loop import DetectionLoop
from .frame_slot import FrameSlot
from .image_input import ImageInput
from .latency_window import STAGES
from .node_diagnostics import NodeDiagnostics
from .sign_publisher import SignPublisher

# Seconds to wait for the image at hand before its backend counts as hanging. `ros2 launch` kills a
# process 10 s after Ctrl-C.
PATIENCE = 5.0


class DetectorNode(LifecycleNode):
    """
    Find signs and lights in the images of a topic.

    The executor's thread receives images into a slot that keeps the newest; a second thread takes
    them from there, detects and publishes. docs/node.md describes topics and parameters.
    """

    def __init__(self, **kwargs):
        super().__init__('detector_node', **kwargs)
        self._state = 'unconfigured'
        self._detector = self._info = None
        self._input = self._loop = None
        self.add_on_set_parameters_callback(
            lambda changes: parameters.check(changes, self._state))
        parameters.declare(self)
        self._diagnostics = NodeDiagnostics(self)
        self._jumps = self.get_clock().create_jump_callback(
            JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1)),
            post_callback=self._on_time_jump)
        # a steady clock, so that there are diagnostics when simulated time stands still
        self.create_timer(self._value('diagnostics.period'), self._publish_diagnostics,
                          clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _value(self, name):
        return self.get_parameter(name).value

    # -- lifecycle ---------------------------------------------------------------------------

    def on_configure(self, _state):
        """Load the model and create the publishers."""
        self._diagnostics.over('configure')
        self._diagnostics.over('fallback')
        self._state = 'configuring'
        try:
            self._load()
        except Exception as error:
            return self._failed('configured', error)
        parameters.warn_of_unknown(self)
        self.get_logger().info('{}: {} {}, {}, {}, {} threads'.format(
            self._detector.model_file.name, self._info.name, self._info.version,
            self._info.precision, self._info.device, self._info.threads))
        self._state = 'inactive'
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state):
        """Start to receive and to detect."""
        self._diagnostics.over('configure')
        self._slot = FrameSlot(time.monotonic)
        self._diagnostics.start(self._slot)
        try:
            self._loop = DetectionLoop(self._slot, self._detector, self, self._answer,
                                       self._report, self._on_problem)
            self._input = ImageInput(self, self._value('image_transport'), self._slot,
                                     self._on_problem, self._age_offset)
        except Exception as error:
            return self._failed('activated', error)
        self._diagnostics.watch(self._input, self._loop)
        self.get_logger().info('Waiting for images on {}'.format(self._input.topic))
        self._state = 'active'
        return super().on_activate(state)

    def on_deactivate(self, state):
        """Stop to receive; the image at hand is still answered."""
        if not self._stop():
            return TransitionCallbackReturn.FAILURE
        self._state = 'inactive'
        return super().on_deactivate(state)

    def on_cleanup(self, _state):
        """Let the model go."""
        if not self._release():
            return TransitionCallbackReturn.FAILURE
        self._state = 'unconfigured'
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, _state):
        """Stop and let everything go, but for a backend that hangs."""
        released = self._release()
        self._close_input()
        self._state = 'finalized'
        return (TransitionCallbackReturn.SUCCESS if released
                else TransitionCallbackReturn.FAILURE)

    def on_error(self, _state):
        """Come back to a state from which the node can be configured again."""
        if not self._release():
            self._close_input()
            self._state = 'finalized'
            return TransitionCallbackReturn.FAILURE
        self._state = 'unconfigured'
        return TransitionCallbackReturn.SUCCESS

    def _failed(self, what, error):
        """Undo half a transition, say why it failed, and stay in the state before it."""
        if what == 'configured':
            self._release()
            self._state = 'unconfigured'
        else:
            self._stop()
        if self.is_shut_down():  # no wonder, and nobody to tell
            return TransitionCallbackReturn.FAILURE
        text = str(error)
        if not isinstance(error, (BackendError, qos.QosError)):
            # rclpy would pass over it in silence
            traceback.print_exc()
            text = 'unexpected {}: {}'.format(type(error).__name__, error)
        self._diagnostics.problem('configure', 'not {}: {}'.format(what, text), lasting=True)
        return TransitionCallbackReturn.FAILURE

    def _load(self):
        self._own_publishers = []
        self._detector = load_detector(
            self._value('model'), backend=self._value('backend'),
            precision=self._value('precision'), device=self._value('device'),
            threads=self._value('threads'), models_dir=self._value('models_dir') or None,
            input_wh=parameters.size(self._value('input_size')),
            max_loss=self._value('max_accuracy_loss'),
            fallback=parameters.names(self._value('fallback')), on_progress=self._on_progress)
        self._describe()
        parameters.declare_class_thresholds(self, self._detector.labels)
        self._detections_publisher = self.open_publisher(
            Detection2DArray, '~/detections', qos.results())
        self._latency_publisher = self.open_publisher(LatencyReport, '~/latency', qos.results())
        self._label_info_publisher = self.open_publisher(LabelInfo, '~/label_info', qos.latched())
        self._annotated = AnnotatedImages(self, self._detector.labels)
        self._signs = SignPublisher(self, self._detector.labels)
        self._publish_label_info(self._value('confidence_threshold'))

    def _describe(self):
        """Ask the backend what really runs; one that stands in for another is a problem."""
        backend = self._detector.backend
        self._info = backend.describe()
        self._described = backend.failures
        if self._described:
            self._diagnostics.problem('fallback', '{} stands in: {}'.format(
                self._info.name, '; '.join(self._described)), lasting=True)

    def open_publisher(self, message_type, topic, profile):
        """Return a publisher that is there until the model is let go."""
        publisher = qos.open_topic(self.create_publisher, message_type, topic, profile)
        self._own_publishers.append(publisher)
        return publisher

    def _stop(self):
        """Stop to receive and to detect; return False where a backend that hangs forbids it."""
        if self._loop is not None and not self._loop.close(PATIENCE):
            self._on_problem('hang', 'not stopped, as {}: try again, or end the node'.format(
                self.hang()))
            return False
        self._loop = None
        self._close_input()
        return True

    def _close_input(self):
        self._diagnostics.stop()
        if self._input is not None:
            self._input.close()
            self._input = None

    def _release(self):
        """Let everything go; return False where nothing was, since the backend hangs."""
        if not self._stop():
            return False
        self._diagnostics.over('fallback')
        if self._detector is None:
            return True
        for publisher in self._own_publishers:
            self.destroy_publisher(publisher)
        detector, self._detector, self._info = self._detector, None, None
        try:
            detector.close()
        except Exception as error:  # a GPU that has failed; the node can still go on without it
            self._on_problem('close', 'the backend could not give back all that it holds; start '
                             'the node anew if it cannot be configured again: {}'.format(error))
        return True

    def start(self) -> None:
        """Configure and activate."""
        if self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    def close(self) -> bool:
        """
        Stop the detection thread and let the model go, whatever the state.

        :return: False where the backend hangs: then nothing was let go.
        """
        return self._release()

    def hang(self) -> str:
        """Return how long the backend has been at work on one image, in words."""
        return 'the backend has been at work on one image for {:.1f} s'.format(
            self._loop.busy_for(time.monotonic()))

    # -- one frame's way: all of it in the detection thread ------------------------------------

    def is_shut_down(self) -> bool:
        """Tell whether ROS has ended, so that nothing can be published any more."""
        return not self.context.ok()

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
        if overall != self._published_threshold:
            self._publish_label_info(overall)

    def _publish_label_info(self, threshold):
        header = Header(stamp=self.get_clock().now().to_msg())
        self._label_info_publisher.publish(
            to_label_info(self._detector.labels, threshold, header))
        self._published_threshold = threshold

    def _age_offset(self, stamp_age):
        from_stamp = self._value('frame_age_from') == 'stamp' and not math.isnan(stamp_age)
        return stamp_age if from_stamp else 0.0

    def _answer(self, frame, detections):
        header = frame.message.header
        ids = self._signs.follow(detections, header, frame.arrival)
        self._detections_publisher.publish(
            to_detection_array(detections, self._detector.labels, header, ids))
        self._signs.publish(header)

    def _report(self, frame, bgr, detections, times_ms):
        self._diagnostics.answered(times_ms)
        if self._detector.backend.failures != self._described:
            self._describe()
        counts = self._slot.counts()
        self._latency_publisher.publish(LatencyReport(
            header=frame.message.header, received=counts.received, answered=counts.answered,
            dropped_overwritten=counts.overwritten, dropped_too_old=counts.too_old,
            dropped_bad=counts.bad, **{stage + '_ms': times_ms[stage] for stage in STAGES}))
        self._annotated.publish(bgr, detections, frame.message.header)

    # -- what went wrong, and how fast it goes -------------------------------------------------

    def _on_problem(self, kind, text):
        if not self.is_shut_down():
            self._diagnostics.problem(kind, text)

    def _on_progress(self, text):
        """Say what takes so long; the executor is busy with it, so its timer cannot."""
        self.get_logger().info(text)
        if self._state == 'configuring':
            self._diagnostics.publish('configuring: {}'.format(text), None)

    def _on_time_jump(self, jump):
        if jump.delta.nanoseconds < 0:
            self._on_problem('time', "the node's clock jumped back by {:.1f} s".format(
                -jump.delta.nanoseconds / 1e9))

    def _publish_diagnostics(self):
        self._diagnostics.publish(self._state, self._info)


def main(args=None) -> int:
    """Run the node until it is interrupted; return the exit status."""
    try:
        rclpy.init(args=args)
    except RuntimeError as error:  # as rclpy's part in C++ says it
        print('detector_node: ROS cannot start with these arguments: {}'.format(error),
              file=sys.stderr)
        return 2
    node = None
    try:
        node = DetectorNode()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        if node.get_parameter('autostart').value:
            node.start()
        executor.spin()
    except ParameterException as error:
        print('detector_node: {}'.format(error), file=sys.stderr)
        return 2
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception:
        if rclpy.ok():  # else a signal took ROS away under what was being done
            raise
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # one is enough: this is the end already
        hang = ''
        if node is not None:
            if not node.close():
                hang = node.hang()
            node.destroy_node()
        rclpy.try_shutdown()
        if hang:
            print('detector_node: ended although {}; what it holds was not given back'.format(
                hang), file=sys.stderr, flush=True)
            os._exit(1)  # an orderly exit may wait for the runtime's threads, and so for ever
    return 0


if __name__ == '__main__':
    sys.exit(main())
