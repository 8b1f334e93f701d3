# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""int8 by calibration: one QDQ file for ONNX Runtime and OpenVINO, another for TensorRT."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from tsr_ros.backends.weights import Network

from .onnx_graph import build_onnx, describe, save_onnx


def quantize_onnx(network: Network, inputs: Iterable[np.ndarray], path: str,
                  for_tensorrt: bool = False, keep_float: Iterable[str] = ()) -> None:
    """
    Write the network as int8 ONNX, calibrated on `inputs`, each (1, H, W, 3) uint8.

    The last convolutions, whose maps hold sizes and probabilities side by side, and those named
    in `keep_float` stay in float. ONNX Runtime wants unsigned activations and int32 biases;
    TensorRT symmetric signed ones and float biases.
    """
    model = build_onnx(network)
    strides = [f'stride{stride}' for stride in network.strides]
    names = {node['name'] + '.weight' for node in network.graph if 'name' in node}
    unknown = set(keep_float) - {name[:-len('.weight')] for name in names}
    if unknown:
        raise ValueError(f'there is no layer {", ".join(sorted(unknown))} to keep in float')
    excluded = [
        node.name for node in model.graph.node
        if node.output[0] in strides or (
            node.op_type == 'Conv' and node.input[1][:-len('.weight')] in set(keep_float))
    ]
    with tempfile.TemporaryDirectory(dir=os.path.dirname(os.path.abspath(path))) as folder:
        source, target = str(Path(folder) / 'fp32.onnx'), str(Path(folder) / 'int8.onnx')
        save_onnx(model, source)
        quantize_static(
            source, target, _Reader(inputs), quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QInt8 if for_tensorrt else QuantType.QUInt8,
            weight_type=QuantType.QInt8, per_channel=True, nodes_to_exclude=excluded,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={'ActivationSymmetric': for_tensorrt, 'WeightSymmetric': True,
                           'QuantizeBias': not for_tensorrt})
        quantized = onnx.load(target)
    del quantized.metadata_props[:]
    onnx.helper.set_model_props(quantized, describe(network, 'int8'))
    quantized.producer_name = 'tsr_ros'
    save_onnx(quantized, path)


class _Reader(CalibrationDataReader):
    def __init__(self, inputs: Iterable[np.ndarray]) -> None:
        self._inputs = iter(inputs)

    def get_next(self) -> dict[str, np.ndarray] | None:
        images = next(self._inputs, None)
        return None if images is None else {'images': images}
