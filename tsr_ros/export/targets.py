# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What can be made of a network's weights, and how each file is written."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tsr_ros.backends.weights import Network
from tsr_ros.report.files import write_bytes

from .model_folder import WEIGHTS

Inputs = Callable[[], Iterable[np.ndarray]]  # gives the calibration images, (1, H, W, 3) uint8


class Target(NamedTuple):
    """One file that can be exported."""

    format: str
    precision: str
    file_name: str
    write: Callable[[Network, Path, Inputs, tuple[str, ...]], None]
    backends: tuple[str, ...]  # that read it
    packages: tuple[str, ...]  # whose version shapes the file
    reads: tuple[str, ...] = ()  # further files of the folder that this one needs

    @property
    def calibrated(self) -> bool:
        """Whether it is made with images."""
        return self.precision == 'int8'

    def producers(self) -> dict[str, str]:
        """Return the versions of the packages that made it."""
        return {package: version(package) for package in self.packages}


def _write_onnx(network: Network, path: Path, precision: str) -> None:
    from .onnx_graph import build_onnx, save_onnx
    save_onnx(build_onnx(network, WEIGHTS, precision), str(path))


def _write_onnx_int8(network: Network, path: Path, inputs: Inputs, keep_float: tuple[str, ...],
                     for_tensorrt: bool) -> None:
    from .onnx_int8 import quantize_onnx
    quantize_onnx(network, inputs(), str(path), for_tensorrt, keep_float=keep_float)


def _write_tflite(network: Network, path: Path, inputs: Inputs | None = None,
                  keep_float: tuple[str, ...] = ()) -> None:
    from .activation_ranges import activation_ranges
    from .tflite import build_tflite
    ranges = None if inputs is None else activation_ranges(network, inputs())
    write_bytes(path, build_tflite(network, ranges, keep_float))


_TENSORRT = ('tensorrt', 'tensorrt_rtx')
TARGETS = (
    Target('onnx', 'fp32', 'fp32.onnx',
           lambda network, path, inputs, keep: _write_onnx(network, path, 'fp32'),
           ('onnxruntime', 'openvino', *_TENSORRT), ('onnx',), (WEIGHTS,)),
    Target('onnx', 'fp16', 'fp16.onnx',
           lambda network, path, inputs, keep: _write_onnx(network, path, 'fp16'),
           ('onnxruntime', 'openvino', *_TENSORRT), ('onnx',), (WEIGHTS,)),
    Target('onnx', 'int8', 'int8.onnx',
           lambda network, path, inputs, keep: _write_onnx_int8(network, path, inputs, keep,
                                                                False),
           ('onnxruntime', 'openvino'), ('onnx', 'onnxruntime')),
    Target('onnx-tensorrt', 'int8', 'int8-tensorrt.onnx',
           lambda network, path, inputs, keep: _write_onnx_int8(network, path, inputs, keep,
                                                                True),
           _TENSORRT, ('onnx', 'onnxruntime')),
    Target('tflite', 'fp32', 'fp32.tflite',
           lambda network, path, inputs, keep: _write_tflite(network, path),
           ('tflite',), ('ai-edge-litert',)),
    Target('tflite', 'int8', 'int8.tflite', _write_tflite, ('tflite',),
           ('ai-edge-litert', 'onnxruntime')),
)


def can_write_tflite() -> bool:
    """Tell whether the package that describes TensorFlow Lite's files is installed."""
    return importlib.util.find_spec('ai_edge_litert') is not None


def choose_targets(formats: Iterable[str], precisions: Iterable[str]) -> list[Target]:
    """
    Return the targets of these formats, or that these backends read, and precisions.

    :raises ValueError: for a format or precision that is not there, or one that gives nothing
    """
    precisions = list(precisions)
    known = {target.precision for target in TARGETS}
    for name in precisions:
        if name not in known:
            raise ValueError(f'there is no precision {name!r}; there are '
                             f'{", ".join(sorted(known))}')
    known = {name for target in TARGETS for name in (target.format, *target.backends)}
    chosen = set()
    for name in formats:
        if name not in known:
            raise ValueError(f'there is no format {name!r}; there are {", ".join(sorted(known))}')
        found = [target for target in TARGETS if target.precision in precisions
                 and name in (target.format, *target.backends)]
        if not found:
            raise ValueError(f'{name} has no {" or ".join(precisions)} file')
        chosen.update(found)
    return [target for target in TARGETS if target in chosen]
