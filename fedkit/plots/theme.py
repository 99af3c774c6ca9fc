"""The common style of all figures: colours, axis titles with units, a sentence as the title.

The colours are those of Okabe and Ito (2008), which stay distinguishable with any common form of
colour blindness.
"""

from __future__ import annotations

import html
import textwrap
from typing import Any

import plotly.graph_objects as go

from fedkit.core.files import read_packaged_words

INK, MUTED, GRID, PAPER = "#222222", "#595959", "#e4e4e4", "#ffffff"
# what a round's time and traffic are made of
DOWNLOAD, TRAIN, UPLOAD = "#a9b8c9", "#f0e442", "#44566c"
COUNTS = [[0.0, "#ffffff"], [1.0, "#33475b"]]  # few to many examples
# Okabe and Ito (2008): the only colours of lines, points and bars
BLUE, ORANGE, GREEN, PINK = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
AMBER, SKY, BLACK = "#e69f00", "#56b4e9", "#000000"
SERIES = (BLUE, ORANGE, GREEN, PINK, AMBER, SKY, BLACK)  # of methods, in this order
GREY = "#aab4c0"  # what is only there to compare with
ON_TEST = "Accuracy on the test set (%)"
SIZE = 14  # px, of everything that has to be read
FONT = (
    'system-ui, -apple-system, "Segoe UI", Roboto, "Hiragino Sans", "Yu Gothic UI", Meiryo, '
    '"Noto Sans CJK JP", "Noto Sans JP", sans-serif'
)
TITLE_CHARS, TITLE_LINE = 68, 22  # characters a line, px a line
CAPTIONS = read_packaged_words("fedkit.plots", "captions.toml")


def layout(
    fig: go.Figure,
    sentence: str,
    caption: str,
    x: str | None = None,
    y: str | None = None,
    height: int = 420,
    top: int = 16,
    right: int = 24,
) -> go.Figure:
    """Style `fig` and return it. sentence: the finding; caption: how to read the figure.

    x, y: axis titles with their unit. height without the title, top, right: px. Both texts are kept
    in layout.meta as they are (not escaped) for a page that sets them itself; see `without_title`.
    """
    unbroken = sentence.replace(" %", "\u00a0%")
    lines = [html.escape(line, quote=False) for line in textwrap.wrap(unbroken, TITLE_CHARS)]
    room = top + TITLE_LINE * len(lines) + 12
    height += room - top
    fig.update_layout(
        template=go.layout.Template(),
        font={"family": FONT, "size": SIZE, "color": INK},
        paper_bgcolor=PAPER,
        plot_bgcolor=PAPER,
        height=height,
        showlegend=False,
        margin={"l": 12, "r": right, "t": room, "b": 12, "pad": 4},
        dragmode=False,
        title={
            "text": f"<b>{'<br>'.join(lines)}</b>",
            "x": 0,
            "xref": "container",
            "xanchor": "left",
            "pad": {"l": 12},
            "y": 1 - TITLE_LINE * len(lines) / 2 / height,
            "yref": "container",
            "yanchor": "top",
            "font": {"size": SIZE + 2, "color": INK},
        },
        hoverlabel={"font": {"family": FONT, "size": SIZE}, "align": "left"},
        meta={"sentence": sentence, "caption": caption, "top": top},
    )
    fig.update_xaxes(**axis_style(x))
    fig.update_yaxes(**axis_style(y))
    return fig


def caption(figure: str, **values: object) -> str:
    """Return how to read a figure, from `captions.toml`. values: for its placeholders."""
    return CAPTIONS[figure].format(**values)


def axis_style(title: str | None) -> dict[str, Any]:
    """Return the style of an axis: light grid, no frame, no zoom (a finger scrolls the page)."""
    words = {"text": title, "standoff": 12, "font": font(MUTED)}
    style = {"title": words, "tickfont": font(MUTED, SIZE - 1), "gridcolor": GRID, "ticks": ""}
    return style | {"zeroline": False, "automargin": True, "fixedrange": True}


def without_title(fig: go.Figure) -> go.Figure:
    """Return a copy without its title, for a page that writes layout.meta['sentence'] above it."""
    fig = go.Figure(fig)
    top = fig.layout.meta["top"]
    fig.update_layout(
        title=None, height=fig.layout.height - fig.layout.margin.t + top, margin_t=top
    )
    return fig


def font(colour: str = INK, size: int = SIZE) -> dict[str, Any]:
    """Return the font of a text inside of a figure. size: px."""
    return {"size": size, "color": colour}


def note(fig: go.Figure, text: str, x: float, y: float, **style: Any) -> None:
    """Write `text`, already escaped, at (x, y). style: further settings of a plotly annotation."""
    fig.add_annotation(x=x, y=y, text=text, **{"showarrow": False, "font": font()} | style)


def above_bar(fig: go.Figure, row: float, text: str) -> None:
    """Write a label above a horizontal bar at `row`, flush left, so that it needs no margin.

    text: already escaped.
    """
    left = {"xref": "paper", "xanchor": "left", "align": "left"}
    note(fig, text, 0, row, yanchor="bottom", yshift=13, **left)


def key_above(fig: go.Figure, marks: dict[str, tuple[str, str]]) -> go.Figure:
    """Write a one-line key above the plot: {name: (sign, colour)}. Needs top=44 in `layout`.

    It starts at the right edge, so that it fits a narrow page with long names at the left.
    """
    words = "   ".join(
        f"<span style='color:{colour}'>{sign}</span> {name}"
        for name, (sign, colour) in marks.items()
    )
    return words_above(fig, words)


def words_above(fig: go.Figure, words: str) -> go.Figure:
    """Write one line, already escaped, above the plot, at its right end. Needs layout top=44."""
    at_the_edge = {"xref": "paper", "yref": "paper", "xanchor": "right", "yanchor": "bottom"}
    note(fig, words, 1, 1, yshift=8, **at_the_edge)
    return fig
