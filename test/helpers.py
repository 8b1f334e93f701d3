# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Networks small enough for tests, in the form of the real ones.

`write_small_model` makes one that really finds something: squares of red (class 0), green (1) and
blue (2) on a dark or grey ground, 16, 32 or 64 pixels wide in the network's input, upright. It
finds their boxes to half a pixel of the input, wherever they lie whole in it, if nothing else
coloured lies within two and a half of its widths. `square_image` paints such a picture.

`write_random_model` makes one with every operation and random weights, to compare runtimes with.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import yaml

from tsr_ros.backends.weights import read_network

LABELS = ['prohibition', 'obligation', 'warning', 'recommendation', 'light']
COLOURS_BGR = {0: (0, 0, 255), 1: (0, 255, 0), 2: (255, 0, 0)}
STRIDES = [8, 16, 32]
ANCHORS = [
    [[16, 16], [10, 10], [24, 24]], [[32, 32], [20, 20], [48, 48]], [[64, 64], [40, 40], [96, 96]],
]
NAME = 'small'
_SLOPE = 0.1  # of the leaky ReLU


def square_image(squares, resolution_wh=(160, 96), ground=(30, 30, 30)):
    """Paint squares, each (left, top, width, class_id), into a BGR picture (H, W, 3) uint8."""
    image = np.empty((resolution_wh[1], resolution_wh[0], 3), np.uint8)
    image[:] = ground
    for left, top, width, class_id in squares:
        image[top:top + width, left:left + width] = COLOURS_BGR[class_id]
    return image


def noisy_images(seed, count=8, resolution_wh=(160, 96)):
    """Return inputs (1, H, W, 3) uint8 of noise on a slope of colours."""
    rng = np.random.RandomState(seed)
    width, height = resolution_wh
    y, x = np.mgrid[0:height, 0:width]
    return [np.clip(np.stack([x * 1.5, y * 2.5, 255 - x], axis=-1)
                    + rng.normal(0, 60, (height, width, 3)), 0, 255).astype(np.uint8)[None]
            for _ in range(count)]


def in_ascii_locale():
    """Return the environment of a process in which text is ASCII if nobody says otherwise."""
    return {**os.environ, 'LC_ALL': 'C', 'PYTHONUTF8': '0', 'PYTHONCOERCECLOCALE': '0',
            'PYTHONIOENCODING': 'utf-8'}


def compile_library(path, source, *flags):
    """Write C source beside a shared library and compile it; return the library's path."""
    code = path.with_name(path.name + '.c')
    code.write_text(source)
    subprocess.run(['gcc', '-shared', '-fPIC', *flags, '-o', str(path), str(code)], check=True)
    return path


def write_small_model(folder, num_classes=5, input_wh=(160, 96), name=NAME):
    """Write the network that finds squares: weights, fp32.onnx, fp32.tflite, manifest.yaml."""
    return _write_model(folder, name, *_square_network(num_classes), num_classes, input_wh)


def write_random_model(folder, num_classes=5, input_wh=(160, 96), name='random', seed=0):
    """Write the same files of a network with every operation and random weights."""
    return _write_model(folder, name, *_random_network(num_classes, seed), num_classes, input_wh)


def write_test_models(folder):
    """Write both into folders of their own, 'small' and 'random'."""
    write_small_model(Path(folder) / 'small')
    write_random_model(Path(folder) / 'random')
    return Path(folder)


def write_safetensors(path, tensors, metadata):
    """Write a safetensors file, by its description, for NumPy arrays."""
    names = {'float32': 'F32', 'float16': 'F16'}
    header, position = {'__metadata__': metadata}, 0
    for key, value in tensors.items():
        header[key] = {'dtype': names[value.dtype.name], 'shape': value.shape,
                       'data_offsets': [position, position + value.nbytes]}
        position += value.nbytes
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    Path(path).write_bytes(len(text).to_bytes(8, 'little') + text + b''.join(
        np.ascontiguousarray(value).tobytes() for value in tensors.values()))


