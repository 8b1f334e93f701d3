# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`tsr data`: check, divide and convert data for training."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tsr_ros.evaluation.dataset import DataError
from tsr_ros.report.files import write_text
from tsr_ros.report.page import figure_svg
from tsr_ros.report.text_table import text_table
from tsr_ros.training.check_data import check_data, plot, tables
from tsr_ros.training.convert_data import READERS, Converter
from tsr_ros.training.split_data import split_data

ERRORS = (DataError,)
MOST_SHOWN = 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    actions = parser.add_subparsers(dest='action', metavar='ACTION', required=True)
    check = actions.add_parser('check', help='say what is in a data set, and what is wrong')
    check.add_argument('folder', type=Path, metavar='DIR', help='data in YOLO layout')
    check.add_argument('--classes', type=int, metavar='N',
                       help='how many, where no classes.txt or data.yaml names them')
    check.add_argument('--extra-data', type=Path, nargs='+', default=[], metavar='DIR',
                       help='further data to train on: they too, and that they share no image '
                            'with DIR')
    check.add_argument('--plot', type=Path, metavar='FILE.svg',
                       help='draw the distribution of classes and sizes')
    check.add_argument('--all', action='store_true',
                       help=f'list all findings, not the first {MOST_SHOWN} of a kind')
    check.set_defaults(act=run_check)

    split = actions.add_parser('split', help='divide a data set into train, val and test')
    split.add_argument('folder', type=Path, metavar='DIR', help='data in YOLO layout')
    split.add_argument('--shares', type=float, nargs='+', default=[70, 20, 10], metavar='N',
                       help='of train, val and test (default: 70 20 10)')
    split.add_argument('--group-by', metavar='COLUMN',
                       help='column of split.csv that names scenes (default: scene_group if there '
                            'is one, else images that look alike stay together)')
    split.add_argument('--seed', type=int, default=0)
    split.set_defaults(act=run_split)

    convert = actions.add_parser('convert', help='turn other formats into the YOLO layout')
    convert.add_argument('format', choices=sorted(READERS))
    convert.add_argument('source', type=Path,
                         help='voc: folder of .xml files; coco: .json file; csv: .csv file')
    convert.add_argument('--images', type=Path, required=True, metavar='DIR',
                         help='where the images are')
    convert.add_argument('--out', type=Path, required=True, metavar='DIR', help='new folder')
    convert.add_argument('--labels', metavar='A,B,C',
                         help='the classes in their order (default: all found, sorted)')
    convert.add_argument('--rename', action='append', default=[], metavar='OLD=NEW',
                         help='another name for a class, OLD= leaves it out; may be repeated')
    convert.add_argument('--skip-bad', action='store_true',
                         help='leave bad boxes out and list them, instead of stopping')
    convert.set_defaults(act=run_convert)


def run(args: argparse.Namespace) -> int:
    """Do what was asked for."""
    return args.act(args)


def run_check(args: argparse.Namespace) -> int:
    """Check data sets; 1 if there are errors."""
    others = [check_data(folder, args.classes) for folder in args.extra_data]
    report = check_data(args.folder, args.classes, others)
    for each in (report, *others):
        print(each.folder)
        for headings, rows in tables(each):
            print(text_table(headings, rows), end='\n\n')
        for what, lines in (('warning', each.warnings), ('error', each.errors)):
            shown = len(lines) if args.all else MOST_SHOWN
            for line in lines[:shown]:
                print(f'{what}: {line}')
            if len(lines) > shown:
                print(f'… and {len(lines) - shown} more (--all lists them)')
        print(f'{len(each.errors)} errors, {len(each.warnings)} warnings')
    if args.plot:
        write_text(args.plot, figure_svg(plot(report)))
    return 1 if any(each.errors for each in (report, *others)) else 0


def run_split(args: argparse.Namespace) -> int:
    """Divide a data set."""
    splits = split_data(args.folder, args.shares, args.group_by, args.seed)
    total = sum(images for _, images, _ in splits)
    rows = [[name, images, f'{100 * images / total:.1f} %', *counts.tolist()]
            for name, images, counts in splits]
    classes = [f'class {k}' for k in range(len(rows[0]) - 3)]
    print(text_table(['split', 'images', 'share', *classes], rows))
    print(f'written: {args.folder / "split.csv"}')
    return 0


def run_convert(args: argparse.Namespace) -> int:
    """Convert a data set."""
    renames = {}
    for word in args.rename:
        old, equals, new = word.partition('=')
        if not equals:
            raise DataError(f'--rename takes OLD=NEW, not {word!r}')
        renames[old] = new
    labels = args.labels.split(',') if args.labels else None
    if not args.images.is_dir():
        raise DataError(f'{args.images}: no such folder')
    converter = Converter(args.images, labels, renames, args.skip_bad)
    annotations = list(READERS[args.format](args.source))
    boxes = converter.write(annotations, args.out)
    for line in converter.skipped:
        print(f'left out: {line}', file=sys.stderr)
    print(f'{args.out}: {len(annotations)} images, {boxes} boxes, '
          f'classes {", ".join(converter.labels)}')
    return 0
