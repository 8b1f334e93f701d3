# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import io
import itertools
import queue
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import PIL.Image
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.msg import FloatingPointRange, ParameterDescriptor
from rclpy.duration import Duration
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, TimeReference
from vision_msgs.msg import Detection2DArray, LabelInfo

from tsr_ros.nodes.qos import latched
from tsr_ros.replay import messages
from tsr_ros.replay.frame import Frame, encode_jpeg
from tsr_ros.replay.run import LEAST_RATE, MOST_RATE
from tsr_ros.replay.sources import Source, SourceError, open_source
from tsr_ros.vision.image_codecs import ImageError

LATE_MS = 10.0  # a frame sent later than this after its time is counted
RELIABLE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
# What was sent when must reach whoever keeps the account, even if he is found a little late.
LEDGER = QoSProfile(history=HistoryPolicy.KEEP_ALL, depth=0,
                    reliability=ReliabilityPolicy.RELIABLE,
                    durability=DurabilityPolicy.TRANSIENT_LOCAL)
_READ_AHEAD = 8  # frames
_REPORT_PERIOD_S = 1.0


class PreparedFrame(NamedTuple):
    """A frame as bytes that the middleware takes as they are."""

    stamp_ns: int
    image: bytes
    camera_info: bytes
    ground_truth: bytes | None


