"""Figures of accuracy against cost: bytes sent with the Pareto front, and training seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from fedkit.core import formatting
from fedkit.core.config import RunConfig
from fedkit.core.formatting import figure_text
from fedkit.plots.charts import Line, draw_curve, draw_dots, draw_line, error_bar, log_axis
from fedkit.plots.labels import Label, label_lines, name_spots
from fedkit.plots.theme import MUTED, ON_TEST, SERIES, caption, font, key_above, layout, note
from fedkit.results import measures
from fedkit.results.findings import method_headline
from fedkit.results.measures import Runs
from fedkit.results.method_style import method_style
from fedkit.results.methods import MeanOverSeeds, Method, group_baselines, group_methods, spec_name
from fedkit.results.privacy_promise import format_epsilon, short_promise
from fedkit.results.scoreboard import KB, on_front

# settings that may give the colour: the first in which methods differ
BY = ("privacy", "tune", "aggregate", "wire", "head_start")
USUAL = {"wire": {"none": "not compressed"}, "privacy": {"none": "no \u03b5"}}  # words in the key
RIGHT, TOP = 132, 44  # px for the names of baselines, and for the key
# px of the plot area in the page, width and height of a wide and of a narrow figure
WIDE, SMALL = (850, 560), (330, 330)
NAMED = 25  # most methods in a figure that names those on the front
NEAR_BY = 0.08  # accuracy: baselines farther from all methods are named, not drawn
LEAST, MOST = 9, 30  # px, the size of a marker for no memory and for the most memory
Baseline = tuple[str, MeanOverSeeds]


@dataclass(frozen=True)
class Dot:
    """A method as it is drawn, at its cost `x`. on_front: no other beats it in both."""

    method: Method
    x: float
    mean: MeanOverSeeds
    on_front: bool
    colour: str

    @property
    def y(self) -> float:
        """Its accuracy in %."""
        return 100 * self.mean.value


def pareto(runs: Runs) -> go.Figure:
    """Draw the accuracy of every method against kB sent per client and round, with the front.

    A method with an unfinished run is hollow. Full tuning that was not run is a vertical line
    computed from the model's size.
    """
    runs = measures.check_runs(runs)
    dots, keys = _dots(runs, "uplink_bytes", KB)
    found, fig = [dot.method for dot in dots], go.Figure()
    near, far = _split_baselines(group_baselines(runs), [dot.mean.value for dot in dots])
    full = _full_kb(found)
    at = [*(dot.x for dot in dots), *([full] if full else [])]
    ends = (min(at) / 2.2, max(at) * 2.2) if at else (0.1, 1000.0)
    for name, mean in near:
        level = Line(name, ends, [100 * mean.value] * 2, MUTED, "dash", level=True)
        draw_line(fig, level, f"{figure_text(name)}<br>accuracy %{{y:.1f}} %")
    _draw_front(fig, dots, ends[1])
    _draw_dots(fig, dots, [12.0] * len(dots), "kB sent per client and round")
    if full:
        fig.add_vline(x=full, line={"color": MUTED, "width": 1.5, "dash": "dot"})
        text = f"full tuning fp32 (calculated): {formatting.megabytes(full * KB / measures.MB)}"
        foot = {"yref": "paper", "xanchor": "right", "yanchor": "bottom", "yshift": 6}
        note(fig, text, math.log10(full), 0, textangle=-90, font=font(MUTED, 13), **foot)
    far_off = ", ".join(f"{name} {formatting.percent(mean.value)}" for name, mean in far)
    told = len({method.promise for method in found}) > 1
    outside = f". Outside the picture: {far_off}" if far else ""
    promises = caption("promises_differ") if told else ""
    words = caption("pareto", promises=promises, outside=outside)
    x, ys = "Sent by a client in a round (kB, log scale)", _range(dots, [m for _, m in near])
    height = WIDE[1] + 70 + TOP
    layout(fig, method_headline(found), words, x, ON_TEST, height, top=TOP, right=RIGHT)
    fig.update_xaxes(**log_axis(*ends))
    fig.update_yaxes(range=list(ys))
    _name_front(fig, dots, ends, ys, log=True)
    labels = [Label(100 * m.value, formatting.percent(m.value), n, MUTED) for n, m in near]
    label_lines(fig, labels, WIDE[1], *ys)
    return key_above(fig, keys) if len(keys) > 1 else fig


def training_load(runs: Runs) -> go.Figure:
    """Draw accuracy against training seconds per client and round.

    The size of a marker is the peak memory.
    """
    dots, keys = _dots(measures.check_runs(runs), "train_seconds", 1.0)
    peaks = [dot.method.peak_mb() for dot in dots]
    known = [p for p in peaks if not math.isnan(p)]
    sizes = [
        LEAST if math.isnan(p) else LEAST + (MOST - LEAST) * math.sqrt(p / max(known))
        for p in peaks
    ]
    fig, end = go.Figure(), 1.12 * max((dot.x for dot in dots), default=1.0) or 1.0
    unit = "s of training per client and round, measured"
    _draw_dots(fig, dots, sizes, unit, whiskers=False)
    span = f"from {min(known):,.0f} to {max(known):,.0f} MB" if known else "not known"
    words = caption("training_load", span=span)
    x, ys = "Training of a client in a round (s)", _range(dots, [])
    layout(fig, _load_finding(dots), words, x, ON_TEST, SMALL[1] + 70 + TOP, top=TOP)
    fig.update_xaxes(range=[0, end], nticks=6)
    fig.update_yaxes(range=list(ys))
    _name_front(fig, dots, (0.0, end), ys)
    return key_above(fig, keys) if len(keys) > 1 else fig


def _dots(runs: Runs, cost: str, unit: float) -> tuple[list[Dot], dict[str, tuple[str, str]]]:
    """Return the methods with an accuracy and a cost above zero, and the key to their colours."""
    able = [
        (method, x, mean)
        for method in group_methods(runs)
        if (x := method.per_visit(cost)) > 0 and not math.isnan((mean := method.accuracy()).value)
    ]
    found = [method for method, _, _ in able]
    colours, keys = _colours(found)
    parts = zip(able, on_front(found, cost), colours)
    return [Dot(m, x / unit, mean, on, colour) for (m, x, mean), on, colour in parts], keys


def _colours(found: Sequence[Method]) -> tuple[list[str], dict[str, tuple[str, str]]]:
    """Return a colour per method by the first setting that differs, and the key to the colours."""
    default = RunConfig().to_dict()

    def kinds(setting: str) -> list[str]:
        if setting == "privacy":
            promises = [m.promise for m in found]
            # the epsilon alone where unit and delta are the same for all
            alike = len({(p.unit, p.delta) for p in promises if p.given}) == 1
            return [
                f"\u03b5 {format_epsilon(p.epsilon)}" if alike and p.given else short_promise(p)
                for p in promises
            ]
        values = [m.settings.get(setting, default[setting]) for m in found]
        return [str(v) if setting == "wire" else spec_name(v) for v in values]

    setting = next((s for s in BY if len(set(kinds(s))) > 1), "tune")
    ordered = list(dict.fromkeys(kinds(setting)))
    colour = {kind: SERIES[min(place, len(SERIES) - 1)] for place, kind in enumerate(ordered)}
    words, longest = USUAL.get(setting, {}), 32 if setting == "privacy" else 16
    named = {figure_text(kind, longest): colour[kind] for kind in ordered[: len(SERIES)]}
    key = {words.get(name, name): ("\u25cf", shade) for name, shade in named.items()}
    return [colour[kind] for kind in kinds(setting)], key


def _draw_dots(
    fig: go.Figure, dots: Sequence[Dot], sizes: Sequence[float], unit: str, whiskers: bool = True
) -> None:
    hover = (
        "%{customdata[0]}<br>accuracy %{y:.1f} %, %{customdata[1]}<br>%{x:,.3~g}"
        f" {unit}<br>%{{customdata[2]}}, %{{customdata[3]}}"
    )
    for dot, size in zip(dots, sizes):
        mean, name, peak = dot.mean, figure_text(dot.method.name, 60), dot.method.peak_mb()
        known = whiskers and not math.isnan(mean.low)
        whisker = error_bar([dot.y], [100 * mean.low], [100 * mean.high], dot.colour)
        interval = formatting.percent_range(mean.low, mean.high)
        words = [
            name,
            f"95 % interval {interval}, over {figure_text(mean.over)}",
            f"peak memory {'not known' if math.isnan(peak) else f'{peak:,.0f} MB'}",
            "on the front" if dot.on_front else "not on the front",
        ]
        marker = {
            "symbol": "circle" if dot.method.finished else "circle-open",
            "opacity": 1.0 if dot.on_front else 0.55,
            "line": {"width": 1.5, "color": dot.colour},
        }
        said = {"name": name, "customdata": [words], "error_y": whisker if known else None}
        draw_dots(fig, [dot.x], [dot.y], dot.colour, size, hover, marker, **said)


def _draw_front(fig: go.Figure, dots: Sequence[Dot], end: float) -> None:
    """Draw the best accuracy for as many bytes: a step line for each task and promise."""
    groups = [(dot.method.conditions, dot.method.promise) for dot in dots]
    for group in dict.fromkeys(groups):
        line = sorted((d.x, d.y) for own, d in zip(groups, dots) if d.on_front and own == group)
        # of several promises, one point makes no front
        if len(line) > (len({promise for _, promise in groups}) > 1):
            line.append((end, line[-1][1]))
            xs, ys = zip(*line)
            draw_curve(fig, xs, ys, "#8c8c8c", shape="hv", name="Pareto front")


def _split_baselines(
    others: list[Method], values: list[float]
) -> tuple[list[Baseline], list[Baseline]]:
    """Split the baselines into those close enough to the methods to be drawn, and the others."""
    values, named = values or [0.0], []
    for other in others:
        style = method_style(other.kind)
        named.append((style.short + other.name.removeprefix(style.name), other.accuracy()))
    named = [(name, mean) for name, mean in named if not math.isnan(mean.value)]
    drawn = [n for n in named if min(values) - NEAR_BY <= n[1].value <= max(values) + NEAR_BY]
    return drawn, [n for n in named if n not in drawn]


def _range(dots: Sequence[Dot], others: list[MeanOverSeeds]) -> tuple[float, float]:
    """Return the y range in %: a little below the lowest to above the highest, at least 4 points.

    Very long whiskers (few seeds) may exceed it: they would press all points into one line.
    """
    levels, means = [m.value for m in others], [dot.mean for dot in dots]
    lows = [m.value if math.isnan(m.low) else m.low for m in means] + levels
    highs = [m.value if math.isnan(m.high) else m.high for m in means] + levels
    values = [100 * v for v in (*(m.value for m in means), *levels)] or [0.0, 100.0]
    reach = max(5.0, max(values) - min(values))
    low = max(100 * min(lows, default=0.0), min(values) - reach)
    high = min(100 * max(highs, default=1.0), max(values) + reach)
    room = max(0.12 * (high - low), 2.0)
    return max(0.0, low - room), high + room + 0.1 * (high - low)


def _full_kb(found: Sequence[Method]) -> float | None:
    """Return the kB of all weights in fp32, or None when a method here tunes and sends them all."""
    if any(spec_name(m.settings.get("tune")) == "full" for m in found):
        return None
    sizes = {measures.base_mb(run) for m in found for run in m.runs}
    size = max((s for s in sizes if not math.isnan(s)), default=0.0)
    return size * measures.MB / KB or None


def _name_front(
    fig: go.Figure,
    dots: Sequence[Dot],
    xs: tuple[float, float],
    ys: tuple[float, float],
    log: bool = False,
) -> None:
    """Write names next to the points on the front, when there are few enough points.

    log: of the wide figure on a log axis, whose names have a line of numbers.
    """
    named: list[tuple[str, ...]] = []
    for dot in dots:
        numbers = (f"{dot.y:.1f} %, {dot.x:,.{1 if dot.x < 100 else 0}f} kB",) if log else ()
        shown = dot.on_front and len(dots) <= NAMED
        named.append((dot.method.name, *numbers) if shown else ())
    bounds = [
        (100 * dot.mean.low, 100 * dot.mean.high) if log and dot.mean.low == dot.mean.low else None
        for dot in dots
    ]
    spots = [(math.log10(dot.x) if log else dot.x, dot.y) for dot in dots]
    ends = (math.log10(xs[0]), math.log10(xs[1])) if log else xs
    name_spots(fig, spots, named, bounds, ends, ys, WIDE if log else SMALL)


def _load_finding(dots: Sequence[Dot]) -> str:
    if not dots:
        return "No training time was recorded."
    light = min(dots, key=lambda dot: dot.x)
    heavy = max(reversed(dots), key=lambda dot: dot.x)
    if light.x == heavy.x:
        return f"{light.method.name} trains {formatting.seconds(light.x)} per client and round."
    words = []
    for dot in (light, heavy):
        words.append(formatting.seconds(dot.x) if dot.x >= 1 else f"{dot.x:.2g} s")
    start = f"A client trains {words[0]} a round with {light.method.name}"
    return f"{start}, {words[1]} with {heavy.method.name}."
