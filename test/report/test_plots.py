# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from tsr_ros.report.plots import add_legend, new_figure


@pytest.mark.parametrize('outside', [False, True])
def test_a_legend_names_every_line(outside):
    figure, axes = new_figure()
    names = ['light', '_night run', 'a']
    for name in names:
        axes.plot((0, 1), (0, 1), label=name)
    place, options = (figure, {'loc': 'outside right upper'}) if outside else (axes, {})
    add_legend(place, axes, **options)
    legend, = place.legends if outside else [axes.get_legend()]
    assert [text.get_text() for text in legend.get_texts()] == names
