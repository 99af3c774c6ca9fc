"""Figures of the lesson that compares everything: accuracy against costs, and differences."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from fedkit.core import formatting
from fedkit.core.config import RunConfig
from fedkit.core.formatting import figure_text
from fedkit.data.load import BUNDLED, BUNDLED_FOLDER
from fedkit.federated.cost_model import CostModel
from fedkit.models.geometry import Texts
from fedkit.plots import theme
from fedkit.plots.charts import draw_curve, draw_dots, log_axis, name_rows
from fedkit.plots.labels import Label, draw_levels, label_lines, name_spots
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

GREY = "#8c8c8c"  # the front, and differences that may be luck
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
    out = []
    for name, m in zip(names, found):
        own = name if names.count(name) == 1 else m.name
        costs = (m.per_visit("uplink_bytes") / KB, m.per_visit("train_seconds"), client_memory(m))
        out.append(MeasuredMethod(own, m.accuracy(), *costs, m.promise, m))
    return out


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
    known = RunConfig().to_dict()
    config = RunConfig.from_dict({k: v for k, v in run.config.items() if k in known})
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
        rows = pd.read_csv(path, dtype=str, keep_default_na=False)
        rows.iloc[::step].to_csv(folder / path.name, index=False)
    return str(folder)


# ---- one board, several axes


@dataclass(frozen=True)
class Axis:
    """A cost to plot accuracy against: its button, its title, its field of a `MeasuredMethod`."""

    button: str
    title: str
    cost: str
    log: bool = True

    def of(self, measured: MeasuredMethod) -> float:
        """Return this cost of a method."""
        return getattr(measured, self.cost)


AXES = (
    Axis("Traffic", "Sent by a client in a round (kB, log scale)", "kb"),
    Axis("Training time", "Training of a client in a round (s, measured, log scale)", "seconds"),
    Axis("Memory", "Memory that a site needs (MB, counted)", "memory", log=False),
)
MENU: dict[str, Any] = {"type": "buttons", "direction": "right", "showactive": True}
MENU |= {"x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom", "pad": {"b": 6}}
MENU |= {"font": theme.font(), "bgcolor": "#f2f4f7"}
REPLACED = ("title", "xaxis", "yaxis", "annotations", "shapes")  # by a button
Placed = tuple[MeasuredMethod, float, bool]  # a method, its x, whether it is on the front


def pareto_members(found: Sequence[MeasuredMethod], axis: Axis) -> list[bool]:
    """Return which methods are on the Pareto front of accuracy, this cost and privacy."""
    return pareto_front([(axis.of(w), w.accuracy.value) for w in found], [w.promise for w in found])


def axis_finding(found: Sequence[MeasuredMethod], axis: Axis) -> str:
    """Return a sentence: the most accurate method, and what comes within a point of it for less."""
    top = max(found, key=lambda w: w.accuracy.value)
    near = [w for w in found if w.accuracy.value >= top.accuracy.value - NEARLY]
    lean = min((w for w in near if w.promise.covers(top.promise)), key=axis.of)
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
        visible, part = [i in mine for i in range(total)], picture.to_plotly_json()["layout"]
        kept = {k: v for k, v in part.items() if k in REPLACED}
        args = [{"visible": visible}, kept]
        buttons.append({"label": name, "method": "update", "args": args})
    return fig.update_layout(updatemenus=[MENU | {"buttons": buttons}], width=WIDTH)


def _cost_figure(found: Sequence[MeasuredMethod], near: Sequence[Label], axis: Axis) -> go.Figure:
    at = [axis.of(w) for w in found]
    placed = list(zip(found, at, pareto_members(found, axis)))
    first, last = (0.5, 2.5) if axis.log else (0.75, 1.25)
    ends = (first * min(at), last * max(at))
    open_front = [(w, x) for w, x, on in placed if on and not promise_label(w.promise)]
    steps = sorted((x, 100 * w.accuracy.value) for w, x in open_front)
    steps += [(ends[1], steps[-1][1])] if steps else []
    fig = go.Figure()
    draw_curve(fig, [x for x, _ in steps], [y for _, y in steps], GREY, shape="hv")
    across = log_axis(*ends, steps=(1,)) if axis.log else {"type": "linear", "range": list(ends)}
    return _draw_methods(fig, placed, near, axis_finding(found, axis), axis.title, across)


def _promise_figure(found: Sequence[MeasuredMethod], near: Sequence[Label]) -> go.Figure:
    promises = [w.promise for w in found]
    kinds = sorted(set(promises), key=lambda p: (p.epsilon, not p.alone, not p.sealed))
    on = pareto_front([(0.0, w.accuracy.value) for w in found], promises)
    best = {k: max(w.accuracy.value for w in found if w.promise == k) for k in kinds}
    price = 100 * (best[kinds[-1]] - best[kinds[0]])
    names = [promise_label(k) or "no promise" for k in kinds]
    sentence = f"{names[0]} costs {price:.1f} points against {names[-1]}, best against best."
    fig = go.Figure(go.Scatter(x=[], y=[]))
    across = {"type": "linear", "range": [-0.6, len(kinds) - 0.3]}
    across |= {"tickvals": list(range(len(kinds)))}
    across |= {"ticktext": [figure_text(name).replace(", ", "<br>") for name in names]}
    placed = list(zip(found, [float(kinds.index(p)) for p in promises], on))
    title = "What is promised: the strongest at the left"
    return _draw_methods(fig, placed, near, sentence, title, across)


def _draw_methods(
    fig: go.Figure,
    placed: Sequence[Placed],
    near: Sequence[Label],
    sentence: str,
    title: str,
    across: dict[str, Any],
) -> go.Figure:
    """Draw points with intervals, names of those on the front, and baselines as dashed lines."""
    low, high = _range([*(100 * w.accuracy.value for w, *_ in placed), *(one.y for one in near)])
    # those on the front lie on top
    for measured, x, in_front in sorted(placed, key=lambda one: one[2]):
        _draw_point(fig, measured, x, in_front)
    theme.layout(fig, sentence, "", title, theme.ON_TEST, TALL + 120, top=64, right=RIGHT)
    draw_levels(fig, near, 1.5)
    log = across["type"] == "log"
    spots = [(math.log10(x) if log else x, 100 * w.accuracy.value) for w, x, _ in placed]
    names = [(w.name, f"{y:.1f} %") if on else () for (w, _, on), (_, y) in zip(placed, spots)]
    bounds = [None] * len(spots)
    name_spots(fig, spots, names, bounds, tuple(across["range"]), (low, high), (WIDE, TALL))
    label_lines(fig, near, TALL, low, high)
    fig.update_xaxes(**across)
    fig.update_yaxes(range=[low, high])
    promises = sorted((w.promise for w, *_ in placed), key=lambda promise: -promise.epsilon)
    marks = {_promise_kind(promise): ("●", promise_colour(promise)) for promise in promises}
    return theme.key_above(fig, marks) if len(marks) > 1 else fig


def _draw_point(fig: go.Figure, measured: MeasuredMethod, x: float, in_front: bool) -> None:
    colour, mean, name = promise_colour(measured.promise), measured.accuracy, measured.name
    marker = {
        "color": colour if in_front else "#ffffff",
        "line": {"width": 2.5, "color": colour},
        "symbol": "diamond" if measured.promise.alone else "circle",
    }
    hover = (
        f"{figure_text(name)}<br>%{{y:.1f}} % right,"
        f" {formatting.percent_range(mean.low, mean.high)} over {figure_text(mean.over)}<br>"
        f"{measured.kb:,.1f} kB sent, {measured.seconds:.2g} s of training in a round<br>"
        f"{'on' if in_front else 'not on'} the front"
    )
    at = ([x], [100 * mean.value])
    draw_dots(fig, *at, colour, 15, hover, marker, name=figure_text(name))


def promise_colour(promise: Promise) -> str:
    """Return the colour of a promise, the same in every figure."""
    if not promise.given:
        return theme.SKY if promise.sealed else theme.GREEN
    return theme.PINK if promise.epsilon <= 1 else theme.BLUE


def _promise_kind(promise: Promise) -> str:
    if promise.given:
        return f"ε {format_epsilon(promise.epsilon)}"
    return "sums only" if promise.sealed else "no promise"


def _baseline_levels(runs: Runs) -> list[Label]:
    """Return the baselines in % except the majority class, far below the others."""
    others = [b for b in group_baselines(runs) if b.kind not in ("majority", "frozen-local")]
    shares = [(method_style(b.kind).short, 100 * b.accuracy().value) for b in others]
    return [Label(share, f"{share:.1f} %", name, theme.MUTED) for name, share in shares]


def _range(values: Sequence[float]) -> tuple[float, float]:
    room = max(2.0, 0.14 * (max(values) - min(values)))
    return max(0.0, min(values) - room), max(values) + 2.2 * room


# ---- which differences are luck


def differences_to(runs: Runs, first: str) -> dict[str, Difference]:
    """Return {name: accuracy minus that of `first`} of other methods and three baselines.

    Paired over seeds, lowest first.
    """
    found = {w.name: w.method.runs for w in measured_methods(runs)}
    others = [b for b in group_baselines(runs) if b.kind in ("pooled", "frozen-pooled", "local")]
    rows = found | {method_style(b.kind).short: b.runs for b in others}
    rows.pop(first)
    gaps = [(name, difference_over_seeds(own, found[first])) for name, own in rows.items()]
    return dict(sorted(((n, g) for n, g in gaps if g), key=lambda pair: pair[1].value))


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
    fig.add_vline(x=0, line={"color": theme.INK, "width": 2})
    clear = sum(g.above or g.below for g in gaps.values())
    told = f"{clear} of {len(gaps)} are told apart from {first}"
    sentence = f"{told}; grey lines cross zero: that may be luck."
    title = f"Points of accuracy against {figure_text(first)}, 95 % interval over seeds and tests"
    theme.layout(fig, sentence, "", title, None, 100 + 34 * len(gaps), top=44, right=70)
    name_rows(fig, [figure_text(name) for name in gaps], range(len(gaps)), grid=True)
    fig.update_xaxes(range=list(ends))
    fig.update_layout(width=WIDTH)
    marks = {
        "worse": ("●", theme.ORANGE),
        "better": ("●", theme.BLUE),
        "not told apart": ("●", GREY),
    }
    return theme.key_above(fig, marks)


def _draw_difference(fig: go.Figure, row: int, gap: Difference, ends: tuple[float, float]) -> None:
    colour = {GAIN: theme.BLUE, LOSS: theme.ORANGE}.get(gap.verdict, GREY)
    reach = [max(100 * gap.low, ends[0]), min(100 * gap.high, ends[1])]
    draw_curve(fig, reach, [row, row], colour, 4)
    hover = f"%{{x:+.1f}} points, {figure_text(gap.interval_text(), 90)}"
    draw_dots(fig, [100 * gap.value], [row], colour, 13, hover)
    words = f"{100 * gap.value:+.1f}"
    theme.note(fig, words, 1, row, xref="paper", xanchor="left", xshift=8)
