# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The figures of the study that this project goes back to, to be set beside one's own.

Abouzid et al., 'Evaluating YOLOv7 Deployment Performance on Diverse Platforms and Strategies for
Real-time Object Detection', Tables IV to VII: YOLOv7, five classes, time of one inference.
"""

from __future__ import annotations

from typing import NamedTuple


class StudyLatency(NamedTuple):
    """One cell of the study's tables."""

    runtime: str
    machine: str
    highest_ms: float
    lowest_ms: float
    average_ms: float


MACHINES = {
    'PC CPU': 'Intel Core i5, 6th generation, 2.5 GHz, 8 GB',
    'Colab CPU': 'Intel Xeon of Google Colab',
    'Nano CPU': 'Jetson Nano 4 GB, ARM Cortex-A57, CUDA 10.2 not used',
    'Colab GPU': 'NVIDIA Tesla T4 of Google Colab',
}

WORK_GFLOP = 103.2  # of its network, the full YOLOv7 of five classes, at 640 x 640

LATENCIES = (
    StudyLatency('PyTorch', 'PC CPU', 2560, 1370, 1960),
    StudyLatency('PyTorch', 'Colab CPU', 2190, 1320, 1760),
    StudyLatency('PyTorch', 'Nano CPU', 3010, 2950, 2980),
    StudyLatency('PyTorch', 'Colab GPU', 15.7, 14.3, 15.4),
    StudyLatency('ONNX', 'PC CPU', 4130, 2450, 3290),
    StudyLatency('ONNX', 'Colab CPU', 3780, 1590, 2670),
    StudyLatency('ONNX', 'Nano CPU', 4620, 3160, 3890),
    StudyLatency('ONNX', 'Colab GPU', 19.6, 18.1, 18.5),
    StudyLatency('TensorRT', 'Colab GPU', 10.2, 8.9, 9.6),
    StudyLatency('TensorFlow Lite', 'PC CPU', 6420, 6120, 6270),
    StudyLatency('TensorFlow Lite', 'Colab CPU', 5620, 5480, 5560),
    StudyLatency('TensorFlow Lite', 'Nano CPU', 6930, 6870, 6870),
    StudyLatency('TensorFlow Lite', 'Colab GPU', 212.3, 182.6, 194.2),
)

# the study's name of a runtime: our backends that stand for it
BACKENDS = {
    'PyTorch': ('pytorch',),
    'ONNX': ('onnxruntime',),
    'TensorRT': ('tensorrt', 'tensorrt_rtx'),
    'TensorFlow Lite': ('tflite',),
}
