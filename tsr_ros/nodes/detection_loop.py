# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0

import threading
import time
import traceback

from tsr_ros.backends.base import BackendError
from tsr_ros.vision.image_codecs import ImageError

from .conversions import to_bgr


class DetectionLoop:
    """
    Take the newest frame, detect, answer: over and over, in a thread of its own.

    A frame that fails is reported and counted, and the next one is taken.

    :param slot: FrameSlot to take from.
    :param detector: backends Detector.
    :param settings: object that says how: `max_frame_age()` returns seconds,
        `apply_thresholds()` is called before each frame, `is_shut_down()` tells whether ROS has
        ended, so that an answer cannot be published any more.
    :param answer: called with (frame, detections); publishes them.
    :param report: called with (frame, picture, detections, times_ms) once they are published.
    :param on_problem: called with (kind, text) when a frame fails.
    """

    def __init__(self, slot, detector, settings, answer, report, on_problem):
        self._slot = slot
        self._detector = detector
        self._settings = settings
        self._answer = answer
        self._report = report
        self._on_problem = on_problem
        self._taken = None
        self._thread = threading.Thread(target=self._run, name='detection', daemon=True)
        self._thread.start()

    def close(self, patience: float) -> bool:
        """
        Finish the frame at hand and stop.

        :param patience: seconds to wait for that frame, since a backend may hang.
        :return: False where it is not finished by then; the loop goes on as if not closed.
        """
        self._slot.close()
        self._thread.join(patience)
        if self._thread.is_alive() and self._slot.reopen():
            return False
        self._thread.join()  # it has seen that the slot is closed, so that nothing holds it
        return True

    def busy_for(self, now: float) -> float:
        """Return for how many seconds the frame at hand has been worked on, 0 without one."""
        taken = self._taken
        return 0.0 if taken is None else now - taken

    def _run(self):
        while True:
            frame = self._slot.take(self._settings.max_frame_age)
            if frame is None:
                return
            self._taken = time.monotonic()
            try:
                result = self._detect(frame, self._taken)
            except ImageError as error:
                self._fail('image', 'image not decoded: {}'.format(error))
            except BackendError as error:
                self._fail('inference', 'inference failed: {}'.format(error))
            except Exception as error:  # one frame must not end the node
                self._fail('inference', self._unexpected(error))
            else:
                self._slot.answered()
                try:
                    self._report(frame, *result)
                except Exception as error:
                    self._on_problem('report', self._unexpected(error))
            finally:
                self._taken = None

    def _fail(self, kind, text):
        self._slot.bad()
        self._on_problem(kind, text)

    def _unexpected(self, error):
        """Print where an error comes from and return it in one line."""
        if not self._settings.is_shut_down():
            traceback.print_exc()
        return 'unexpected {}: {}'.format(type(error).__name__, error)

    def _detect(self, frame, taken):
        bgr = to_bgr(frame.message)
        decoded = time.monotonic()
        self._settings.apply_thresholds()
        detections = self._detector.detect(bgr)
        detected = time.monotonic()
        self._answer(frame, detections)
        answered = time.monotonic()
        timings = self._detector.timings
        return bgr, detections, {
            'stamp_age': frame.stamp_age * 1e3,
            'queue_wait': (taken - frame.arrival) * 1e3,
            'decode': (decoded - taken) * 1e3,
            'preprocess': timings.preprocess_ms,
            'inference': timings.inference_ms,
            'postprocess': timings.postprocess_ms,
            'publish': (answered - detected) * 1e3,
            'total': (answered - frame.arrival) * 1e3,
        }
