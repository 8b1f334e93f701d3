# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from tsr_ros.tracking.sign_tracker import SignTracker
from tsr_ros.vision.detections import Detections

STEP_NS = 100_000_000  # ten images a second


def detections(*rows):
    """Return Detections of rows (centre x, centre y, size, class, score)."""
    xyxy = [(x - s / 2, y - s / 2, x + s / 2, y + s / 2) for x, y, s, _, _ in rows]
    return Detections(np.array(xyxy, np.float32).reshape(-1, 4),
                      np.array([row[4] for row in rows], np.float32),
                      np.array([row[3] for row in rows], np.int32))


def follow(tracker, frames, start_ns=1_000_000_000):
    """Return for each frame the ids of its detections' tracks."""
    return [[track.id for track in tracker.update(detections(*rows), start_ns + i * STEP_NS)]
            for i, rows in enumerate(frames)]


@pytest.mark.parametrize(('frames', 'ids'), [
    ([], []),
    ([[]], [[]]),
    ([[], []], [[], []]),
    # stands still
    ([[(50, 50, 20, 0, .9)]] * 3, [['1']] * 3),
    # two that keep their places, given in another order
    ([[(50, 50, 20, 0, .9), (90, 50, 20, 0, .8)], [(90, 50, 20, 0, .9), (50, 50, 20, 0, .8)]],
     [['1', '2'], ['2', '1']]),
    # moves by more than its size each time: the second step is expected
    ([[(100, 50, 20, 0, .9)], [(130, 50, 22, 0, .9)], [(160, 50, 24, 0, .9)]], [['1']] * 3),
    # a sudden jump of more than its size is another sign
    ([[(100, 50, 20, 0, .9)]] * 2 + [[(150, 50, 20, 0, .9)]], [['1'], ['1'], ['2']]),
    # another size is another sign
    ([[(100, 50, 20, 0, .9)], [(100, 50, 50, 0, .9)]], [['1'], ['2']]),
    # missed once, found again where it was expected
    ([[(100, 50, 20, 0, .9)], [(110, 50, 20, 0, .9)], [], [(130, 50, 20, 0, .9)]],
     [['1'], ['1'], [], ['1']]),
    # taken for another class in between, still the same sign
    ([[(50, 50, 20, 0, .9)], [(50, 50, 20, 2, .5)], [(50, 50, 20, 0, .9)]], [['1']] * 3),
    # two classes at one place: each keeps to its own
    ([[(50, 50, 20, 0, .9), (52, 50, 20, 2, .9)], [(52, 50, 20, 2, .9), (50, 50, 20, 0, .9)]],
     [['1', '2'], ['2', '1']]),
    # away for 1 s, the timeout
    ([[(50, 50, 20, 0, .9)]] + [[]] * 9 + [[(50, 50, 20, 0, .9)]], [['1']] + [[]] * 9 + [['1']]),
    # away for 1.1 s
    ([[(50, 50, 20, 0, .9)]] + [[]] * 10 + [[(50, 50, 20, 0, .9)]], [['1']] + [[]] * 10 + [['2']]),
])
def test_signs_are_followed(frames, ids):
    assert follow(SignTracker(), frames) == ids


@pytest.mark.parametrize(('seen', 'confirmed_at'), [
    ('1', None),
    ('11', None),
    ('111', 2),
    ('10101', 4),
    ('11001', 4),     # three of the newest five
    ('100110', 4),
    ('1001001', None),  # never three of five
])
def test_three_of_five_images_confirm(seen, confirmed_at):
    tracker = SignTracker(confirm_hits=3, confirm_window=5)
    for i, bit in enumerate(seen):
        rows = [(50, 50, 20, 0, .9)] if bit == '1' else []
        tracker.update(detections(*rows), (i + 1) * STEP_NS)
    track, = tracker.tracks
    assert track.confirmed == (confirmed_at is not None)
    assert track.confirmed_ns == (0 if confirmed_at is None else (confirmed_at + 1) * STEP_NS)


