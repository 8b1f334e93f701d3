# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`tsr evaluate`: how right a model is on labelled images, on any runtime."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

from tsr_ros.backends.base import BackendError
from tsr_ros.backends.detector import load_detector
from tsr_ros.cli.arguments import share
from tsr_ros.cli.detect import add_model_arguments
from tsr_ros.evaluation.dataset import DataError
from tsr_ros.evaluation.run import NMS_IOU, evaluate
from tsr_ros.evaluation.tables import as_text
from tsr_ros.report.files import write_text

ERRORS = (BackendError, DataError)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        'Judge a model on labelled images: precision, recall, F1, average precision and '
        'confusion, by class, by condition of light and weather and by size of sign.')
    parser.add_argument('--data', required=True, type=Path, metavar='DIR',
                        help='images/ and labels/ in YOLO layout, with split.csv or a folder for '
                        'each split')
    parser.add_argument('--split', default='test', metavar='NAME',
                        help="which images; '' for all (default: %(default)s)")
    add_model_arguments(parser)
    parser.add_argument('--iou', type=share, default=NMS_IOU, metavar='IOU',
                        help='overlap above which the worse of two boxes of one class goes '
                        '(default: %(default)s)')
    parser.add_argument('--threshold', type=share, metavar='SCORE',
                        help='least score for precision, recall, F1 and mistakes (default: the '
                        'one with the best F1)')
    parser.add_argument('--json', metavar='FILE',
                        help='write the scores into FILE, or, if FILE is -, to standard output '
                        'instead of the tables')
    parser.add_argument('--out', type=Path, metavar='DIR',
                        help='write index.html, scores.json and the plots as SVG into DIR')


def run(args: argparse.Namespace) -> int:
    """Evaluate, print the tables and write what was asked for."""
    # what would fail at the end, rather now than after minutes of work
    json_file = Path(args.json) if args.json not in (None, '-') else None
    for folder in (args.out, json_file and json_file.parent):
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
    if args.out:
        importlib.import_module('matplotlib')
    with load_detector(
            args.model, args.backend, precision=args.precision, device=args.device,
            threads=args.threads, models_dir=args.models_dir) as detector:
        evaluation = evaluate(detector, args.data, args.split or None, nms_iou=args.iou,
                              threshold=args.threshold, progress=None)
    scores = json.dumps(evaluation.as_dict(), indent=2) + '\n'
    print(scores if args.json == '-' else as_text(evaluation))
    if json_file:
        write_text(json_file, scores)
    if args.out:
        from tsr_ros.evaluation.plots import PLOTS
        from tsr_ros.evaluation.report import evaluation_page
        from tsr_ros.report.page import figure_svg

        write_text(args.out / 'scores.json', scores)
        for name, (draw, _) in PLOTS.items():
            write_text(args.out / f'{name}.svg', figure_svg(draw(evaluation)))
        page = evaluation_page(evaluation).write(args.out / 'index.html')
        print(page, file=sys.stderr if args.json == '-' else sys.stdout)
    return 0
