# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Transitions of a node in this process, where something within it can be made to fail."""

import threading

import pytest
import rclpy
from helpers import LABELS, square_image, write_small_model
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from tsr_ros.backends.base import DeviceError
from tsr_ros.nodes import detector_node
from tsr_ros.nodes.conversions import to_image
from tsr_ros.nodes.detector_node import DetectorNode

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
PATIENCE = 30.0


@pytest.fixture
def node(request, domain_id, small_models):
    """Return a node, with the parameters that a test asks for besides."""
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain_id)
    values = {'model': 'small', 'models_dir': str(small_models), 'threads': 1,
              **getattr(request, 'param', {})}
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


@pytest.mark.parametrize('node', [
    {f'qos_overrides./lifecycle/detector_node/{topic}.publisher.depth': -3}
    for topic in ('latency', 'image_annotated/compressed', 'signs')], indirect=True)
def test_a_configuration_that_fails_half_way_leaves_no_publisher(node):
    before = list(node.publishers)
    assert node.trigger_configure() == FAILURE
    assert list(node.publishers) == before


def test_thresholds_of_classes_are_kept_where_the_next_model_has_them_too(
        node, small_models, tmp_path):
    write_small_model(tmp_path, num_classes=2)
    assert node.trigger_configure() == SUCCESS
    for label, value in (LABELS[0], 0.25), (LABELS[4], 0.75):
        node.set_parameters([Parameter('class_confidence.' + label, value=value)])
    assert node.trigger_cleanup() == SUCCESS
    for models_dir, expected in (
            (tmp_path, {LABELS[0]: 0.25, LABELS[1]: 0.0}),
            (small_models, dict.fromkeys(LABELS, 0.0) | {LABELS[0]: 0.25})):
        node.set_parameters([Parameter('models_dir', value=str(models_dir))])
        assert node.trigger_configure() == SUCCESS
        thresholds = node.get_parameters_by_prefix('class_confidence')
        assert {label: parameter.value for label, parameter in thresholds.items()} == expected
        assert node.trigger_cleanup() == SUCCESS


class Hang:
    """A backend's `infer` that does not come back until it is told to."""

    def __init__(self, backend):
        self._infer = backend.infer
        self._closed = backend.close
        self._go_on = threading.Event()
        self.begun = threading.Event()
        self.over = threading.Event()
        backend.infer, backend.close = self.infer, self.close

    def infer(self, batch):
        self.begun.set()
        assert self._go_on.wait(PATIENCE)
        maps = self._infer(batch)
        self.over.set()
        return maps

    def close(self):
        assert self.over.is_set(), 'closed under the thread that uses it'
        self._closed()

    def end(self):
        self._go_on.set()


@pytest.fixture
def hang(node, monkeypatch):
    """Return the hang of an active node's backend, once it has begun."""
    monkeypatch.setattr(detector_node, 'PATIENCE', 0.01)
    assert (node.trigger_configure(), node.trigger_activate()) == (SUCCESS, SUCCESS)
    hang = Hang(node._detector.backend)
    node._input._on_image(to_image(square_image([]), Image().header))
    assert hang.begun.wait(PATIENCE)
    yield hang
    hang.end()
    monkeypatch.setattr(detector_node, 'PATIENCE', PATIENCE)


def state(node):
    return node._state_machine.current_state[1], node._state


def test_a_node_whose_backend_hangs_stays_active_until_it_comes_back(node, hang, monkeypatch,
                                                                    capfd):
    assert node.trigger_deactivate() == FAILURE
    assert state(node) == ('active', 'active')
    assert not node.close()
    assert 'not stopped, as the backend has been at work on one' in capfd.readouterr().err
    hang.end()
    assert hang.over.wait(PATIENCE)
    monkeypatch.setattr(detector_node, 'PATIENCE', PATIENCE)
    assert node.trigger_deactivate() == SUCCESS
    assert node._slot.counts().answered == 1
    assert node.trigger_cleanup() == SUCCESS
    assert state(node) == ('unconfigured', 'unconfigured')


def test_a_node_whose_backend_hangs_can_be_shut_down(node, hang):
    assert node.trigger_shutdown() == FAILURE
    assert state(node) == ('finalized', 'finalized')
    assert node._input is None


def test_a_node_whose_backend_hangs_receives_nothing_after_an_error(node, hang, monkeypatch):
    told = []

    def tell(kind, text):
        told.append(kind)
        if len(told) == 1:
            raise OSError('no room left for the log')

    monkeypatch.setattr(node, '_on_problem', tell)
    node.trigger_deactivate()
    assert told == ['hang'] * 2
    assert state(node) == ('finalized', 'finalized')
    assert node._input is None
