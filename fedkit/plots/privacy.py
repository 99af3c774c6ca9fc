"""What privacy costs, in one picture: accuracy against epsilon, between no privacy and each site
alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

import plotly.graph_objects as go

from fedkit.core import formatting
from fedkit.core.errors import FedkitError
from fedkit.core.formatting import count, plain
from fedkit.core.record import Run
from fedkit.plots.labels import Label, label_lines
from fedkit.plots.theme import INK, MUTED, SIZE, layout
from fedkit.results.method_style import look
from fedkit.results.privacy_curve import Curve, Level, level
from fedkit.results.privacy_promise import number, tiny

# no privacy: the best there can be
PRIVATE, CLEAR, ALONE = look("federated").colour, "#009e73", look("local").colour
ON_TEST = "Accuracy on the test set (%)"
TALL, RIGHT, TOP = 380, 150, 34  # px: of the plot, for names at the right, for the words over it
DIRECTION = "\u25c0 stronger promise"
WEAKER = "weaker \u25b6"
CLEAR_NAME, ALONE_NAME = "together, no privacy", "each site alone, no privacy"
BESIDE = 0.972  # of epsilon: the dots of the seeds stand left of their mean


def privacy_cost(curve: Curve) -> go.Figure:
    """Accuracy by epsilon (log axis): means over seeds with their 95 % interval, every seed a dot,
    two lines beside.

    Between the measured points the line is dashed: it is interpolated.
    """
    levels, fig = curve.levels(), go.Figure()
    low, high = span(curve)
    lines = beside(curve)
    if ALONE_NAME in lines:
        _band(fig, lines[ALONE_NAME][0].mean, low)
    for name, (where, colour) in lines.items():
        fig.add_hline(
            y=100 * where.mean, line={"color": colour, "width": 2, "dash": "dot"}, name=name
        )
    _joined(fig, levels)
    _seeds(fig, levels)
    _means(fig, levels, curve)
    dressed(fig, curve, finding(curve), low, high)
    labels = [
        Label(100 * one.mean, formatting.percent(one.mean), name, colour)
        for name, (one, colour) in lines.items()
    ]
    label_lines(fig, labels, TALL, low, high)
    return fig


def cost_of(runs: Iterable[Run]) -> list[go.Figure]:
    """The figure for runs that make a curve: one way of training at two epsilons or more; else
    none.
    """
    try:
        curve = Curve.from_runs(runs)
    except FedkitError:
        return []
    return [privacy_cost(curve)] if len(curve.levels()) > 1 else []


def dressed(fig: go.Figure, curve: Curve, sentence: str, low: float, high: float) -> go.Figure:
    """Titles, axes and the two words that say which way is stronger."""
    levels = curve.levels()
    seeds = len({p.seed for p in curve.points})
    what = f"the mean over {count(seeds, 'seed')} with its 95 % interval; small dots are the seeds"
    caption = (
        "Large dots are measured:"
        f" {what if seeds > 1 else 'one seed, with its interval over test examples'}. The dashed"
        " line between them is interpolated, not measured. The axes do not begin at 0. Epsilon is"
        " a bound for the worst case, and holds for its unit and delta only."
    )
    title = (
        f"\u03b5 per {plain(curve.unit, 12)}, \u03b4 = {tiny(curve.delta)}: smaller is stronger"
        " (log scale)"
    )
    layout(fig, sentence, caption, title, ON_TEST, TALL + 70 + TOP, top=TOP, right=RIGHT)
    ends = reach(levels)
    fig.update_xaxes(
        type="log",
        range=list(map(math.log10, ends)),
        tickvals=[x.epsilon for x in levels],
        ticktext=[number(x.epsilon) for x in levels],
    )
    fig.update_yaxes(range=[low, high])
    for x, anchor, words in ((0, "left", DIRECTION), (1, "right", WEAKER)):
        fig.add_annotation(
            x=x,
            y=1,
            xref="paper",
            yref="paper",
            text=words,
            showarrow=False,
            xanchor=anchor,
            yanchor="bottom",
            yshift=6,
            font={"size": SIZE, "color": MUTED},
        )
    return fig


def beside(curve: Curve) -> dict[str, tuple[Level, str]]:
    """The lines to compare with: {name: (level, colour)}."""
    both = ((CLEAR_NAME, curve.none, CLEAR), (ALONE_NAME, curve.local, ALONE))
    return {name: (level(points), colour) for name, points, colour in both if points}


def span(curve: Curve) -> tuple[float, float]:
    """% from below the lowest to above the highest thing that is drawn; long whiskers of few seeds
    may leave it.
    """
    drawn = [
        100 * v for one in curve.levels() for v in (one.mean, *(p.accuracy for p in one.points))
    ]
    drawn += [100 * one.mean for one, _ in beside(curve).values()]
    room = max(3.0, 0.14 * (max(drawn) - min(drawn)))
    return max(0.0, min(drawn) - room), min(102.0, max(drawn) + room)


def reach(levels: Sequence[Level]) -> tuple[float, float]:
    """The ends of the epsilon axis."""
    return levels[0].epsilon / 1.35, levels[-1].epsilon * 1.35


def _band(fig: go.Figure, alone: float, low: float) -> None:
    """Where nobody should be: below what a site reaches by itself."""
    fig.add_hrect(
        y0=low, y1=100 * alone, fillcolor=ALONE, opacity=0.07, line_width=0, layer="below"
    )
    fig.add_annotation(
        x=0,
        y=100 * alone,
        xref="paper",
        text="down here each site is better off alone",
        showarrow=False,
        xanchor="left",
        yanchor="top",
        xshift=6,
        yshift=-4,
        font={"size": SIZE - 1, "color": "#a04500"},
    )


def _joined(fig: go.Figure, levels: Sequence[Level]) -> None:
    fig.add_scatter(
        x=[x.epsilon for x in levels],
        y=[100 * x.mean for x in levels],
        mode="lines",
        name="interpolated",
        line={"color": PRIVATE, "width": 2.5, "dash": "dash"},
        hoverinfo="skip",
    )
    for a, b in list(pairwise(levels))[-1:]:
        fig.add_annotation(
            x=math.log10(a.epsilon * b.epsilon) / 2,
            y=50 * (a.mean + b.mean),
            text="dashed: interpolated,<br>not measured",
            showarrow=False,
            xanchor="left",
            yanchor="top",
            xshift=14,
            yshift=-8,
            align="left",
            font={"size": SIZE - 1, "color": MUTED},
        )


def _seeds(fig: go.Figure, levels: Sequence[Level]) -> None:
    every = [p for x in levels if len(x.points) > 1 for p in x.points]
    fig.add_scatter(
        x=[BESIDE * p.epsilon for p in every],
        y=[100 * p.accuracy for p in every],
        mode="markers",
        name="seeds",
        marker={"size": 7, "color": "#ffffff", "line": {"width": 1.5, "color": INK}},
        customdata=[p.seed for p in every],
        hovertemplate="seed %{customdata}<br>%{y:.1f} % (measured)<extra></extra>",
    )


def _means(fig: go.Figure, levels: Sequence[Level], curve: Curve) -> None:
    whisker = {
        "type": "data",
        "symmetric": False,
        "width": 6,
        "thickness": 1.5,
        "color": PRIVATE,
        "array": [_part(x.high - x.mean) for x in levels],
        "arrayminus": [_part(x.mean - x.low) for x in levels],
    }
    fig.add_scatter(
        x=[x.epsilon for x in levels],
        y=[100 * x.mean for x in levels],
        mode="markers",
        name="measured",
        error_y=whisker,
        marker={"size": 15, "color": PRIVATE},
        customdata=[[formatting.between(x.low, x.high), x.over] for x in levels],
        hovertemplate=(
            f"\u03b5 %{{x:.3~g}} per {plain(curve.unit, 12)}<br>%{{y:.1f}} % (measured)<br>95 %"
            " interval %{customdata[0]}, over %{customdata[1]}<extra></extra>"
        ),
    )
    for x in levels:
        fig.add_annotation(
            x=math.log10(x.epsilon),
            y=100 * x.mean,
            text=f"<b>{formatting.percent(x.mean)}</b>",
            showarrow=False,
            xanchor="left",
            yanchor="top",
            xshift=10,
            yshift=-6,
            font={"size": SIZE, "color": PRIVATE},
        )


def _part(share: float) -> float:
    return 100 * share if share == share else 0.0


def finding(curve: Curve) -> str:
    """What the picture says, in a sentence."""
    levels, lines = curve.levels(), beside(curve)
    picked = [levels[-1], *levels[:1]] if len(levels) > 1 else levels
    if CLEAR_NAME in lines:
        top = lines[CLEAR_NAME][0].mean
        costs = [_costs(top - one.mean, place) for place, one in enumerate(picked)]
        said = ", ".join(
            f"\u03b5\u00a0{number(one.epsilon)} {words}" for one, words in zip(picked, costs)
        )
        start = f"Per {curve.unit}, {said}"
    else:
        start = "; ".join(
            f"\u03b5 {number(one.epsilon)}: {formatting.percent(one.mean)} right" for one in picked
        )
    return f"{start}{_together(levels, lines[ALONE_NAME][0].mean) if ALONE_NAME in lines else ''}."


def _costs(gap: float, place: int) -> str:
    if gap <= 0:
        return "costs no accuracy"
    return f"costs {100 * gap:.1f}{' points of accuracy' if place == 0 else ''}"


def _together(levels: Sequence[Level], alone: float) -> str:
    worse = [number(one.epsilon) for one in levels if one.mean < alone]
    if not worse:
        return "; even so it beats each site alone"
    if len(worse) == len(levels):
        return "; each site alone does better than any of it"
    return f"; at \u03b5\u00a0{' and '.join(worse)} each site does better alone"
