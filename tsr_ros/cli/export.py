# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`tsr export`: make the files that each runtime reads, and measure what they are worth."""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

from tsr_ros.backends.base import BackendError
from tsr_ros.cli.arguments import words

ERRORS = (BackendError, ValueError, ImportError)
MOST_TO_RANK = 8


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        'Make model files of trained weights and name them in the manifest beside their folder. '
        'What is there and up to date is left as it is, so that an interrupted export goes on.')
    parser.add_argument('--weights', type=Path, metavar='FILE',
                        help='weights of a training, or a checkpoint of official YOLOv7 (.pt); '
                             'default: those in --out')
    parser.add_argument('--out', type=Path, required=True, metavar='MODELS/NAME',
                        help="the model's folder; MODELS/manifest.yaml is written")
    parser.add_argument('--to', default='onnx', metavar='FORMATS',
                        help='onnx, onnx-tensorrt, tflite, or backends that read them, with '
                             'commas (default: %(default)s)')
    parser.add_argument('--precision', default='fp32', metavar='PRECISIONS',
                        help='fp32, fp16, int8, with commas (default: %(default)s)')
    parser.add_argument('--calibration', type=Path, metavar='DIR',
                        help='images for int8, like those of the camera; a few are chosen')
    parser.add_argument('--images', type=int, default=128, metavar='N',
                        help='how many are chosen (default: %(default)s)')
    parser.add_argument('--keep-float', default='', metavar='LAYERS',
                        help='layers that stay in float in int8 files, with commas')
    parser.add_argument('--rank-layers', action='store_true',
                        help='instead say how much of the error of int8 vanishes with each layer '
                             'in float; takes minutes')
    parser.add_argument('--evaluate', type=Path, metavar='DIR',
                        help='data in YOLO layout, to write mAP into the manifest')
    parser.add_argument('--split', default='val', metavar='NAME',
                        help='which of its images (default: %(default)s)')
    parser.add_argument('--licence', metavar='TEXT', help='write it into the manifest')
    parser.add_argument('--data', metavar='TEXT',
                        help='what the weights were trained on, for the manifest')
    parser.add_argument('--threads', type=int, default=0, metavar='N',
                        help='of the evaluation (default: all)')


def run(args: argparse.Namespace) -> int:
    """Export and measure."""
    from tsr_ros.export.export_model import export_files, open_folder
    from tsr_ros.export.model_folder import WEIGHTS
    from tsr_ros.export.score_files import score_files
    from tsr_ros.export.targets import choose_targets

    targets = choose_targets(words(args.to), words(args.precision))
    weights = args.weights or args.out / WEIGHTS
    folder = open_folder(weights, args.out, args.licence, args.data)
    if args.rank_layers:
        _print_ranking(args)
        return 0
    export_files(folder, targets, args.calibration, args.images, words(args.keep_float))
    if args.evaluate is not None:
        score_files(folder, targets, args.evaluate, args.split, args.threads)
    total = sum(path.stat().st_size for path in folder.path.iterdir() if path.is_file())
    tqdm.write(f'{folder.path}: {total / 1e6:.1f} MB in all')
    return 0


def _print_ranking(args: argparse.Namespace) -> None:
    from tsr_ros.backends.weights import read_network
    from tsr_ros.export.calibration import calibration_inputs, choose_images
    from tsr_ros.export.model_folder import WEIGHTS
    from tsr_ros.export.sensitivity import rank_layers

    if args.calibration is None:
        raise ValueError('--rank-layers needs --calibration')
    network = read_network(str(args.out / WEIGHTS))
    # each image is kept, and looked at once for every layer
    paths = choose_images(args.calibration, min(args.images, MOST_TO_RANK))
    inputs = list(calibration_inputs(paths, network.input_wh))
    for layer, share in rank_layers(network, inputs, args.threads):
        print(f'{layer:20s} {100 * share:6.1f} %')
