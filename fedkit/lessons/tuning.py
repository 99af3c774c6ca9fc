"""Measurements and figures of the lesson on what to tune: memory, accuracy, cost, one exchange."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import torch
from pandas import DataFrame
from plotly.subplots import make_subplots

from fedkit.core.formatting import figure_text
from fedkit.core.stats import wilson_interval
from fedkit.data.corpus import Corpus, Examples
from fedkit.models.classifier import Model
from fedkit.plots.labels import Label, label_lines
from fedkit.plots.labels import LabelPoint, name_points
from fedkit.plots.theme import INK, MUTED, SIZE, key_above, layout

BLUE, ORANGE, BASE, KEPT = "#0072b2", "#d55e00", "#c9d1da", "#56b4e9"
ON_VALIDATION = "Accuracy on validation data (%)"
WIDE, TALL = 800, 380  # px of a plot, about
MB = 1e6


def thin_evaluation(corpus: Corpus, most: int | None) -> Corpus:
    """Return the corpus with about `most` validation and test examples, evenly spaced.

    None: unchanged.
    """

    def thin(part: Examples | None) -> Examples | None:
        return part and part.take(np.unique(np.linspace(0, len(part) - 1, most).astype(int)))

    if most is None:
        return corpus
    return replace(corpus, validation=thin(corpus.validation), test=thin(corpus.test))


def step_memory(model: Model, examples: Examples, batch_size: int = 16) -> dict[str, float]:
    """Return the MB that one training step holds: the model, optimizer state, saved tensors.

    Counted, not measured. The optimizer adds a gradient and the two moments of AdamW for every
    trained number. Backward needs the tensors that torch saves during forward over the first
    `batch_size` examples, each counted once.
    """
    held = [*model.module.parameters(), *model.module.buffers()]
    own, saved = {t.untyped_storage().data_ptr() for t in held}, {}

    def save(tensor: torch.Tensor) -> torch.Tensor:
        memory = tensor.untyped_storage()
        if memory.data_ptr() not in own:
            saved[memory.data_ptr()] = memory.nbytes()
        return tensor

    rows = range(min(batch_size, len(examples)))
    with torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
        # keeps what was saved alive: no address is used twice
        logits = model.forward(*model.batch(examples, rows))
        total = sum(saved.values())
    del logits
    return {
        "the model": sum(t.nbytes for t in held) / MB,
        "gradients and optimizer": 3 * sum(p.nbytes for p in model.trainable.values()) / MB,
        "kept for the way back": total / MB,
    }


def accuracy_by_parameters(
    trained: Mapping[str, int], right: Mapping[str, str], start: float, chosen: str, sentence: str
) -> go.Figure:
    """Draw accuracy against the number of trained parameters (log axis), with 95 % intervals.

    right: a 0 or 1 per validation example. start: accuracy before training, a share. chosen: stands
    out.
    """
    names = sorted(trained, key=lambda name: trained[name])
    shares = {n: right[n].count("1") / len(right[n]) for n in names}
    spans = {n: wilson_interval(right[n].count("1"), len(right[n])) for n in names}
    low = 100 * min(start, *(s[0] for s in spans.values())) - 1.5
    high = 100 * max(s[1] for s in spans.values()) + 3
    ends = math.log10(min(trained.values()) / 2.2), math.log10(max(trained.values()) * 2.2)
    fig = go.Figure()
    for name in names:
        colour = ORANGE if name == chosen else BLUE
        y, (below, above) = 100 * shares[name], spans[name]
        span = {
            "type": "data",
            "symmetric": False,
            "array": [100 * above - y],
            "arrayminus": [y - 100 * below],
            "color": "#aab4c0",
            "thickness": 1.5,
            "width": 4,
        }
        fig.add_scatter(
            x=[trained[name]],
            y=[y],
            mode="markers",
            marker={"size": 13, "color": colour},
            error_y=span,
            hovertemplate=f"{figure_text(name)}<br>%{{x:,}} numbers<br>%{{y:.1f}} %<extra></extra>",
        )
    fig.add_hline(y=100 * start, line={"color": MUTED, "width": 1.5, "dash": "dash"})
    layout(
        fig,
        sentence,
        "",
        "Trained numbers, head included (log scale)",
        ON_VALIDATION,
        TALL + 60,
        right=132,
    )
    decades = range(math.ceil(ends[0]), math.floor(ends[1]) + 1)
    fig.update_xaxes(
        type="log",
        range=list(ends),
        tickvals=[10**d for d in decades],
        ticktext=[f"{10**d:,}" for d in decades],
    )
    fig.update_yaxes(range=[low, high])
    label_lines(
        fig,
        [Label(100 * start, f"{100 * start:.1f} %", "class means, no training", MUTED)],
        TALL,
        low,
        high,
    )
    at = [(math.log10(trained[n]), 100 * shares[n]) for n in names]
    across, up = WIDE / (ends[1] - ends[0]), TALL / (high - low)
    points = [
        LabelPoint(
            (x - ends[0]) * across,
            (y - low) * up,
            (n, f"{y:.1f} %"),
            (100 * spans[n][0] - low) * up,
            (100 * spans[n][1] - low) * up,
        )
        for n, (x, y) in zip(names, at)
    ]
    name_points(fig, points, at, WIDE, TALL)
    return fig


def cost_bars(
    seconds: Mapping[str, float], memory: Mapping[str, Mapping[str, float]], sentence: str
) -> go.Figure:
    """Draw training seconds (left) and MB of one step by what they hold (right) per tuning."""
    names = list(seconds)
    rows = list(range(len(names)))[::-1]
    fig = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.08, column_widths=[0.4, 0.6])
    times = [seconds[n] for n in names]
    _row_bars(fig, 1, times, rows, BLUE, "%{x:.1f} s")
    _bar_labels(fig, 1, times, rows, [f"{t:.1f}" for t in times])
    parts = {"the model": BASE, "gradients and optimizer": ORANGE, "kept for the way back": KEPT}
    for part, colour in parts.items():
        _row_bars(fig, 2, [memory[n][part] for n in names], rows, colour, part + "<br>%{x:.0f} MB")
    totals = [sum(memory[n].values()) for n in names]
    _bar_labels(fig, 2, totals, rows, [f"{t:,.0f}" for t in totals])
    layout(fig, sentence, "", None, None, 110 + 36 * len(names), top=66)
    for k, (title, most) in enumerate(
        (("Training (s)", max(times)), ("One training step (MB)", max(totals))), 1
    ):
        fig.update_xaxes(row=1, col=k, range=[0, 1.16 * most], showticklabels=False, showgrid=False)
        fig.add_annotation(
            x=0,
            y=1,
            xref="x domain" if k == 1 else "x2 domain",
            yref="paper",
            xanchor="left",
            yanchor="bottom",
            yshift=4,
            showarrow=False,
            text=f"<b>{title}</b>",
            font={"size": SIZE, "color": INK},
        )
    fig.update_layout(barmode="stack")
    fig.update_yaxes(
        showgrid=False,
        tickvals=rows,
        ticktext=[figure_text(n) for n in names],
        range=[-0.6, len(names) - 0.4],
        tickfont={"size": SIZE, "color": INK},
    )
    key_above(fig, {part: ("■", colour) for part, colour in parts.items()})
    fig.layout.annotations[-1].yshift = 28
    return fig


def accuracy_by_examples(table: DataFrame, sentence: str, colours: Sequence[str]) -> go.Figure:
    """Draw accuracy (shares) over the number of examples: a row per size, a column per tuning."""
    sizes = [int(n) for n in table.index]
    lines = {str(name): [100 * float(v) for v in table[name]] for name in table.columns}
    fig = _lines(lines, sizes, colours, sentence, "Training examples, all companies together")
    fig.update_xaxes(tickvals=sizes, ticktext=[f"{n:,}" for n in sizes], range=_x_range(sizes))
    return fig


def rounds_and_exchanges(
    lines: Mapping[str, Sequence[float]], levels: Mapping[str, float], sentence: str
) -> go.Figure:
    """Draw accuracy (shares) by round of training; dashed lines: one exchange without training."""
    longest = max(len(values) for values in lines.values())
    rounds = list(range(longest))
    drawn = {n: [100 * v for v in values] for n, values in lines.items()}
    drawn |= {n: [100 * v] * longest for n, v in levels.items()}
    colours = [*(BLUE, KEPT, MUTED)[: len(lines)], *(ORANGE, "#cc79a7", "#e69f00")[: len(levels)]]
    fig = _lines(
        drawn, rounds, colours, sentence, "Round of training (0: before any)", dashed=set(levels)
    )
    fig.update_xaxes(dtick=1, tick0=0, range=_x_range(rounds))
    return fig


def held_out_accuracy_bars(
    values: Mapping[str, tuple[int, float, tuple[float, float]]],
    sentence: str,
    colours: Sequence[str],
) -> go.Figure:
    """Draw one horizontal bar per tuning on the test set.

    values: {name: (trained numbers, share, its 95 % interval)}.
    """
    rows = list(range(len(values)))[::-1]
    fig = go.Figure()
    for (name, (count, share, (below, above))), row, colour in zip(values.items(), rows, colours):
        span = {
            "type": "data",
            "symmetric": False,
            "array": [100 * (above - share)],
            "arrayminus": [100 * (share - below)],
            "color": INK,
            "thickness": 1.5,
            "width": 5,
        }
        fig.add_bar(
            x=[100 * share],
            y=[row],
            orientation="h",
            width=0.4,
            marker={"color": colour},
            error_x=span,
            hovertemplate=figure_text(name, 60) + "<br>%{x:.1f} %<extra></extra>",
        )
        words = f"{figure_text(name, 60)}, {count:,} numbers  <b>{100 * share:.1f} %</b>"
        fig.add_annotation(
            x=0,
            y=row,
            xref="paper",
            text=words,
            showarrow=False,
            xanchor="left",
            yanchor="bottom",
            yshift=13,
            font={"size": SIZE, "color": INK},
        )
    layout(
        fig,
        sentence,
        "",
        "Accuracy on the test set, with its 95 % interval (%)",
        None,
        80 + 66 * len(values),
    )
    fig.update_yaxes(visible=False, range=[-0.5, len(values) - 0.2])
    fig.update_xaxes(range=[0, 102], dtick=20)
    return fig


def _lines(
    lines: Mapping[str, Sequence[float]],
    xs: Sequence[int],
    colours: Sequence[str],
    sentence: str,
    x: str,
    dashed: Sequence[str] | set[str] = (),
) -> go.Figure:
    """Draw lines of percentages with names at the right; the y axis leaves a margin around them."""
    fig, labels = go.Figure(), []
    for (name, values), colour in zip(lines.items(), colours):
        level = name in dashed
        fig.add_scatter(
            x=list(xs)[: len(values)],
            y=list(values),
            mode="lines" if level else "lines+markers",
            cliponaxis=False,
            line={
                "color": colour,
                "width": 2 if level else 3,
                "dash": "dash" if level else "solid",
            },
            marker={"size": 9},
            hovertemplate=f"{figure_text(name)}<br>%{{y:.1f}} %<extra></extra>",
        )
        labels.append(Label(values[-1], f"{values[-1]:.1f} %", name, colour))
    every = [v for values in lines.values() for v in values]
    room = max(2.0, 0.12 * (max(every) - min(every)))
    low, high = max(0.0, min(every) - room), min(100.0, max(every) + room)
    layout(fig, sentence, "", x, ON_VALIDATION, TALL + 60, right=160)
    fig.update_yaxes(range=[low, high])
    label_lines(fig, labels, TALL, low, high)
    return fig


def _x_range(xs: Sequence[int]) -> list[float]:
    reach = 0.06 * ((xs[-1] - xs[0]) or 1)
    return [xs[0] - reach, xs[-1]]


def _row_bars(
    fig: go.Figure, col: int, xs: Sequence[float], rows: Sequence[int], colour: str, words: str
) -> None:
    fig.add_bar(
        row=1,
        col=col,
        x=list(xs),
        y=list(rows),
        orientation="h",
        width=0.6,
        marker={"color": colour},
        hovertemplate=words + "<extra></extra>",
    )


def _bar_labels(
    fig: go.Figure, col: int, xs: Sequence[float], rows: Sequence[int], words: Sequence[str]
) -> None:
    """Write a number at the right end of every bar."""
    fig.add_scatter(
        row=1,
        col=col,
        x=list(xs),
        y=list(rows),
        mode="text",
        text=[f" {w}" for w in words],
        textposition="middle right",
        cliponaxis=False,
        hoverinfo="skip",
        textfont={"size": SIZE, "color": INK},
    )
