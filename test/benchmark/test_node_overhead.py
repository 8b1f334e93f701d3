# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from helpers import square_image

from tsr_ros.benchmark import node_overhead
from tsr_ros.nodes.middleware import large_image_environment

IMAGE = square_image([(20, 30, 16, 0)])


@pytest.fixture
def own_domain(monkeypatch):
    """Keep the topics apart from whatever else runs here, and what main sets to this test."""
    monkeypatch.setenv('ROS_DOMAIN_ID', str(1 + (os.getpid() + 25) % 100))
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    for name, value in large_image_environment().items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize('resolution_wh', node_overhead.RESOLUTIONS_WH.values())
def test_the_picture_is_sent_in_each_resolution(resolution_wh):
    width, height = resolution_wh
    raw = node_overhead.make_message(IMAGE, resolution_wh, 'raw')
    assert (raw.width, raw.height, raw.encoding, len(raw.data)) == (
        width, height, 'bgr8', width * height * 3)
    jpeg = node_overhead.make_message(IMAGE, resolution_wh, 'compressed')
    assert 'jpeg' in jpeg.format
    decoded = cv2.imdecode(np.frombuffer(jpeg.data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (height, width, 3)


def test_what_the_node_adds_is_measured_on_a_running_node(small_models, own_domain, tmp_path):
    out = tmp_path / 'deep' / 'node.json'
    # in a process of its own: once a participant lives, Fast DDS takes no other settings
    process = subprocess.run(
        [sys.executable, '-c', 'from tsr_ros.benchmark import node_overhead as it\n'
         'it.SETTLING_IMAGES, it.RESOLUTIONS_WH = 1, {"720p": (1280, 720)}\n'
         'it.LOST_AFTER_S = it.PATIENCE_S\n'  # however busy the computer is
         'raise SystemExit(it.main())', '--model', 'small', '--models-dir', str(small_models),
         '--threads', '1', '--images', '2', '--out', str(out)], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    result = json.loads(out.read_text())
    assert result['alone_ms'] > 0
    assert [(case['resolution'], case['transport']) for case in result['cases']] == [
        ('720p', 'raw'), ('720p', 'compressed')]
    for case in result['cases']:
        medians = {key: value['median_ms'] for key, value in case['statistics'].items()}
        assert case['images'] == 2
        assert min(medians[stage] for stage in ('preprocess', 'inference', 'postprocess')) > 0
        # of two images the median is the mean, so that sums hold for it
        assert medians['added'] == pytest.approx(
            medians['end_to_end'] - medians['inference'] - medians['way_back'])
    assert 'added, 720p raw: ' in process.stdout
    assert f'All numbers: {out}' in process.stdout


def test_a_model_that_is_not_there(small_models, own_domain, tmp_path, capsys):
    assert node_overhead.main(['--model', 'big', '--models-dir', str(small_models), '--out',
                               str(tmp_path / 'node.json')]) == 1
    assert 'bench-node: ' in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
