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


def test_the_memory_of_the_node_with_each_backend(small_models, own_domain, tmp_path):
    case = {'model': 'small', 'backend': 'onnxruntime', 'precision': 'fp32', 'batch': 1,
            'threads': 1, 'device': 'cpu', 'title': 'small onnxruntime fp32'}
    cases = [case, {**case, 'backend': 'naive'}, {**case, 'batch': 8}, {**case, 'device': 'cuda'},
             {**case, 'precision': 'int8', 'title': 'small onnxruntime int8'}]
    (tmp_path / 'in.json').write_text(json.dumps({'cases': cases}))
    # in a process of its own, as above
    process = subprocess.run(
        [sys.executable, '-c', 'import json, sys, numpy\n'
         'from tsr_ros.benchmark import node_memory, node_overhead\n'
         'node_overhead.SETTLING_IMAGES, node_overhead.LOST_AFTER_S = 1, 60\n'
         'node_memory._IMAGES = 1\n'
         'result = json.load(open(sys.argv[1]))\n'
         'image = numpy.zeros((720, 1280, 3), numpy.uint8)\n'
         'node_memory.add_node_memory(result, {"small": sys.argv[2]}, image)\n'
         'json.dump(result, open(sys.argv[3], "w"))\n',
         str(tmp_path / 'in.json'), str(small_models), str(tmp_path / 'out.json')],
        capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    first, *others = json.loads((tmp_path / 'out.json').read_text())['cases']
    assert first['node_resident_mb'] > 30  # rclpy, NumPy and OpenCV alone take that
    assert not any('node_resident_mb' in case for case in others)
    assert 'the node with small onnxruntime int8 was not measured' in process.stdout
