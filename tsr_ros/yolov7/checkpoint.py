# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Weights as one safetensors file: the fused network in fp16 and what training needs to go on.

Metadata (format 'tsr-weights-1'): architecture, labels, anchors, strides, input_wh, graph and
outputs, as JSON where they are not plain words.
Tensors: `<layer>.weight` and `<layer>.bias` of each convolution, and `<layer>.bn.weight`, `.bias`,
`.running_mean`, `.running_var` of the batch norm that was folded into it.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from tsr_ros.backends.weights import FORMAT
from tsr_ros.report.files import whole_file
from tsr_ros.yolov7.graph import deployment_graph
from tsr_ros.yolov7.layers import ConvLayer, RepConvLayer
from tsr_ros.yolov7.network import Network, build_network, fuse

NORM_TENSORS = ('weight', 'bias', 'running_mean', 'running_var')


class CheckpointError(ValueError):
    """A weights file that is damaged or not of our format; says which and why."""


def save_weights(
    path: str | os.PathLike[str],
    network: Network,
    labels: Sequence[str],
    input_wh: tuple[int, int] = (640, 640),
    dtype: torch.dtype = torch.float16,
) -> None:
    """
    Write a network, fused or not, as deployed; the network itself stays as it is.

    :param dtype: of the stored weights, float16 or float32
    :raises ValueError: where the labels are not as many as the classes or a weight is not finite
        in `dtype`
    """
    if len(labels) != network.num_classes:
        raise ValueError(f'{len(labels)} labels for a network of {network.num_classes} classes')
    tensors: dict[str, Tensor] = {}
    for i, layer in enumerate(network.body):
        norm = getattr(layer, 'bn', None)
        if norm is not None:
            tensors |= {
                f'body.{i}.conv.bn.{name}': getattr(norm, name) for name in NORM_TENSORS
            }
    fused = fuse(copy.deepcopy(network))
    for name, value in fused.state_dict().items():
        if not value.isfinite().all():
            raise ValueError(f'{name} has values that are no finite numbers')
        if not (value.abs() <= (largest := torch.finfo(dtype).max)).all():
            raise ValueError(f'{name} has values above {largest:g}: store 32 bits, not 16')
        tensors[name] = value.to(dtype)
    graph, outputs = deployment_graph(fused)
    metadata = {
        'format': FORMAT,
        'architecture': network.architecture,
        'labels': json.dumps(list(labels)),
        'anchors': json.dumps(network.anchors.tolist()),
        'strides': json.dumps(list(network.strides)),
        'input_wh': json.dumps(list(input_wh)),
        'graph': json.dumps(graph),
        'outputs': json.dumps(outputs),
    }
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    _write(path, tensors, metadata)


def load_weights(path: str | os.PathLike[str], for_training: bool = False) -> Network:
    """
    Return the network of a file: fused, or with its batch norms restored for training.

    The labels and the input size are its attributes `labels` and `input_wh`.

    :raises CheckpointError: for a file that is damaged or not of our format
    """
    metadata, tensors = _read(path)
    try:
        labels = json.loads(metadata['labels'])
        network = build_network(
            metadata['architecture'], len(labels), json.loads(metadata['anchors'])
        )
        if not for_training:
            fuse(network)
            weights = {name: value for name, value in tensors.items() if '.bn.' not in name}
            network.load_state_dict({name: value.float() for name, value in weights.items()})
        else:
            for i, layer in enumerate(network.body):
                restore_layer(layer, f'body.{i}.conv', tensors)
        network.labels = labels
        network.input_wh = tuple(json.loads(metadata['input_wh']))
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise CheckpointError(f'{path}: {error}') from None
    return network


def average_weights(
    paths: Sequence[str | os.PathLike[str]], out: str | os.PathLike[str]
) -> dict[str, str]:
    """
    Write the mean of several networks' weights and return its metadata.

    It is of use for runs that began from the same weights: their mean is then often better than
    each (Wortsman et al. 2022, "Model soups"). Of networks trained apart it is worth nothing.

    :param paths: weights of one architecture, with the same labels, anchors and input size
    :raises CheckpointError: for a file that is damaged, not of our format or of another network
    """
    metadata, sums = _read(paths[0])
    dtypes = {name: value.dtype for name, value in sums.items()}
    sums = {name: value.float() for name, value in sums.items()}
    for path in paths[1:]:
        other, tensors = _read(path)
        for key, value in metadata.items():
            if other.get(key) != value:
                raise CheckpointError(f'{path} differs from {paths[0]} in its {key}')
        if {name: value.shape for name, value in tensors.items()} != {
            name: value.shape for name, value in sums.items()
        }:
            raise CheckpointError(f'{path} differs from {paths[0]} in its tensors')
        for name, value in tensors.items():
            sums[name] += value.float()
    means = {name: (value / len(paths)).to(dtypes[name]) for name, value in sums.items()}
    _write(out, means, metadata)
    return metadata


def _write(
    path: str | os.PathLike[str], tensors: dict[str, Tensor], metadata: dict[str, str]
) -> None:
    with whole_file(Path(path)) as temporary:
        save_file(tensors, temporary, metadata)
        temporary.chmod(0o644)


def _read(path: str | os.PathLike[str]) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Return metadata and tensors of a file of our format."""
    try:
        with safe_open(path, 'pt') as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f'{path}: not a safetensors file: {error}') from None
    if metadata.get('format') != FORMAT:
        raise CheckpointError(f'{path}: its format is {metadata.get("format")!r}, not {FORMAT!r}')
    return metadata, tensors


def restore_layer(layer: nn.Module, name: str, tensors: dict[str, Tensor]) -> None:
    """
    Fill a layer that is not fused so that it computes what the fused convolution does.

    A RepConv gets all of it in its 3x3 branch; its 1x1 branch adds nothing until it is trained.
    """
    if not hasattr(layer, 'conv'):
        return
    weight, bias = tensors[f'{name}.weight'].float(), tensors[f'{name}.bias'].float()
    if isinstance(layer, ConvLayer | RepConvLayer):
        norm = layer.bn
        if f'{name}.bn.weight' in tensors:
            for key in NORM_TENSORS:
                getattr(norm, key).data.copy_(tensors[f'{name}.bn.{key}'])
        scale = norm.weight.data / torch.sqrt(norm.running_var + norm.eps)
        # a channel that the batch norm switched off is zero in the file: any weight restores it
        safe = torch.where(scale.abs() < 1e-12, torch.ones_like(scale), scale)
        weight = weight / safe[:, None, None, None]
        norm.bias.data.copy_(bias + norm.running_mean * scale)
        if isinstance(layer, RepConvLayer):
            layer.bn_1x1.weight.data.zero_()
        layer.conv.weight.data.copy_(weight)
    else:
        layer.conv.weight.data.copy_(weight)
        layer.conv.bias.data.copy_(bias)
