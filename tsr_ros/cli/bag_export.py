# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`tsr bag export`: a recording as a film or as labelled images."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tsr_ros.cli.conversion_report import print_conversion
from tsr_ros.replay.exporting import VIDEO_SUFFIX, ExportError, export_images, export_video
from tsr_ros.replay.sources import SourceError, open_source

ERRORS = (ExportError, SourceError)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        f'Write a recording as a film, if TARGET ends in {VIDEO_SUFFIX}, else as a folder of '
        'images with labels in YOLO layout. Damaged pictures are left out and named. Exit status '
        '1 if any was.')
    parser.add_argument('bag', help='recording; a film or a folder of images will also do')
    parser.add_argument('target', help=f'film ({VIDEO_SUFFIX}) or folder to make')
    parser.add_argument('--boxes', action='store_true', help='draw the ground truth')
    parser.add_argument('--topic', help='of the images, if the recording has several')
    parser.add_argument('--overwrite', action='store_true',
                        help='replace the film, or write into a folder that is not empty')


def run(args: argparse.Namespace) -> int:
    """Export, and tell how much."""
    source = open_source(args.bag, topic=args.topic)
    export = export_video if Path(args.target).suffix.lower() == VIDEO_SUFFIX else export_images
    conversion = export(source, args.target, boxes=args.boxes, overwrite=args.overwrite,
                        progress=sys.stderr.isatty())
    if args.boxes and not source.has_ground_truth:
        print(f'{args.bag} has no ground truth, so no boxes are drawn', file=sys.stderr)
    return print_conversion(args.target, conversion)
