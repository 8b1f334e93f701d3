# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import re
from pathlib import Path

import pytest
from rclpy.parameter import Parameter

from tsr_ros.nodes import parameters

DOCUMENT = Path(__file__).resolve().parent.parent.parent / 'docs' / 'node.md'


def test_the_document_holds_the_table():
    written = re.search(r'<!-- parameters: .*? -->\n(.*?)\n<!-- end of parameters -->',
                        DOCUMENT.read_text(), re.DOTALL).group(1)
    assert written == parameters.table()


def test_every_default_is_allowed():
    defaults = [Parameter(setting.name, value=setting.default)
                for setting in parameters.SETTINGS]
    assert parameters.check(defaults, 'unconfigured').successful
    for setting in parameters.SETTINGS:
        assert setting.description.endswith('.')
        if setting.limits:
            low, high = setting.limits
            assert low <= setting.default <= high
            assert isinstance(setting.default, (int, float))


@pytest.mark.parametrize(
    ('text', 'expected'),
    [('', []), ('openvino', ['openvino']), (' openvino, pytorch ,', ['openvino', 'pytorch'])],
)
def test_names(text, expected):
    assert parameters.names(text) == expected


@pytest.mark.parametrize(
    ('text', 'expected'),
    [('', None), ('640x384', (640, 384)), ('640', ValueError), ('640x', ValueError),
     ('-640x384', ValueError), ('axb', ValueError), ('1x2x3', ValueError)],
)
def test_size(text, expected):
    if expected is ValueError:
        with pytest.raises(ValueError, match='as in 640x384'):
            parameters.size(text)
    else:
        assert parameters.size(text) == expected


@pytest.mark.parametrize(
    ('name', 'value', 'state', 'reason'),
    [
        ('confidence_threshold', 0.5, 'active', ''),
        ('class_confidence.light', 0.5, 'active', ''),
        ('model', 'mine', 'unconfigured', ''),
        ('model', 'mine', 'inactive', 'while the node is unconfigured, and it is inactive'),
        ('image_transport', 'theora', 'unconfigured', "is 'theora'; it can be raw or compressed"),
        ('input_size', 'large', 'unconfigured', "is 'large'; it must be as in 640x384"),
    ],
)
def test_check(name, value, state, reason):
    result = parameters.check([Parameter(name, value=value)], state)
    assert result.successful == (not reason)
    assert reason in result.reason
