# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`tsr engine`: build a TensorRT engine ahead of time, so that the node's first start is quick."""

import sys

from tsr_ros.backends.base import BackendError
from tsr_ros.backends.factory import create_backend
from tsr_ros.cli.arguments import add_models_dir, size_wh

ERRORS = (BackendError,)


def configure(parser):
    """Add the arguments."""
    parser.description = (
        "Build a TensorRT engine of a model into the user's cache folder, where the node finds "
        'it, and print its path. TensorRT builds on the GPU that is to run it, TensorRT-RTX on '
        'any computer.')
    parser.add_argument('model', nargs='?', default='',
                        help="name in the manifest (default: the manifest's), or an ONNX file")
    parser.add_argument('--backend', default='tensorrt', choices=('tensorrt', 'tensorrt_rtx'))
    parser.add_argument('--precision', default='auto', choices=('auto', 'fp32', 'fp16', 'int8'))
    parser.add_argument('--device', default='auto', metavar='cuda:N', help='which GPU')
    parser.add_argument('--batch', type=int, default=1, metavar='N',
                        help='images at once (default: %(default)s, which the node takes)')
    parser.add_argument('--input-size', type=size_wh, metavar='WxH',
                        help="of the network, as in 640x384 (default: the model's)")
    add_models_dir(parser)


def run(args):
    """Build the engine, telling how long it takes, and print where it is."""
    backend = create_backend(
        args.backend, args.model, precision=args.precision, device=args.device,
        batch=args.batch, models_dir=args.models_dir, input_wh=args.input_size)
    backend.on_progress = lambda text: print(text, file=sys.stderr, flush=True)
    print(backend.build())
    return 0
