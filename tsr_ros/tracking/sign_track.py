# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np

MOST_IMAGES = 64  # that a track remembers
_REMEMBERED = (1 << MOST_IMAGES) - 1
_SMOOTHING = 0.5  # share of the newest motion in the estimate
# Closer stamps, as of a burst after a stall, tell no motion: a box that trembles by a pixel in
# them would seem to fly.
_MIN_SECONDS = 0.02
_MAX_LOG_SIZE = 12.0  # of the root of an area in px; far more than any image has


class SignTrack:
    """
    One sign, followed from image to image.

    `xyxy` is its newest box (4,) in pixels of the source image; times are stamps in nanoseconds,
    `confirmed_ns` is 0 as long as it is not confirmed. `class_id` is the class with the greatest
    sum of scores so far.
    """

    def __init__(self, track_id, xyxy, score, class_id, stamp_ns):
        self.id = track_id
        self.xyxy = np.array(xyxy, np.float64)
        self.score = float(score)
        self.class_id = int(class_id)
        self.hits = 1
        self.first_seen_ns = self.last_seen_ns = stamp_ns
        self.confirmed_ns = 0
        self._votes = {self.class_id: self.score}
        self._recent = 1  # the newest images, one bit each, the newest lowest: whether it was seen
        self._velocity = None  # of centre x, centre y (px/s), log of the size (1/s)
        self._state, self._state_ns = _state(self.xyxy), stamp_ns  # where motion counts from

    @property
    def confirmed(self):
        """Tell whether it was shown by enough of the newest images; it stays so."""
        return self.confirmed_ns != 0

    @property
    def has_motion(self):
        """Tell whether it was seen often enough to say how it moves."""
        return self._velocity is not None

    def predict(self, stamp_ns):
        """
        Return centre x, centre y and size (px, the root of the area) expected at a time.

        Before it was last seen that is where it was last seen.
        """
        state = _state(self.xyxy)
        if self._velocity is not None:
            state += self._velocity * (max(stamp_ns - self.last_seen_ns, 0) / 1e9)
        return state[0], state[1], math.exp(min(max(state[2], 0.0), _MAX_LOG_SIZE))

    def hit(self, xyxy, score, class_id, stamp_ns):
        """Take over the detection that shows the sign in an image, which may come out of order."""
        self.xyxy, self.score = np.array(xyxy, np.float64), float(score)
        seconds = (stamp_ns - self._state_ns) / 1e9
        if seconds >= _MIN_SECONDS:
            state = _state(self.xyxy)
            velocity = (state - self._state) / seconds
            if self._velocity is None:
                self._velocity = velocity
            else:
                self._velocity += _SMOOTHING * (velocity - self._velocity)
            self._state, self._state_ns = state, stamp_ns
        self.last_seen_ns = max(stamp_ns, self.last_seen_ns)
        self.hits += 1
        self._recent = (self._recent << 1 | 1) & _REMEMBERED
        self._votes[int(class_id)] = self._votes.get(int(class_id), 0.0) + self.score
        self.class_id = max(self._votes, key=self._votes.get)

    def miss(self):
        """Note that an image did not show the sign."""
        self._recent = self._recent << 1 & _REMEMBERED

    def hits_within(self, images):
        """Return in how many of the newest images, MOST_IMAGES at most, it was seen."""
        return bin(self._recent & ((1 << images) - 1)).count('1')


def _state(xyxy):
    width, height = max(xyxy[2] - xyxy[0], 1.0), max(xyxy[3] - xyxy[1], 1.0)
    return np.array([(xyxy[0] + xyxy[2]) / 2, (xyxy[1] + xyxy[3]) / 2,
                     math.log(width * height) / 2])
