# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Arguments that several commands take."""

import argparse
from functools import partial


def add_models_dir(parser):
    """Add the argument that says where the models are."""
    parser.add_argument('--models-dir', metavar='DIR',
                        help='folder with manifest.yaml (default: the one that came along)')


def share(text):
    """Return a number from 0 to 1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f'{text} does not lie between 0 and 1')
    return value


def _at_least(least, text):
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text} is no whole number') from None
    if value < least:
        raise argparse.ArgumentTypeError(f'{text} is less than {least}')
    return value


not_negative = partial(_at_least, 0)
positive = partial(_at_least, 1)


def size_wh(text):
    """Return (width, height) of a text such as 640x384."""
    width, _, height = text.partition('x')
    if not (width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f'{text!r} is not of the form 640x384')
    return int(width), int(height)


def words(text):
    """Return the words in a text that has commas between them."""
    return [word.strip() for word in text.split(',') if word.strip()]
