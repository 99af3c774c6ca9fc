"""Measurements and figures of the lesson on what to tune: memory, accuracy, cost, one exchange."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import torch
from pandas import DataFrame

from fedkit.core.formatting import figure_text
from fedkit.core.stats import wilson_interval
from fedkit.data.corpus import Corpus, Examples
from fedkit.models.classifier import Model
from fedkit.plots import charts
from fedkit.plots.labels import Label, draw_levels, label_lines, name_spots
from fedkit.plots.theme import AMBER, BLUE, GREY, MUTED, ORANGE, PINK, SKY, key_above, layout

ON_VALIDATION = "Accuracy on validation data (%)"
WIDE, TALL = 800, 380  # px of a plot, about
# what one training step holds
PARTS = {"the model": "#c9d1da", "gradients and optimizer": ORANGE, "kept for the way back": SKY}
MB = 1e6


def evenly_spaced(part: Examples, most: int) -> Examples:
    """Return about `most` of the examples, evenly spaced."""
    return part.take(np.unique(np.linspace(0, len(part) - 1, most).astype(int)))


def thin_evaluation(corpus: Corpus, most: int | None) -> Corpus:
    """Return the corpus with about `most` validation and test examples, evenly spaced.

    None: unchanged.
    """

    if most is None:
        return corpus
    validation = corpus.validation and evenly_spaced(corpus.validation, most)
    return replace(corpus, validation=validation, test=evenly_spaced(corpus.test, most))


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
    held_mb = sum(t.nbytes for t in held) / MB
    trained = 3 * sum(p.nbytes for p in model.trainable.values()) / MB
    return dict(zip(PARTS, (held_mb, trained, total / MB)))


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
    axis = charts.log_axis(min(trained.values()) / 2.2, max(trained.values()) * 2.2)
    fig = go.Figure()
    for name in names:
        y, (below, above) = 100 * shares[name], spans[name]
        hover = f"{figure_text(name)}<br>%{{x:,}} numbers<br>%{{y:.1f}} %"
        whisker = charts.error_bar([y], [100 * below], [100 * above], GREY)
        colour = ORANGE if name == chosen else BLUE
        charts.draw_dots(fig, [trained[name]], [y], colour, 13, hover, error_y=whisker)
    level = [Label(100 * start, f"{100 * start:.1f} %", "class means, no training", MUTED)]
    draw_levels(fig, level, 1.5)
    title = "Trained numbers, head included (log scale)"
    layout(fig, sentence, "", title, ON_VALIDATION, TALL + 60, right=132)
    fig.update_xaxes(**axis)
    fig.update_yaxes(range=[low, high])
    label_lines(fig, level, TALL, low, high)
    spots = [(float(np.log10(trained[n])), 100 * shares[n]) for n in names]
    words = [(name, f"{y:.1f} %") for name, (_, y) in zip(names, spots)]
    bounds = [(100 * spans[n][0], 100 * spans[n][1]) for n in names]
    name_spots(fig, spots, words, bounds, tuple(axis["range"]), (low, high), (WIDE, TALL))
    return fig


def cost_bars(
    seconds: Mapping[str, float], memory: Mapping[str, Mapping[str, float]], sentence: str
) -> go.Figure:
    """Draw training seconds (left) and MB of one step by what they hold (right) per tuning."""
    held = {part: ([memory[n][part] for n in seconds], c) for part, c in PARTS.items()}
    times = {"training": (list(seconds.values()), BLUE)}
    columns = {"Training (s)": times, "One training step (MB)": held}
    fig = charts.bar_columns(list(seconds), columns, sentence, top=66)
    key_above(fig, {part: ("■", colour) for part, colour in PARTS.items()})
    fig.layout.annotations[-1].yshift = 28
    return fig


def accuracy_by_examples(table: DataFrame, sentence: str, colours: Sequence[str]) -> go.Figure:
    """Draw validation accuracy (shares) over the number of examples: a row per size, a column per
    tuning.
    """
    title = "Training examples, all companies together"
    hover = "%{x:,} examples<br>accuracy %{y:.1f} %"
    lines = charts.lines_from_table(table, colours)
    fig = charts.line_chart(lines, sentence, title, ON_VALIDATION, hover=hover)
    sizes = [int(n) for n in table.index]
    return fig.update_xaxes(tickvals=sizes, ticktext=[f"{n:,}" for n in sizes])


def rounds_and_exchanges(
    lines: Mapping[str, Sequence[float]], levels: Mapping[str, float], sentence: str
) -> go.Figure:
    """Draw accuracy (shares) by round of training; dashed lines: one exchange without training."""
    rounds = range(max(len(values) for values in lines.values()))
    drawn = [
        charts.Line(name, rounds[: len(values)], [100 * v for v in values], colour)
        for (name, values), colour in zip(lines.items(), (BLUE, SKY, MUTED))
    ]
    drawn += [
        charts.Line(name, rounds, [100 * share] * len(rounds), colour, "dash", level=True)
        for (name, share), colour in zip(levels.items(), (ORANGE, PINK, AMBER))
    ]
    fig = charts.line_chart(drawn, sentence, "Round of training (0: before any)", ON_VALIDATION)
    return fig.update_xaxes(dtick=1, tick0=0)


def held_out_accuracy_bars(
    values: Mapping[str, tuple[int, float, tuple[float, float]]],
    sentence: str,
    colours: Sequence[str],
) -> go.Figure:
    """Draw one horizontal bar per tuning on the test set.

    values: {name: (trained numbers, share, its 95 % interval)}.
    """
    named = {f"{name}, {count:,} numbers": 100 * v for name, (count, v, _) in values.items()}
    lows, highs = ([100 * span[end] for *_, span in values.values()] for end in (0, 1))
    title = "Accuracy on the test set, with its 95 % interval (%)"
    whisker = charts.error_bar(list(named.values()), lows, highs, width=5)
    fig = charts.bar_chart(named, sentence, title, colours, error_x=whisker)
    return fig.update_xaxes(range=[0, 102], dtick=20)