class PlayerNode(Node):
    """
    Play a recording, a film or a folder of images over topics, at its own pace and on its clock.

    It starts once somebody subscribes to the images. docs/replay.md describes topics and
    parameters.
    """

    def __init__(self, **kwargs: Any):
        super().__init__('player_node', **kwargs)
        self._declare_parameters()
        self._transport = self._value('image_transport')
        if self._transport not in ('raw', 'compressed'):
            raise SourceError(f"image_transport is '{self._transport}'; it can be raw or "
                              'compressed')
        self._source = open_source(self._value('source'), self._value('frame_rate') or None,
                                   self._value('topic') or None)
        self._rate = self._value('rate')
        base = self.resolve_topic_name('image')
        beside = base.rpartition('/')[0]
        compressed = self._transport == 'compressed'
        self._image_publisher = self.create_publisher(
            CompressedImage if compressed else Image,
            base + '/compressed' if compressed else base, RELIABLE)
        self._camera_info_publisher = self.create_publisher(
            CameraInfo, beside + '/camera_info', RELIABLE)
        self._clock_publisher = self.create_publisher(Clock, '/clock', RELIABLE)
        self._sent_publisher = self.create_publisher(TimeReference, '~/sent', LEDGER)
        self._diagnostics_publisher = self.create_publisher(
            DiagnosticArray, '/diagnostics', RELIABLE)
        if self._source.has_ground_truth:
            self._ground_truth_publisher = self.create_publisher(
                Detection2DArray, beside + '/ground_truth', RELIABLE)
            label_info = self.create_publisher(LabelInfo, beside + '/label_info', latched())
            label_info.publish(_serialized(messages.label_info(self._source.labels, 0)))
        self._late = 0
        self._latest_ms = 0.0
        self._count = 0
        self._next_report = 0.0
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self)

    def _declare_parameters(self) -> None:
        def declare(name: str, default: Any, description: str,
                    limits: tuple[float, float] | None = None) -> None:
            ranges = [FloatingPointRange(from_value=limits[0], to_value=limits[1])] if limits \
                else []
            self.declare_parameter(name, default, ParameterDescriptor(
                description=description, read_only=True, floating_point_range=ranges))

        declare('source', '', 'A rosbag2, a film, a folder of images or a single image.')
        declare('rate', 1.0, 'Times the pace of the source.', (LEAST_RATE, MOST_RATE))
        declare('loop', False, 'Start again at the end; the clock goes on.')
        declare('frame_rate', 0.0, 'Frames per second of a film or of images. 0: as the film '
                'says, 10 for images.', (0.0, 1000.0))
        declare('topic', '', "Of a recording's images. Empty: the usual one, or the only one.")
        declare('image_transport', 'compressed', 'How images are published: raw (on `image`) or '
                'compressed (on `image/compressed`).')
        declare('clock_rate', 100.0, 'Times per second that /clock is published.', (1.0, 1000.0))
        declare('wait_for_subscriber', True, 'Start only once somebody takes the images.')
        declare('wait_for_observer', False, 'Start only once somebody subscribes to ~/sent too.')

    def _value(self, name: str) -> Any:
        return self.get_parameter(name).value

    def play(self) -> None:
        """
        Send every frame; return when all were sent.

        :raises SourceError: where the source turns out to be damaged.
        """
        with ReadAhead(self._source, self._transport, self._value('loop')) as frames:
            first = next(frames, None)
            if first is None:
                raise SourceError(f'{self._source.path} has no frames')
            if self._value('wait_for_subscriber'):
                self._wait_for_subscriber(self._image_publisher)
            if self._value('wait_for_observer'):
                self._wait_for_subscriber(self._sent_publisher)
            start = time.monotonic()
            for frame in itertools.chain([first], frames):
                due = start + (frame.stamp_ns - first.stamp_ns) / 1e9 / self._rate
                self._wait_until(due, start, first.stamp_ns)
                self._send(frame, start, first.stamp_ns)
                late_ms = (time.monotonic() - due) * 1e3
                self._late += late_ms > LATE_MS
                self._latest_ms = max(self._latest_ms, late_ms)
                self._count += 1
                self._report_now_and_then('playing')
        self.get_logger().info(
            f'Played {self._count} frames of {self._source.path} in '
            f'{time.monotonic() - start:.1f} s; {self._late} were sent more than {LATE_MS:g} ms '
            f'late, the latest {self._latest_ms:.1f} ms')
        self._report('played')
        self._wait_for_readers()

    def close(self) -> None:
        """Let the node go."""
        self._executor.shutdown()
        self.destroy_node()

    def _wait_for_subscriber(self, publisher: Publisher) -> None:
        next_word = time.monotonic() + 2.0
        while not publisher.get_subscription_count():
            self._executor.spin_once(timeout_sec=0.02)
            self._report_now_and_then('waiting')
            if time.monotonic() > next_word:
                self.get_logger().info(
                    f'Waiting for somebody to subscribe to {publisher.topic_name}')
                next_word += 10.0

    def _wait_for_readers(self) -> None:
        """Stay until all that was said has been received, for at most five seconds."""
        deadline = time.monotonic() + 5.0
        for publisher in (self._sent_publisher, self._diagnostics_publisher):
            # in short turns, so that Ctrl-C is heard
            while not publisher.wait_for_all_acked(Duration(nanoseconds=50_000_000)):
                if time.monotonic() > deadline:
                    return

    def _wait_until(self, due: float, start: float, first_ns: int) -> None:
        """Keep the clock going until a frame is due (seconds, steady clock)."""
        period = 1.0 / self._value('clock_rate')
        while True:
            now = time.monotonic()
            if now >= due:
                return
            self._publish_clock(now, start, first_ns)
            self._report_now_and_then('playing')
            self._executor.spin_once(timeout_sec=max(0.0, min(period, due - now)))
            # whatever came up may have ended the wait early
            time.sleep(max(0.0, min(now + period, due) - time.monotonic()))

    def _publish_clock(self, now: float, start: float, first_ns: int) -> None:
        time_ns = first_ns + round((now - start) * self._rate * 1e9)
        self._clock_publisher.publish(Clock(clock=Time(nanoseconds=time_ns).to_msg()))

    def _send(self, frame: PreparedFrame, start: float, first_ns: int) -> None:
        self._publish_clock(time.monotonic(), start, first_ns)
        self._camera_info_publisher.publish(frame.camera_info)
        if frame.ground_truth is not None:
            self._ground_truth_publisher.publish(frame.ground_truth)
        sent = TimeReference(source='system clock')
        sent.header.stamp = Time(nanoseconds=frame.stamp_ns).to_msg()
        sent.header.frame_id = messages.CAMERA_FRAME
        sent.time_ref = Time(nanoseconds=time.time_ns()).to_msg()
        self._image_publisher.publish(frame.image)
        self._sent_publisher.publish(sent)

    def _report_now_and_then(self, state: str) -> None:
        now = time.monotonic()
        if now >= self._next_report:
            self._next_report = now + _REPORT_PERIOD_S
            self._report(state)

    def _report(self, state: str) -> None:
        """Say on /diagnostics how far it is and how the pace was kept."""
        status = DiagnosticStatus(
            level=DiagnosticStatus.OK, name=f'{self.get_name()}: player', message=state,
            hardware_id=str(self._source.path))
        status.values = [KeyValue(key=key, value=str(value)) for key, value in (
            ('sent', self._count), ('late', self._late), ('latest_ms', f'{self._latest_ms:.1f}'))]
        message = DiagnosticArray(status=[status])
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics_publisher.publish(message)


