"""The figure of accuracy against epsilon, next to no privacy and to each client alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go

from fedkit.core import formatting
from fedkit.core.errors import FedkitError
from fedkit.core.formatting import count_noun, figure_text
from fedkit.core.record import Run
from fedkit.plots.charts import draw_curve, draw_dots, error_bar
from fedkit.plots.labels import Label, draw_levels, label_lines
from fedkit.plots.theme import GREEN, INK, MUTED, ON_TEST, SIZE, caption, font, layout, note
from fedkit.results.method_style import method_style
from fedkit.results.privacy_curve import Curve, Level, mean_level
from fedkit.results.privacy_promise import format_delta, format_epsilon

PRIVATE, CLEAR, ALONE = method_style("federated").colour, GREEN, method_style("local").colour
TALL, RIGHT, TOP = 380, 150, 34  # px: of the plot, for names at the right, for the words over it
STRONGER = "\u25c0 stronger promise"
WEAKER = "weaker \u25b6"
CLEAR_NAME, ALONE_NAME = "together, no privacy", "each site alone, no privacy"
SEED_SHIFT = 0.972  # factor of epsilon that places the dots of the seeds left of their mean


def privacy_cost(curve: Curve) -> go.Figure:
    """Draw accuracy by epsilon (log axis): means over seeds with 95 % intervals, a dot per seed.

    Two horizontal lines show no privacy and each client alone. Between the measured points the line
    is dashed: it is interpolated.
    """
    levels, fig = curve.levels(), go.Figure()
    low, high = accuracy_range(curve)
    lines = reference_levels(curve)
    labels = [
        Label(100 * one.mean, formatting.percent(one.mean), name, colour)
        for name, (one, colour) in lines.items()
    ]
    if ALONE_NAME in lines:
        _band(fig, lines[ALONE_NAME][0].mean, low)
    draw_levels(fig, labels, dash="dot")
    _interpolation(fig, levels)
    _seeds(fig, levels)
    _means(fig, levels, curve.unit)
    style_curve(fig, curve, curve_finding(curve), low, high)
    label_lines(fig, labels, TALL, low, high)
    return fig


def privacy_cost_figures(runs: Iterable[Run]) -> list[go.Figure]:
    """Return the figure for runs that make a curve of two or more epsilons; else an empty list."""
    try:
        curve = Curve.from_runs(runs)
    except FedkitError:
        return []
    return [privacy_cost(curve)] if len(curve.levels()) > 1 else []


def style_curve(fig: go.Figure, curve: Curve, sentence: str, low: float, high: float) -> go.Figure:
    """Add titles, axes and the two words that say which way is stronger."""
    levels = curve.levels()
    seeds = len({p.seed for p in curve.points})
    what = "one seed, with its interval over test examples"
    if seeds > 1:
        mean = f"the mean over {count_noun(seeds, 'seed')} with its 95 % interval"
        what = f"{mean}; small dots are the seeds"
    words = caption("privacy_cost", what=what)
    per = f"\u03b5 per {figure_text(curve.unit, 12)}, \u03b4 = {format_delta(curve.delta)}"
    title, height = f"{per}: smaller is stronger (log scale)", TALL + 70 + TOP
    layout(fig, sentence, words, title, ON_TEST, height, top=TOP, right=RIGHT)
    ends = epsilon_range(levels)
    measured = [one.epsilon for one in levels]
    ticks = {"tickvals": measured, "ticktext": [format_epsilon(e) for e in measured]}
    fig.update_xaxes(type="log", range=list(map(math.log10, ends)), **ticks)
    fig.update_yaxes(range=[low, high])
    for x, anchor, words in ((0, "left", STRONGER), (1, "right", WEAKER)):
        place = {"xref": "paper", "yref": "paper", "xanchor": anchor, "yanchor": "bottom"}
        note(fig, words, x, 1, yshift=6, font=font(MUTED), **place)
    return fig


def reference_levels(curve: Curve) -> dict[str, tuple[Level, str]]:
    """Return the lines to compare with: {name: (level, colour)}."""
    both = ((CLEAR_NAME, curve.none, CLEAR), (ALONE_NAME, curve.local, ALONE))
    return {name: (mean_level(points), colour) for name, points, colour in both if points}


def accuracy_range(curve: Curve) -> tuple[float, float]:
    """Return the y range in %, from below the lowest to above the highest mark.

    Long whiskers of few seeds may exceed it.
    """
    drawn = [
        100 * v for one in curve.levels() for v in (one.mean, *(p.accuracy for p in one.points))
    ]
    drawn += [100 * one.mean for one, _ in reference_levels(curve).values()]
    room = max(3.0, 0.14 * (max(drawn) - min(drawn)))
    return max(0.0, min(drawn) - room), min(102.0, max(drawn) + room)


def epsilon_range(levels: Sequence[Level]) -> tuple[float, float]:
    """Return the ends of the epsilon axis."""
    return levels[0].epsilon / 1.35, levels[-1].epsilon * 1.35


def _band(fig: go.Figure, alone: float, low: float) -> None:
    """Shade the accuracies below what a client reaches alone."""
    fig.add_hrect(
        y0=low, y1=100 * alone, fillcolor=ALONE, opacity=0.07, line_width=0, layer="below"
    )
    words = "down here each site is better off alone"
    place = {"xref": "paper", "xanchor": "left", "yanchor": "top", "xshift": 6, "yshift": -4}
    note(fig, words, 0, 100 * alone, font=font("#a04500", SIZE - 1), **place)


def _interpolation(fig: go.Figure, levels: Sequence[Level]) -> None:
    xs, ys = [x.epsilon for x in levels], [100 * x.mean for x in levels]
    draw_curve(fig, xs, ys, PRIVATE, 2.5, name="interpolated", dash="dash")
    for a, b in list(pairwise(levels))[-1:]:
        words = "dashed: interpolated,<br>not measured"
        at = (math.log10(a.epsilon * b.epsilon) / 2, 50 * (a.mean + b.mean))
        note(fig, words, *at, **_below_right(14, -8), align="left", font=font(MUTED, SIZE - 1))


def _below_right(xshift: int, yshift: int) -> dict[str, Any]:
    return {"xanchor": "left", "yanchor": "top", "xshift": xshift, "yshift": yshift}


def _seeds(fig: go.Figure, levels: Sequence[Level]) -> None:
    every = [p for x in levels if len(x.points) > 1 for p in x.points]
    xs, ys = [SEED_SHIFT * p.epsilon for p in every], [100 * p.accuracy for p in every]
    outline = {"line": {"width": 1.5, "color": INK}}
    named = {"name": "seeds", "customdata": [p.seed for p in every]}
    hover = "seed %{customdata}<br>%{y:.1f} % (measured)"
    draw_dots(fig, xs, ys, "#ffffff", 7, hover, outline, **named)


def _means(fig: go.Figure, levels: Sequence[Level], unit: str) -> None:
    means = [100 * x.mean for x in levels]
    lows = [100 * x.low if x.low == x.low else mean for x, mean in zip(levels, means)]
    highs = [100 * x.high if x.high == x.high else mean for x, mean in zip(levels, means)]
    named = {
        "name": "measured",
        "error_y": error_bar(means, lows, highs, PRIVATE, width=6),
        "customdata": [[formatting.percent_range(x.low, x.high), x.over] for x in levels],
    }
    hover = (
        f"\u03b5 %{{x:.3~g}} per {figure_text(unit, 12)}<br>%{{y:.1f}} % (measured)<br>95"
        " % interval %{customdata[0]}, over %{customdata[1]}"
    )
    draw_dots(fig, [x.epsilon for x in levels], means, PRIVATE, 15, hover, **named)
    for x, mean in zip(levels, means):
        at = (math.log10(x.epsilon), mean)
        words = f"<b>{formatting.percent(x.mean)}</b>"
        note(fig, words, *at, **_below_right(10, -6), font=font(PRIVATE))


def curve_finding(curve: Curve) -> str:
    """Return the finding of the figure in a sentence."""
    levels, lines = curve.levels(), reference_levels(curve)
    picked = [levels[-1], *levels[:1]] if len(levels) > 1 else levels
    if CLEAR_NAME in lines:
        top = lines[CLEAR_NAME][0].mean
        said = []
        for one, unit in zip(picked, (" points of accuracy", "")):
            gap = 100 * (top - one.mean)
            cost = f"costs {gap:.1f}{unit}" if gap > 0 else "costs no accuracy"
            said.append(f"\u03b5\u00a0{format_epsilon(one.epsilon)} {cost}")
        start = f"Per {curve.unit}, {', '.join(said)}"
    else:
        start = "; ".join(
            f"\u03b5 {format_epsilon(one.epsilon)}: {formatting.percent(one.mean)} right"
            for one in picked
        )
    if ALONE_NAME not in lines:
        return start + "."
    alone = lines[ALONE_NAME][0].mean
    worse = [format_epsilon(one.epsilon) for one in levels if one.mean < alone]
    if not worse:
        return start + "; even so it beats each site alone."
    if len(worse) == len(levels):
        return start + "; each site alone does better than any of it."
    return f"{start}; at \u03b5\u00a0{' and '.join(worse)} each site does better alone."
