# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`tsr import-checkpoint`: turn a checkpoint of the official YOLOv7 into weights of ours."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from tsr_ros.yolov7.checkpoint import CheckpointError
from tsr_ros.yolov7.official import import_checkpoint

ERRORS = (CheckpointError,)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('file', type=Path, metavar='FILE.pt',
                        help='yolov7.pt, yolov7-tiny.pt or one fine-tuned from them; its pickle '
                             'is read as data and never run')
    parser.add_argument('--out', type=Path, metavar='FILE.safetensors',
                        help='(default: beside FILE.pt)')
    parser.add_argument('--size', type=int, default=640, metavar='PIXELS',
                        help='side of the input that the network is for (default: 640)')
    parser.add_argument('--half', action='store_true',
                        help='store 16-bit weights: half the size, outputs off by about 1e-3')


def run(args: argparse.Namespace) -> int:
    """Import a checkpoint."""
    out = args.out or args.file.with_suffix('.safetensors')
    if args.size % 32 or args.size <= 0:
        raise CheckpointError(f'--size is divisible by 32, not {args.size}')
    if out.exists():
        raise CheckpointError(f'{out} is there already: name another file with --out')
    dtype = torch.float16 if args.half else torch.float32
    network = import_checkpoint(args.file, out, (args.size, args.size), dtype)
    print(f'{out}: {network.architecture}, {network.num_classes} classes: '
          f'{", ".join(network.labels)}')
    return 0