def test_what_a_track_tells():
    tracker = SignTracker()
    for i, (x, class_id, score) in enumerate([(50, 2, .5), (52, 0, .9), (54, 2, .3)]):
        tracker.update(detections((x, 40, 20, class_id, score)), (i + 1) * STEP_NS)
    tracker.update(detections(), 4 * STEP_NS)
    track, = tracker.tracks
    np.testing.assert_array_equal(track.xyxy, [44, 30, 64, 50])  # the newest
    assert (track.hits, track.class_id) == (3, 0)  # 0.9 in sum against 0.8
    assert track.score == pytest.approx(.3)
    assert (track.first_seen_ns, track.last_seen_ns) == (STEP_NS, 3 * STEP_NS)
    assert tracker.tracks == [track]  # still followed, not seen now


def test_a_sign_in_view_for_long_takes_no_more_memory():
    tracker = SignTracker()
    for i in range(200):
        track, = tracker.update(detections((50, 50, 20, 0, .9)), (i + 1) * STEP_NS)
    assert (track.hits, track.hits_within(64), track._recent.bit_length()) == (200, 64, 64)


# Stamps in ms, and the centre's x and the size (px) of the one sign in each image.
@pytest.mark.parametrize(('timeout', 'images', 'ids'), [
    # a burst after a stall: its tremble over 0.3 ms would be 3333 px/s, or 300 000 in 0.01 ms
    (1.0, [(0, 100, 20), (0.3, 101, 20), (100, 101, 20), (200, 101, 20)], '1111'),
    (1.0, [(0, 100, 20), (0.01, 103, 21), (900, 103, 21)], '111'),
    (1.0, [(0, 100, 20), (100, 103, 20), (200, 106, 20), (200.3, 105, 21), (300, 109, 20)],
     '11111'),
    # a camera of 100 Hz: motion is told from every other image, here 1000 px/s
    (1.0, [(0, 100, 20), (10, 110, 20), (20, 120, 20), (30, 130, 20), (40, 140, 20),
           (140, 240, 20)], '111111'),
    # grown by a factor of e^0.5 in 20 ms, it would be e^1500 times as large a minute later
    (61.0, [(0, 100, 20), (20, 100, 33), (60_020, 100, 33)], '112'),
    # out of order: no motion, and those after it are expected as if it had not been
    (1.0, [(0, 100, 20), (100, 110, 20), (200, 120, 20), (199, 120, 20), (300, 130, 20)],
     '11111'),
    (1.0, [(1000, 100, 20), (1100, 115, 20), (1000, 101, 20), (1200, 130, 20)], '1111'),
])
def test_stamps_that_come_close_or_out_of_order(timeout, images, ids):
    tracker = SignTracker(timeout=timeout)
    start_ns = 1_000_000_000
    found = [tracker.update(detections((x, 50, size, 0, .9)), start_ns + round(ms * 1e6))[0].id
             for ms, x, size in images]
    assert ''.join(found) == ids


def test_an_image_out_of_order_tells_no_motion_and_moves_no_time_back():
    tracker = SignTracker()
    for x, stamp_ns in (100, 2_000_000_000), (110, 2_100_000_000), (110, 1_100_000_000):
        track, = tracker.update(detections((x, 50, 20, 0, .9)), stamp_ns)
    assert (track.hits, track.confirmed_ns) == (3, 1_100_000_000)
    assert track.last_seen_ns == 2_100_000_000
    # 100 px/s, from there on alone
    assert track.predict(2_200_000_000) == pytest.approx((120, 50, 20))
    assert track.predict(2_000_000_000) == pytest.approx((110, 50, 20))


@pytest.mark.parametrize(('jump_ns', 'ids'), [
    (-1_000_000_000, ['1', '1']),  # as far as images may be out of order
    (-1_000_000_001, ['1', '2']),
    (10_000_000_000, ['1', '2']),
])
def test_a_jump_in_time_begins_a_new_scene(jump_ns, ids):
    tracker = SignTracker()
    stamp_ns = 20_000_000_000
    first, = tracker.update(detections((50, 50, 20, 0, .9)), stamp_ns)
    second, = tracker.update(detections((50, 50, 20, 0, .9)), stamp_ns + jump_ns)
    assert [first.id, second.id] == ids
    assert tracker.tracks == [second]


@pytest.mark.parametrize('rules', [(0, 5, 1.0), (6, 5, 1.0), (3, 5, 0.0), (3, 65, 1.0)])
def test_impossible_rules_are_refused(rules):
    with pytest.raises(ValueError):
        SignTracker(*rules)
