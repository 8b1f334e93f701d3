# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The network YOLOv7 in PyTorch: building, fusing, decoding, checkpoints."""

from tsr_ros.yolov7.network import Network, build_network, count_flop, count_parameters, fuse

__all__ = ['Network', 'build_network', 'count_flop', 'count_parameters', 'fuse']
