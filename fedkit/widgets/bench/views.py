"""The panel's views of the results: accuracy by time and by round, one round, each client, bytes.

To add a view, write a function from a Scene to a View and add it to `VIEWS`.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import plotly.graph_objects as go

from fedkit.core import formatting
from fedkit.core.formatting import figure_text, printable_line
from fedkit.core.record import RoundRecord, Run
from fedkit.network import DEVICES, profiles
from fedkit.plots.labels import spread_labels
from fedkit.plots.live_figure import pad_traces
from fedkit.plots.theme import DOWNLOAD, INK, MUTED, SIZE, UPLOAD
from fedkit.results import measures
from fedkit.results.method_style import method_style
from fedkit.results.privacy_promise import format_epsilon
from fedkit.widgets.bench.clock import WorldControls, ends_of_rounds
from fedkit.widgets.bench.round_view import view_round
from fedkit.widgets.bench.scene import (
    HEIGHT,
    LEFT,
    N_BARS,
    N_SCATTERS,
    RIGHT,
    WIDTH,
    Scene,
    View,
    base_layout,
    client_axis,
    full_axis,
    heading_note,
    label_axis,
    label_heatmap,
    new_run_badge,
)
from fedkit.widgets.bench.settings import LATENCIES, MIXES, SPEEDS

SECONDS = {
    0.1: "0.1 s",
    1: "1 s",
    10: "10 s",
    60: "1 min",
    600: "10 min",
    3600: "1 h",
    36000: "10 h",
    360000: "100 h",
}
# of the results, the latest last
COLOURS = ("#b0b0b0", "#7a7a7a", method_style("federated").colour)
SIGNS = ("diamond", "square", "circle")
WORST_COLOUR = method_style("local").colour
ACCURACY_AXIS = {
    "range": [0, 100],
    "autorange": False,
    "dtick": 20,
    "title": "Accuracy on the test set (%)",
}
EMPTY = "Press Run: the clients train together, and the curve grows."


@dataclass(frozen=True)
class ViewKind:
    """A view: its name on the button, one line of help, and the function that makes it."""

    title: str
    help: str
    draw: Callable[[Scene], View]


def view_by_time(scene: Scene) -> View:
    """Return accuracy over simulated time: accuracies are measured, times are modelled."""
    clocks = [ends_of_rounds(run, scene.world) for _, run in scene.runs]
    why = clocks[-1].reasons if clocks else ()
    curves = []
    for (_, run), times, colour, sign in zip(scene.runs, clocks, *_marks(scene)):
        at = [max(times.ends[i], min(SECONDS)) for i in range(len(times.ends))]
        states = run.states
        curve = _curve(
            at[-len(states) :], states, colour, sign + "-open", "dot" if times.reasons else "dash"
        )
        hover = (
            "round %{customdata}<br>accuracy %{y:.1f} % (measured)<br>after %{x:,.1f} s"
            " (modelled)<extra></extra>"
        )
        curves.append({**curve, "hovertemplate": hover, "opacity": 0.45 if times.reasons else 1.0})
    longest = [
        slowest_seconds(run) * axis_rounds(scene, run) / max(len(run.rounds), 1)
        for _, run in scene.runs
    ]
    reach = max([60.0, *longest])
    end = next((s for s in SECONDS if s >= reach), max(SECONDS))
    x = {
        "type": "log",
        "range": [math.log10(min(SECONDS)), math.log10(end * 1.3)],
        "autorange": False,
        "tickvals": list(SECONDS),
        "ticktext": list(SECONDS.values()),
        "domain": RIGHT,
        "title": "<i>Modelled</i> time (each line is about ten times longer)",
    }
    notes = _curve_labels(scene)
    notes += [new_run_badge(why, "press Run; this curve is no forecast")] if why else []
    key = "<b>How good, how soon</b>   ○ - -  accuracy measured, <i>time modelled</i>"
    return View(_time_finding(scene, clocks), key, curves, x=x, y=ACCURACY_AXIS, notes=notes)


def view_by_round(scene: Scene) -> View:
    """Return accuracy over rounds, measured; it does not depend on the network."""
    curves = [
        _curve([r.round for r in run.states], run.states, colour, sign, "solid")
        for (_, run), colour, sign in zip(scene.runs, *_marks(scene))
    ]
    hover = "round %{customdata}<br>accuracy %{y:.1f} % (measured)<extra></extra>"
    x = {"title": "Round", "domain": RIGHT, "autorange": False, **_round_axis(scene)}
    return View(
        _accuracy_finding(scene),
        "<b>How good, round by round</b>   ●──  measured",
        [{**c, "hovertemplate": hover} for c in curves],
        x=x,
        y=ACCURACY_AXIS,
        notes=_curve_labels(scene),
    )


def view_by_client(scene: Scene) -> View:
    """Return each client's accuracy on test examples like its own.

    A record without these shows the accuracy of the worst client by round.
    """
    run = scene.runs[-1][1] if scene.runs else None
    states = run.states if run else []
    own = getattr(states[-1], "client_accuracy", None) if states else None
    head = "<b>Who is left behind</b>   ●──  measured"
    if own:
        return _view_each_client(own, states[-1], head)
    x = {"title": "Round", "domain": RIGHT, "autorange": False, **_round_axis(scene)}
    worst = [100 * _worst(r) for r in states]
    curves, ends = [], []
    if states and worst[-1] == worst[-1]:
        numbers = [r.round for r in states]
        every = _curve(numbers, states, COLOURS[-1], "circle", "solid")
        lowest = _curve(numbers, states, WORST_COLOUR, "triangle-down", "solid") | {"y": worst}
        curves = [every, lowest]
        ends = [
            (100 * states[-1].accuracy, "all test examples", COLOURS[-1]),
            (worst[-1], "worst client", WORST_COLOUR),
        ]
    hover = "round %{customdata}<br>%{y:.1f} % (measured)<extra></extra>"
    return View(
        _client_finding(states),
        head,
        [{**c, "hovertemplate": hover} for c in curves],
        x=x,
        y=ACCURACY_AXIS,
        notes=_end_labels(ends),
    )


def view_by_bytes(scene: Scene) -> View:
    """Return the bytes that crossed the network in each result, both ways, as serialised."""
    down, up = (
        [run.total(f"{way}link_bytes") / 1e6 for _, run in scene.runs] for way in ("down", "up")
    )
    at = list(range(len(scene.runs)))[::-1]
    most = max([d + u for d, u in zip(down, up)], default=1.0) or 1.0
    bars = [
        _bar(down, at, [0.0] * len(at), DOWNLOAD, "to the clients"),
        _bar(up, at, down, UPLOAD, "to the server"),
    ]
    notes = [
        {
            "x": 0,
            "xref": "x2 domain",
            "y": row,
            "yref": "y2",
            "xanchor": "left",
            "yanchor": "bottom",
            "yshift": 19,
            "showarrow": False,
            "font": {"size": SIZE, "color": INK},
            "text": (
                f"<b>{formatting.megabytes(d + u)}</b>  {figure_text(name, 60)}:"
                f" {formatting.percent(run.states[-1].accuracy)} right"
            ),
        }
        for (name, run), d, u, row in zip(scene.runs, down, up, at)
    ]
    key = (
        f"<b>What travelled</b>   <span style='color:{DOWNLOAD}'>■</span> to the clients  "
        f"<span style='color:{UPLOAD}'>■</span> to the server   measured"
    )
    return View(
        _bytes_finding(scene),
        key,
        bars=bars if at else [],
        notes=notes,
        x={
            "title": "Megabytes, all clients and rounds",
            "domain": [RIGHT[0], 1.0],
            "range": [0, 1.05 * most],
        },
        y={"showgrid": False, "showticklabels": False, "range": [-0.5, max(len(at), 2) - 0.2]},
    )


# ---- the findings, in a sentence


def _time_finding(scene: Scene, clocks: list) -> str:
    if not scene.runs or not scene.runs[-1][1].rounds:
        return _accuracy_finding(scene)
    times = clocks[-1]
    if times.reasons:
        return f"Only a new run can tell: over this network {'; '.join(times.reasons)}."
    devices = scene.world.devices
    slower = "" if devices == "as-measured" else f", {short_devices(devices)}"
    return (
        f"{_accuracy_finding(scene, False)}; {formatting.seconds(times.ends[-1])} over"
        f" {short_link(scene.world.link)}{slower}.{_compare_with_previous(scene)}"
    )


def _accuracy_finding(scene: Scene, stop: bool = True) -> str:
    if not scene.runs:
        return EMPTY
    run = scene.runs[-1][1]
    if not run.rounds:
        return (
            f"Before training {formatting.percent(run.states[-1].accuracy)} are right; now round 1."
        )
    spent = run.rounds[-1].epsilon
    words = (
        f"{formatting.percent(run.rounds[-1].accuracy)} right after {measures.describe_rounds(run)}"
    )
    words += f", \u03b5 {format_epsilon(spent)} spent" if spent else ""
    return words + ("." + _compare_with_previous(scene) if stop else "")


def _compare_with_previous(scene: Scene) -> str:
    """Return the gap to the result before if both have finished; one seed each, so no interval."""
    if len(scene.runs) < 2 or not all(run.finished for _, run in scene.runs[-2:]):
        return ""
    (name, before), (_, now) = scene.runs[-2:]
    gap = now.rounds[-1].accuracy - before.rounds[-1].accuracy
    return f" {formatting.points(gap)} points against {printable_line(name, 40)}."


def _client_finding(states: list[RoundRecord]) -> str:
    if not states:
        return EMPTY
    worst = _worst(states[-1])
    if math.isnan(worst):
        return "Not told under a privacy promise: the test set names no rows of the clients' own."
    gap = states[-1].accuracy - worst
    return (
        f"The worst-served client gets {formatting.percent(worst)}"
        f" right, {100 * abs(gap):.1f} points {'less' if gap >= 0 else 'more'} than all test"
        " examples."
    )


def _worst(state: RoundRecord) -> float:
    return measures.as_number(state.worst_client_accuracy)


def _bytes_finding(scene: Scene) -> str:
    if not scene.runs:
        return EMPTY
    run = scene.runs[-1][1]
    total = run.total("downlink_bytes") + run.total("uplink_bytes")
    clients = max(len(run.data.get("clients", [])), 1)
    return (
        f"{formatting.megabytes(total / 1e6)} travelled in {measures.describe_rounds(run)}:"
        f" {formatting.megabytes(total / 1e6 / clients)} for each client."
    )


def short_link(link: str) -> str:
    """Return a link in few words: '10mbps/40ms' -> '10 Mbit/s, 40 ms'; a profile by its name."""
    try:
        return profiles.describe_link(link).replace(" each way", "").replace(" latency", "")
    except ValueError:
        return printable_line(link, 40)


def short_devices(devices: str) -> str:
    """Return devices in few words: 'half-speed' -> 'PCs: half speed'; a mix by its name here."""
    words = {mix: words for words, mix in MIXES.items()}.get(devices)
    return words or f"PCs: {printable_line(devices, 40).replace('-', ' ')}"


# ---- parts


def slowest_seconds(run: Run) -> float:
    """Return a run's seconds over the slowest line and PCs on offer: no slider changes them."""
    return _slowest(id(run), len(run.rounds), _RunKey(run))


