# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The layers YOLOv7 is made of; those with a batch norm can fold it into their convolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from tsr_ros.backends.weights import parse_activation

BATCH_NORM_EPS = 1e-3
BATCH_NORM_MOMENTUM = 0.03


def activation_layer(activation: str | None) -> nn.Module:
    """Return the layer for 'silu', 'relu', 'leaky_relu:SLOPE' or None."""
    name, slope = parse_activation(activation)
    return {
        None: nn.Identity(),
        'silu': nn.SiLU(inplace=True),
        'relu': nn.ReLU(inplace=True),
        'leaky_relu': nn.LeakyReLU(slope, inplace=True),
    }[name]


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """Return a batch norm with the constants YOLOv7 uses."""
    return nn.BatchNorm2d(channels, eps=BATCH_NORM_EPS, momentum=BATCH_NORM_MOMENTUM)


def fold_batch_norm(weight: Tensor, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Fold a batch norm into weights (out, in, k, k); return these and the bias (out,)."""
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale


def plain_conv(like: nn.Conv2d, weight: Tensor, bias: Tensor) -> nn.Conv2d:
    """Return a convolution shaped like another one, with these weights and a bias."""
    conv = nn.Conv2d(
        like.in_channels, like.out_channels, like.kernel_size, like.stride, like.padding
    )
    conv.weight.data.copy_(weight)
    conv.bias.data.copy_(bias)
    return conv.to(weight.device)


class ConvLayer(nn.Module):
    """Convolution, batch norm, activation."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int, activation: str | None
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False
        )
        self.bn: nn.BatchNorm2d | None = batch_norm(out_channels)
        self.act = activation_layer(activation)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) to (N, out, H / stride, W / stride)."""
        x = self.conv(x)
        return self.act(x if self.bn is None else self.bn(x))

    def fuse(self) -> None:
        """Fold the batch norm into the convolution."""
        if self.bn is not None:
            self.conv = plain_conv(self.conv, *fold_batch_norm(self.conv.weight, self.bn))
            self.bn = None


class RepConvLayer(nn.Module):
    """
    RepConv: parallel 3x3 and 1x1 branches, one 3x3 when fused.

    Ding et al., 'RepVGG: Making VGG-style ConvNets Great Again', 2021.
    """

    def __init__(self, in_channels: int, out_channels: int, activation: str | None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.bn: nn.BatchNorm2d | None = batch_norm(out_channels)
        self.conv_1x1: nn.Conv2d | None = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.bn_1x1: nn.BatchNorm2d | None = batch_norm(out_channels)
        self.act = activation_layer(activation)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) to (N, out, H, W)."""
        if self.bn is None:
            return self.act(self.conv(x))
        return self.act(self.bn(self.conv(x)) + self.bn_1x1(self.conv_1x1(x)))

    def fuse(self) -> None:
        """Add the branches up into one convolution."""
        if self.bn is None:
            return
        weight, bias = fold_batch_norm(self.conv.weight, self.bn)
        weight_1x1, bias_1x1 = fold_batch_norm(self.conv_1x1.weight, self.bn_1x1)
        weight = weight + functional.pad(weight_1x1, (1, 1, 1, 1))
        self.conv = plain_conv(self.conv, weight, bias + bias_1x1)
        self.bn = self.conv_1x1 = self.bn_1x1 = None


class HeadLayer(nn.Module):
    """
    One level of IDetect: implicit knowledge added before and multiplied after a 1x1 convolution.

    Wang et al., 'You Only Learn One Representation', 2021. Output channel a * (5 + C) + k holds
    anchor a's tx, ty, tw, th, objectness logit and C class logits.
    """

    activation = None

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.implicit_add: nn.Parameter | None = nn.Parameter(torch.zeros(1, in_channels, 1, 1))
        self.conv = nn.Conv2d(in_channels, out_channels, 1)
        self.implicit_mul: nn.Parameter | None = nn.Parameter(torch.ones(1, out_channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) to the raw map (N, 3 * (5 + C), H, W)."""
        if self.implicit_add is None:
            return self.conv(x)
        return self.conv(x + self.implicit_add) * self.implicit_mul

    def fuse(self) -> None:
        """Fold the implicit layers into the convolution."""
        if self.implicit_add is None:
            return
        weight, bias = self.conv.weight, self.conv.bias
        bias = bias + (weight[:, :, 0, 0] @ self.implicit_add[0, :, 0, 0])
        scale = self.implicit_mul[0, :, 0, 0]
        self.conv = plain_conv(self.conv, weight * scale[:, None, None, None], bias * scale)
        self.implicit_add = self.implicit_mul = None


class Concat(nn.Module):
    """Join maps along the channels."""

    def forward(self, *maps: Tensor) -> Tensor:
        """Maps (N, C_i, H, W) to (N, sum of C_i, H, W)."""
        return torch.cat(maps, 1)
