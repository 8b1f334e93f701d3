# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which layers lose most when they are calculated in int8: candidates to be kept in float."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from tsr_ros.backends.factory import create_backend
from tsr_ros.backends.weights import Network

from .activation_ranges import activation_ranges
from .tflite import build_tflite


class LayerGain(NamedTuple):
    """What it brings to keep one layer in float."""

    layer: str
    share: float  # of the error of the head maps that vanishes; below 0 it grows


def rank_layers(network: Network, inputs: Sequence[np.ndarray],
                threads: int = 0) -> list[LayerGain]:
    """
    Return each layer's gain, the greatest first, measured on LiteRT.

    :param inputs: images (1, H, W, 3) uint8 to calibrate and to measure with
    """
    ranges = activation_ranges(network, inputs)
    heads = {network.graph[output]['name'] for output in network.outputs}
    layers = [node['name'] for node in network.graph
              if node['op'] == 'conv' and node['name'] not in heads]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'candidate.tflite'

        def maps(content: bytes, precision: str) -> list[np.ndarray]:
            path.write_bytes(content)
            with create_backend('tflite', path, precision, threads=threads) as backend:
                backend.load()
                return [head.copy() for images in inputs for head in backend.infer(images)]

        exact = maps(build_tflite(network), 'fp32')

        def error(keep_float: Iterable[str]) -> float:
            found = maps(build_tflite(network, ranges, keep_float), 'int8')
            return float(np.sqrt(np.mean([np.square(a - b).mean() for a, b in zip(exact, found)])))

        whole = error(())
        gains = [LayerGain(layer, 1 - error([layer]) / whole)
                 for layer in tqdm(layers, 'layers in float', unit='layer', leave=False)]
    return sorted(gains, key=lambda gain: -gain.share)
