# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
YOLOv7 and YOLOv7-tiny as a list of operations.

Wang, Bochkovskiy and Liao, 'YOLOv7: Trainable bag-of-freebies sets new state-of-the-art for
real-time object detectors', CVPR 2023.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from tsr_ros.backends.weights import IMAGE


class Operation(NamedTuple):
    """One node of the network: what it does to the outputs of which other nodes."""

    op: str  # conv, rep_conv, head, concat, max_pool or upsample
    inputs: tuple[int, ...]
    channels: int
    settings: dict[str, Any]


class Plan:
    """Operations in the order they run; each method adds one and returns its index."""

    def __init__(self, activation: str) -> None:
        self.activation = activation
        self.operations: list[Operation] = []

    def channels(self, node: int) -> int:
        """Return the channels of a node's output, 3 for the image."""
        return 3 if node == IMAGE else self.operations[node].channels

    def add(self, op: str, inputs: tuple[int, ...], channels: int, **settings: Any) -> int:
        """Append an operation."""
        self.operations.append(Operation(op, inputs, channels, settings))
        return len(self.operations) - 1

    def conv(self, x: int, channels: int, kernel: int = 1, stride: int = 1) -> int:
        """Append convolution, batch norm and activation."""
        return self.add('conv', (x,), channels, kernel=kernel, stride=stride)

    def rep_conv(self, x: int, channels: int) -> int:
        """Append a RepConv."""
        return self.add('rep_conv', (x,), channels)

    def concat(self, *inputs: int) -> int:
        """Append a concatenation of channels."""
        return self.add('concat', inputs, sum(self.channels(x) for x in inputs))

    def max_pool(self, x: int, kernel: int = 2, stride: int = 2) -> int:
        """Append a maximum over windows; with stride 1 the size stays."""
        padding = kernel // 2 if stride == 1 else 0
        return self.add(
            'max_pool', (x,), self.channels(x), kernel=kernel, stride=stride, padding=padding
        )

    def upsample(self, x: int) -> int:
        """Append a doubling of height and width by repetition."""
        return self.add('upsample', (x,), self.channels(x), scale=2)

    def elan(self, x: int, width: int, out: int, every: int, growth: int, depth: int) -> int:
        """
        Append an E-ELAN block: a chain of 3x3 convolutions whose states are joined.

        The chain starts from one of two 1x1 convolutions of `width` channels; each of its `depth`
        convolutions has `growth` channels, and every `every`-th state goes into the join.
        """
        shortcut = self.conv(x, width)
        states = [self.conv(x, width)]
        for _ in range(depth):
            states.append(self.conv(states[-1], growth, 3))
        return self.conv(self.concat(*states[::-1][::every], shortcut), out)

    def pool_pyramid(self, x: int) -> list[int]:
        """Append maxima over 5x5, 9x9 and 13x13 windows: a chain of 5x5 gives the same numbers."""
        pools = [self.max_pool(x, 5, 1)]
        for _ in range(2):
            pools.append(self.max_pool(pools[-1], 5, 1))
        return pools

    def sppcspc(self, x: int, width: int) -> int:
        """Append spatial pyramid pooling with a cross-stage partial connection."""
        main = self.conv(x, width)
        shortcut = self.conv(x, width)
        main = self.conv(self.conv(main, width, 3), width)
        main = self.conv(self.concat(main, *self.pool_pyramid(main)), width)
        main = self.conv(main, width, 3)
        return self.conv(self.concat(main, shortcut), width)

    def downsample(self, x: int, width: int, *others: int) -> int:
        """Append MP: halve by max pooling and by convolution side by side, and join `others`."""
        pooled = self.conv(self.max_pool(x), width)
        strided = self.conv(self.conv(x, width), width, 3, 2)
        return self.concat(strided, pooled, *others)

    def merge_up(self, deep: int, lateral: int, width: int) -> int:
        """Append the top-down step: upsample the deep map and join it with a shallower one."""
        deep = self.upsample(self.conv(deep, width))
        return self.concat(self.conv(lateral, width), deep)