def write_manifest(folder, name, entry):
    """Write manifest.yaml with one model; sizes and hashes of its files are filled in."""
    folder = Path(folder)
    for file in entry['files']:
        content = (folder / file['path']).read_bytes()
        file.update(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
        for data in file.get('data', ()):
            data['sha256'] = hashlib.sha256((folder / data['path']).read_bytes()).hexdigest()
    (folder / 'manifest.yaml').write_text(yaml.safe_dump(
        {'version': 1, 'default': name, 'models': {name: entry}}))


def _write_model(folder, name, graph, outputs, tensors, num_classes, input_wh):
    folder = Path(folder)
    (folder / name).mkdir(parents=True, exist_ok=True)
    labels = (LABELS + [f'class {i}' for i in range(5, num_classes)])[:num_classes]
    weights = folder / name / 'weights.safetensors'
    write_safetensors(weights, {k: v.astype(np.float16) for k, v in tensors.items()}, {
        'format': 'tsr-weights-1', 'architecture': name, 'labels': json.dumps(labels),
        'anchors': json.dumps(ANCHORS), 'strides': json.dumps(STRIDES),
        'input_wh': json.dumps(input_wh), 'graph': json.dumps(graph),
        'outputs': json.dumps(outputs),
    })
    files = [{'format': 'torch', 'precision': 'fp32', 'path': f'{name}/weights.safetensors'}]
    try:
        from tsr_ros.export.onnx_graph import build_onnx, save_onnx
    except ImportError:  # where there is no onnx, PyTorch's file must do
        pass
    else:
        save_onnx(build_onnx(read_network(str(weights)), 'weights.safetensors'),
                  str(folder / name / 'fp32.onnx'))
        files.append({
            'format': 'onnx', 'precision': 'fp32', 'path': f'{name}/fp32.onnx',
            'data': [{'path': f'{name}/weights.safetensors'}]})
    try:
        from tsr_ros.export.tflite import build_tflite
    except ImportError:
        pass
    else:
        (folder / name / 'fp32.tflite').write_bytes(build_tflite(read_network(str(weights))))
        files.append({'format': 'tflite', 'precision': 'fp32', 'path': f'{name}/fp32.tflite'})
    write_manifest(folder, name, {
        'architecture': name, 'input_wh': list(input_wh), 'labels': labels, 'anchors': ANCHORS,
        'strides': STRIDES, 'licence': 'Apache-2.0', 'data': 'made by hand', 'files': files})
    return folder


class _Network:
    """Collects operations and tensors."""

    def __init__(self):
        self.graph, self.tensors = [], {}

    def conv(self, inputs, weight, bias, stride=1, padding=0, activation=None):
        name = f'conv{len(self.graph)}'
        self.tensors[name + '.weight'], self.tensors[name + '.bias'] = weight, bias
        return self.add('conv', [inputs], name=name, stride=stride, padding=padding, groups=1,
                        activation=activation)

    def add(self, op, inputs, **options):
        self.graph.append({'op': op, 'inputs': inputs, **options})
        return len(self.graph) - 1


def _square_network(num_classes):
    leaky = f'leaky_relu:{_SLOPE}'
    network = _Network()
    # how red, green and blue each pixel is: grey is 0; each with both signs
    hue = np.full((3, 3), -0.5) + 1.5 * np.eye(3)
    hue = network.conv(-1, np.concatenate([hue, -hue])[:, :, None, None], np.zeros(6),
                       activation=leaky)
    # sum, and sums weighted with x and y, of each colour in cells of 8 x 8 pixels
    x = np.broadcast_to((np.arange(8) - 3.5) / 8, (8, 8)) / 64
    moment = np.stack([np.full((8, 8), 1 / 64), x, x.T])
    weight = np.zeros((9, 6, 8, 8))
    for colour in range(3):
        positive, negative = _relu()
        weight[colour::3, colour] = positive * moment
        weight[colour::3, colour + 3] = negative * moment
    cells = network.conv(hue, weight, np.zeros(9), stride=8)
    outputs = [_level(network, cells, stride, num_classes) for stride in STRIDES]
    return network.graph, outputs, network.tensors


def _relu():
    """Return a, b with relu(x) = a leaky(x) + b leaky(-x)."""
    return 1 / (1 - _SLOPE ** 2), _SLOPE / (1 - _SLOPE ** 2)


def _level(network, cells, stride, num_classes):
    """Add the head of one stride, which finds squares of twice its width in 5 x 5 of its cells."""
    step = stride // 8
    kernel = 5 * step
    # 1 for a whole square; its centre's place from the cell's centre, in widths of the cell
    area = (2 * stride) ** 2 / 64
    away = np.broadcast_to((np.arange(kernel) - (kernel - 1) / 2) / step, (kernel, kernel))
    weight = np.zeros((5, 9, kernel, kernel))  # x, y, and how much of each colour
    for colour in range(3):
        weight[0, colour], weight[0, colour + 3] = away / area, 1 / step / area
        weight[1, colour], weight[1, colour + 6] = away.T / area, 1 / step / area
        weight[2 + colour, colour] = 1 / area
    centre = network.conv(cells, weight, np.zeros(5), stride=step, padding=2 * step)

    # piecewise linear terms, each with both signs behind a leaky ReLU
    terms, rows = [], []
    axis_x, axis_y = np.eye(5)[:2]
    amount = np.array([0, 0, 1, 1, 1.0])
    for axis in axis_x, axis_y:
        rows += [(axis, 0), (axis, -0.3), (-axis, -0.3), (axis, -0.55), (-axis, -0.55)]
    rows += [(amount, 0), (amount, -1.1), (-amount, 0.9)]
    rows += [(np.eye(5)[2 + colour], 0) for colour in range(3)]
    terms = np.array([row for row, _ in rows])
    offset = np.array([bias for _, bias in rows])
    features = network.conv(
        centre, np.concatenate([terms, -terms])[:, :, None, None],
        np.concatenate([offset, -offset]), activation=f'leaky_relu:{_SLOPE}')

    count = len(rows)
    positive, negative = _relu()
    head = np.zeros((3 * (5 + num_classes), 2 * count))
    bias = np.full(len(head), -10.0)

    def linear(channel, row, factor):
        head[channel, row] += factor / (1 + _SLOPE)
        head[channel, row + count] -= factor / (1 + _SLOPE)

    def bent(channel, row, factor):
        head[channel, row] += factor * positive
        head[channel, row + count] += factor * negative

    # t = logit((offset + 0.5) / 2), as a bent line
    place = np.linspace(-0.5, 0.5, 101)
    bend = np.maximum(place - 0.3, 0) - np.maximum(-place - 0.3, 0)
    wanted = np.log((0.5 + place / 2) / (0.5 - place / 2))
    slope, more = np.linalg.lstsq(np.stack([place, bend], axis=1), wanted, rcond=None)[0]
    for channel, first in (0, 0), (1, 5):
        linear(channel, first, slope)
        bent(channel, first + 1, more)
        bent(channel, first + 2, -more)
        bias[channel] = 0
        for outside in first + 3, first + 4:
            bent(4, outside, -40)
    for channel in 2, 3:  # a little larger or smaller than the anchor
        linear(channel, 10, 0.5)
        bias[channel] = -0.5
    bent(4, 11, -30)
    bent(4, 12, -30)
    bias[4] = 6
    for colour in range(min(3, num_classes)):
        linear(5 + colour, 13 + colour, 24)
        bias[5 + colour] = -17
    return network.conv(features, head[:, :, None, None], bias)


def _random_network(num_classes, seed):
    rng = np.random.default_rng(seed)
    network = _Network()

    def conv(inputs, channels_in, channels_out, kernel=3, stride=1, activation='leaky_relu:0.1'):
        scale = (2 / (channels_in * kernel ** 2)) ** 0.5
        weight = rng.normal(0, scale, (channels_out, channels_in, kernel, kernel))
        return network.conv(inputs, weight, rng.normal(0, 0.1, channels_out), stride, kernel // 2,
                            activation)

    def head(inputs, channels):
        return conv(inputs, channels, 3 * (5 + num_classes), 1, activation=None)

    stem = conv(conv(-1, 3, 8, stride=2), 8, 16, stride=2, activation='silu')
    stride8 = network.add('concat', [
        conv(stem, 16, 12, stride=2),
        conv(network.add('max_pool', [stem], kernel=2, stride=2, padding=0), 16, 12, 1)])
    stride16 = conv(stride8, 24, 24, stride=2)
    stride16 = network.add('add', [stride16, conv(stride16, 24, 24, 1, activation='relu')])
    stride32 = conv(stride16, 24, 24, stride=2)
    pooled = network.add('max_pool', [stride32], kernel=5, stride=1, padding=2)
    stride32 = conv(network.add('concat', [stride32, pooled]), 48, 24, 1)
    up16 = network.add('concat', [network.add('upsample', [stride32], scale=2), stride16])
    up8 = network.add('concat', [
        network.add('upsample', [conv(up16, 48, 16, 1)], scale=2), stride8])
    outputs = [head(up8, 40), head(up16, 48), head(stride32, 24)]
    return network.graph, outputs, network.tensors


def with_int8(folder, small_models, scores):
    """Return a models folder with a file that calls itself int8, with these scores."""
    shutil.copytree(str(small_models), str(folder))
    path = folder / 'manifest.yaml'
    manifest = yaml.safe_load(path.read_text())
    files = manifest['models']['small']['files']
    files.append(dict(next(file for file in files if file['format'] == 'onnx'),
                      precision='int8', scores=scores))
    path.write_text(yaml.safe_dump(manifest))
    return folder


if __name__ == '__main__':
    write_test_models(sys.argv[1])
