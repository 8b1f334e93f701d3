# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from tsr_ros.yolov7.network import build_network, count_parameters, fuse


def lively(network):
    """Give every parameter and statistic a value of its own, so that folding has to be right."""
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if 'implicit_add' in name:
                parameter.normal_(0, 0.1)
            elif 'implicit_mul' in name or (parameter.ndim == 1 and name.endswith('weight')):
                parameter.uniform_(0.7, 1.3)
            elif name.endswith('bias'):
                parameter.normal_(0, 0.2)
        for name, value in network.named_buffers():
            if name.endswith('running_mean'):
                value.normal_(0, 0.2)
            elif name.endswith('running_var'):
                value.uniform_(0.5, 2)
    return network.eval()


@pytest.mark.parametrize(
    ('architecture', 'parameters'), [('yolov7-tiny', 6.02e6), ('yolov7', 36.5e6)]
)
def test_size_equals_the_published_one(architecture, parameters):
    network = fuse(build_network(architecture, 5))
    assert count_parameters(network) == pytest.approx(parameters, rel=1e-3)


@pytest.mark.parametrize(
    ('architecture', 'num_classes'), [('yolov7-tiny', 1), ('yolov7-tiny', 80), ('yolov7', 5)]
)
def test_fusing_changes_no_output(architecture, num_classes):
    network = lively(build_network(architecture, num_classes))
    images = torch.rand(2, 3, 96, 64)
    with torch.no_grad():
        expected = network(images)
        result = fuse(network)(images)
    for level, (a, b) in enumerate(zip(expected, result)):
        stride = 8 * 2**level
        assert a.shape == (2, 3 * (5 + num_classes), 96 // stride, 64 // stride)
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('yolov9', 5), "unknown architecture 'yolov9'"),
        (('yolov7', 0), 'at least one class'),
        (('yolov7', 5, [[[1, 2]]]), '3 levels of 3'),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        build_network(*arguments)
