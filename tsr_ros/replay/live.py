# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A replay over real topics: detector and player in processes of their own, observed from here."""

from __future__ import annotations

import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import TimeReference
from tqdm import tqdm
from vision_msgs.msg import Detection2DArray, LabelInfo

from tsr_ros.msg import LatencyReport
from tsr_ros.nodes.frame_slot import Counts
from tsr_ros.nodes.qos import latched
from tsr_ros.replay.messages import stamp_ns
from tsr_ros.replay.node_process import LiveError, NodeProcess
from tsr_ros.replay.player_node import LATE_MS, LEDGER
from tsr_ros.replay.run import (
    LEAST_RATE,
    MOST_RATE,
    STAGES,
    Answer,
    DetectorOptions,
    Run,
    in_labels_of,
)
from tsr_ros.replay.sources import Source, is_utf8
from tsr_ros.vision.detections import Detections

IMAGE_TOPIC = '/camera/image_raw'
START_TIMEOUT_S = 600.0  # a runtime may have to build its engine first
_STALLED_S = 60.0        # what has not moved for so long will not move again
_RESULTS = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE,
                      durability=DurabilityPolicy.VOLATILE)


class Observer:
    """Subscribe to what detector and player say, and keep it."""

    def __init__(self, node: Node):
        self.node = node
        self.sent: dict[int, int] = {}  # stamp: system time of sending, nanoseconds both
        self.detections: dict[int, tuple[int, Detection2DArray]] = {}  # stamp: (arrival, message)
        self.reports: dict[int, LatencyReport] = {}
        self.labels: tuple[str, ...] = ()
        self.counts: list[Counts] = []  # one of each message on /diagnostics
        self.detector: dict[str, str] = {}
        self.error = ''
        self.player: dict[str, str] = {}
        self.player_finished = False
        self.player_heard_s = 0.0  # when it was last heard of, steady clock
        self.cameras_known = 0  # to the detector, as far as it has said
        self.answered_twice = 0
        for message_type, topic, callback, qos in (
                (Detection2DArray, '/detector_node/detections', self._on_detections, _RESULTS),
                (LatencyReport, '/detector_node/latency', self._on_latency, _RESULTS),
                (LabelInfo, '/detector_node/label_info', self._on_label_info, latched()),
                (DiagnosticArray, '/diagnostics', self._on_diagnostics, _RESULTS)):
            node.create_subscription(message_type, topic, callback, qos)

    def let_player_begin(self) -> None:
        """
        Subscribe to what the player waits for.

        The last of all: once the player knows of it, it knows of the others too, for they are made
        known in the order in which they are made.
        """
        self.node.create_subscription(TimeReference, '/player_node/sent', self._on_sent, LEDGER)

    def has_heard_all(self) -> bool:
        """Tell whether the player has finished and all that it sent is known here."""
        return self.player_finished and len(self.sent) >= int(self.player['sent'])

    def _on_sent(self, message: TimeReference) -> None:
        time_ref = message.time_ref
        self.sent[stamp_ns(message)] = time_ref.sec * 10**9 + time_ref.nanosec

    def _on_detections(self, message: Detection2DArray) -> None:
        arrival_ns = time.time_ns()
        self.answered_twice += stamp_ns(message) in self.detections
        self.detections[stamp_ns(message)] = arrival_ns, message

    def _on_latency(self, message: LatencyReport) -> None:
        self.reports[stamp_ns(message)] = message

    def _on_label_info(self, message: LabelInfo) -> None:
        names = {entry.class_id: entry.class_name for entry in message.class_map}
        self.labels = tuple(names[class_id] for class_id in sorted(names))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            values = {value.key: value.value for value in status.values}
            if status.name == 'player_node: player':
                self.player = values
                self.player_finished = status.message == 'played'
                self.player_heard_s = time.monotonic()
            elif status.name == 'detector_node: input':
                self.cameras_known = int(values['publishers'])
                self.counts.append(Counts(
                    int(values['received']), int(values['answered']),
                    int(values['dropped_overwritten']), int(values['dropped_too_old']),
                    int(values['dropped_bad'])))
            elif status.name == 'detector_node: detector':
                self.detector = values
                failed = status.level == DiagnosticStatus.ERROR
                self.error = status.message if failed else ''


