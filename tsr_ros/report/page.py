# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A self-contained HTML page, put together from headings, paragraphs, tables and pictures.

All text is escaped; nothing is fetched; there is no script.
"""

from __future__ import annotations

import base64
import html
import io
import itertools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tsr_ros.report.files import write_text

_FIGURES = itertools.count()  # a number of its own for each keeps their ids apart
_STYLE = """
:root { --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --ground: #ffffff; --tint: #f6f8fa;
  --good: #1a7f37; --warn: #9a6700; --bad: #cf222e; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 68rem; color: var(--ink);
  background: var(--ground); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.4rem 0 .6rem; padding-top: .8rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p { margin: .4rem 0 .8rem; max-width: 46rem; }
.lead { font-size: 1.1rem; padding: .8rem 1rem; background: var(--tint);
  border-left: 4px solid var(--good); max-width: none; }
.soft, figcaption { color: var(--soft); font-size: .9rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: right;
  white-space: nowrap; }
th { color: var(--soft); font-weight: 600; vertical-align: bottom; }
th.left, td.left { text-align: left; }
tbody tr:hover { background: var(--tint); }
figure { margin: 1rem 0; overflow-x: auto; }
figure svg, figure img { max-width: 100%; height: auto; }
figure svg { min-width: 32rem; } /* on a phone it is moved aside rather than made illegible */
.grid { display: grid; gap: .8rem; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); }
.grid figure { margin: 0; }
.grid img { width: 100%; display: block; border-radius: 4px; }
.tiles { display: grid; gap: .8rem; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr));
  margin: 1rem 0; }
.tile { padding: .6rem .8rem; background: var(--tint); border-radius: 6px; }
.tile b { display: block; font-size: 1.5rem; line-height: 1.3; }
.tile span { color: var(--soft); font-size: .85rem; }
@media (max-width: 40rem) { th, td { padding: .3rem .4rem; }
  th.left, td.left { white-space: normal; min-width: 6rem; } }
@media print { html { font-size: 11px; } body { max-width: none; font-size: 11px; padding: 0; }
  .scroll, figure { overflow: visible; } figure svg { min-width: 0; }
  h2, h3 { break-after: avoid; }
  figure > img { max-height: 10cm; width: auto; } .grid img { width: 100%; }
  figure, table, .tiles { break-inside: avoid; } }
"""


class Page:
    """
    Collects the parts of a page in their order.

    :param title: of the page, its first heading too
    :param subtitle: a line below it: when, where, with what
    """

    def __init__(self, title: str, subtitle: str = ''):
        self.title = title
        self._parts = [f'<h1>{html.escape(title)}</h1>']
        if subtitle:
            self._parts.append(f'<p class="soft">{html.escape(subtitle)}</p>')

    def heading(self, text: str, level: int = 2) -> None:
        """Begin a section."""
        self._parts.append(f'<h{level}>{html.escape(text)}</h{level}>')

    def text(self, text: str, kind: str = '') -> None:
        """Add a paragraph; kind 'lead' is the one to read first, 'soft' a remark."""
        attribute = f' class="{kind}"' if kind else ''
        self._parts.append(f'<p{attribute}>{html.escape(text)}</p>')

    def tiles(self, tiles: Iterable[tuple[str, str]]) -> None:
        """Add a row of figures, each with what it says: (figure, words)."""
        self._parts.append('<div class="tiles">' + ''.join(
            f'<div class="tile"><b>{html.escape(figure)}</b>'
            f'<span>{html.escape(words)}</span></div>' for figure, words in tiles) + '</div>')

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[Any]], left: int = 1) -> None:
        """Add a table; its first `left` columns are flush left, the others flush right."""
        def cells(tag: str, values: Sequence[Any]) -> str:
            return ''.join(
                f'<{tag}{" class=left" if k < left else ""}>{html.escape(str(value))}</{tag}>'
                for k, value in enumerate(values))
        body = ''.join(f'<tr>{cells("td", row)}</tr>' for row in rows)
        self._parts.append(f'<div class="scroll"><table><thead><tr>{cells("th", headings)}</tr>'
                           f'</thead><tbody>{body}</tbody></table></div>')

    def plot(self, figure: Any, caption: str = '') -> None:
        """Add a Matplotlib figure as SVG, and close it."""
        self._figure(figure_svg(figure), caption)

    def picture(self, jpeg: bytes, caption: str = '') -> None:
        """Add a JPEG file's bytes."""
        self._figure(_image(jpeg, caption), caption)

    def gallery(self, pictures: Iterable[tuple[bytes, str]]) -> None:
        """Add pictures side by side, each a JPEG file's bytes with its caption."""
        self._parts.append('<div class="grid">')
        for jpeg, caption in pictures:
            self.picture(jpeg, caption)
        self._parts.append('</div>')

    def _figure(self, content: str, caption: str) -> None:
        words = f'<figcaption>{html.escape(caption)}</figcaption>' if caption else ''
        self._parts.append(f'<figure>{content}{words}</figure>')

    def html(self) -> str:
        """Return the page."""
        return ('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
                '<meta name="viewport" content="width=device-width, initial-scale=1">'
                f'<title>{html.escape(self.title)}</title><style>{_STYLE}</style></head>'
                f'<body>\n{chr(10).join(self._parts)}\n</body></html>\n')

    def write(self, path: str | Path) -> Path:
        """Write the page, whole or not at all; its folder is made. Return where it is."""
        write_text(Path(path), self.html())
        return Path(path)


def _image(jpeg: bytes, caption: str) -> str:
    data = base64.b64encode(jpeg).decode()
    return f'<img src="data:image/jpeg;base64,{data}" alt="{html.escape(caption)}" loading="lazy">'


def figure_svg(figure: Any) -> str:
    """
    Return a Matplotlib figure as an SVG element, and close it.

    Text stays text, so that it can be read, searched and scaled, and nothing between dollar signs
    is taken for a formula; ids are made unlike those of other figures on the page.
    """
    import matplotlib
    from matplotlib import pyplot

    _show_as_written(figure)
    buffer = io.StringIO()
    settings = {'svg.fonttype': 'none', 'svg.hashsalt': f'figure {next(_FIGURES)}'}
    with matplotlib.rc_context(settings):
        figure.savefig(buffer, format='svg', bbox_inches='tight', metadata={'Date': None})
    pyplot.close(figure)
    svg = buffer.getvalue()
    return re.sub(r'font: ([^;"]*?)(\d+(?:\.\d+)?)px [^;"]*', r'font: \1\2px sans-serif',
                  svg[svg.index('<svg'):])


def _show_as_written(figure: Any) -> None:
    """Take no text for a formula but the powers on logarithmic axes, which are some."""
    from matplotlib.text import Text
    from matplotlib.ticker import LogFormatter

    if not hasattr(Text, 'set_parse_math'):
        return  # Matplotlib 3.5, Humble's, takes what stands between dollar signs for a formula
    powers = {label for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)
              if isinstance(axis.get_major_formatter(), LogFormatter)
              for label in axis.get_ticklabels(which='both')}
    for text in figure.findobj(Text):
        if text not in powers:
            text.set_parse_math(False)