class ReadAhead:
    """
    Read, encode and serialise frames in a thread, a few ahead of the one that is due.

    A context manager that gives an iterator of PreparedFrame; what the thread meets is raised
    there.

    :param transport: raw or compressed.
    :param loop: go on from the start at the end, for ever, with stamps that rise.
    """

    def __init__(self, source: Source, transport: str, loop: bool):
        self._queue: queue.Queue = queue.Queue(_READ_AHEAD)
        self._stopped = threading.Event()
        self._source, self._transport, self._loop = source, transport, loop
        self._thread = threading.Thread(target=self._run, name='read ahead', daemon=True)

    def __enter__(self) -> Iterator[PreparedFrame]:
        self._thread.start()
        return iter(self._next, None)

    def __exit__(self, *error: Any) -> None:
        self._stopped.set()
        self._thread.join()

    def _next(self) -> PreparedFrame | None:
        item = self._queue.get()
        if isinstance(item, Exception):
            raise item
        return item

    def _run(self) -> None:
        try:
            last_ns = 0
            for frame in self._frames():
                if frame.stamp_ns <= last_ns:
                    raise SourceError(
                        f'{self._source.path}: the stamp of {frame.name} is not later than that '
                        'of the frame before it; played, they could not be told apart')
                last_ns = frame.stamp_ns
                if not self._put(_prepared(frame, self._source, self._transport)):
                    return
            self._put(None)
        except Exception as error:  # it is raised where the frames are used
            self._put(error)

    def _frames(self) -> Iterator[Frame]:
        """Yield the frames, over and over where a loop is asked for, with stamps that rise."""
        shift_ns = 0
        while True:
            first_ns = last_ns = 0
            for frame in self._source.frames():
                first_ns = first_ns or frame.stamp_ns
                last_ns = frame.stamp_ns
                yield frame._replace(stamp_ns=frame.stamp_ns + shift_ns)
            if not self._loop or not last_ns:
                return
            shift_ns += last_ns - first_ns + round(1e9 / self._source.rate_hz)

    def _put(self, item: Any) -> bool:
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=0.1)
                return True
            except queue.Full:
                pass
        return False


def _prepared(frame: Frame, source: Source, transport: str) -> PreparedFrame:
    if transport == 'compressed' and frame.compressed is not None:
        image = messages.compressed_image(frame.compressed, frame.stamp_ns)
        resolution_wh = _resolution_wh(frame.compressed)
    else:
        try:
            bgr = frame.bgr()
        except ImageError as error:
            raise SourceError(f'{source.path}: {frame.name}: {error} (image_transport '
                              'compressed would send the file as it is)') from error
        image = messages.compressed_image(encode_jpeg(bgr), frame.stamp_ns) \
            if transport == 'compressed' else messages.image(bgr, frame.stamp_ns)
        resolution_wh = bgr.shape[1::-1]
    truth = None
    if frame.ground_truth is not None:
        truth = _serialized(messages.detections(frame.ground_truth, source.labels,
                                                frame.stamp_ns))
    return PreparedFrame(frame.stamp_ns, _serialized(image),
                         _serialized(_camera_info(frame, source, resolution_wh)), truth)


def _resolution_wh(compressed: bytes) -> tuple[int, int]:
    """Return what an image's file says of its size; of a damaged one (0, 0)."""
    try:
        with PIL.Image.open(io.BytesIO(compressed)) as header:
            return header.size
    except OSError:
        return 0, 0


def _camera_info(frame: Frame, source: Source, resolution_wh: tuple[int, int]) -> Any:
    """Return what was recorded of the camera, under this frame's stamp; else only the size."""
    if source.camera_info is None:
        return messages.camera_info(resolution_wh, frame.stamp_ns)
    return messages.make(messages.CAMERA_INFO, **dict(
        vars(source.camera_info), header=messages.header(frame.stamp_ns)))


def _serialized(message: Any) -> bytes:
    return bytes(messages.typestore().serialize_cdr(message, message.__msgtype__))


def main(args: list[str] | None = None) -> int:
    """
    Play, and return the exit status.

    That is 0 when all was played or on Ctrl-C, 1 for a bad source, 2 for bad arguments.
    """
    try:
        rclpy.init(args=args)
    except RuntimeError as error:  # as rclpy's part in C++ says it
        print(f'player_node: ROS cannot start with these arguments: {error}', file=sys.stderr)
        return 2
    node = None
    try:
        node = PlayerNode()
        node.play()
    except SourceError as error:
        print(f'player_node: {error}', file=sys.stderr)
        return 1
    except ParameterException as error:
        print(f'player_node: {error}', file=sys.stderr)
        return 2
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        if node is not None:
            node.close()
        rclpy.try_shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
