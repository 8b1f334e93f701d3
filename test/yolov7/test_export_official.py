# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import torch

from tsr_ros.backends.factory import create_backend
from tsr_ros.cli import main

NAMES = ['no entry', 'stop', 'light']


def test_a_checkpoint_of_official_yolov7_runs_on_onnx_runtime(official_form, tmp_path):
    model = official_form.build('yolov7-tiny', NAMES)
    official_form.save(tmp_path / 'w.pt', model)
    out = tmp_path / 'models' / 'theirs'
    assert main(['export', '--weights', str(tmp_path / 'w.pt'), '--out', str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ['fp32.onnx', 'weights.safetensors']

    images = np.random.RandomState(0).randint(0, 256, (1, 64, 96, 3)).astype(np.uint8)
    rgb = torch.from_numpy(images[..., ::-1].transpose(0, 3, 1, 2).copy()) / 255
    with create_backend('onnxruntime', 'theirs', threads=1, models_dir=out.parent,
                        input_wh=(96, 64)) as backend, torch.no_grad():
        backend.load()
        assert backend.model_file.labels == NAMES
        for expected, found in zip(model(rgb), backend.infer(images), strict=True):
            expected = expected.numpy()
            assert np.abs(found - expected).mean() < 0.01 * np.abs(expected).max()


def test_a_checkpoint_of_another_form_leaves_nothing(tmp_path, capsys):
    (tmp_path / 'w.pt').write_bytes(b'no checkpoint')
    assert main(['export', '--weights', str(tmp_path / 'w.pt'),
                 '--out', str(tmp_path / 'models' / 'theirs')]) == 1
    assert 'w.pt' in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ['w.pt']