def yolov7_tiny(plan: Plan) -> tuple[int, int, int]:
    """Lay out YOLOv7-tiny and return its three feature maps (strides 8, 16, 32)."""

    def elan(x: int, width: int, out: int) -> int:
        return plan.elan(x, width, out, every=1, growth=width, depth=2)

    x = plan.conv(plan.conv(IMAGE, 32, 3, 2), 64, 3, 2)
    x = elan(x, 32, 64)
    backbone8 = elan(plan.max_pool(x), 64, 128)
    backbone16 = elan(plan.max_pool(backbone8), 128, 256)
    backbone32 = elan(plan.max_pool(backbone16), 256, 512)

    shortcut = plan.conv(backbone32, 256)
    x = plan.conv(backbone32, 256)
    x = plan.conv(plan.concat(*plan.pool_pyramid(x)[::-1], x), 256)
    deep32 = plan.conv(plan.concat(x, shortcut), 256)

    deep16 = elan(plan.merge_up(deep32, backbone16, 128), 64, 128)
    out8 = elan(plan.merge_up(deep16, backbone8, 64), 32, 64)
    out16 = elan(plan.concat(plan.conv(out8, 128, 3, 2), deep16), 64, 128)
    out32 = elan(plan.concat(plan.conv(out16, 256, 3, 2), deep32), 128, 256)
    return plan.conv(out8, 128, 3), plan.conv(out16, 256, 3), plan.conv(out32, 512, 3)


def yolov7(plan: Plan) -> tuple[int, int, int]:
    """Lay out YOLOv7 and return its three feature maps (strides 8, 16, 32)."""

    def elan(x: int, width: int, out: int) -> int:
        return plan.elan(x, width, out, every=2, growth=width, depth=4)

    def elan_neck(x: int, out: int) -> int:
        return plan.elan(x, out, out, every=1, growth=out // 2, depth=4)

    x = plan.conv(plan.conv(IMAGE, 32, 3), 64, 3, 2)
    x = plan.conv(plan.conv(x, 64, 3), 128, 3, 2)
    x = elan(x, 64, 256)
    backbone8 = elan(plan.downsample(x, 128), 128, 512)
    backbone16 = elan(plan.downsample(backbone8, 256), 256, 1024)
    backbone32 = elan(plan.downsample(backbone16, 512), 256, 1024)

    deep32 = plan.sppcspc(backbone32, 512)
    deep16 = elan_neck(plan.merge_up(deep32, backbone16, 256), 256)
    out8 = elan_neck(plan.merge_up(deep16, backbone8, 128), 128)
    out16 = elan_neck(plan.downsample(out8, 128, deep16), 256)
    out32 = elan_neck(plan.downsample(out16, 256, deep32), 512)
    return plan.rep_conv(out8, 256), plan.rep_conv(out16, 512), plan.rep_conv(out32, 1024)


class Architecture(NamedTuple):
    """What tells one member of the family from another."""

    layout: Callable[[Plan], tuple[int, int, int]]
    activation: str
    anchors: tuple[tuple[tuple[int, int], ...], ...]  # (level, anchor, wh), pixels at 640


STRIDES = (8, 16, 32)

ARCHITECTURES = {
    'yolov7-tiny': Architecture(
        yolov7_tiny,
        'leaky_relu:0.1',
        (
            ((10, 13), (16, 30), (33, 23)),
            ((30, 61), (62, 45), (59, 119)),
            ((116, 90), (156, 198), (373, 326)),
        ),
    ),
    'yolov7': Architecture(
        yolov7,
        'silu',
        (
            ((12, 16), (19, 36), (40, 28)),
            ((36, 75), (76, 55), (72, 146)),
            ((142, 110), (192, 243), (459, 401)),
        ),
    ),
}


def find_architecture(name: str) -> Architecture:
    """Return the architecture of this name; ValueError names the known ones."""
    if name not in ARCHITECTURES:
        raise ValueError(f'unknown architecture {name!r}: expected one of {sorted(ARCHITECTURES)}')
    return ARCHITECTURES[name]


def lay_out(name: str, num_classes: int) -> tuple[list[Operation], tuple[int, int, int]]:
    """Return the operations of a whole network and the indices of its three head maps."""
    architecture = find_architecture(name)
    plan = Plan(architecture.activation)
    features = architecture.layout(plan)
    out = 3 * (5 + num_classes)
    heads = tuple(plan.add('head', (x,), out) for x in features)
    return plan.operations, heads
