# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import os

import pytest


@pytest.fixture(scope='package')
def domain_id():
    """Keep these tests' topics apart from whatever else runs on this computer and its network."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
        if os.environ.get('ROS_DISTRO') == 'humble':  # knows only the older name
            patch.setenv('ROS_LOCALHOST_ONLY', '1')
        yield 1 + (os.getpid() + 50) % 100


@pytest.fixture(scope='package')
def client(domain_id):
    """Return our side of all the topics and services."""
    from node_harness import Client

    client = Client(domain_id)
    yield client
    client.close()


@pytest.fixture(scope='package')
def process(domain_id, client, small_models, tmp_path_factory):
    """Return the detector's process that most tests share; each leaves it as it found it."""
    from node_harness import NAMESPACE, DetectorProcess

    compressed = f'qos_overrides.{NAMESPACE}/image/compressed.subscription.'
    with DetectorProcess(tmp_path_factory.mktemp('detector'), domain_id, {
        'model': 'small', 'models_dir': str(small_models), 'threads': 1,
        'diagnostics.period': 0.1, 'diagnostics.max_image_gap_ms': 60000.0,
        'diagnostics.max_allowed_processing_time_ms': 60000.0,
        # reliable and latched on the one topic; the other keeps the defaults
        compressed + 'reliability': 'reliable', compressed + 'durability': 'transient_local',
        'class_confidence.ligth': 0.5,
    }, shadows=['openvino']) as process:
        client.wait_for_status('input', b'\0')
        client.connect()
        yield process
        status = process.end()
    assert (status, process.output().count('Traceback')) == (0, 0), process.output()


@pytest.fixture
def detector(client, process):
    """Return the client, with the detector's process at its other end."""
    assert process.process.poll() is None, process.output()
    return client
