# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`tsr average`: the mean of the weights of several training runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from tsr_ros.yolov7.checkpoint import CheckpointError, average_weights

ERRORS = (CheckpointError,)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        'Write the mean of the weights of several networks. Of runs that began from the same '
        'weights it is often better than each; measure it. Of others it is worth nothing.')
    parser.add_argument('files', nargs='+', type=Path, metavar='FILE.safetensors',
                        help='weights of the same architecture, labels and input size')
    parser.add_argument('--out', type=Path, required=True, metavar='FILE.safetensors')


def run(args: argparse.Namespace) -> int:
    """Average weights."""
    if len(args.files) < 2:
        raise CheckpointError('give two files or more')
    if args.out.exists():
        raise CheckpointError(f'{args.out} is there already: name another file with --out')
    metadata = average_weights(args.files, args.out)
    print(f'{args.out}: {metadata["architecture"]}, the mean of {len(args.files)} files')
    return 0
