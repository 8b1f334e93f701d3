# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The least and greatest value of every operation's result, over calibration images."""

from collections.abc import Iterable

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from tsr_ros.backends.base import available_cpus
from tsr_ros.backends.weights import Network

from .onnx_graph import build_onnx


def activation_ranges(
        network: Network, inputs: Iterable[np.ndarray]) -> dict[str, tuple[float, float]]:
    """
    Return (least, greatest) of each tensor that build_onnx names, over inputs (1, H, W, 3) uint8.

    Taken inside the graph, so that only two numbers of each tensor leave it.
    """
    model = build_onnx(network)
    names = [node.output[0] for node in model.graph.node if node.name != 'image_nchw']
    del model.graph.output[:]
    for name in names:
        for op in 'ReduceMin', 'ReduceMax':
            result = f'{op}.{name}'
            model.graph.node.append(helper.make_node(op, [name], [result], keepdims=0))
            model.graph.output.append(onnx.ValueInfoProto(
                name=result, type=helper.make_tensor_type_proto(TensorProto.FLOAT, [])))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = available_cpus()
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=['CPUExecutionProvider'])
    results = [np.array(session.run(None, {'images': images})) for images in inputs]
    if not results:
        raise ValueError('there is no image to calibrate with')
    least, greatest = np.min(results, axis=0)[::2], np.max(results, axis=0)[1::2]
    return {name: (float(a), float(b)) for name, a, b in zip(names, least, greatest)}
