"""Figures that several lessons draw: the adapter, one round, bars, accuracy by examples."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import plotly.graph_objects as go
from pandas import DataFrame

from fedkit.core import formatting
from fedkit.core.formatting import byte_size, count_noun, figure_text
from fedkit.core.record import Run
from fedkit.models.classifier import Model
from fedkit.plots.charts import SHARES, bar_chart, bar_columns, line_chart, lines_from_table
from fedkit.plots.theme import BLUE, DOWNLOAD, INK, ON_TEST, SIZE, UPLOAD, font, layout, note

BASE, TUNED = "#d9dee4", BLUE  # the frozen base model, and what is trained


def parameter_share(model: Model) -> go.Figure:
    """Draw the frozen base and what is trained as two squares, true in area."""
    tuned, total = model.num_trainable(), model.num_parameters()
    side = math.sqrt(tuned / total)
    fig = go.Figure()
    for size, colour in ((1.0, BASE), (side, TUNED)):
        _box(fig, 0, 0, size, size, colour)
    frozen = (
        f"<b>base model: {total - tuned:,} numbers</b><br>"
        "stay as they came; downloaded once, never sent again"
    )
    trained = (
        f"<b>adapter and head: {tuned:,} numbers</b><br>are trained, and travel in every round"
    )
    pointer = {"axref": "x", "ayref": "y", "showarrow": True, "arrowwidth": 1, "arrowhead": 0}
    pointer |= {"arrowcolor": INK, "xanchor": "left", "align": "left", "ax": 1.12}
    note(fig, frozen, 1.0, 0.75, ay=0.75, **pointer)
    note(fig, trained, side, side / 2, ay=0.2, **pointer)
    sentence = f"Only {formatting.percent(tuned / total, 2)} of the model is trained."
    layout(fig, sentence, "Areas are true to the numbers of weights.", height=330)
    fig.update_xaxes(visible=False, range=[-0.02, 3.2], constrain="domain", constraintoward="left")
    fig.update_yaxes(visible=False, range=[-0.02, 1.02], scaleanchor="x", constrain="domain")
    return fig


def round_diagram(run: Run) -> go.Figure:
    """Draw the last round of a run: the server, the clients, what is sent in each direction."""
    clients = run.rounds[-1].clients
    down, up = max(c.downlink_bytes for c in clients), max(c.uplink_bytes for c in clients)
    fig, middle = go.Figure(), (len(clients) - 1) / 2
    server = "<b>server</b><br>4. takes the mean,<br>weighted by examples"
    _node(fig, middle, 1.0, server, 1.2, 0.2, "#ffffff")
    for place, client in enumerate(clients):
        work = f"{count_noun(client.steps, 'step')}, {client.train_seconds:.1f} s"
        words = f"<b>{figure_text(client.id, 14)}</b><br>{client.examples} texts stay<br>{work}"
        _node(fig, place, 0.0, words, 0.46, 0.17, BASE)
        top = middle + (place - middle) * 0.36
        _arrow(fig, (top - 0.06, 0.78), (place - 0.06, 0.19), DOWNLOAD)
        _arrow(fig, (place + 0.06, 0.19), (top + 0.06, 0.78), UPLOAD)
    sides = (
        ("left", -0.45, "#6f849b", "▼", "1. shared adapter", f"{byte_size(down)} to each"),
        ("right", len(clients) - 0.55, UPLOAD, "▲", "3. update", f"{byte_size(up)} from each"),
    )
    for side, x, colour, sign, what, size in sides:
        words = f"<span style='color:{colour}'>{sign}</span> <b>{what}</b><br>{size}"
        note(fig, words, x, 0.98, yanchor="middle", xanchor=side, align=side)
    note(fig, "<b>2. each trains on its own text; the text never leaves</b>", middle, -0.33)
    sentence = "One round: the adapter goes out, updates come back, text stays."
    layout(fig, sentence, "Numbers are those of the last recorded round.", height=400)
    fig.update_xaxes(visible=False, range=[-0.55, len(clients) - 0.45])
    fig.update_yaxes(visible=False, range=[-0.42, 1.25])
    return fig


def bars(
    values: dict[str, float],
    sentence: str,
    title: str,
    colours: Sequence[str] = (TUNED,),
    words: Callable[[float], str] = formatting.megabytes,
) -> go.Figure:
    """Draw one bar per name, labelled with `words(value)`. title: of the axis, with its unit."""
    return bar_chart(values, sentence, title, colours, words)


def bars_by_column(table: DataFrame, sentence: str, colours: Sequence[str]) -> go.Figure:
    """Draw a column of bars, with a scale of its own, per column of `table`; a row per tuning."""
    columns: dict[str, Any] = {
        str(name): {str(name): ([float(v) for v in table[name]], list(colours))}
        for name in table.columns
    }
    return bar_columns([str(name) for name in table.index], columns, sentence)


def accuracy_by_size(table: DataFrame, sentence: str, colours: Sequence[str]) -> go.Figure:
    """Draw accuracy over the number of training examples (log axis).

    table: accuracies as shares, a row per size, a column per tuning.
    """
    title = "Training examples, all companies together (logarithmic axis)"
    hover = "%{x:,} examples<br>accuracy %{y:.1f} %"
    lines = lines_from_table(table, colours)
    return line_chart(lines, sentence, title, ON_TEST, SHARES, hover=hover, log_x=True)


def _box(fig: go.Figure, x0: float, y0: float, x1: float, y1: float, colour: str) -> None:
    outline = {"color": INK, "width": 1}
    fig.add_shape(type="rect", x0=x0, y0=y0, x1=x1, y1=y1, fillcolor=colour, line=outline)


def _node(
    fig: go.Figure, x: float, y: float, text: str, width: float, height: float, colour: str
) -> None:
    _box(fig, x - width, y - height, x + width, y + height, colour)
    note(fig, text, x, y, font=font(INK, SIZE - 1))


def _arrow(
    fig: go.Figure, start: tuple[float, float], end: tuple[float, float], colour: str
) -> None:
    look = {"showarrow": True, "arrowhead": 2, "arrowwidth": 3, "arrowsize": 0.8}
    tail = {"ax": start[0], "ay": start[1], "axref": "x", "ayref": "y"}
    note(fig, "", *end, arrowcolor=colour, **look, **tail)