def replay_live(source: Source, options: DetectorOptions | None = None, rate: float = 1.0,
                image_transport: str = 'compressed', progress: bool = True) -> Run:
    """
    Play a source over topics to the detector node and return what came of every frame.

    Stages are as the node measures them. `end_to_end` runs from handing the image to the
    middleware until its detections are here, in a third process; `age_at_arrival` is how old the
    image was at the node by the recording's own clock.

    :param rate: times the source's own pace, from LEAST_RATE to MOST_RATE.
    :raises LiveError: where the rate is none, the detector does not start, either process dies or
        stalls, or the source fails.
    """
    options = options or DetectorOptions()
    if not LEAST_RATE <= rate <= MOST_RATE:
        raise LiveError(f'the rate is {rate:g}, but it lies between {LEAST_RATE:g} and '
                        f'{MOST_RATE:g} times the pace of the source')
    if not is_utf8(source.path):
        raise LiveError(f'the name of {source.path} is not UTF-8, and ROS 2 takes no other; '
                        'rename it')
    with tempfile.TemporaryDirectory(prefix='tsr_replay_') as folder, _signals_interrupt(), \
            _observer() as (observer, executor):
        with _detector(options, image_transport, Path(folder)) as detector:
            _wait_for_detector(observer, executor, detector, image_transport, progress)
            with _player(source, rate, image_transport, Path(folder)) as player:
                _introduce(observer, executor, detector, player)
                _watch(observer, executor, detector, player, source.count, progress)
            _wait_until_settled(observer, executor, detector)
        return _account(observer, source, options, rate)


