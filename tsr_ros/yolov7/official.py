# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Import of checkpoints that the official YOLOv7 code wrote: a whole pickled model.

The file is read as data (inert_pickle). Its layers are then laid beside our list of operations:
each has to be of the same kind, with the same inputs and shapes, so a variant is refused rather
than misread.
"""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import Tensor, nn

from tsr_ros.yolov7.architectures import STRIDES
from tsr_ros.yolov7.checkpoint import NORM_TENSORS, CheckpointError, save_weights
from tsr_ros.yolov7.inert_pickle import PickleRefusedError, Record, describe
from tsr_ros.yolov7.layers import ConvLayer, HeadLayer, RepConvLayer, plain_conv
from tsr_ros.yolov7.network import Network, build_network
from tsr_ros.yolov7.torch_archive import TorchArchive

NN = 'torch.nn.modules.'
OFFICIAL_LAYERS = ('Conv', 'Concat', 'MP', 'SP', 'SPPCSPC', 'RepConv', 'ImplicitA', 'ImplicitM')
NAMES = frozenset(
    (
        'models.yolo.Model',
        'models.yolo.Detect',
        'models.yolo.IDetect',
        *(
            f'models.common.{kind}'
            for kind in OFFICIAL_LAYERS
        ),
        NN + 'container.Sequential',
        NN + 'container.ModuleList',
        NN + 'conv.Conv2d',
        NN + 'batchnorm.BatchNorm2d',
        NN + 'activation.SiLU',
        NN + 'activation.LeakyReLU',
        NN + 'linear.Identity',
        NN + 'pooling.MaxPool2d',
        NN + 'upsampling.Upsample',
        # numbers of NumPy in the records of the training
        *(
            f'numpy.{core}.multiarray.{kind}'
            for core in ('core', '_core')
            for kind in ('scalar', '_reconstruct')
        ),
        'numpy.dtype',
        'numpy.ndarray',
        '_codecs.encode',
        # a fused model keeps its bound method `fuseforward`
        '__builtin__.getattr',
        'builtins.getattr',
    )
)
ARCHITECTURE_OF_LAYERS = {78: 'yolov7-tiny', 106: 'yolov7'}


def import_checkpoint(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    input_wh: tuple[int, int] = (640, 640),
    dtype: torch.dtype = torch.float32,
) -> Network:
    """
    Turn an official yolov7.pt or yolov7-tiny.pt, or one fine-tuned from it, into our weights file.

    The averaged weights (EMA) are taken where the file has them. The network is returned unfused
    where the file's is; its labels are `labels`.

    :param dtype: of the stored weights; float16 halves the file at an error of about 1e-3
    :raises CheckpointError: for a file of another form, one that holds anything but tensors,
        plain data and the classes of this network, or weights that are not finite in `dtype`;
        nothing is written then
    """
    network = read_official(path)
    try:
        save_weights(out, network, network.labels, input_wh, dtype)
    except ValueError as error:
        raise CheckpointError(f'{path}: {error}') from None
    return network


def read_official(path: str | os.PathLike[str]) -> Network:
    """Return the network of an official checkpoint, in evaluation mode."""
    try:
        with TorchArchive(path, NAMES) as archive:
            return convert(archive, find_model(archive.root))
    except (PickleRefusedError, OSError) as error:
        message = str(error)
        prefix = '' if str(path) in message else f'{path}: '
        raise CheckpointError(prefix + message) from None


def find_model(root: Any) -> Record:
    """Return the model of a checkpoint: the average of the weights, else the weights."""
    if isinstance(root, dict):
        root = root.get('ema') or root.get('model')
    if not isinstance(root, Record) or root.name != 'models.yolo.Model':
        raise PickleRefusedError(
            'no whole model of the official code; a file of weights alone has no layers to compare'
        )
    return root


def convert(archive: TorchArchive, model: Record) -> Network:
    """Return our network with the weights of a recorded one."""
    sequence = child(model, 'model')
    layers = [child(sequence, name) for name in children(sequence)]
    if len(layers) not in ARCHITECTURE_OF_LAYERS:
        raise PickleRefusedError(
            f'a model of {len(layers)} layers: neither yolov7-tiny (78) nor yolov7 (106)'
        )
    detect = layers[-1]
    num_classes = detect.state.get('nc')
    if type(num_classes) is not int or not 0 < num_classes < 10000:
        raise PickleRefusedError(f'a model of {describe(num_classes)} classes')
    network = build_network(ARCHITECTURE_OF_LAYERS[len(layers)], num_classes)
    network.anchors.copy_(read_anchors(archive, detect))
    network.labels = read_labels(model, num_classes)
    with torch.no_grad():
        Importer(archive, network).run(layers)
    return network.eval()


def read_labels(model: Record, num_classes: int) -> list[str]:
    """Return the class names of a model, or their numbers where it has none."""
    names = model.state.get('names')
    if isinstance(names, dict):
        names = [names.get(k) for k in range(num_classes)]
    if names is None:
        return [str(k) for k in range(num_classes)]
    if not isinstance(names, list) or len(names) != num_classes:
        raise PickleRefusedError(f'its class names are no list of {num_classes}')
    for name in names:
        if not isinstance(name, str | int):
            raise PickleRefusedError(f'a class name is a text, not {describe(name)}')
    return [str(name) for name in names]


def read_anchors(archive: TorchArchive, detect: Record) -> Tensor:
    """Return the anchors (3, 3, 2) in pixels."""
    buffers = table(detect, '_buffers')
    if 'anchor_grid' in buffers:
        anchors = archive.tensor(buffers['anchor_grid'], (3, 1, 3, 1, 1, 2)).view(3, 3, 2)
    elif 'anchors' in buffers:
        strides = torch.tensor(STRIDES).view(3, 1, 1)
        anchors = archive.tensor(buffers['anchors'], (3, 3, 2)) * strides
    else:
        raise PickleRefusedError('its detection layer has no anchors')
    if not ((anchors > 0) & anchors.isfinite()).all():
        raise PickleRefusedError('an anchor of its detection layer has no size')
    return anchors


def children(record: Record) -> dict[str, Record]:
    """Return the submodules of a recorded module."""
    return table(record, '_modules')


def table(record: Record, name: str) -> dict[str, Any]:
    """Return a module's submodules, parameters or buffers by their names."""
    values = record.state.get(name)
    if not isinstance(values, dict):
        raise PickleRefusedError(f'{record.name} has no {name}')
    return values


