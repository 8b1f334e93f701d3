# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import pytest
from matplotlib.legend import Legend

from tsr_ros.report.plots import add_legend, new_figure


def drop_underscores(init):
    """Return Legend's `__init__` as Matplotlib 3.5 and 3.6 have it."""
    def old_init(self, parent, handles, labels, **options):
        kept = [k for k, label in enumerate(labels) if not label.startswith('_')]
        init(self, parent, [handles[k] for k in kept], [labels[k] for k in kept], **options)
    return old_init


@pytest.mark.parametrize('old', [False, True])
@pytest.mark.parametrize('outside', [False, True])
def test_a_legend_names_every_line(monkeypatch, outside, old):
    if old:
        monkeypatch.setattr(Legend, '__init__', drop_underscores(Legend.__init__))
    figure, axes = new_figure()
    names = ['light', '_night run', 'a']
    for name in names:
        axes.plot((0, 1), (0, 1), label=name)
    place, options = (figure, {'loc': 'outside right upper'}) if outside else (axes, {})
    add_legend(place, axes, **options)
    legend, = place.legends if outside else [axes.get_legend()]
    assert [text.get_text() for text in legend.get_texts()] == names
