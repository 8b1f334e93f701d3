# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`tsr bag import`: real footage as a recording."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tsr_ros.cli.conversion_report import print_conversion
from tsr_ros.replay.bag import STORAGES, BagError
from tsr_ros.replay.importing import import_recording
from tsr_ros.replay.sources import SourceError

ERRORS = (BagError, SourceError)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        'Make a rosbag2 of a film, a folder of images or a YOLO set, whose labels become ground '
        'truth. Damaged images are left out and named. Exit status 1 if any was.')
    parser.add_argument('source', help='film, image, or folder of images (with images/, labels/ '
                        'and data.yaml where it is a YOLO set)')
    parser.add_argument('--out', metavar='BAG', help="folder to make (default: the source's name "
                        'in this folder)')
    parser.add_argument('--rate', type=float, metavar='HZ', help='frames per second: images are '
                        'stamped at it (default 10); of a film, which keeps its pace, as many '
                        'are taken (default all)')
    parser.add_argument('--raw', action='store_true', help='write raw pixels, not JPEG or PNG')
    parser.add_argument('--storage', choices=sorted(STORAGES), default='mcap')
    parser.add_argument('--condition', metavar='WORD', help='light and weather, such as '
                        'night_rain, by which results are grouped')
    parser.add_argument('--licence', metavar='TERMS', help='noted in the recording')
    parser.add_argument('--overwrite', action='store_true',
                        help='replace a recording; never a folder with anything else in it')


def run(args: argparse.Namespace) -> int:
    """Import, and tell what was left out."""
    bag = Path(args.out or Path(args.source).resolve().stem)
    report = import_recording(
        args.source, bag, rate_hz=args.rate, compressed=not args.raw, storage=args.storage,
        condition=args.condition, licence=args.licence, overwrite=args.overwrite,
        progress=sys.stderr.isatty())
    return print_conversion(bag, report)
