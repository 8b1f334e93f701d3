# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Measure what the node adds to the network's own time, stage by stage.

The node runs as its own process; this one plays the camera and reads the answers, over real
topics. Each image is sent when the answer to the one before is here, so none waits for another.
"""

from __future__ import annotations

import argparse
import datetime
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import Header
from tqdm import tqdm
from vision_msgs.msg import Detection2DArray

from tsr_ros.backends.base import BackendError
from tsr_ros.backends.detector import load_detector
from tsr_ros.benchmark.host import describe_host, load_warning, resident_mb
from tsr_ros.benchmark.image import read_benchmark_image
from tsr_ros.benchmark.statistics import summarise
from tsr_ros.benchmark.tables import format_ms
from tsr_ros.msg import LatencyReport
from tsr_ros.nodes.conversions import to_compressed_image, to_image
from tsr_ros.nodes.middleware import large_image_environment
from tsr_ros.replay.messages import stamp_ns
from tsr_ros.replay.node_process import LiveError, NodeProcess
from tsr_ros.report.files import write_json
from tsr_ros.report.text_table import text_table

RESOLUTIONS_WH = {'720p': (1280, 720), '1080p': (1920, 1080)}
TRANSPORTS = ('raw', 'compressed')
SETTLING_IMAGES = 10  # not counted: the first ones find cold caches
TOPIC = '/bench_node/image'
PATIENCE_S = 60.0  # that the node may take to start
LOST_AFTER_S = 5.0  # an image without an answer

# What is summed up of each image. `transport` runs from the camera's call to publish until the
# node's callback has the message; `way_back` until the answer is in this process again.
STAGES = ('transport', 'queue_wait', 'decode', 'preprocess', 'inference', 'postprocess',
          'publish', 'way_back')
AIMS_MS = {('720p', 'pre_and_postprocess'): 2.0, ('720p', 'added'): 6.0}


class Camera:
    """A node that sends one image at a time and waits for what the detector makes of it."""

    def __init__(self, transport: str, message: Any, process: NodeProcess):
        self._message, self._process = message, process
        self._answered: dict[int, float] = {}
        self._reports: dict[int, LatencyReport] = {}
        self._ready = False
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self.node = rclpy.create_node('bench_camera', context=self._context)
        reliable = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        topic = TOPIC if transport == 'raw' else TOPIC + '/compressed'
        self._publisher = self.node.create_publisher(type(message), topic, reliable)
        for type_, name, callback in (
                (Detection2DArray, '/detector_node/detections', self._on_detections),
                (LatencyReport, '/detector_node/latency', self._on_report),
                (DiagnosticArray, '/diagnostics', self._on_diagnostics)):
            self.node.create_subscription(type_, name, callback, reliable)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)

    def close(self) -> None:
        """End the node."""
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()

    def wait_until_ready(self) -> None:
        """Wait for the detector to receive, and for both sides to know each other."""
        self._spin_until(lambda: self._ready and self._publisher.get_subscription_count(),
                         'the detector did not start')
        before = len(self._reports)

        def answered() -> bool:
            self._send()
            return len(self._reports) > before
        self._spin_until(answered, 'no image was answered', period_s=0.5)

    def measure(self) -> dict[str, float] | None:
        """Send an image; return its STAGES and sums in milliseconds, None where it was lost."""
        stamp, sent = self._send()
        if not self._spin(lambda: stamp in self._answered and stamp in self._reports,
                          LOST_AFTER_S):
            return None
        report = self._reports.pop(stamp)
        end_to_end = (self._answered.pop(stamp) - sent) * 1e3
        times = {stage: getattr(report, stage + '_ms') for stage in STAGES[1:-1]}
        times['transport'] = report.stamp_age_ms
        times['way_back'] = end_to_end - report.stamp_age_ms - report.total_ms
        times['pre_and_postprocess'] = times['preprocess'] + times['postprocess']
        times['added'] = times['transport'] + report.total_ms - times['inference']
        times['end_to_end'] = end_to_end
        return times

    def _send(self) -> tuple[int, float]:
        now_ns = self.node.get_clock().now().nanoseconds
        sent = time.monotonic()
        self._message.header.stamp.sec, self._message.header.stamp.nanosec = divmod(
            now_ns, 10**9)
        self._publisher.publish(self._message)
        return now_ns, sent

    def _spin_until(self, condition: Any, problem: str, period_s: float = 0.05) -> None:
        if not self._spin(condition, PATIENCE_S, period_s):
            raise LiveError(f'{problem}. Its last lines:\n{self._process.last_lines()}')

    def _spin(self, condition: Any, patience_s: float, period_s: float = 0.05) -> bool:
        deadline = time.monotonic() + patience_s
        while not condition():
            if self._process.ended():
                raise LiveError(f'the detector has ended:\n{self._process.last_lines()}')
            if time.monotonic() > deadline:
                return False
            self._executor.spin_once(timeout_sec=period_s)
        return True

    def _on_detections(self, message: Detection2DArray) -> None:
        self._answered[stamp_ns(message)] = time.monotonic()

    def _on_report(self, message: LatencyReport) -> None:
        self._reports[stamp_ns(message)] = message

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == 'detector_node: detector':
                if status.level == DiagnosticStatus.ERROR:
                    raise LiveError(f'the detector says: {status.message}')
                self._ready = status.message == 'active'


def make_message(image: np.ndarray, resolution_wh: tuple[int, int], transport: str) -> Any:
    """Return the message of a picture (H, W, 3), at a resolution, raw or as JPEG of quality 90."""
    bgr = cv2.resize(image, resolution_wh, interpolation=cv2.INTER_LINEAR)
    header = Header(frame_id='camera')
    if transport == 'raw':
        return to_image(bgr, header)
    _, jpeg = cv2.imencode('.jpg', bgr, (cv2.IMWRITE_JPEG_QUALITY, 90))
    return to_compressed_image(jpeg, header)


def measure_alone(image: np.ndarray, options: dict[str, Any], count: int) -> float:
    """Return the median of the network's own time in milliseconds, in a loop without ROS."""
    with load_detector(**options) as detector:
        times_ms = []
        for _ in range(SETTLING_IMAGES + count):
            detector.detect(image)
            times_ms.append(detector.timings.inference_ms)
    return float(np.median(times_ms[SETTLING_IMAGES:]))


