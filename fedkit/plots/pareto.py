"""Figures of accuracy against cost: bytes sent, training seconds, and the aggregation error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

import plotly.graph_objects as go

from fedkit.core import formatting
from fedkit.core.config import RunConfig
from fedkit.core.formatting import figure_text
from fedkit.plots.labels import Label, label_lines
from fedkit.plots.side_labels import LabelPoint, name_points
from fedkit.plots.theme import MUTED, key_above, layout
from fedkit.results import measures
from fedkit.results.findings import method_headline
from fedkit.results.measures import Runs
from fedkit.results.method_style import method_style
from fedkit.results.methods import MeanOverSeeds, Method, group_baselines, group_methods, spec_name
from fedkit.results.privacy_promise import Promise, format_epsilon, short_promise
from fedkit.results.scoreboard import KB, on_front

# Okabe and Ito
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
# settings that may give the colour: the first in which methods differ
BY = ("privacy", "tune", "aggregate", "wire", "head_start")
ON_TEST = "Accuracy on the test set (%)"
RIGHT, TOP = 132, 44  # px for the names of baselines, and for the key
# px of the plot area in the page, width and height of a wide and of a narrow figure
WIDE, TALL, SMALL, LOW = 850, 560, 330, 330
NAMED = 25  # most methods in a figure that names those on the front
NEAR_BY = 0.08  # accuracy: baselines farther from all methods are named, not drawn
LEAST, MOST = 9, 30  # px, the size of a marker for no memory and for the most memory


def pareto(runs: Runs) -> go.Figure:
    """Draw the accuracy of every method against kB sent per client and round, with the front.

    A method with an unfinished run is hollow. Full tuning that was not run is a vertical line
    computed from the model's size.
    """
    runs = measures.check_runs(runs)
    found, means = _drawable(group_methods(runs), "uplink_bytes")
    at = [m.per_visit("uplink_bytes") / KB for m in found]
    fig, others = go.Figure(), _split_baselines(group_baselines(runs), means)
    full = _full_kb(found)
    ends = _ends([*at, *([full] if full else [])])
    low, high = _range(means, [m for _, m in others[0]])
    colours, keys = _colours(found)
    members = on_front(found)
    _levels(fig, others[0], ends)
    _steps(fig, found, at, means, members, ends[1])
    _dots(fig, found, at, means, members, colours, 12, "kB sent per client and round")
    if full:
        _full_line(fig, full)
    caption = (
        "Up and left is better. The whisker is the 95 % interval over seeds (over test examples"
        " with one seed), the grey steps join the methods that none beats in both, a dashed line"
        f" is a baseline. The axes do not begin at 0{_promise_note(found)}"
        f"{_outside_note(others[1])}."
    )
    layout(
        fig,
        method_headline(found),
        caption,
        "Sent by a client in a round (kB, log scale)",
        ON_TEST,
        TALL + 70 + TOP,
        top=TOP,
        right=RIGHT,
    )
    fig.update_xaxes(
        type="log",
        range=list(map(math.log10, ends)),
        tickvals=_ticks(*ends),
        ticktext=_ticktext(*ends),
    )
    fig.update_yaxes(range=[low, high])
    _name_front(fig, found, at, means, members, ends, (low, high), (WIDE, TALL), log=True)
    labels = [
        Label(100 * mean.value, formatting.percent(mean.value), name, MUTED)
        for name, mean in others[0]
    ]
    label_lines(fig, labels, TALL, low, high)
    return key_above(fig, keys) if len(keys) > 1 else fig


def training_load(runs: Runs) -> go.Figure:
    """Draw accuracy against training seconds per client and round.

    The size of a marker is the peak memory.
    """
    found, means = _drawable(group_methods(measures.check_runs(runs)), "train_seconds")
    at = [m.per_visit("train_seconds") for m in found]
    peaks = [m.peak_mb() for m in found]
    colours, keys = _colours(found)
    fig, members = go.Figure(), on_front(found, "train_seconds")
    known = [p for p in peaks if not math.isnan(p)]
    sizes = [
        LEAST if math.isnan(p) else LEAST + (MOST - LEAST) * math.sqrt(p / max(known))
        for p in peaks
    ]
    low, high = _range(means, [])
    end = 1.12 * max(at, default=1.0) or 1.0
    _dots(
        fig,
        found,
        at,
        means,
        members,
        colours,
        sizes,
        "s of training per client and round, measured",
        bars=False,
    )
    span = f"from {min(known):,.0f} to {max(known):,.0f} MB" if known else "not known"
    caption = (
        "Seconds measured on the machine that ran this. The larger the mark, the more peak memory:"
        f" {span}."
    )
    layout(
        fig,
        _load_finding(found, at),
        caption,
        "Training of a client in a round (s)",
        ON_TEST,
        LOW + 70 + TOP,
        top=TOP,
    )
    fig.update_xaxes(range=[0, end], nticks=6)
    fig.update_yaxes(range=[low, high])
    _name_front(
        fig, found, at, means, members, (0.0, end), (low, high), (SMALL, LOW), numbers=False
    )
    return key_above(fig, keys) if len(keys) > 1 else fig


def aggregation_error(runs: Runs) -> go.Figure:
    """Draw the error of the aggregated product of LoRA pairs by round.

    ||exact - achieved|| / ||exact||.
    """
    lines = _errors(measures.check_runs(runs))
    fig, labels = go.Figure(), []
    longest = max((len(values) for values in lines.values()), default=1)
    most = max((v for values in lines.values() for v in values if v == v), default=0.0) or 1.0
    for place, (name, values) in enumerate(lines.items()):
        colour, text = COLOURS[place % len(COLOURS)], figure_text(name)
        fig.add_scatter(
            x=list(range(1, len(values) + 1)),
            y=[None if v != v else 100 * v for v in values],
            mode="lines+markers",
            name=text,
            line={"color": colour, "width": 3},
            marker={"size": 7},
            cliponaxis=False,
            hovertemplate=f"{text}, round %{{x}}<br>error %{{y:.2f}} %<extra></extra>",
        )
        last = next((v for v in reversed(values) if v == v), math.nan)
        labels.append(Label(100 * last, f"{100 * last:.1f} %", name, colour))
    caption = (
        "Size of what averaging misses of the exact mean of the sites' B A, against that mean; the"
        " mean over all methods and seeds that aggregate so. 0 is exact."
    )
    layout(
        fig,
        _error_finding(lines),
        caption,
        "Round",
        "Aggregation error (% of the exact mean)",
        440,
        right=RIGHT,
    )
    fig.update_xaxes(
        range=[0.8, max(longest, 2)], dtick=max(1, math.ceil(longest / 6)), tickangle=0
    )
    fig.update_yaxes(range=[-1, 108 * most])
    label_lines(fig, labels, 370, -1, 108 * most)
    return fig


def has_aggregation_errors(runs: Runs) -> bool:
    """Return whether any run has recorded its aggregation error."""
    return bool(_errors(measures.sort_runs(runs)))


def _drawable(found: list[Method], cost: str) -> tuple[list[Method], list[MeanOverSeeds]]:
    """Return the methods with an accuracy and a cost above zero, and their accuracies."""
    able = [m for m in found if m.per_visit(cost) > 0 and not math.isnan(m.accuracy().value)]
    return able, [m.accuracy() for m in able]


def _colours(found: Sequence[Method]) -> tuple[list[str], dict[str, tuple[str, str]]]:
    """Return a colour per method by the first setting that differs, and the key to the colours."""
    default = RunConfig().to_dict()

    def kinds(setting: str) -> list[str]:
        if setting == "privacy":
            return _promise_labels([m.promise for m in found])
        whole = setting == "wire"
        return [
            str(v) if whole else spec_name(v)
            for v in (m.settings.get(setting, default[setting]) for m in found)
        ]

    setting = next((s for s in BY if len(set(kinds(s))) > 1), "tune")
    ordered = list(dict.fromkeys(kinds(setting)))
    colour = {kind: COLOURS[min(place, len(COLOURS) - 1)] for place, kind in enumerate(ordered)}
    key = {
        figure_text(kind, 32 if setting == "privacy" else 16): ("\u25cf", colour[kind])
        for kind in ordered[: len(COLOURS)]
    }
    words = {"wire": {"none": "not compressed"}, "privacy": {"none": "no \u03b5"}}.get(setting, {})
    return [colour[k] for k in kinds(setting)], {words.get(k, k): v for k, v in key.items()}


def _promise_labels(promises: list[Promise]) -> list[str]:
    """Label each promise; the epsilon alone where unit and delta are the same for all."""
    alike = len({(p.unit, p.delta) for p in promises if p.given}) == 1
    return [
        f"\u03b5 {format_epsilon(p.epsilon)}" if alike and p.given else short_promise(p)
        for p in promises
    ]


def _dots(
    fig: go.Figure,
    found: Sequence[Method],
    at: Sequence[float],
    means: Sequence[MeanOverSeeds],
    members: Sequence[bool],
    colours: Sequence[str],
    sizes: float | Sequence[float],
    unit: str,
    bars: bool = True,
) -> None:
    for i, (method, x, mean, colour) in enumerate(zip(found, at, means, colours)):
        size = sizes[i] if isinstance(sizes, list) else sizes
        y, known = 100 * mean.value, bars and not math.isnan(mean.low)
        whisker = {
            "type": "data",
            "symmetric": False,
            "array": [100 * mean.high - y],
            "width": 4,
            "thickness": 1.5,
            "arrayminus": [y - 100 * mean.low],
            "color": colour,
        }
        note = [
            figure_text(method.name, 60),
            f"95 % interval {formatting.percent_range(mean.low, mean.high)},"
            f" over {figure_text(mean.over)}",
            _memory(method),
            "on the front" if members[i] else "not on the front",
        ]
        fig.add_scatter(
            x=[x],
            y=[y],
            mode="markers",
            name=figure_text(method.name, 60),
            error_y=whisker if known else None,
            customdata=[note],
            marker={
                "size": size,
                "color": colour,
                "symbol": "circle" if method.finished else "circle-open",
                "opacity": 1.0 if members[i] else 0.55,
                "line": {"width": 1.5, "color": colour},
            },
            hovertemplate=(
                "%{customdata[0]}<br>accuracy %{y:.1f} %, %{customdata[1]}<br>%{x:,.3~g}"
                f" {unit}<br>%{{customdata[2]}}, %{{customdata[3]}}<extra></extra>"
            ),
        )


def _memory(method: Method) -> str:
    peak = method.peak_mb()
    return "peak memory not known" if math.isnan(peak) else f"peak memory {peak:,.0f} MB"


def _steps(
    fig: go.Figure,
    found: Sequence[Method],
    at: Sequence[float],
    means: Sequence[MeanOverSeeds],
    members: Sequence[bool],
    end: float,
) -> None:
    """Draw the best accuracy for as many bytes: a step line for each task and promise."""
    groups = [(m.conditions, m.promise) for m in found]
    for group in dict.fromkeys(groups):
        line = sorted(
            (x, 100 * mean.value)
            for own, x, mean, on in zip(groups, at, means, members)
            if on and own == group
        )
        # of several promises, one point makes no front
        if len(line) > (len({m.promise for m in found}) > 1):
            line.append((end, line[-1][1]))
            fig.add_scatter(
                x=[x for x, _ in line],
                y=[y for _, y in line],
                mode="lines",
                name="Pareto front",
                hoverinfo="skip",
                line={"color": "#8c8c8c", "width": 2, "shape": "hv"},
            )


def _levels(
    fig: go.Figure, near: list[tuple[str, MeanOverSeeds]], ends: tuple[float, float]
) -> None:
    for name, mean in near:
        text = figure_text(name)
        fig.add_scatter(
            x=list(ends),
            y=[100 * mean.value] * 2,
            mode="lines",
            name=text,
            line={"color": MUTED, "width": 1.5, "dash": "dash"},
            hovertemplate=f"{text}<br>accuracy %{{y:.1f}} %<extra></extra>",
        )


def _split_baselines(
    others: list[Method], means: list[MeanOverSeeds]
) -> tuple[list[tuple[str, MeanOverSeeds]], list[tuple[str, MeanOverSeeds]]]:
    """Split the baselines into those close enough to the methods to be drawn, and the others."""
    values = [m.value for m in means] or [0.0]
    named = [(_short_name(other), other.accuracy()) for other in others]
    named = [(name, mean) for name, mean in named if not math.isnan(mean.value)]
    drawn = [n for n in named if min(values) - NEAR_BY <= n[1].value <= max(values) + NEAR_BY]
    return drawn, [n for n in named if n not in drawn]


def _promise_note(found: Sequence[Method]) -> str:
    """Return a note when promises differ: the steps end where another promise begins."""
    alike = len({m.promise for m in found}) < 2
    if alike:
        return ""
    return (
        ". Colours tell promises apart:"
        " a method that promises less does not beat one that promises more"
    )


def _short_name(other: Method) -> str:
    style = method_style(other.kind)
    return style.short + other.name.removeprefix(style.name)


def _outside_note(far: list[tuple[str, MeanOverSeeds]]) -> str:
    listed = ", ".join(f"{name} {formatting.percent(mean.value)}" for name, mean in far)
    return f". Outside the picture: {listed}" if far else ""


def _range(means: list[MeanOverSeeds], others: list[MeanOverSeeds]) -> tuple[float, float]:
    """Return the y range in %: a little below the lowest to above the highest, at least 4 points.

    Very long whiskers (few seeds) may exceed it: they would press all points into one line.
    """
    lows = [m.value if math.isnan(m.low) else m.low for m in means]
    highs = [m.value if math.isnan(m.high) else m.high for m in means]
    lows, highs = [*lows, *(m.value for m in others)], [*highs, *(m.value for m in others)]
    values = [100 * m.value for m in (*means, *others)] or [0.0, 100.0]
    reach = max(5.0, max(values) - min(values))
    low = max(100 * min(lows, default=0.0), min(values) - reach)
    high = min(100 * max(highs, default=1.0), max(values) + reach)
    room = max(0.12 * (high - low), 2.0)
    return max(0.0, low - room), high + room + 0.1 * (high - low)


def _ends(at: list[float]) -> tuple[float, float]:
    return (min(at) / 2.2, max(at) * 2.2) if at else (0.1, 1000.0)


def _ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 3) if len(decades) < 6 else (1,)
    return [v for d in decades for s in steps if low <= (v := s * 10.0**d) <= high]


def _ticktext(low: float, high: float) -> list[str]:
    return [f"{v:,.0f}" if v >= 1 else f"{v:g}" for v in _ticks(low, high)]


def _full_kb(found: Sequence[Method]) -> float | None:
    """Return the kB of all weights in fp32, or None when a method here tunes and sends them all."""
    if any(spec_name(m.settings.get("tune")) == "full" for m in found):
        return None
    sizes = {measures.base_mb(run) for m in found for run in m.runs}
    size = max((s for s in sizes if not math.isnan(s)), default=0.0)
    return size * measures.MB / KB or None


def _full_line(fig: go.Figure, kb: float) -> None:
    fig.add_vline(x=kb, line={"color": MUTED, "width": 1.5, "dash": "dot"})
    text = f"full tuning fp32 (calculated): {formatting.megabytes(kb * KB / measures.MB)}"
    fig.add_annotation(
        x=math.log10(kb),
        y=0,
        yref="paper",
        text=text,
        textangle=-90,
        showarrow=False,
        xanchor="right",
        yanchor="bottom",
        yshift=6,
        font={"size": 13, "color": MUTED},
    )


def _name_front(
    fig: go.Figure,
    found: Sequence[Method],
    at: Sequence[float],
    means: Sequence[MeanOverSeeds],
    members: Sequence[bool],
    xs: tuple[float, float],
    ys: tuple[float, float],
    size: tuple[int, int],
    log: bool = False,
    numbers: bool = True,
) -> None:
    """Write names next to the points on the front, when there are few enough points."""
    first, last = map(math.log10, xs) if log else xs
    spots = [(math.log10(x) if log else x, 100 * mean.value) for x, mean in zip(at, means)]
    points = []
    for method, mean, on, (x, y) in zip(found, means, members, spots):
        lines = (method.name, f"{y:.1f} %, {_format_kb(method)} kB") if numbers else (method.name,)
        points.append(
            LabelPoint(
                size[0] * (x - first) / (last - first),
                _pixels_up(y, ys, size[1]),
                lines if on and len(found) <= NAMED else (),
                *(
                    [_pixels_up(100 * b, ys, size[1]) for b in (mean.low, mean.high)]
                    if numbers and mean.low == mean.low
                    else ()
                ),
            )
        )
    name_points(fig, points, spots, *size)


def _format_kb(method: Method) -> str:
    kb = method.per_visit("uplink_bytes") / KB
    return f"{kb:,.1f}" if kb < 100 else f"{kb:,.0f}"


def _pixels_up(y: float, ys: tuple[float, float], height: int) -> float:
    return height * (y - ys[0]) / (ys[1] - ys[0])


def _load_finding(found: Sequence[Method], at: Sequence[float]) -> str:
    if not found:
        return "No training time was recorded."
    light, heavy = (pick(zip(at, range(len(found)))) for pick in (min, max))
    if light[1] == heavy[1] or light[0] == heavy[0]:
        return f"{found[light[1]].name} trains {formatting.seconds(light[0])} per client and round."
    return (
        f"A client trains {_seconds(light[0])} a round with {found[light[1]].name},"
        f" {_seconds(heavy[0])} with {found[heavy[1]].name}."
    )


def _seconds(value: float) -> str:
    return formatting.seconds(value) if value >= 1 else f"{value:.2g} s"


def _errors(runs: list) -> dict[str, list[float]]:
    """Return {aggregation: mean error by round, NaN where no run has it}."""
    found: dict[str, list[list[float]]] = {}
    for run in measures.federated_runs(runs):
        values = [measures.as_number(getattr(r, "aggregation_error", None)) for r in run.rounds]
        if any(v == v for v in values):
            found.setdefault(str(run.config.get("aggregate", "mean")), []).append(values)
    return {name: [_mean(column) for column in _columns(rows)] for name, rows in found.items()}


def _columns(rows: list[list[float]]) -> list[list[float]]:
    return [[row[i] for row in rows if i < len(row)] for i in range(max(map(len, rows)))]


def _mean(values: list[float]) -> float:
    known = [v for v in values if v == v]
    return fmean(known) if known else math.nan


def _error_finding(lines: dict[str, list[float]]) -> str:
    ends = {
        name: next((v for v in reversed(values) if v == v), math.nan)
        for name, values in lines.items()
    }
    if not ends:
        return "No aggregation error was recorded."
    worst, least = max(ends, key=ends.get), min(ends, key=ends.get)
    start = (
        f"In the last round {worst} misses {formatting.percent(ends[worst])} of the exact mean of"
        " the adapters"
    )
    if worst == least:
        return start + "."
    return (
        f"{start}, {least}"
        f" {formatting.percent(ends[least]) if ends[least] > 1e-4 else 'practically nothing'}."
    )