@contextmanager
def _observer() -> Iterator[tuple[Observer, SingleThreadedExecutor]]:
    context = Context()
    # Ctrl-C stays Python's own
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = Node('replay_observer', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        yield Observer(node), executor
    finally:
        executor.shutdown()
        node.destroy_node()
        context.try_shutdown()


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Let what else ends a process, a closed terminal too, end it as Ctrl-C does."""
    def interrupt(_number: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, interrupt)
              for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _detector(options: DetectorOptions, image_transport: str, folder: Path) -> NodeProcess:
    return NodeProcess('tsr_ros.nodes.detector_node', dict(
        options._asdict(), image_transport=image_transport, use_sim_time=True,
        **{'diagnostics.period': 0.25}), {'image': IMAGE_TOPIC}, folder)


def _player(source: Source, rate: float, image_transport: str, folder: Path) -> NodeProcess:
    return NodeProcess('tsr_ros.replay.player_node', {
        'source': str(source.path), 'rate': float(rate), 'image_transport': image_transport,
        'topic': source.topic or '', 'wait_for_observer': True,
        'frame_rate': 0.0 if source.kind == 'recording' else float(source.rate_hz),
    }, {'image': IMAGE_TOPIC}, folder)


def _wait_for_detector(observer: Observer, executor: SingleThreadedExecutor,
                       detector: NodeProcess, image_transport: str, progress: bool) -> None:
    topic = IMAGE_TOPIC + ('/compressed' if image_transport == 'compressed' else '')
    start = time.monotonic()
    deadline, next_word = start + START_TIMEOUT_S, start + 10.0
    node = observer.node
    while not (observer.labels and observer.counts and node.count_subscribers(topic)):
        executor.spin_once(timeout_sec=0.05)
        if detector.ended() or time.monotonic() > deadline:
            raise LiveError('the detector did not start. Its last lines:\n'
                            + detector.last_lines())
        if observer.error and observer.detector.get('state') == 'unconfigured':
            raise LiveError(f'the detector did not start: {observer.error}')
        if progress and time.monotonic() > next_word:
            print(f'the detector is loading its model, {next_word - start:.0f} s so far',
                  file=sys.stderr, flush=True)
            next_word += 10.0
    for name, most in ((topic, 0), ('/clock', 0), ('/detector_node/detections', 1)):
        if node.count_publishers(name) > most:
            raise LiveError(f'somebody else publishes on {name}, and the results would be mixed '
                            'up. End it, or set ROS_DOMAIN_ID to a number of its own')


def _must_run(detector: NodeProcess, when: str) -> None:
    if detector.ended():
        raise LiveError(f'the detector ended {when}. Its last lines:\n{detector.last_lines()}')


def _must_play(observer: Observer, player: NodeProcess) -> None:
    """Refuse to wait longer for a player that tells nothing, which it does each second."""
    silent_s = time.monotonic() - observer.player_heard_s
    if silent_s > _STALLED_S and not player.ended():
        raise LiveError(
            f'the player has told nothing for {silent_s:.0f} s; {len(observer.sent)} frames had '
            f'come until then. Does its source answer? Its last lines:\n{player.last_lines()}')


def _introduce(observer: Observer, executor: SingleThreadedExecutor, detector: NodeProcess,
               player: NodeProcess) -> None:
    """
    Wait until the detector knows the player, and let it begin.

    The player knowing the detector is not enough: what comes from somebody unknown is ignored.
    """
    observer.player_heard_s = time.monotonic()
    while not (observer.cameras_known or player.ended()):
        _receive(executor, 0.05)
        _must_play(observer, player)
        _must_run(detector, 'before a frame came')
    observer.let_player_begin()


def _watch(observer: Observer, executor: SingleThreadedExecutor, detector: NodeProcess,
           player: NodeProcess, count: int, progress: bool) -> None:
    """Receive until the player has sent all."""
    with tqdm(total=count or None, unit='frame', desc='playing',
              disable=None if progress else True) as bar:
        while not (player.ended() or observer.has_heard_all()):
            _receive(executor, 0.1)
            _must_play(observer, player)
            _must_run(detector, 'while frames were coming')
            if len(observer.sent) > bar.n:
                bar.set_postfix_str(f'{len(observer.detections)} answered', refresh=False)
                bar.update(len(observer.sent) - bar.n)


def _wait_until_settled(observer: Observer, executor: SingleThreadedExecutor,
                        detector: NodeProcess) -> None:
    """Receive until the node has nothing left to answer and all of it has arrived here."""
    state, since = None, time.monotonic()
    seen = len(observer.counts)
    while True:
        _receive(executor, 0.05)
        newest = observer.counts[-1]
        complete = observer.has_heard_all()
        fresh = observer.counts[seen:]
        steady = len(fresh) >= 2 and fresh[-1] == fresh[-2] and newest.settled
        if complete and steady and len(observer.detections) >= newest.answered:
            return
        _must_run(detector, 'before it had answered')
        now = time.monotonic()
        if state != (newest, len(observer.sent), len(observer.detections)):
            state, since = (newest, len(observer.sent), len(observer.detections)), now
        if complete and steady and now - since > 2.0:
            return  # answers that the middleware has lost
        if now - since > _STALLED_S:
            raise LiveError(f'the account does not close: {len(observer.sent)} frames sent by '
                            f'{observer.player.get("sent", "?")}, the node says {newest}. '
                            f'Its last lines:\n{detector.last_lines()}')


def _receive(executor: SingleThreadedExecutor, seconds: float) -> None:
    """Take what has come, for a while."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        executor.spin_once(timeout_sec=left)


def _account(observer: Observer, source: Source, options: DetectorOptions, rate: float) -> Run:
    truths = _ground_truths(source, observer.labels)
    answers = [
        Answer(f'{source.name}:{index}', stamp, truths.get(stamp),
               _detections(observer, stamp), _times_ms(observer, stamp, sent_ns))
        for index, (stamp, sent_ns) in enumerate(observer.sent.items())]
    counts = observer.counts[-1]
    answered = sum(answer.detections is not None for answer in answers)
    dropped = {'overwritten': counts.overwritten, 'too_old': counts.too_old, 'bad': counts.bad,
               'lost': len(answers) - counts.received, 'answer_lost': counts.answered - answered}
    problems = []
    if min(dropped.values()) < 0 or observer.answered_twice or answered != len(
            observer.detections):
        raise LiveError(
            f'the account does not close: {len(answers)} frames sent, {len(observer.detections)} '
            f'answers, {observer.answered_twice} of them repeated, and the node says {counts}. '
            'Does another detector or player run in this ROS_DOMAIN_ID?')
    late = int(observer.player['late'])
    if late:
        problems.append(f'{late} of {len(answers)} frames were sent more than {LATE_MS:g} ms '
                        f'late, the latest {observer.player["latest_ms"]} ms: this computer was '
                        'too busy to keep the pace')
    shortfall = source.shortfall(len(answers))
    if shortfall:
        problems.append(shortfall)
    return Run('live', source.name, source.kind, source.condition, source.rate_hz, rate,
               observer.labels, observer.detector, options.confidence_threshold,
               options.confidence_threshold, answers, dropped, problems)


def _ground_truths(source: Source, labels: tuple[str, ...]) -> dict[int, Any]:
    if not source.has_ground_truth:
        return {}
    return {frame.stamp_ns: in_labels_of(frame.ground_truth, source.labels, labels)
            for frame in source.frames()}


def _detections(observer: Observer, stamp: int) -> Detections | None:
    if stamp not in observer.detections:
        return None
    xyxy, score, class_id = [], [], []
    for box in observer.detections[stamp][1].detections:
        best, centre = box.results[0].hypothesis, box.bbox.center.position
        width, height = box.bbox.size_x / 2, box.bbox.size_y / 2
        xyxy.append((centre.x - width, centre.y - height, centre.x + width, centre.y + height))
        score.append(best.score)
        class_id.append(observer.labels.index(best.class_id))
    return Detections(np.array(xyxy, np.float32).reshape(-1, 4), np.array(score, np.float32),
                      np.array(class_id, np.int32))


def _times_ms(observer: Observer, stamp: int, sent_ns: int) -> dict[str, float]:
    times_ms = {}
    report = observer.reports.get(stamp)
    if report is not None:
        times_ms = {stage: getattr(report, stage + '_ms') for stage in (*STAGES, 'total')}
        times_ms['age_at_arrival'] = report.stamp_age_ms
    if stamp in observer.detections:
        times_ms['end_to_end'] = (observer.detections[stamp][0] - sent_ns) / 1e6
    return times_ms
