# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import pytest

from tsr_ros.report.page import Page, figure_svg
from tsr_ros.report.plots import new_figure


class Reader(HTMLParser):
    """Collects tags and text, and what a browser would fetch."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.fetched = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.fetched += [value for name, value in attributes
                         if name in ('src', 'href', 'xlink:href') and not (
                             value.startswith(('data:', '#')))]

    def handle_data(self, data):
        self.words.append(data.strip())


def build(page, part):
    if part == 'empty':
        return
    page.heading('A <part>')
    page.text('1 < 2 & 3', 'lead')
    page.tiles([('12 ms', 'median')])
    page.table(['name', 'ms'], [['<b>', 1.5], ['c', None]])
    figure, axes = new_figure()
    axes.plot([0, 1], [0, 1], label='a & b')
    axes.legend()
    page.plot(figure, 'a line')
    page.gallery([(b'\xff\xd8jpeg', 'a "picture"')])


@pytest.mark.parametrize(('part', 'words', 'tags'), [
    ('empty', ['Title & more'], ['h1']),
    ('all', ['A <part>', '1 < 2 & 3', '12 ms', 'median', '<b>', '1.5', 'None', 'a & b', 'a line',
             'a "picture"'], ['h2', 'p', 'table', 'svg', 'img', 'figcaption']),
])
def test_everything_is_on_the_page_and_nothing_is_fetched(tmp_path, part, words, tags):
    page = Page('Title & more')
    build(page, part)
    path = page.write(tmp_path / 'deep' / 'index.html')
    assert [file.name for file in path.parent.iterdir()] == ['index.html']
    reader = Reader(path.read_text())
    for word in words:
        assert word in reader.words
    for tag in tags:
        assert tag in reader.tags
    assert reader.fetched == []
    assert 'script' not in reader.tags
    assert '@import' not in path.read_text()


def test_a_figure_is_svg_whose_text_is_text():
    figure, axes = new_figure(4, 3)
    axes.set_title('Speed')
    root = ElementTree.fromstring(figure_svg(figure))
    assert root.tag.endswith('svg')
    assert 'Speed' in ''.join(root.itertext())


@pytest.mark.parametrize('name', ['pc$\\x$', '$100', 'a_b^c', r'\frac', '<b> & c'])
def test_a_name_is_no_formula(name):
    figure, axes = new_figure(4, 3)
    line, = axes.plot([1, 100], [0, 1])
    axes.set_yticks([0, 1], [name, 'other'])
    axes.legend([line], [name])
    axes.annotate(name, (1, 0))
    axes.set_title(name)
    words = [''.join(element.itertext()).strip()
             for element in ElementTree.fromstring(figure_svg(figure)).iter()
             if element.tag.endswith('}text')]
    assert words.count(name) == 4


def test_powers_on_a_logarithmic_axis_are_formulas():
    figure, axes = new_figure(4, 3)
    axes.plot([1, 100], [0, 1])
    axes.set_xscale('log')
    assert '$' not in ''.join(ElementTree.fromstring(figure_svg(figure)).itertext())


def test_ids_of_two_figures_differ():
    ids = []
    for _ in range(2):
        figure, axes = new_figure(4, 3)
        axes.plot([0, 1], marker='o')
        root = ElementTree.fromstring(figure_svg(figure))
        ids.append({element.get('id') for element in root.iter()
                    if element.tag.endswith(('clipPath', 'path')) and element.get('id')})
    assert ids[0]
    assert not ids[0] & ids[1]
