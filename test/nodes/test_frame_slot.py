# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0

import math
import threading

import pytest

from tsr_ros.nodes.frame_slot import Counts, Frame, FrameSlot


def frame(name, arrival=0.0, age_offset=0.0):
    return Frame(name, arrival, math.nan, age_offset)


@pytest.mark.parametrize(
    ('frames', 'now', 'max_age', 'taken', 'counts'),
    [
        ([frame('a')], 0.0, 0.0, 'a', Counts(1, 0, 0, 0, 0)),
        # the newest wins, the others are counted
        ([frame('a'), frame('b'), frame('c')], 0.0, 0.0, 'c', Counts(3, 0, 2, 0, 0)),
        # just young enough; no limit at all
        ([frame('a', arrival=1.0)], 1.5, 0.5, 'a', Counts(1, 0, 0, 0, 0)),
        ([frame('a', arrival=1.0)], 99.0, 0.0, 'a', Counts(1, 0, 0, 0, 0)),
        # too old by arrival, and by what it was old already
        ([frame('a', arrival=1.0)], 1.75, 0.5, None, Counts(1, 0, 0, 1, 0)),
        ([frame('a', arrival=1.0, age_offset=0.5)], 1.25, 0.5, None, Counts(1, 0, 0, 1, 0)),
    ],
)
def test_take(frames, now, max_age, taken, counts):
    slot = FrameSlot(lambda: now)
    for one in frames:
        slot.put(one)
    result = []
    thread = threading.Thread(target=lambda: result.append(slot.take(lambda: max_age)))
    thread.start()
    if taken is None:
        # nothing to hand out: the taker waits until the slot is closed
        while slot.counts() != counts:
            assert thread.is_alive()
        slot.close()
    thread.join(10)
    assert [one and one.message for one in result] == [taken]
    assert slot.counts() == counts


def test_take_waits_for_a_frame():
    slot = FrameSlot(lambda: 0.0)
    result = []
    thread = threading.Thread(target=lambda: result.append(slot.take(lambda: 0.0)))
    thread.start()
    slot.put(frame('late'))
    thread.join(10)
    assert [one.message for one in result] == ['late']


def test_every_frame_is_counted_once():
    slot = FrameSlot(lambda: 0.0)
    for name in 'abcde':
        slot.put(frame(name))
        slot.put(frame(name + ' newer'))
        assert slot.take(lambda: 0.0).message == name + ' newer'
        slot.bad() if name == 'c' else slot.answered()
    slot.put(frame('never taken'))
    slot.close()
    assert slot.counts() == Counts(received=11, answered=4, overwritten=6, too_old=0, bad=1)
    assert slot.take(lambda: 0.0) is None


def test_a_slot_is_opened_again_unless_its_taker_is_gone():
    slot = FrameSlot(lambda: 0.0)
    slot.put(frame('dropped'))
    slot.close()
    assert slot.reopen()
    slot.put(frame('a'))
    assert slot.take(lambda: 0.0).message == 'a'
    slot.close()
    assert slot.take(lambda: 0.0) is None
    assert not slot.reopen()
    assert slot.take(lambda: 0.0) is None
    assert slot.counts() == Counts(received=2, answered=0, overwritten=1, too_old=0, bad=0)
