# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Transitions of a node in this process, where something within it can be made to fail."""

import pytest
import rclpy
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from tsr_ros.backends.base import DeviceError
from tsr_ros.nodes.detector_node import DetectorNode

SUCCESS = TransitionCallbackReturn.SUCCESS


@pytest.fixture
def node(domain_id, small_models):
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain_id)
    values = {'model': 'small', 'models_dir': str(small_models), 'threads': 1}
    node = DetectorNode(context=context, namespace='/lifecycle', parameter_overrides=[
        Parameter(name, value=value) for name, value in values.items()])
    yield node
    node.close()
    node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.mark.parametrize('leave', ['trigger_cleanup', 'trigger_shutdown'])
def test_a_backend_that_cannot_be_closed_is_said_and_let_go(node, monkeypatch, capfd, leave):
    def fail():
        raise DeviceError('cudaFree: unspecified launch failure')

    assert node.trigger_configure() == SUCCESS
    monkeypatch.setattr(node._detector, 'close', fail)
    assert getattr(node, leave)() == SUCCESS
    assert 'give back all that it holds' in capfd.readouterr().err
    if leave == 'trigger_cleanup':
        assert node.trigger_configure() == SUCCESS
