# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Networks under the class names of the official code, written for these tests from the paper.

They give checkpoint files of the official form and reference outputs that share no code with ours.
"""
import contextlib
import copy
import sys
import types

import torch
from torch import nn
from torch.nn.functional import conv2d

ANCHORS = {
    'yolov7-tiny': [[10, 13, 16, 30, 33, 23], [30, 61, 62, 45, 59, 119],
                    [116, 90, 156, 198, 373, 326]],
    'yolov7': [[12, 16, 19, 36, 40, 28], [36, 75, 76, 55, 72, 146],
               [142, 110, 192, 243, 459, 401]],
}


class Conv(nn.Module):
    def __init__(self, c1, c2, k=1, s=1, act=None):
        super().__init__()
        self.conv = nn.Conv2d(c1, c2, k, s, k // 2, bias=False)
        self.bn = nn.BatchNorm2d(c2, eps=1e-3, momentum=0.03)
        self.act = act or nn.SiLU()

    def forward(self, x):
        return self.act(self.bn(self.conv(x)))

    def fuseforward(self, x):
        return self.act(self.conv(x))


class MP(nn.Module):
    def __init__(self):
        super().__init__()
        self.m = nn.MaxPool2d(2, 2)

    def forward(self, x):
        return self.m(x)


class SP(nn.Module):
    def __init__(self, k):
        super().__init__()
        self.m = nn.MaxPool2d(k, 1, k // 2)

    def forward(self, x):
        return self.m(x)


class Concat(nn.Module):
    def __init__(self):
        super().__init__()
        self.d = 1

    def forward(self, x):
        return torch.cat(x, self.d)


class SPPCSPC(nn.Module):
    def __init__(self, c1, c2):
        super().__init__()
        self.cv1, self.cv2 = Conv(c1, c2), Conv(c1, c2)
        self.cv3, self.cv4 = Conv(c2, c2, 3), Conv(c2, c2)
        self.m = nn.ModuleList(nn.MaxPool2d(k, 1, k // 2) for k in (5, 9, 13))
        self.cv5, self.cv6 = Conv(4 * c2, c2), Conv(c2, c2, 3)
        self.cv7 = Conv(2 * c2, c2)

    def forward(self, x):
        y = self.cv4(self.cv3(self.cv1(x)))
        y = self.cv6(self.cv5(torch.cat([y] + [m(y) for m in self.m], 1)))
        return self.cv7(torch.cat([y, self.cv2(x)], 1))


class RepConv(nn.Module):
    def __init__(self, c1, c2):
        super().__init__()
        self.act = nn.SiLU()
        self.rbr_identity = None
        self.rbr_dense = nn.Sequential(
            nn.Conv2d(c1, c2, 3, 1, 1, bias=False), nn.BatchNorm2d(c2, eps=1e-3))
        self.rbr_1x1 = nn.Sequential(
            nn.Conv2d(c1, c2, 1, bias=False), nn.BatchNorm2d(c2, eps=1e-3))

    def forward(self, x):
        if hasattr(self, 'rbr_reparam'):
            return self.act(self.rbr_reparam(x))
        return self.act(self.rbr_dense(x) + self.rbr_1x1(x))


class ImplicitA(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.implicit = nn.Parameter(torch.randn(1, c, 1, 1) * 0.1)

    def forward(self, x):
        return self.implicit + x


class ImplicitM(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.implicit = nn.Parameter(1 + torch.randn(1, c, 1, 1) * 0.1)

    def forward(self, x):
        return self.implicit * x


class Detect(nn.Module):
    def __init__(self, nc, anchors, channels):
        super().__init__()
        self.nc, self.no, self.nl, self.na = nc, nc + 5, 3, 3
        a = torch.tensor(anchors).float().view(3, -1, 2)
        self.register_buffer('anchors', a / torch.tensor([8, 16, 32]).view(3, 1, 1))
        self.register_buffer('anchor_grid', a.clone().view(3, 1, -1, 1, 1, 2))
        self.m = nn.ModuleList(nn.Conv2d(c, self.no * 3, 1) for c in channels)

    def forward(self, x):
        return [m(y) for m, y in zip(self.m, x)]


class IDetect(Detect):
    def __init__(self, nc, anchors, channels):
        super().__init__(nc, anchors, channels)
        self.ia = nn.ModuleList(ImplicitA(c) for c in channels)
        self.im = nn.ModuleList(ImplicitM(self.no * 3) for _ in channels)

    def forward(self, x):
        return [im(m(ia(y))) for m, ia, im, y in zip(self.m, self.ia, self.im, x)]

    def fuseforward(self, x):
        return [m(y) for m, y in zip(self.m, x)]


class Model(nn.Module):
    def __init__(self, layers, names):
        super().__init__()
        self.model = nn.Sequential(*layers)
        self.names, self.hyp, self.gr = names, {'lr0': 0.01}, 1.0
        self.stride = torch.tensor([8.0, 16.0, 32.0])
        self.yaml = {'nc': len(names), 'depth_multiple': 1.0}

    def forward(self, x):
        y = []
        for m in self.model:
            if m.f != -1:
                x = y[m.f] if isinstance(m.f, int) else [x if j == -1 else y[j] for j in m.f]
            x = m(x)
            y.append(x)
        return x


class Layers:
    """Collect layers with their inputs, counting channels."""

    def __init__(self, activation):
        self.activation, self.layers, self.channels = activation, [], [3]

    def put(self, layer, origin, channels):
        layer.i, layer.f = len(self.layers), origin
        self.layers.append(layer)
        self.channels.append(channels)
        return len(self.layers) - 1

    def width(self, origin):
        return self.channels[origin + 1 if origin >= 0 else len(self.layers) + origin + 1]

    def conv(self, c, k=1, s=1, origin=-1):
        act = nn.LeakyReLU(0.1) if self.activation == 'leaky' else nn.SiLU()
        return self.put(Conv(self.width(origin), c, k, s, act), origin, c)

    def cat(self, *origins):
        return self.put(Concat(), list(origins), sum(self.width(f) for f in origins))

    def keep(self, layer, origin=-1):
        return self.put(layer, origin, self.width(origin))

    def up(self):
        return self.keep(nn.Upsample(None, 2, 'nearest'))


def tiny(n):
    def elan(c, out):
        n.conv(c)
        n.conv(c, origin=-2)
        n.conv(c, 3)
        n.conv(c, 3)
        n.cat(-1, -2, -3, -4)
        return n.conv(out)

    n.conv(32, 3, 2)
    n.conv(64, 3, 2)
    stages = [elan(32, 64)]
    for c in (64, 128, 256):
        n.keep(MP())
        stages.append(elan(c, 2 * c))
    n.conv(256)
    n.conv(256, origin=-2)
    n.keep(SP(5))
    n.keep(SP(9), -2)
    n.keep(SP(13), -3)
    n.cat(-1, -2, -3, -4)
    n.conv(256)
    n.cat(-1, -7)
    p5 = n.conv(256)
    n.conv(128)
    n.up()
    n.conv(128, origin=stages[2])
    n.cat(-1, -2)
    p4 = elan(64, 128)
    n.conv(64)
    n.up()
    n.conv(64, origin=stages[1])
    n.cat(-1, -2)
    o3 = elan(32, 64)
    n.conv(128, 3, 2)
    n.cat(-1, p4)
    o4 = elan(64, 128)
    n.conv(256, 3, 2)
    n.cat(-1, p5)
    o5 = elan(128, 256)
    return [n.conv(2 * n.width(o), 3, origin=o) for o in (o3, o4, o5)]


def full(n):
    def elan(c, out):
        n.conv(c)
        n.conv(c, origin=-2)
        for _ in range(4):
            n.conv(c, 3)
        n.cat(-1, -3, -5, -6)
        return n.conv(out)

    def elan_head(c):
        n.conv(c)
        n.conv(c, origin=-2)
        for _ in range(4):
            n.conv(c // 2, 3)
        n.cat(-1, -2, -3, -4, -5, -6)
        return n.conv(c)

    def down(c, *more):
        n.keep(MP())
        n.conv(c)
        n.conv(c, origin=-3)
        n.conv(c, 3, 2)
        n.cat(-1, -3, *more)

    n.conv(32, 3)
    n.conv(64, 3, 2)
    n.conv(64, 3)
    n.conv(128, 3, 2)
    elan(64, 256)
    down(128)
    b3 = elan(128, 512)
    down(256)
    b4 = elan(256, 1024)
    down(512)
    elan(256, 1024)
    p5 = n.put(SPPCSPC(1024, 512), -1, 512)
    n.conv(256)
    n.up()
    n.conv(256, origin=b4)
    n.cat(-1, -2)
    p4 = elan_head(256)
    n.conv(128)
    n.up()
    n.conv(128, origin=b3)
    n.cat(-1, -2)
    o3 = elan_head(128)
    down(128, p4)
    o4 = elan_head(256)
    down(256, p5)
    o5 = elan_head(512)
    return [n.put(RepConv(n.width(o), 2 * n.width(o)), o, 2 * n.width(o)) for o in (o3, o4, o5)]


def build(architecture, names, head=IDetect):
    """Return a model in evaluation mode with statistics of its own."""
    torch.manual_seed(3)
    n = Layers('leaky' if architecture == 'yolov7-tiny' else 'silu')
    features = tiny(n) if architecture == 'yolov7-tiny' else full(n)
    channels = [n.width(f) for f in features]
    n.put(head(len(names), ANCHORS[architecture], channels), features, 0)
    model = Model(n.layers, names)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.7, 1.3)
            module.bias.data.normal_(0, 0.1)
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return model.eval()


def fold(conv, bn):
    """Return a convolution with a batch norm folded in, by its values at unit impulses."""
    fused = nn.Conv2d(conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride,
                      conv.padding)
    scale = bn.weight / (bn.running_var + bn.eps).sqrt()
    fused.weight.data = (conv.weight * scale.view(-1, 1, 1, 1)).detach()
    fused.bias.data = (bn.bias - bn.running_mean * scale).detach()
    return fused


def deploy(model):
    """Fuse in place, as the official code does: new convolutions, methods exchanged."""
    with torch.no_grad():
        for m in model.modules():
            if type(m) is RepConv:
                dense, small = fold(*m.rbr_dense), fold(*m.rbr_1x1)
                dense.weight += nn.functional.pad(small.weight, (1, 1, 1, 1))
                dense.bias += small.bias
                m.rbr_reparam = dense
                del m.rbr_dense, m.rbr_1x1
            elif type(m) is Conv:
                m.conv = fold(m.conv, m.bn)
                del m.bn
                m.forward = m.fuseforward
            elif type(m) is IDetect:
                for conv, ia, im in zip(m.m, m.ia, m.im):
                    conv.bias += conv2d(ia.implicit, conv.weight)[0, :, 0, 0]
                    conv.bias *= im.implicit[0, :, 0, 0]
                    conv.weight *= im.implicit.view(-1, 1, 1, 1)
                m.forward = m.fuseforward
    return model


@contextlib.contextmanager
def official_names():
    """Let the classes be pickled as `models.common.Conv` and so on; gone afterwards."""
    places = {'models.yolo': (Model, Detect, IDetect)}
    places['models.common'] = (Conv, MP, SP, Concat, SPPCSPC, RepConv, ImplicitA, ImplicitM)
    modules = {'models': types.ModuleType('models')}
    own = __name__
    for name, classes in places.items():
        modules[name] = types.ModuleType(name)
        for kind in classes:
            setattr(modules[name], kind.__name__, kind)
            kind.__module__ = name
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in modules:
            del sys.modules[name]
        for classes in places.values():
            for kind in classes:
                kind.__module__ = own


def save(path, model, half=True, ema=True, **options):
    """Write a checkpoint of the official form; the weights beside an average are others."""
    stored = copy.deepcopy(model)
    if half:
        stored = stored.half()
    root = {'epoch': 3, 'best_fitness': 0.5, 'model': stored, 'ema': None, 'optimizer': None,
            'training_results': 'text', 'wandb_id': None}
    if ema:
        root |= {'ema': stored, 'model': copy.deepcopy(stored), 'updates': 7}
        next(root['model'].parameters()).data.zero_()
    with official_names():
        torch.save(root, path, **options)
