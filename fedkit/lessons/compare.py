"""Figures of the lesson that compares everything: accuracy against costs, and differences."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go

from fedkit.core import formatting
from fedkit.core.config import RunConfig
from fedkit.core.formatting import figure_text
from fedkit.data.load import BUNDLED, BUNDLED_FOLDER
from fedkit.federated.cost_model import CostModel
from fedkit.models.geometry import Texts
from fedkit.plots.labels import Label, LabelPoint, label_lines, name_points
from fedkit.plots.theme import INK, MUTED, SIZE, key_above, layout
from fedkit.results import measures
from fedkit.results.difference import GAIN, LOSS, Difference, MeanOverSeeds, difference_over_seeds
from fedkit.results.measures import Runs
from fedkit.results.method_style import method_style
from fedkit.results.methods import (
    NEARLY,
    Method,
    fully_seeded,
    group_baselines,
    group_methods,
    spec_name,
)
from fedkit.results.privacy_promise import Promise, format_epsilon
from fedkit.results.scoreboard import KB, pareto_front

BLUE, ORANGE, GREY, SKY = "#0072b2", "#d55e00", "#8c8c8c", "#56b4e9"
NONE, PINK = "#009e73", "#cc79a7"  # without privacy and with epsilon 1, as in lesson 6
ON_TEST = "Accuracy on the test set (%)"
WIDTH, WIDE, TALL, RIGHT = 960, 750, 430, 140  # px: figure, plot area (w, h), right margin
TOKENS = (23.0, 64)  # tokens of a text: mean, at most
WIRES = {"none": "", "int4+ans": "4 bits", "topk:0.03+int4+ans": "top 3 %, 4 bits"}


@dataclass(frozen=True)
class MeasuredMethod:
    """A method as measured, under a short name. accuracy: mean over seeds, a share.

    kb: sent per client and round. seconds: of training per client and round, measured. memory: MB
    at one client, estimated (`CostModel.client_footprint`), not measured.
    """

    name: str
    accuracy: MeanOverSeeds
    kb: float
    seconds: float
    memory: float
    promise: Promise
    method: Method


def measured_methods(runs: Runs) -> list[MeasuredMethod]:
    """Return the methods that have all seeds, under names that fit a figure.

    A name that two methods would share is given to neither.
    """
    found = fully_seeded(group_methods(runs))
    names = [short_name(m) for m in found]
    return [
        MeasuredMethod(
            name if names.count(name) == 1 else m.name,
            m.accuracy(),
            m.per_visit("uplink_bytes") / KB,
            m.per_visit("train_seconds"),
            client_memory(m),
            m.promise,
            m,
        )
        for name, m in zip(names, found)
    ]


def short_name(method: Method) -> str:
    """Return what is tuned, the wire and the promise: 'LoRA, 4 bits', 'Head, ε 8, sums only'."""
    tune, wire = str(method.settings.get("tune")), str(method.settings.get("wire", "none"))
    parts = {"lora": "Wide LoRA" if "dense" in tune else "LoRA", "head": "Head", "full": "Full"}
    words = [parts.get(spec_name(tune), tune), WIRES.get(wire, wire), promise_label(method.promise)]
    return ", ".join(filter(None, words))


def promise_label(promise: Promise) -> str:
    """Return epsilon and who is trusted: '', 'sums only', 'ε 8, sums only', 'ε 8, each alone'."""
    epsilon = f"ε {format_epsilon(promise.epsilon)}" if promise.given else ""
    trust = "sums only" if promise.sealed else "each alone" if promise.alone else ""
    return ", ".join(filter(None, [epsilon, trust]))


def client_memory(method: Method) -> float:
    """Return the estimated MB at the client with the most texts, to the nearest ten.

    It is counted as if this client trained there alone; finer than ten MB is not known. NaN where
    the record lacks it.
    """
    run = method.runs[0]
    sizes = [c.get("train", 0) for c in measures.clients(run)]
    config = RunConfig.from_dict(
        {k: v for k, v in run.config.items() if k in RunConfig().to_dict()}
    )
    try:
        cost = CostModel(config, Texts(max(sizes), *TOKENS), len(run.data["labels"]))
        memory = cost.client_footprint().total
        return 10.0 * round(memory / measures.MB / 10)
    except (ValueError, KeyError):
        return math.nan


def thin_dataset(name: str, step: int) -> str:
    """Write every `step`-th row of a bundled data set into a new folder; return its path.

    As many clients, fewer texts: for quick tests.
    """
    folder = Path(tempfile.mkdtemp(prefix="thinned-"))
    for path in (BUNDLED_FOLDER / BUNDLED[name][0]).glob("*.csv"):
        pd.read_csv(path, dtype=str, keep_default_na=False).iloc[::step].to_csv(
            folder / path.name, index=False
        )
    return str(folder)


# ---- one board, several axes


@dataclass(frozen=True)
class Axis:
    """A cost to plot accuracy against: its button, its title, and the value of a method."""

    button: str
    title: str
    of: Callable[[MeasuredMethod], float]
    log: bool = True


AXES = (
    Axis("Traffic", "Sent by a client in a round (kB, log scale)", lambda w: w.kb),
    Axis(
        "Training time",
        "Training of a client in a round (s, measured, log scale)",
        lambda w: w.seconds,
    ),
    Axis("Memory", "Memory that a site needs (MB, counted)", lambda w: w.memory, log=False),
)


MENU = {
    "type": "buttons",
    "direction": "right",
    "x": 0,
    "xanchor": "left",
    "y": 1,
    "pad": {"b": 6},
    "yanchor": "bottom",
    "showactive": True,
    "font": {"size": SIZE, "color": INK},
    "bgcolor": "#f2f4f7",
}


def pareto_members(found: Sequence[MeasuredMethod], axis: Axis) -> list[bool]:
    """Return which methods are on the Pareto front of accuracy, this cost and privacy."""
    return pareto_front([(axis.of(w), w.accuracy.value) for w in found], [w.promise for w in found])


def axis_finding(found: Sequence[MeasuredMethod], axis: Axis) -> str:
    """Return a sentence: the most accurate method, and what comes within a point of it for less."""
    top = max(found, key=lambda w: w.accuracy.value)
    near = [
        w
        for w in found
        if w.accuracy.value >= top.accuracy.value - NEARLY and w.promise.covers(top.promise)
    ]
    lean = min(near, key=axis.of)
    start = f"{top.name} is the most accurate ({formatting.percent(top.accuracy.value)})"
    if not axis.of(lean) < axis.of(top):
        return f"{start}; nothing that takes less comes within one point of it."
    gap, times = 100 * (top.accuracy.value - lean.accuracy.value), axis.of(top) / axis.of(lean)
    lower = f"{gap:.1f} points lower" if gap >= 0.05 else "as accurate"
    return f"{start}; {lean.name} is {lower} and takes {times:.1f} times less."


def accuracy_against_costs(runs: Runs) -> go.Figure:
    """Draw accuracy against traffic, training time, memory and privacy, with a button each.

    Privacy only where promises differ. The buttons work without a kernel, also in a saved page.
    """
    found = measured_methods(runs)
    near = _baseline_levels(runs)
    pictures = [_cost_figure(found, near, axis) for axis in AXES]
    names = [axis.button for axis in AXES]
    if len({w.promise for w in found}) > 1:
        pictures.append(_promise_figure(found, near))
        names.append("Privacy")
    fig, buttons, at = go.Figure(pictures[0]), [], 0
    total = sum(len(p.data) for p in pictures)
    for place, (name, picture) in enumerate(zip(names, pictures)):
        if place:
            fig.add_traces([trace.update(visible=False) for trace in picture.data])
        mine = range(at, at := at + len(picture.data))
        part = picture.to_plotly_json()["layout"]
        kept = {
            k: part[k] for k in ("title", "xaxis", "yaxis", "annotations", "shapes") if k in part
        }
        buttons.append(
            {
                "label": name,
                "method": "update",
                "args": [{"visible": [i in mine for i in range(total)]}, kept],
            }
        )
    return fig.update_layout(updatemenus=[MENU | {"buttons": buttons}], width=WIDTH)


@dataclass(frozen=True)
class _Horizontal:
    """The horizontal axis of a picture: its title, ends, ticks, and where each method is."""

    title: str
    at: list[float]
    ends: tuple[float, float]
    ticks: dict
    log: bool = False

    def place(self, x: float) -> float:
        return math.log10(x) if self.log else x


def _cost_figure(
    found: list[MeasuredMethod], near: list[tuple[str, float]], axis: Axis
) -> go.Figure:
    fig, on = go.Figure(), pareto_members(found, axis)
    at = [axis.of(w) for w in found]
    first, last = (0.5, 2.5) if axis.log else (0.75, 1.25)
    first, last = first * min(at), last * max(at)
    steps = sorted(
        (x, 100 * w.accuracy.value)
        for w, x, in_front in zip(found, at, on)
        if in_front and not promise_label(w.promise)
    )
    steps = [*steps, (last, steps[-1][1])] if steps else []
    line = {"color": GREY, "width": 2, "shape": "hv"}
    xs, ys = [x for x, _ in steps], [y for _, y in steps]
    fig.add_scatter(x=xs, y=ys, mode="lines", hoverinfo="skip", line=line)
    ends = (math.log10(first), math.log10(last)) if axis.log else (first, last)
    across = _Horizontal(axis.title, at, ends, _ticks(first, last) if axis.log else {}, axis.log)
    return _draw_methods(fig, found, on, near, axis_finding(found, axis), across)


def _promise_figure(found: list[MeasuredMethod], near: list[tuple[str, float]]) -> go.Figure:
    fig = go.Figure()
    kinds = sorted({w.promise for w in found}, key=lambda p: (p.epsilon, not p.alone, not p.sealed))
    at = [float(kinds.index(w.promise)) for w in found]
    on = pareto_front([(0.0, w.accuracy.value) for w in found], [w.promise for w in found])
    best = {k: max(w.accuracy.value for w in found if w.promise == k) for k in kinds}
    price = 100 * (best[kinds[-1]] - best[kinds[0]])
    sentence = (
        f"{promise_label(kinds[0])} costs {price:.1f} points against"
        f" {promise_label(kinds[-1]) or 'no promise'}, best against best."
    )
    fig.add_scatter(x=[], y=[])
    named = [figure_text(promise_label(k) or "no promise").replace(", ", "<br>") for k in kinds]
    ticks = {"tickvals": list(range(len(kinds))), "ticktext": named}
    title, ends = "What is promised: the strongest at the left", (-0.6, len(kinds) - 0.3)
    return _draw_methods(fig, found, on, near, sentence, _Horizontal(title, at, ends, ticks))


def _draw_methods(
    fig: go.Figure,
    found: list[MeasuredMethod],
    on: list[bool],
    near: list[tuple[str, float]],
    sentence: str,
    across: _Horizontal,
) -> go.Figure:
    """Draw points with intervals, names of those on the front, and baselines as dashed lines."""
    low, high = _range([*(100 * w.accuracy.value for w in found), *(y for _, y in near)])
    # those on the front lie on top
    for in_front, measured, x in sorted(zip(on, found, across.at), key=lambda one: one[0]):
        _draw_point(fig, measured, x, in_front)
    layout(fig, sentence, "", across.title, ON_TEST, TALL + 120, top=64, right=RIGHT)
    for _, y in near:
        fig.add_hline(y=y, line={"color": MUTED, "width": 1.5, "dash": "dash"})
    spots = [(across.place(x), 100 * w.accuracy.value) for w, x in zip(found, across.at)]
    first, last = across.ends
    points = [
        LabelPoint(
            WIDE * (x - first) / (last - first),
            TALL * (y - low) / (high - low),
            (w.name, f"{y:.1f} %") if in_front else (),
        )
        for w, (x, y), in_front in zip(found, spots, on)
    ]
    name_points(fig, points, spots, WIDE, TALL)
    label_lines(fig, [Label(y, f"{y:.1f} %", name, MUTED) for name, y in near], TALL, low, high)
    kind = "log" if across.log else "linear"
    fig.update_xaxes(type=kind, range=list(across.ends), **across.ticks)
    fig.update_yaxes(range=[low, high])
    marks = {
        _promise_kind(w.promise): ("●", promise_colour(w.promise))
        for w in sorted(found, key=lambda w: -w.promise.epsilon)
    }
    return key_above(fig, marks) if len(marks) > 1 else fig


def _draw_point(fig: go.Figure, measured: MeasuredMethod, x: float, in_front: bool) -> None:
    y, colour = 100 * measured.accuracy.value, promise_colour(measured.promise)
    fig.add_scatter(
        x=[x],
        y=[y],
        mode="markers",
        name=figure_text(measured.name),
        marker={
            "size": 15,
            "color": colour if in_front else "#ffffff",
            "line": {"width": 2.5, "color": colour},
            "symbol": "diamond" if measured.promise.alone else "circle",
        },
        hovertemplate=(
            f"{figure_text(measured.name)}<br>%{{y:.1f}} % right,"
            f" {formatting.percent_range(measured.accuracy.low, measured.accuracy.high)} over"
            f" {figure_text(measured.accuracy.over)}<br>{measured.kb:,.1f} kB sent,"
            f" {measured.seconds:.2g} s of training"
            f" in a round<br>{'on' if in_front else 'not on'} the front<extra></extra>"
        ),
    )


def promise_colour(promise: Promise) -> str:
    """Return the colour of a promise, the same in every figure."""
    if not promise.given:
        return SKY if promise.sealed else NONE
    return PINK if promise.epsilon <= 1 else BLUE


def _promise_kind(promise: Promise) -> str:
    if promise.given:
        return f"ε {format_epsilon(promise.epsilon)}"
    return "sums only" if promise.sealed else "no promise"


def _baseline_levels(runs: Runs) -> list[tuple[str, float]]:
    """Return (name, %) of the baselines except the majority class, far below the others."""
    others = [b for b in group_baselines(runs) if b.kind not in ("majority", "frozen-local")]
    return [(method_style(b.kind).short, 100 * b.accuracy().value) for b in others]


def _range(values: Sequence[float]) -> tuple[float, float]:
    room = max(2.0, 0.14 * (max(values) - min(values)))
    return max(0.0, min(values) - room), max(values) + 2.2 * room


def _ticks(first: float, last: float) -> dict:
    decades = range(math.floor(math.log10(first)), math.ceil(math.log10(last)) + 1)
    values = [10.0**d for d in decades if first <= 10.0**d <= last]
    return {"tickvals": values, "ticktext": [f"{v:,.0f}" if v >= 1 else f"{v:g}" for v in values]}


# ---- which differences are luck


def differences_to(runs: Runs, first: str) -> dict[str, Difference]:
    """Return {name: accuracy minus that of `first`} of other methods and three baselines.

    Paired over seeds, lowest first.
    """
    found = {w.name: w.method.runs for w in measured_methods(runs)}
    others = [b for b in group_baselines(runs) if b.kind in ("pooled", "frozen-pooled", "local")]
    rows = found | {method_style(b.kind).short: b.runs for b in others}
    gaps = {
        name: difference_over_seeds(own, found[first])
        for name, own in rows.items()
        if name != first
    }
    return dict(sorted(((n, g) for n, g in gaps.items() if g), key=lambda pair: pair[1].value))


def difference_intervals(runs: Runs, first: str) -> go.Figure:
    """Draw `differences_to` with 95 % intervals: grey where zero is inside.

    Intervals that are very long are cut at the edge.
    """
    gaps, fig = differences_to(runs, first), go.Figure()
    values = [0.0, *(100 * g.value for g in gaps.values())]
    room = max(4.0, 0.35 * (max(values) - min(values)))
    ends = (min(values) - room, max(values) + room)
    for row, gap in enumerate(gaps.values()):
        _draw_difference(fig, row, gap, ends)
    fig.add_vline(x=0, line={"color": INK, "width": 2})
    clear = sum(g.above or g.below for g in gaps.values())
    sentence = (
        f"{clear} of {len(gaps)} are told apart from {first};"
        " grey lines cross zero: that may be luck."
    )
    title = f"Points of accuracy against {figure_text(first)}, 95 % interval over seeds and tests"
    layout(fig, sentence, "", title, None, 100 + 34 * len(gaps), top=44, right=70)
    fig.update_yaxes(
        tickvals=list(range(len(gaps))),
        ticktext=[figure_text(n) for n in gaps],
        range=[-0.6, len(gaps) - 0.4],
        tickfont={"size": SIZE, "color": INK},
    )
    fig.update_xaxes(range=list(ends))
    fig.update_layout(width=WIDTH)
    return key_above(
        fig, {"worse": ("●", ORANGE), "better": ("●", BLUE), "not told apart": ("●", GREY)}
    )


def _draw_difference(fig: go.Figure, row: int, gap: Difference, ends: tuple[float, float]) -> None:
    colour = {GAIN: BLUE, LOSS: ORANGE}.get(gap.verdict, GREY)
    reach = [max(100 * gap.low, ends[0]), min(100 * gap.high, ends[1])]
    line, marker = {"color": colour, "width": 4}, {"color": colour, "size": 13}
    fig.add_scatter(x=reach, y=[row, row], mode="lines", line=line, hoverinfo="skip")
    hover = f"%{{x:+.1f}} points, {figure_text(gap.interval_text(), 90)}<extra></extra>"
    fig.add_scatter(
        x=[100 * gap.value], y=[row], mode="markers", marker=marker, hovertemplate=hover
    )
    fig.add_annotation(
        x=1,
        xref="paper",
        y=row,
        text=f"{100 * gap.value:+.1f}",
        showarrow=False,
        xanchor="left",
        xshift=8,
        font={"size": SIZE, "color": INK},
    )
