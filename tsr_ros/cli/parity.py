# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`tsr parity`: whether all runtimes say the same on the same images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tsr_ros.backends.base import BackendError
from tsr_ros.cli.arguments import add_models_dir, words
from tsr_ros.report.files import write_json
from tsr_ros.report.text_table import number, text_table

if TYPE_CHECKING:
    from tsr_ros.export.parity import Parity

ERRORS = (BackendError, ValueError, ImportError)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        'Compare every installed backend and precision with PyTorch in fp32 on the CPU (where '
        'that is missing, with ONNX Runtime in fp32): raw head maps, boxes, and mAP where the '
        'images are labelled. The exit status is 0 if none fails and all are within their '
        'limits.')
    parser.add_argument('--images', type=Path, required=True, metavar='DIR',
                        help='a folder of images, or data in YOLO layout')
    parser.add_argument('--split', metavar='NAME',
                        help='which images of labelled data (default: all)')
    parser.add_argument('--most', type=int, default=100, metavar='N',
                        help='how many are taken, evenly spread; 0: all (default: %(default)s)')
    parser.add_argument('--model', default='', metavar='NAME',
                        help='in the manifest (default: the one that it names)')
    add_models_dir(parser)
    parser.add_argument('--backends', default='', metavar='NAMES',
                        help='with commas (default: all that are installed)')
    parser.add_argument('--threads', type=int, default=0, metavar='N', help='default: all')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the result there, too')


def run(args: argparse.Namespace) -> int:
    """Compare, print and write."""
    from tsr_ros.backends.manifest import Manifest, default_models_dir
    from tsr_ros.export.parity import check_parity, find_images

    models_dir = args.models_dir or default_models_dir()
    manifest = Manifest.read(models_dir)
    labels = manifest.model(args.model or manifest.default).labels
    items, labelled = find_images(args.images, args.split, labels, args.most)
    backends = words(args.backends)
    parity = check_parity(
        models_dir, args.model, items, labelled, backends, args.threads)
    reference = ' '.join(parity.reference)
    print(f'{parity.model} against {reference} in fp32, {parity.images} images'
          + (f', mAP@0.5 {parity.map50:.4f}' if labelled else ''))
    print(parity_table(parity))
    if args.json is not None:
        write_json(args.json, parity.as_dict())
    return 0 if parity.good else 1


def parity_table(parity: Parity) -> str:
    """Return the rows as a table, then what was left out."""
    head = ('backend', 'precision', 'device', 'maps max', 'mean', 'boxes', 'missing', 'extra',
            'IoU min', 'px max', 'score max', 'mAP@0.5', 'loss', '')
    rows = [
        (row.backend, row.precision, row.device, f'{row.map_max:.2g}', f'{row.map_mean:.2g}',
         str(row.matched), str(row.missing), str(row.extra), number(row.iou_min),
         number(row.pixels_max, '.2f'), number(row.score_max, '.4f'), number(row.map50, '.4f'),
         number(row.map50_loss, '+.4f'), 'beyond its limits' if row.problems else 'good')
        for row in parity.rows]
    lines = [text_table(head, rows, left=3)]
    lines += [f'{row.backend} {row.precision}: {problem}'
              for row in parity.rows for problem in row.problems]
    lines += [f'left out: {name}: {reason}' for name, reason in parity.left_out.items()]
    lines += [f'failed: {name}: {reason}' for name, reason in parity.failed.items()]
    return '\n'.join(lines)
