# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The network YOLOv7 in PyTorch: building, fusing, decoding, checkpoints."""

from tsr_ros.yolov7.checkpoint import CheckpointError, load_weights, save_weights
from tsr_ros.yolov7.network import Network, build_network, count_parameters, fuse
from tsr_ros.yolov7.official import import_checkpoint

__all__ = [
    'CheckpointError',
    'Network',
    'build_network',
    'count_parameters',
    'fuse',
    'import_checkpoint',
    'load_weights',
    'save_weights',
]
