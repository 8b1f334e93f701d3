# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np

from .sign_track import MOST_IMAGES, SignTrack

# How far a detection may lie from where a sign is expected, in sizes of the sign. One that was
# seen once has no motion yet: passing at 70 km/h it moves by about two of its sizes in 0.1 s.
_REACH, _FIRST_REACH = 1.0, 2.5
_GROWTH = 1.8  # largest ratio of the sizes
_OTHER_CLASS = 0.6  # added to the distance where the class differs
MAX_DISORDER_NS = 1000000000  # images of several best-effort publishers may come out of order


class SignTracker:
    """
    Follows signs from image to image and confirms those that are seen again and again.

    A sign is confirmed once it was seen in `confirm_hits` of the newest `confirm_window` images;
    one that was not seen for `timeout` seconds is forgotten. Signs are matched by where they are
    expected: their centre and size move on at the pace seen so far. Stamps that jump back by more
    than MAX_DISORDER_NS begin a new scene; less is an image that comes out of order.
    """

    def __init__(self, confirm_hits=3, confirm_window=5, timeout=1.0):
        self.set_rules(confirm_hits, confirm_window, timeout)
        self.tracks = []
        self._newest_ns = 0
        self._next_id = 1

    def set_rules(self, confirm_hits, confirm_window, timeout):
        """Change the rules from the next image on; raises ValueError for what cannot be."""
        if confirm_window > MOST_IMAGES:
            raise ValueError('a sign is confirmed within {} images at most, not {}'.format(
                MOST_IMAGES, confirm_window))
        if not 1 <= confirm_hits <= confirm_window:
            raise ValueError('a sign is confirmed by 1 to {} images of {}, not {}'.format(
                confirm_window, confirm_window, confirm_hits))
        if timeout <= 0:
            raise ValueError('a sign is forgotten after more than 0 s, not {}'.format(timeout))
        self._confirm_hits, self._confirm_window = confirm_hits, confirm_window
        self._timeout_ns = int(timeout * 1e9)

    def update(self, detections, stamp_ns):
        """
        Take the Detections of the next image; return the track of each, in their order.

        `tracks` then holds all signs that are followed, those not seen in this image included.
        """
        if stamp_ns < self._newest_ns - MAX_DISORDER_NS:
            self.tracks = []
            self._newest_ns = stamp_ns
        self._newest_ns = max(self._newest_ns, stamp_ns)
        self.tracks = [track for track in self.tracks
                       if stamp_ns - track.last_seen_ns <= self._timeout_ns]
        found = [None] * len(detections.score)
        followed = set()
        for row, column in self._match(detections, stamp_ns):
            track = self.tracks[row]
            track.hit(detections.xyxy[column], detections.score[column],
                      detections.class_id[column], stamp_ns)
            found[column] = track
            followed.add(row)
        for row, track in enumerate(self.tracks):
            if row not in followed:
                track.miss()
        for column, track in enumerate(found):
            if track is None:
                found[column] = SignTrack(
                    str(self._next_id), detections.xyxy[column], detections.score[column],
                    detections.class_id[column], stamp_ns)
                self._next_id += 1
                self.tracks.append(found[column])
        for track in found:
            if not track.confirmed and (
                    track.hits_within(self._confirm_window) >= self._confirm_hits):
                # a stamp of zero is a time too
                track.confirmed_ns = max(stamp_ns, 1)
        return found

    def _match(self, detections, stamp_ns):
        """Return pairs (track, detection), each at most once, the nearest first."""
        if not self.tracks or not len(detections.score):
            return []
        expected = np.array([track.predict(stamp_ns) for track in self.tracks])
        reach = np.array([_REACH if track.has_motion else _FIRST_REACH for track in self.tracks])
        class_id = np.array([track.class_id for track in self.tracks])
        xyxy = detections.xyxy.astype(np.float64)
        centre = (xyxy[:, :2] + xyxy[:, 2:]) / 2
        sides = np.maximum(xyxy[:, 2:] - xyxy[:, :2], 1.0)
        size = np.sqrt(sides[:, 0] * sides[:, 1])
        both = np.maximum(expected[:, None, 2], size[None])
        away = expected[:, None, :2] - centre[None]
        distance = np.hypot(away[..., 0], away[..., 1]) / both
        growth = both / np.minimum(expected[:, None, 2], size[None])
        possible = (distance <= reach[:, None]) & (growth <= _GROWTH)
        cost = distance + np.log(growth) + _OTHER_CLASS * (
            class_id[:, None] != detections.class_id[None])
        pairs, rows, columns = [], set(), set()
        order = np.argsort(np.where(possible, cost, np.inf), axis=None, kind='mergesort')
        for flat in order[:int(possible.sum())]:
            row, column = divmod(int(flat), len(size))
            if row not in rows and column not in columns:
                rows.add(row)
                columns.add(column)
                pairs.append((row, column))
        return pairs