def child(record: Record, name: str, kind: str | None = None) -> Record:
    """Return a submodule, of this class where one is given."""
    module = children(record).get(name)
    if not isinstance(module, Record) or (kind and module.name != kind):
        found = module.name if isinstance(module, Record) else None
        raise PickleRefusedError(f'{record.name}.{name} is {found}, expected {kind or "a module"}')
    return module


def is_fused_by_method(record: Record) -> bool:
    """Tell whether a module was fused in place: it then calls its method `fuseforward`."""
    method = record.state.get('forward')
    if method is None:
        return False
    if (
        isinstance(method, Record)
        and method.name.endswith('.getattr')
        and len(method.arguments) == 2
        and method.arguments[0] is record
        and method.arguments[1] == 'fuseforward'
    ):
        return True
    raise PickleRefusedError(f'{record.name} has a method of its own')


class Importer:
    """Lays the recorded layers beside the operations of our network and copies their weights."""

    def __init__(self, archive: TorchArchive, network: Network) -> None:
        self.archive, self.network = archive, network
        self.next = 0
        self.node_of: list[int] = []  # our operation for each recorded layer

    def run(self, layers: list[Record]) -> None:
        """Copy all layers."""
        for index, layer in enumerate(layers):
            try:
                sources = self.sources(index, layer)
                self.node_of.append(self.copy(layer, sources))
            except PickleRefusedError as error:
                raise PickleRefusedError(f'layer {index}, {layer.name}: {error}') from None
        if self.next != len(self.network.operations):
            raise PickleRefusedError('layers are missing')

    def sources(self, index: int, layer: Record) -> tuple[int, ...]:
        """Return our operations that feed a layer; its `f` counts from itself if negative."""
        origins = layer.state.get('f')
        origins = origins if isinstance(origins, list) else [origins]
        nodes = []
        for origin in origins:
            if type(origin) is not int or not -index - 1 <= origin < index:
                raise PickleRefusedError(f'its input {describe(origin)} is no earlier layer')
            place = index + origin if origin < 0 else origin
            nodes.append(-1 if place < 0 else self.node_of[place])
        return tuple(nodes)

    def expect(self, op: str, sources: tuple[int, ...] | None) -> nn.Module:
        """Return our next layer, which has to be this operation on these inputs."""
        if self.next >= len(self.network.operations):
            raise PickleRefusedError('one layer too many')
        operation = self.network.operations[self.next]
        if operation.op != op or (sources is not None and operation.inputs != sources):
            raise PickleRefusedError(
                f'{op} of {sources} where {self.network.architecture} has '
                f'{operation.op} of {operation.inputs}'
            )
        self.next += 1
        return self.network.body[self.next - 1]

    def copy(self, layer: Record, sources: tuple[int, ...]) -> int:
        """Copy one recorded layer and return our operation that gives its output."""
        kind = layer.name.rpartition('.')[2]
        if kind == 'Conv':
            self.copy_conv(layer, self.expect('conv', sources))
        elif kind == 'RepConv':
            self.copy_rep_conv(layer, self.expect('rep_conv', sources))
        elif kind == 'SPPCSPC':
            self.copy_sppcspc(layer, sources)
        elif kind == 'Concat':
            self.expect('concat', sources)
        elif kind == 'Upsample':
            self.expect('upsample', sources)
        elif kind in ('MP', 'SP'):
            self.copy_pool(layer, sources)
        elif kind in ('Detect', 'IDetect'):
            self.copy_detect(layer, sources)
        else:
            raise PickleRefusedError('no such layer in YOLOv7')
        return self.next - 1

    def copy_pool(self, layer: Record, sources: tuple[int, ...]) -> None:
        """Check a pooling; ours of 9 and 13 pixels follow on that of 5 and of 9."""
        kernel = child(layer, 'm', NN + 'pooling.MaxPool2d').state.get('kernel_size')
        if kernel in (9, 13):
            earlier = self.next - (1 if kernel == 9 else 2)
            if self.network.operations[earlier].inputs != sources:
                raise PickleRefusedError(f'its {kernel} pixels do not follow on 5')
            sources = (self.next - 1,)
        ours = self.expect('max_pool', sources)
        if kernel not in (ours.kernel_size, 9, 13):
            raise PickleRefusedError(f'a window of {describe(kernel)} pixels')

    def copy_sppcspc(self, layer: Record, sources: tuple[int, ...]) -> None:
        """Copy the seven convolutions of a pyramid pooling, in the order in which ours stand."""
        for part in ('cv1', 'cv2'):
            self.copy_conv(child(layer, part), self.expect('conv', sources))
        for part in ('cv3', 'cv4', None, None, None, None, 'cv5', 'cv6', None, 'cv7'):
            if part:
                self.copy_conv(child(layer, part), self.expect('conv', None))
            else:
                self.next += 1  # the pooling and joining inside the block is the class's own

    def tensor(self, record: Record, name: str, like: Tensor) -> Tensor:
        """Return a module's parameter or buffer in the shape of ours."""
        for kind in ('_parameters', '_buffers'):
            value = table(record, kind).get(name)
            if value is not None:
                return self.archive.tensor(value, tuple(like.shape))
        raise PickleRefusedError(f'{record.name} has no {name}')

    def copy_norm(self, record: Record, norm: nn.BatchNorm2d) -> None:
        """Copy a batch norm; another epsilon goes into the variance, where it acts the same."""
        eps = record.state.get('eps')
        if not isinstance(eps, float):
            raise PickleRefusedError('a batch norm without eps')
        for name in NORM_TENSORS:
            getattr(norm, name).copy_(self.tensor(record, name, getattr(norm, name)))
        norm.running_var += eps - norm.eps

    def check_activation(self, layer: Record, ours: str | None) -> None:
        """Raise where the activation is another one."""
        act = child(layer, 'act')
        slope = describe(act.state.get('negative_slope'))
        theirs = {'SiLU': 'silu', 'LeakyReLU': f'leaky_relu:{slope}'}.get(
            act.name.rpartition('.')[2]
        )
        if theirs != ours:
            raise PickleRefusedError(f'its activation is {theirs}, expected {ours}')

    def copy_plain_conv(self, record: Record, ours: ConvLayer | RepConvLayer) -> None:
        """Copy a convolution that has its batch norm folded in already."""
        like = ours.conv.weight
        bias = self.tensor(record, 'bias', like[:, 0, 0, 0])
        ours.conv = plain_conv(ours.conv, self.tensor(record, 'weight', like), bias)
        ours.bn = None

    def copy_conv(self, layer: Record, ours: ConvLayer) -> None:
        """Copy a convolution with its batch norm, or fused."""
        if not layer.name.endswith('.Conv'):
            raise PickleRefusedError(f'{layer.name} where a convolution was expected')
        is_fused_by_method(layer)
        self.check_activation(layer, ours.activation)
        conv = child(layer, 'conv', NN + 'conv.Conv2d')
        if conv.state.get('stride') != ours.conv.stride or conv.state.get('groups') != 1:
            raise PickleRefusedError('its stride or groups are others')
        if 'bn' not in children(layer):
            self.copy_plain_conv(conv, ours)
            return
        ours.conv.weight.copy_(self.tensor(conv, 'weight', ours.conv.weight))
        self.copy_norm(child(layer, 'bn', NN + 'batchnorm.BatchNorm2d'), ours.bn)

    def copy_rep_conv(self, layer: Record, ours: RepConvLayer) -> None:
        """Copy the branches of a RepConv, or the one it was fused to."""
        self.check_activation(layer, ours.activation)
        if 'rbr_reparam' in children(layer):
            self.copy_plain_conv(child(layer, 'rbr_reparam', NN + 'conv.Conv2d'), ours)
            ours.conv_1x1 = ours.bn_1x1 = None
            return
        if children(layer).get('rbr_identity') is not None:
            raise PickleRefusedError('it has an identity branch')
        for name, conv, norm in (
            ('rbr_dense', ours.conv, ours.bn),
            ('rbr_1x1', ours.conv_1x1, ours.bn_1x1),
        ):
            branch = child(layer, name)
            weight = self.tensor(child(branch, '0', NN + 'conv.Conv2d'), 'weight', conv.weight)
            conv.weight.copy_(weight)
            self.copy_norm(child(branch, '1', NN + 'batchnorm.BatchNorm2d'), norm)

    def copy_detect(self, layer: Record, sources: tuple[int, ...]) -> None:
        """Copy the three levels of a detection layer, with or without implicit layers."""
        implicit = layer.name.endswith('.IDetect') and not is_fused_by_method(layer)
        if len(sources) != 3 or len(children(child(layer, 'm'))) != 3:
            raise PickleRefusedError('its levels are not three')
        for level, source in enumerate(sources):
            ours = self.expect('head', (source,))
            conv = child(child(layer, 'm'), str(level), NN + 'conv.Conv2d')
            ours.conv.weight.copy_(self.tensor(conv, 'weight', ours.conv.weight))
            ours.conv.bias.copy_(self.tensor(conv, 'bias', ours.conv.bias))
            if implicit:
                self.copy_implicit(layer, level, ours)
            else:
                ours.implicit_add = ours.implicit_mul = None

    def copy_implicit(self, layer: Record, level: int, ours: HeadLayer) -> None:
        """Copy what is added before and multiplied after a level's convolution."""
        for name, target in (('ia', ours.implicit_add), ('im', ours.implicit_mul)):
            record = child(child(layer, name), str(level))
            target.copy_(self.tensor(record, 'implicit', target))