def measure_node(image: np.ndarray, name: str, transport: str, options: dict[str, Any],
                 count: int) -> dict[str, Any]:
    """Return the statistics of one resolution and transport, as plain data."""
    message = make_message(image, RESOLUTIONS_WH[name], transport)
    parameters = {key: value for key, value in options.items() if value is not None}
    parameters.update({'image_transport': transport, 'diagnostics.period': 0.25,
                       'max_frame_age': 0.0, 'diagnostics.max_image_gap_ms': 1e6})
    with tempfile.TemporaryDirectory(prefix='tsr_bench_') as folder, NodeProcess(
            'tsr_ros.nodes.detector_node', parameters, {'image': TOPIC}, Path(folder)) as process:
        camera = Camera(transport, message, process)
        try:
            camera.wait_until_ready()
            rows = [camera.measure() for _ in tqdm(
                range(SETTLING_IMAGES + count), desc=f'{name} {transport}', leave=False,
                disable=None)][SETTLING_IMAGES:]
            memory_mb = resident_mb(process.pid)
        finally:
            camera.close()
    answered = [row for row in rows if row is not None]
    if not answered:
        raise LiveError(f'none of {count} images was answered')
    return {'resolution': name, 'transport': transport, 'images': len(rows),
            'lost': len(rows) - len(answered), 'resident_mb': memory_mb, 'statistics': {
                key: summarise([row[key] for row in answered])._asdict() for key in answered[0]}}


def print_table(result: dict[str, Any]) -> None:
    """Print the medians of each stage and of their sums, and how they stand to the aims."""
    keys = (*STAGES, 'pre_and_postprocess', 'added', 'end_to_end')
    cases = result['cases']
    headings = ('median ms', *(f'{case["resolution"]} {case["transport"]}' for case in cases))
    rows = [(key.replace('_', ' '), *(format_ms(case['statistics'][key]['median_ms'])
                                     for case in cases)) for key in keys]
    rows.append(('images lost', *(f'{case["lost"]} of {case["images"]}' for case in cases)))
    rows.append(('added, p95', *(format_ms(case['statistics']['added']['p95_ms'])
                                 for case in cases)))
    rows.append(('memory of the node, MB', *(f'{case["resident_mb"]:.0f}' for case in cases)))
    print(text_table(headings, rows, left=1))
    print(f'\nThe network alone, without ROS: {format_ms(result["alone_ms"])} ms. '
          'Added is all but inference, from the call to publish to the answer\'s.')
    for case in cases:
        for (name, key), aim_ms in AIMS_MS.items():
            if (case['resolution'], case['transport']) == (name, 'raw'):
                median_ms = case['statistics'][key]['median_ms']
                print(f'{key.replace("_", " ")}, {name} raw: {format_ms(median_ms)} ms, '
                      f'aim {aim_ms:g} ms: {"reached" if median_ms < aim_ms else "missed"}')
    if warning := load_warning(result['load_average']):
        print(warning)


def main(argv: list[str] | None = None) -> int:
    """Measure, print a table, write JSON; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--model', default='yolov7-tiny', help='name in the manifest, or a path')
    parser.add_argument('--models-dir', help='folder with manifest.yaml')
    parser.add_argument('--backend', default='onnxruntime')
    parser.add_argument('--precision', default='auto')
    parser.add_argument('--threads', type=int, default=0, help='0: one per core')
    parser.add_argument('--images', type=int, default=200, help='of each kind')
    parser.add_argument('--image', type=Path, help='a picture instead of the built-in one')
    parser.add_argument('--out', type=Path, default=Path('out/bench-node/node.json'))
    args = parser.parse_args(argv)
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    os.environ.update(large_image_environment())  # this process is the camera
    options = {'model': args.model, 'models_dir': args.models_dir, 'backend': args.backend,
               'precision': args.precision, 'threads': args.threads}
    load_average = os.getloadavg()[0]
    try:
        image = read_benchmark_image(args.image)
        alone_ms = measure_alone(image, options, args.images)
        cases = [measure_node(image, name, transport, options, args.images)
                 for name in RESOLUTIONS_WH for transport in TRANSPORTS]
    except (BackendError, LiveError, ValueError) as error:
        print(f'bench-node: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('bench-node: interrupted', file=sys.stderr)
        return 130
    result = {'time': datetime.datetime.now(datetime.timezone.utc).isoformat(timespec='seconds'),
              'host': describe_host(), 'options': options, 'load_average': load_average,
              'alone_ms': alone_ms, 'cases': cases}
    print_table(result)
    write_json(args.out, result)
    print(f'All numbers: {args.out}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
