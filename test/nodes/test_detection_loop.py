# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import math
import queue
import threading
import time

import numpy as np
import pytest
from sensor_msgs.msg import Image

from tsr_ros.backends.base import BackendError
from tsr_ros.backends.detector import Timings
from tsr_ros.nodes.conversions import to_image
from tsr_ros.nodes.detection_loop import DetectionLoop
from tsr_ros.nodes.frame_slot import Counts, Frame, FrameSlot

PATIENCE = 30.0


class Around:
    """All that is around a loop: detector, settings and callbacks, with one of them failing."""

    timings = Timings(1.0, 2.0, 3.0)

    def __init__(self, failing='', error=None, shut_down=False):
        self._failing, self._error, self._shut_down = failing, error, shut_down
        self.happened = queue.Queue()

    def _do(self, name, *what):
        if name == self._failing:
            raise self._error
        self.happened.put((name, *what))

    def max_frame_age(self):
        return 0.0

    def is_shut_down(self):
        return self._shut_down

    def apply_thresholds(self):
        self._do('thresholds')

    def detect(self, bgr):
        self._do('detect')
        return bgr.shape

    def answer(self, _frame, detections):
        self._do('answer', detections)

    def report(self, _frame, _bgr, _detections, times_ms):
        self._do('report', times_ms)

    def problem(self, kind, text):
        self.happened.put(('problem', kind, text))


def start(around):
    slot = FrameSlot(time.monotonic)
    loop = DetectionLoop(slot, around, around, around.answer, around.report, around.problem)

    def put():
        message = to_image(np.zeros((4, 6, 3), np.uint8), Image().header)
        slot.put(Frame(message, time.monotonic(), math.nan, 0.0))
    return slot, loop, put


def next_of(around, count):
    return [around.happened.get(timeout=PATIENCE) for _ in range(count)]


def test_a_frame_is_answered_then_reported():
    around = Around()
    slot, loop, put = start(around)
    put()
    happened = next_of(around, 4)
    assert happened[:3] == [('thresholds',), ('detect',), ('answer', (4, 6, 3))]
    times_ms = happened[3][1]
    assert (times_ms['preprocess'], times_ms['inference'], times_ms['postprocess']) == (1, 2, 3)
    assert times_ms['total'] >= times_ms['queue_wait'] + times_ms['decode'] >= 0
    assert loop.close(PATIENCE)
    assert slot.counts() == Counts(1, 1, 0, 0, 0)
    assert loop.busy_for(time.monotonic()) == 0


@pytest.mark.parametrize(
    ('failing', 'error', 'expected', 'counts'),
    [
        ('detect', BackendError('no memory'), ('inference', 'inference failed: no memory'),
         Counts(2, 0, 0, 0, 2)),
        ('detect', ValueError('a bug'), ('inference', 'unexpected ValueError: a bug'),
         Counts(2, 0, 0, 0, 2)),
        ('answer', ValueError('a bug'), ('inference', 'unexpected ValueError: a bug'),
         Counts(2, 0, 0, 0, 2)),
        # it was answered all the same
        ('report', ValueError('a bug'), ('report', 'unexpected ValueError: a bug'),
         Counts(2, 2, 0, 0, 0)),
    ],
)
def test_what_fails_is_said_and_the_next_frame_taken(failing, error, expected, counts):
    around = Around(failing, error)
    slot, loop, put = start(around)
    for _ in range(2):
        put()
        while True:
            happened = around.happened.get(timeout=PATIENCE)
            if happened[0] == 'problem':
                break
        assert happened[1:] == expected
    assert loop.close(PATIENCE)
    assert slot.counts() == counts


def test_a_detector_that_hangs_is_waited_for_no_longer_than_asked():
    around = Around()
    hang, hangs = threading.Event(), threading.Event()

    def detect(_bgr):
        hangs.set()
        assert hang.wait(PATIENCE)
        return ()
    around.detect = detect
    slot, loop, put = start(around)
    put()
    assert hangs.wait(PATIENCE)
    assert not loop.close(0.01)
    assert loop.busy_for(time.monotonic()) > 0
    put()  # it goes on as if nobody had wanted to close it
    hang.set()
    assert [happened[0] for happened in next_of(around, 6)] == [
        'thresholds', 'answer', 'report'] * 2
    assert loop.close(PATIENCE)
    assert slot.counts() == Counts(2, 2, 0, 0, 0)


def test_after_the_end_of_ros_nothing_is_printed(capfd):
    around = Around('answer', RuntimeError("publisher's context is invalid"), shut_down=True)
    _, loop, put = start(around)
    put()
    assert next_of(around, 3)[2][:2] == ('problem', 'inference')
    assert loop.close(PATIENCE)
    assert capfd.readouterr().err == ''
