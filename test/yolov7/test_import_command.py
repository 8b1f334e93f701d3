# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from tsr_ros.cli import main
from tsr_ros.yolov7.checkpoint import load_weights


@pytest.mark.parametrize(('words', 'size', 'tolerance'), [
    ([], 640, 1e-4), (['--half', '--size', '416'], 416, 2e-2)])
def test_a_checkpoint_becomes_weights(official_form, tmp_path, capsys, words, size, tolerance):
    model = official_form.build('yolov7-tiny', ['stop', 'light'])
    path = tmp_path / 'best.pt'
    official_form.save(path, model, half=False)
    assert main(['import-checkpoint', str(path), *words]) == 0
    out = tmp_path / 'best.safetensors'
    assert capsys.readouterr().out == f'{out}: yolov7-tiny, 2 classes: stop, light\n'
    network, image = load_weights(out), torch.rand(1, 3, 64, 64)
    assert network.input_wh == (size, size)
    with torch.no_grad():
        for expected, result in zip(model(image), network(image), strict=True):
            assert (expected - result).abs().max() < tolerance
    before = out.read_bytes()
    assert main(['import-checkpoint', str(path)]) == 1
    assert 'is there already' in capsys.readouterr().err
    assert out.read_bytes() == before


@pytest.mark.parametrize(('content', 'words', 'message'), [
    (None, [], 'w.pt'), (b'', [], 'w.pt'), (b'not a checkpoint', [], 'w.pt'),
    (b'', ['--size', '100'], 'divisible by 32')])
def test_what_is_refused_leaves_nothing(tmp_path, capsys, content, words, message):
    path = tmp_path / 'w.pt'
    if content is not None:
        path.write_bytes(content)
    assert main(['import-checkpoint', str(path), *words]) == 1
    assert message in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ([] if content is None else ['w.pt'])
