# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import argparse

import pytest

from tsr_ros.cli.arguments import not_negative, positive, share, size_wh, words


@pytest.mark.parametrize(('read', 'text', 'expected'), [
    (share, '0', 0.0), (share, '0.25', 0.25), (share, '1', 1.0),
    (not_negative, '0', 0), (positive, '1', 1),
    (size_wh, '640x384', (640, 384)),
    (words, '', []), (words, ' a, b ,,c', ['a', 'b', 'c']),
])
def test_what_is_meant(read, text, expected):
    assert read(text) == expected


@pytest.mark.parametrize(('read', 'text', 'message'), [
    (share, '1.5', '1.5 does not lie between 0 and 1'), (share, 'nan', 'nan does not lie'),
    (not_negative, '-1', '-1 is less than 0'), (positive, '0', '0 is less than 1'),
    (positive, 'two', 'two is no whole number'),
    *[(size_wh, text, f'{text!r} is not of the form 640x384')
      for text in ('640', '640x', 'x384', '640x384x3', '-640x384', '6.5x2')],
])
def test_what_is_refused(read, text, message):
    with pytest.raises(argparse.ArgumentTypeError, match=message):
        read(text)
