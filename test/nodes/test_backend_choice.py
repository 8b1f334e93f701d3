# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node chooses its backend, and another one takes over, in its own process."""

import contextlib

import pytest
import yaml
from diagnostic_msgs.msg import DiagnosticArray
from helpers import LABELS, square_image, write_manifest
from node_harness import FAILS_AT, Client, DetectorProcess, boxes, write_hostile_model

from tsr_ros.backends.nvidia_driver import has_nvidia_driver

OK, WARN = b'\0', b'\1'
PICTURE = square_image([(40, 40, 16, 0)])
PATIENT = {'diagnostics.period': 0.1, 'diagnostics.max_image_gap_ms': 60000.0,
           'diagnostics.max_allowed_processing_time_ms': 60000.0, 'threads': 1}


@contextlib.contextmanager
def running(folder, domain_id, namespace, shadows=(), **parameters):
    """Give a client and the process of a node with these parameters."""
    with contextlib.closing(Client(domain_id, namespace)) as client, DetectorProcess(
            folder, domain_id, dict(PATIENT, **parameters), shadows, namespace) as process:
        yield client, process
        assert process.end() == 0
        assert 'Traceback' not in process.output()


def test_the_frame_at_which_a_backend_fails_is_answered_by_the_next(domain_id, tmp_path):
    folder = write_hostile_model(tmp_path / 'models')
    entry = yaml.safe_load((folder / 'manifest.yaml').read_text())['models']['hostile']
    weights = {'format': 'torch', 'precision': 'fp32', 'path': 'hostile/weights.safetensors'}
    write_manifest(folder, 'hostile', dict(entry, files=[*entry['files'], weights]))
    bright = PICTURE.copy()
    bright[0, 0] = FAILS_AT  # at which the ONNX file fails, and the weights do not
    with running(tmp_path / 'node', domain_id, '/fallback', model='hostile',
                 models_dir=str(folder), fallback='pytorch') as (client, process):
        client.wait_for_status('input', OK)
        client.connect()
        for picture in PICTURE, bright, PICTURE, bright:
            assert [box[0] for box in boxes(client.ask(client.image(picture)))] == [LABELS[0]]
        values = client.wait_for_status(
            'detector', WARN, 'pytorch stands in: onnxruntime failed: ONNX Runtime failed')
        assert values['backend'].startswith('pytorch')
        assert client.statuses['input'][2]['dropped_bad'] == '0'
        assert 'loading pytorch' in process.output()
        # nothing stands in where nothing runs
        assert client.transition('deactivate')
        assert client.transition('cleanup')
        client.wait_for_status('detector', OK, 'unconfigured')


@pytest.mark.skipif(has_nvidia_driver(), reason='there is a GPU, on which it would run')
def test_a_backend_that_cannot_be_loaded_is_stood_in_for(domain_id, small_models, tmp_path):
    with running(tmp_path / 'node', domain_id, '/no_gpu', model='small',
                 models_dir=str(small_models), backend='tensorrt_rtx',
                 fallback='tensorrt, onnxruntime') as (client, _):
        client.wait_for_status('detector', WARN, "stands in: tensorrt_rtx failed: NVIDIA's driver")
        client.wait_for_status('input', OK)
        client.connect()
        assert len(client.ask(client.image(PICTURE)).detections) == 1


def test_auto_measures_and_says_so_on_diagnostics(domain_id, small_models, tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    with running(tmp_path / 'node', domain_id, '/auto', ['torch'], model='small',
                 models_dir=str(small_models), backend='auto', max_accuracy_loss=0.001,
                 autostart=False) as (client, process):
        told = []
        client.subscribe(DiagnosticArray, '/diagnostics', lambda message: told.extend(
            status.message for status in message.status if status.name.startswith('auto/')))
        client.wait_for(lambda: told, 'the first diagnostics')
        client.transition('configure')
        client.wait_for(lambda: 'inactive' in told, 'the end of it')
        assert 'configuring: measuring onnxruntime fp32' in told
        assert any(text.startswith('configuring: auto chose ') for text in told)
        detail = client.wait_for(
            lambda: client.statuses['detector'][2].get('detail'), 'what was chosen')
        assert 'auto chose it: ' in detail
        assert 'openvino bf16 may lose too much (0.002 mAP)' in detail
        assert 'bf16' not in ' '.join(text for text in told if 'measuring' in text)
        assert 'auto chose ' in process.output()