def axis_rounds(scene: Scene, run: Run) -> int:
    """Return the rounds that an axis holds: all of the latest run, those done of an earlier one."""
    return run.config["rounds"] if run is scene.runs[-1][1] else max(len(run.rounds), 1)


class _RunKey:
    """A run as a key of a cache, compared by identity, as a Run cannot be hashed."""

    def __init__(self, run: Run):
        self.run = run

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _RunKey) and self.run is other.run

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=16)
def _slowest(name: int, rounds: int, key: _RunKey) -> float:
    line = f"{next(iter(SPEEDS.values()))}/{list(LATENCIES.values())[-1]}"
    pc = max(DEVICES, key=lambda n: DEVICES[n].slowdown)
    return ends_of_rounds(key.run, WorldControls(line, pc)).ends[-1]


def _marks(scene: Scene) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return colours and marks of the results; the latest is always blue and round."""
    n = len(scene.runs)
    return COLOURS[-n:] if n else (), SIGNS[-n:] if n else ()


def _curve(at: list[float], states: list[RoundRecord], colour: str, sign: str, dash: str) -> dict:
    latest = colour == COLOURS[-1]
    return {
        "x": at,
        "y": [100 * r.accuracy for r in states],
        "customdata": [r.round for r in states],
        "mode": "lines+markers",
        "cliponaxis": False,
        "line": {"color": colour, "width": 3 if latest else 2, "dash": dash},
        "marker": {
            "size": 5 if len(states) > 25 else 9 if latest else 8,
            "symbol": sign,
            "color": colour,
            "line": {"width": 2 if sign.endswith("open") else 0, "color": colour},
        },
    }


def _curve_labels(scene: Scene) -> list[dict]:
    ends = [
        (100 * run.states[-1].accuracy, name, colour)
        for (name, run), colour in zip(scene.runs, _marks(scene)[0])
        if run.states
    ]
    return _end_labels(ends)


def _end_labels(ends: list[tuple[float, str, str]]) -> list[dict]:
    """Return labels beside the plot for (accuracy, name, colour), spread so that none overlap."""
    lines = [
        textwrap.wrap(printable_line(name, 60), 17, max_lines=3, placeholder="…")
        for _, name, _ in ends
    ]
    unit = 100 / (HEIGHT - 100)
    placed = spread_labels(
        [y for y, _, _ in ends], [unit * (18 * (1 + len(words)) + 4) for words in lines], 4, 96
    )
    return [
        {
            "x": RIGHT[1] + 0.012,
            "xref": "paper",
            "y": y,
            "yref": "y2",
            "xanchor": "left",
            "yanchor": "middle",
            "showarrow": False,
            "align": "left",
            "font": {"size": SIZE - 1, "color": INK if c == COLOURS[-1] else MUTED},
            "text": (
                f"<span style='color:{c}'>■</span> <b>{end:.1f} %</b><br>"
                + "<br>".join(figure_text(w) for w in words)
            ),
        }
        for (end, _, c), y, words in zip(ends, placed, lines)
    ]


def _round_axis(scene: Scene) -> dict:
    most = max((axis_rounds(scene, run) for _, run in scene.runs), default=5)
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 10_000) if most / s <= 10)
    return {"range": [-0.03 * most, most * 1.03], "dtick": step}


def _view_each_client(own: dict[str, float], state: RoundRecord, head: str) -> View:
    names, shares = list(own), [100 * v for v in own.values()]
    worst = min(range(len(names)), key=shares.__getitem__)
    colours = [WORST_COLOUR if i == worst else COLOURS[-1] for i in range(len(names))]
    bars = [
        {
            **_bar(shares, list(range(len(names))), [0.0] * len(names), COLOURS[-1], "accuracy"),
            "width": 0.7,
            "marker": {"color": colours},
            "customdata": names,
            "hovertemplate": "%{customdata}<br>%{x:.1f} % (measured)<extra></extra>",
        }
    ]
    sentence = (
        f"{printable_line(names[worst], 30)} is served worst: {shares[worst]:.1f} % right, "
        f"where all test examples together have {formatting.percent(state.accuracy)}."
    )
    x = {
        "title": "Accuracy on test examples like its own (%)",
        "range": [0, 100.2],
        "domain": [RIGHT[0], 1.0],
        "dtick": 20,
    }
    return View(sentence, head.replace("●──", "■"), bars=bars, x=x, y=client_axis(names))


def _bar(values: list[float], at: list[int], base: list[float], colour: str, name: str) -> dict:
    return {
        "x": values,
        "y": at,
        "base": base,
        "orientation": "h",
        "width": 0.3,
        "marker": {"color": colour},
        "name": name,
        "hovertemplate": f"{name}<br>%{{x:,.3f}} MB (measured)<extra></extra>",
    }


VIEWS: dict[str, ViewKind] = {
    "time": ViewKind(
        "Accuracy by time", "How soon it is how good, over this network.", view_by_time
    ),
    "round": ViewKind(
        "Accuracy by round", "How good after each round, whatever the network.", view_by_round
    ),
    "gantt": ViewKind(
        "One round", "Who downloads, trains, uploads and waits, and when.", view_round
    ),
    "client": ViewKind("Each client", "Who is left behind.", view_by_client),
    "bytes": ViewKind("Bytes", "What travelled, in each result.", view_by_bytes),
}


def draw_scene(scene: Scene) -> go.Figure:
    """Return the figure of a scene."""
    return go.Figure(scene_figure(scene))


def scene_figure(scene: Scene) -> dict[str, Any]:
    """Return {data, layout} as plain JSON, always with the same traces in the same places."""
    view = VIEWS[scene.view].draw(scene)
    data = [
        label_heatmap(scene.frame),
        *pad_traces("scatter", view.scatters, N_SCATTERS),
        *pad_traces("bar", view.bars, N_BARS),
    ]
    frame = deepcopy(base_layout(view.sentence, view.caption))
    who = "<b>Who has what</b>" + " in the next run" * scene.ahead
    notes = [heading_note(who, LEFT[0]), heading_note(view.heading, RIGHT[0]), *view.notes]
    clients = client_axis([str(c) for c in scene.frame.index]) | {"type": "category"}
    frame |= {
        "width": WIDTH,
        "barmode": "overlay",
        "annotations": notes,
        "xaxis": label_axis(scene.frame),
        "yaxis": full_axis(clients) | {"anchor": "x"},
        "xaxis2": full_axis(view.x) | {"anchor": "y2"},
        "yaxis2": full_axis(view.y) | {"anchor": "x2"},
    }
    return {"data": data, "layout": frame}
