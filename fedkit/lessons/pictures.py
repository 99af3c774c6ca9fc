"""Figures that several lessons draw: the adapter, one round, bars, accuracy by examples."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go
from pandas import DataFrame
from plotly.subplots import make_subplots

from fedkit.core import formatting
from fedkit.core.formatting import figure_text
from fedkit.core.record import Run
from fedkit.models.classifier import Model
from fedkit.plots.labels import Label, label_lines
from fedkit.plots.theme import DOWNLOAD, INK, SIZE, UPLOAD, above_bar, layout
from fedkit.results.method_style import method_style

BASE = "#d9dee4"  # the frozen base model
TUNED = method_style("federated").colour


def parameter_share(model: Model) -> go.Figure:
    """Draw the frozen base and what is trained as two squares, true in area."""
    tuned, total = model.num_trainable(), model.num_parameters()
    side = math.sqrt(tuned / total)
    fig = go.Figure()
    for size, colour in ((1.0, BASE), (side, TUNED)):
        fig.add_shape(
            type="rect",
            x0=0,
            y0=0,
            x1=size,
            y1=size,
            fillcolor=colour,
            line={"color": INK, "width": 1},
        )
    words = [
        (
            f"<b>base model: {total - tuned:,} numbers</b><br>"
            "stay as they came; downloaded once, never sent again",
            0.75,
            BASE,
        ),
        (
            f"<b>adapter and head: {tuned:,} numbers</b><br>are trained, and travel in every round",
            0.2,
            TUNED,
        ),
    ]
    for text, y, colour in words:
        at = (1.0, 0.75) if colour == BASE else (side, side / 2)
        fig.add_annotation(
            x=at[0],
            y=at[1],
            ax=1.12,
            ay=y,
            axref="x",
            ayref="y",
            text=text,
            xanchor="left",
            align="left",
            arrowcolor=INK,
            arrowwidth=1,
            arrowhead=0,
            font={"size": SIZE, "color": INK},
        )
    layout(
        fig,
        f"Only {formatting.percent(tuned / total, 2)} of the model is trained.",
        "Areas are true to the numbers of weights.",
        None,
        None,
        330,
    )
    fig.update_xaxes(visible=False, range=[-0.02, 3.2], constrain="domain", constraintoward="left")
    fig.update_yaxes(visible=False, range=[-0.02, 1.02], scaleanchor="x", constrain="domain")
    return fig


def round_diagram(run: Run) -> go.Figure:
    """Draw the last round of a run: the server, the clients, what is sent in each direction."""
    clients = run.rounds[-1].clients
    down, up = max(c.downlink_bytes for c in clients), max(c.uplink_bytes for c in clients)
    fig, middle = go.Figure(), (len(clients) - 1) / 2
    _node(
        fig,
        middle,
        1.0,
        "<b>server</b><br>4. takes the mean,<br>weighted by examples",
        1.2,
        0.2,
        "#ffffff",
    )
    for place, client in enumerate(clients):
        steps = f"{client.steps} step{'s' * (client.steps != 1)}"
        work = f"{client.examples} texts stay<br>{steps}, {client.train_seconds:.1f} s"
        words = f"<b>{figure_text(client.id, 14)}</b><br>{work}"
        _node(fig, place, 0.0, words, 0.46, 0.17, BASE)
        top = middle + (place - middle) * 0.36
        _arrow(fig, (top - 0.06, 0.78), (place - 0.06, 0.19), DOWNLOAD)
        _arrow(fig, (place + 0.06, 0.19), (top + 0.06, 0.78), UPLOAD)
    side = {
        "showarrow": False,
        "yanchor": "middle",
        "font": {"size": SIZE, "color": INK},
        "y": 0.98,
    }
    fig.add_annotation(
        x=-0.45,
        xanchor="left",
        align="left",
        **side,
        text=(
            "<span style='color:#6f849b'>▼</span> <b>1. shared adapter</b>"
            f"<br>{formatting.megabytes(down / 1e6)} to each"
        ),
    )
    fig.add_annotation(
        x=len(clients) - 0.55,
        xanchor="right",
        align="right",
        **side,
        text=(
            f"<span style='color:{UPLOAD}'>▲</span> <b>3. update</b>"
            f"<br>{formatting.megabytes(up / 1e6)} from each"
        ),
    )
    fig.add_annotation(
        x=middle,
        y=-0.33,
        text="<b>2. each trains on its own text; the text never leaves</b>",
        showarrow=False,
        font={"size": SIZE, "color": INK},
    )
    layout(
        fig,
        "One round: the adapter goes out, updates come back, text stays.",
        "Numbers are those of the last recorded round.",
        None,
        None,
        400,
    )
    fig.update_xaxes(visible=False, range=[-0.55, len(clients) - 0.45])
    fig.update_yaxes(visible=False, range=[-0.42, 1.25])
    return fig


def bars(
    values: dict[str, float],
    sentence: str,
    title: str,
    colours: Sequence[str] = (TUNED,),
    words=formatting.megabytes,
) -> go.Figure:
    """Draw one bar per name, labelled with `words(value)`. title: of the axis, with its unit."""
    rows = list(range(len(values)))[::-1]
    colour = [colours[i % len(colours)] for i in range(len(values))]
    fig = go.Figure(
        go.Bar(
            x=list(values.values()),
            y=rows,
            orientation="h",
            width=0.4,
            marker={"color": colour},
            hovertemplate="%{x:,.3f}<extra></extra>",
        )
    )
    for (name, value), row in zip(values.items(), rows):
        above_bar(fig, row, f"{figure_text(name, 80)}  <b>{words(value)}</b>")
    layout(fig, sentence, "", title, None, 80 + 66 * len(values))
    fig.update_yaxes(visible=False, range=[-0.5, len(values) - 0.2])
    fig.update_xaxes(rangemode="tozero")
    return fig


def bars_by_column(table: DataFrame, sentence: str, colours: Sequence[str]) -> go.Figure:
    """Draw a column of bars, with a scale of its own, per column of `table`; a row per tuning."""
    n, m = table.shape
    rows = list(range(n))[::-1]
    fig = make_subplots(1, m, shared_yaxes=True, horizontal_spacing=0.05)
    for k, name in enumerate(table.columns, 1):
        values = [float(v) for v in table[name]]
        fig.add_bar(
            row=1,
            col=k,
            x=values,
            y=rows,
            orientation="h",
            width=0.6,
            marker={"color": list(colours)},
            text=[_short(v) for v in values],
            textposition="outside",
            cliponaxis=False,
            showlegend=False,
            textfont={"size": SIZE, "color": INK},
            hovertemplate="%{x:,.4g}<extra></extra>",
        )
        fig.update_xaxes(row=1, col=k, range=[0, 1.45 * max(values)], showticklabels=False)
    layout(fig, sentence, "", None, None, 90 + 46 * n, top=40)
    fig.update_xaxes(showgrid=False)
    fig.update_yaxes(
        showgrid=False,
        tickvals=rows,
        ticktext=[figure_text(i) for i in table.index],
        range=[-0.6, n - 0.4],
        tickfont={"size": SIZE, "color": INK},
    )
    for k, name in enumerate(table.columns):
        ref = "x domain" if k == 0 else f"x{k + 1} domain"
        fig.add_annotation(
            x=0,
            y=1,
            xref=ref,
            yref="paper",
            xanchor="left",
            yanchor="bottom",
            yshift=8,
            showarrow=False,
            align="left",
            text=f"<b>{figure_text(name)}</b>",
            font={"size": SIZE - 1, "color": INK},
        )
    return fig


def accuracy_by_size(table: DataFrame, sentence: str, colours: Sequence[str]) -> go.Figure:
    """Draw accuracy over the number of training examples (log axis).

    table: accuracies as shares, a row per size, a column per tuning.
    """
    fig, labels = go.Figure(), []
    sizes = [int(n) for n in table.index]
    for name, colour in zip(table.columns, colours):
        values = [100 * float(v) for v in table[name]]
        fig.add_scatter(
            x=sizes,
            y=values,
            mode="lines+markers",
            line={"color": colour, "width": 3},
            marker={"size": 8},
            cliponaxis=False,
            name=figure_text(name),
            hovertemplate=figure_text(name)
            + "<br>%{x:,} examples<br>accuracy %{y:.1f} %<extra></extra>",
        )
        labels.append(
            Label(y=values[-1], number=f"{values[-1]:.1f} %", name=str(name), colour=colour)
        )
    layout(
        fig,
        sentence,
        "",
        "Training examples, all companies together (logarithmic axis)",
        "Accuracy on the test set (%)",
        420,
        right=150,
    )
    reach = 0.04 * max(math.log10(sizes[-1] / sizes[0]), 0.1)
    fig.update_xaxes(
        type="log",
        tickvals=sizes,
        ticktext=[f"{n:,}" for n in sizes],
        range=[math.log10(sizes[0]) - reach, math.log10(sizes[-1])],
    )
    fig.update_yaxes(range=[0, 100], dtick=20)
    label_lines(fig, labels, 350, 0, 100)
    return fig


def _short(value: float) -> str:
    """Return a number with at most three significant digits."""
    if value >= 1e6:
        return f"{value / 1e6:.1f} M"
    return f"{value:,.0f}" if value >= 100 or value == 0 else f"{value:.1f}"


def _node(
    fig: go.Figure, x: float, y: float, text: str, width: float, height: float, colour: str
) -> None:
    fig.add_shape(
        type="rect",
        x0=x - width,
        x1=x + width,
        y0=y - height,
        y1=y + height,
        fillcolor=colour,
        line={"color": INK, "width": 1},
    )
    fig.add_annotation(x=x, y=y, text=text, showarrow=False, font={"size": SIZE - 1, "color": INK})


def _arrow(
    fig: go.Figure, start: tuple[float, float], end: tuple[float, float], colour: str
) -> None:
    fig.add_annotation(
        x=end[0],
        y=end[1],
        ax=start[0],
        ay=start[1],
        axref="x",
        ayref="y",
        text="",
        showarrow=True,
        arrowhead=2,
        arrowwidth=3,
        arrowsize=0.8,
        arrowcolor=colour,
    )
