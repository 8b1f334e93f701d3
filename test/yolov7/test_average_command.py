# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from safetensors.torch import load_file

from tsr_ros.cli import main
from tsr_ros.yolov7.checkpoint import load_weights, save_weights
from tsr_ros.yolov7.network import build_network

LABELS = ['stop', 'go']


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """Three files of weights, whose values are 1, 2 and 6 times the same."""
    folder = tmp_path_factory.mktemp('weights')
    torch.manual_seed(0)
    network = build_network('yolov7-tiny', len(LABELS)).eval()
    paths = []
    for factor in (1, 2, 3):  # on top of each other
        with torch.no_grad():
            for layer in network.body:
                for name in ('weight', 'bias') if hasattr(layer, 'bn') else ():
                    getattr(layer.bn, name).mul_(factor)
        paths.append(folder / f'{factor}.safetensors')
        save_weights(paths[-1], network, LABELS, (96, 96), torch.float32)
    return paths


def test_the_mean_of_three(files, tmp_path, capsys):
    out = tmp_path / 'mean.safetensors'
    assert main(['average', *map(str, files), '--out', str(out)]) == 0
    assert capsys.readouterr().out == f'{out}: yolov7-tiny, the mean of 3 files\n'
    first, mean = load_file(files[0]), load_file(out)
    assert mean.keys() == first.keys()
    for name in ('body.0.conv.weight', 'body.0.conv.bn.weight'):
        torch.testing.assert_close(mean[name], 3 * first[name])  # (1 + 2 + 6) / 3
    torch.testing.assert_close(
        mean['body.0.conv.bn.running_var'], first['body.0.conv.bn.running_var'])
    network = load_weights(out)
    assert (network.labels, network.input_wh) == (LABELS, (96, 96))


@pytest.mark.parametrize(('other', 'message'), [
    (None, 'give two files or more'),
    ('nowhere.safetensors', 'not a safetensors file'),
    ('labels.safetensors', 'in its labels'),
    ('larger.safetensors', 'in its input_wh'),
])
def test_what_does_not_fit_is_refused(files, tmp_path, capsys, other, message):
    network = load_weights(files[0])
    save_weights(tmp_path / 'labels.safetensors', network, ['stop', 'light'], (96, 96))
    save_weights(tmp_path / 'larger.safetensors', network, LABELS, (640, 640))
    out = tmp_path / 'mean.safetensors'
    others = [str(tmp_path / other)] if other else []
    assert main(['average', str(files[0]), *others, '--out', str(out)]) == 1
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_nothing_is_overwritten(files, tmp_path, capsys):
    out = tmp_path / 'mean.safetensors'
    out.write_text('mine')
    assert main(['average', str(files[0]), str(files[1]), '--out', str(out)]) == 1
    assert 'is there already' in capsys.readouterr().err
    assert out.read_text() == 'mine'
