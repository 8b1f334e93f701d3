# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import pytest
from matplotlib.legend import Legend

from tsr_ros.report.plots import ABOVE, BESIDE, add_legend, new_figure


def drop_underscores(init):
    """Return Legend's `__init__` as Matplotlib 3.5 and 3.6 have it."""
    def old_init(self, parent, handles, labels, **options):
        kept = [k for k, label in enumerate(labels) if not label.startswith('_')]
        init(self, parent, [handles[k] for k in kept], [labels[k] for k in kept], **options)
    return old_init


@pytest.mark.parametrize('old', [False, True])
@pytest.mark.parametrize('options', [{}, BESIDE, ABOVE])
def test_a_legend_names_every_line_and_stands_where_it_should(monkeypatch, options, old):
    if old:
        monkeypatch.setattr(Legend, '__init__', drop_underscores(Legend.__init__))
    figure, axes = new_figure()
    names = ['light', '_night run', 'a']
    for name in names:
        axes.plot((0, 1), (0, 1), label=name)
    add_legend(axes, **options)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == names
    figure.canvas.draw()
    place, legend, whole = (
        part.get_window_extent() for part in (axes, axes.get_legend(), figure))
    assert whole.x0 <= legend.x0 < legend.x1 <= whole.x1
    assert whole.y0 <= legend.y0 < legend.y1 <= whole.y1
    assert (legend.x0 >= place.x1) == (options is BESIDE)
    assert (legend.y0 >= place.y1) == (options is ABOVE)
