"""The panel's views of the results: accuracy by time and by round, one round, each client, bytes.

To add a view, write a function from a Scene to a View, add it to `VIEWS` and name it in
`words.toml`.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import plotly.graph_objects as go

from fedkit.core import formatting
from fedkit.core.formatting import figure_text, printable_line
from fedkit.core.record import RoundRecord, Run
from fedkit.network import DEVICES, Timeline, profiles, replay
from fedkit.plots.labels import spread_labels
from fedkit.plots.panel import WIDTH, note, pad_traces
from fedkit.plots.theme import DOWNLOAD, INK, MUTED, SIZE, UPLOAD, font
from fedkit.results import measures
from fedkit.results.method_style import method_style
from fedkit.results.privacy_promise import format_epsilon
from fedkit.widgets.bench.round_view import view_round
from fedkit.widgets.bench.scene import (
    HEIGHT,
    LEFT,
    RIGHT,
    Scene,
    View,
    World,
    base_layout,
    client_axis,
    full_axis,
    label_axis,
    label_heatmap,
    new_run_badge,
)
from fedkit.widgets.bench.settings import CONTROLS, WORDS

SECONDS = WORDS["views"]["time"]["x"]["tickvals"]  # of the axis of time
# of the results, the latest last
COLOURS = ("#b0b0b0", "#7a7a7a", method_style("federated").colour)
SIGNS = ("diamond", "square", "circle")
WORST_COLOUR = method_style("local").colour
ACCURACY_AXIS = WORDS["accuracy_axis"]
EMPTY = "Press Run: the clients train together, and the curve grows."
# traces of each kind in every figure, so that `sync_figure` can turn one figure into the next
N_SCATTERS, N_BARS = 5, 6


def view_by_time(scene: Scene) -> View:
    """Return accuracy over simulated time: accuracies are measured, times are modelled."""
    clocks = [replay(run, *scene.world) for _, run in scene.runs]
    why = clocks[-1].needs_new_run if clocks else ()
    curves = []
    for (_, run), times, colour, sign in zip(scene.runs, clocks, *_marks(scene)):
        states, moot = run.states, times.needs_new_run
        at = [max(end, SECONDS[0]) for end in times.ends[-len(states) :]]
        curve = _curve("time", states, colour, sign + "-open", at, "dot" if moot else "dash")
        curves.append(curve | {"opacity": 0.45 if moot else 1.0})
    reach = 60.0
    for _, run in scene.runs:
        in_all = slowest_seconds(run) * axis_rounds(scene, run) / max(len(run.rounds), 1)
        reach = max(reach, in_all)
    end = next((s for s in SECONDS if s >= reach), SECONDS[-1])
    x = {"range": [math.log10(SECONDS[0]), math.log10(end * 1.3)], "domain": RIGHT}
    notes = _curve_labels(scene)
    notes += [new_run_badge(why, "press Run; this curve is no forecast")] if why else []
    return View(_time_finding(scene, clocks), curves, x=x, y=ACCURACY_AXIS, notes=notes)


def view_by_round(scene: Scene) -> View:
    """Return accuracy over rounds, measured; it does not depend on the network."""
    curves = [
        _curve("round", run.states, colour, sign)
        for (_, run), colour, sign in zip(scene.runs, *_marks(scene))
    ]
    return _view_rounds(scene, _accuracy_finding(scene), curves, _curve_labels(scene))


def view_by_client(scene: Scene) -> View:
    """Return each client's accuracy on test examples like its own.

    A record without these shows the accuracy of the worst client by round.
    """
    states = scene.latest.states if scene.latest else ()
    own = getattr(states[-1], "client_accuracy", None) if states else None
    if own:
        return _view_each_client(own, states[-1])
    worst = [100 * _worst(r) for r in states]
    curves, ends = [], []
    if states and worst[-1] == worst[-1]:
        lowest = _curve("client", states, WORST_COLOUR, "triangle-down") | {"y": worst}
        curves = [_curve("client", states, COLOURS[-1], "circle"), lowest]
        ends = [
            (100 * states[-1].accuracy, "all test examples", COLOURS[-1]),
            (worst[-1], "worst client, own texts", WORST_COLOUR),
        ]
    return _view_rounds(scene, _client_finding(states), curves, _end_labels(ends))


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
    notes = []
    for (name, run), d, u, row in zip(scene.runs, down, up, at):
        right = formatting.percent(run.states[-1].accuracy)
        text = f"<b>{formatting.megabytes(d + u)}</b>  {figure_text(name, 60)}: {right} right"
        notes.append(note(text, 0, row, xref="x2 domain", yref="y2", yshift=19))
    key = (
        f"<b>What travelled</b>   <span style='color:{DOWNLOAD}'>■</span> to the clients  "
        f"<span style='color:{UPLOAD}'>■</span> to the server   measured"
    )
    x = {"domain": [RIGHT[0], 1.0], "range": [0, 1.05 * most]}
    y = {"range": [-0.5, max(len(at), 2) - 0.2]}
    return View(_bytes_finding(scene), [], bars if at else [], x, y, notes, key)


# ---- the findings, in a sentence


def _time_finding(scene: Scene, clocks: list[Timeline]) -> str:
    if scene.latest is None or not scene.latest.rounds:
        return _accuracy_finding(scene)
    times = clocks[-1]
    if times.needs_new_run:
        return f"Only a new run can tell: over this network {'; '.join(times.needs_new_run)}."
    link, devices = short_link(scene.world.link), scene.world.devices
    over = link if devices == "as-measured" else f"{link}, {short_devices(devices)}"
    right, took = _accuracy_finding(scene, False), formatting.seconds(times.ends[-1])
    return f"{right}; {took} over {over}.{_compare_with_previous(scene)}"


def _accuracy_finding(scene: Scene, stop: bool = True) -> str:
    run = scene.latest
    if run is None:
        return EMPTY
    if not run.rounds:
        before = formatting.percent(run.states[-1].accuracy)
        return f"Before training {before} are right; now round 1."
    spent = run.rounds[-1].epsilon
    right = formatting.percent(run.rounds[-1].accuracy)
    words = f"{right} right after {measures.describe_rounds(run)}"
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
    gap, right = states[-1].accuracy - worst, formatting.percent(worst)
    points = f"{100 * abs(gap):.1f} points {'less' if gap >= 0 else 'more'}"
    return f"The worst-served client gets {right} right, {points} than all test examples."


def _worst(state: RoundRecord) -> float:
    return measures.as_number(state.worst_client_accuracy)


def _bytes_finding(scene: Scene) -> str:
    run = scene.latest
    if run is None:
        return EMPTY
    total = (run.total("downlink_bytes") + run.total("uplink_bytes")) / 1e6
    each = formatting.megabytes(total / max(len(run.data.get("clients", [])), 1))
    rounds = measures.describe_rounds(run)
    return f"{formatting.megabytes(total)} travelled in {rounds}: {each} for each client."


def short_link(link: str) -> str:
    """Return a link in few words: '10mbps/40ms' -> '10 Mbit/s, 40 ms'; a profile by its name."""
    try:
        return profiles.describe_link(link).replace(" each way", "").replace(" latency", "")
    except ValueError:
        return printable_line(link, 40)


def short_devices(devices: str) -> str:
    """Return devices in few words: 'half-speed' -> 'PCs: half speed'; a mix by its name here."""
    words = {mix: words for words, mix in CONTROLS["devices"]["options"].items()}.get(devices)
    return words or f"PCs: {printable_line(devices, 40).replace('-', ' ')}"


# ---- parts

_SLOWEST: dict[int, tuple[Run, float]] = {}


def slowest_seconds(run: Run) -> float:
    """Return a run's seconds over the slowest line and PCs on offer: no slider changes them."""
    known, seconds = _SLOWEST.get(id(run), (None, 0.0))
    if known is not run:
        speeds = list(CONTROLS["bandwidth"]["options"].values())
        latencies = list(CONTROLS["latency"]["options"].values())
        pc = max(DEVICES, key=lambda name: DEVICES[name].slowdown)
        seconds = replay(run, *World(f"{speeds[0]}/{latencies[-1]}", pc)).ends[-1]
        if len(_SLOWEST) > 15:
            _SLOWEST.clear()
        _SLOWEST[id(run)] = run, seconds
    return seconds


def axis_rounds(scene: Scene, run: Run) -> int:
    """Return the rounds that an axis holds: all of the latest run, those done of an earlier one."""
    return run.config["rounds"] if run is scene.latest else max(len(run.rounds), 1)


def _marks(scene: Scene) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return colours and marks of the results; the latest is always blue and round."""
    n = len(scene.runs)
    return COLOURS[-n:] if n else (), SIGNS[-n:] if n else ()


def _curve(
    view: str,
    states: list[RoundRecord],
    colour: str,
    sign: str,
    at: list[float] | None = None,
    dash: str = "solid",
) -> dict:
    """Return accuracy over `at`, by default over rounds; the latest result stands out."""
    latest, rounds = colour == COLOURS[-1], [r.round for r in states]
    outline = {"width": 2 if sign.endswith("open") else 0, "color": colour}
    size = 5 if len(states) > 25 else 9 if latest else 8
    return WORDS["curve"] | {
        "x": at or rounds,
        "y": [100 * r.accuracy for r in states],
        "customdata": rounds,
        "line": {"color": colour, "width": 3 if latest else 2, "dash": dash},
        "marker": {"size": size, "symbol": sign, "color": colour, "line": outline},
        "hovertemplate": WORDS["views"][view]["hover"],
    }


def _view_rounds(scene: Scene, finding: str, curves: list[dict], notes: list[dict]) -> View:
    """Return a view over rounds."""
    most = max((axis_rounds(scene, run) for _, run in scene.runs), default=5)
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 10_000) if most / s <= 10)
    x = {"title": "Round", "domain": RIGHT, "dtick": step}
    x |= {"autorange": False, "range": [-0.03 * most, most * 1.03]}
    return View(finding, curves, x=x, y=ACCURACY_AXIS, notes=notes)


def _curve_labels(scene: Scene) -> list[dict]:
    colours = _marks(scene)[0]
    last = [(name, run.states, colour) for (name, run), colour in zip(scene.runs, colours)]
    return _end_labels([(100 * s[-1].accuracy, name, colour) for name, s, colour in last if s])


def _end_labels(ends: list[tuple[float, str, str]]) -> list[dict]:
    """Return labels beside the plot for (accuracy, name, colour), spread so that none overlap."""
    wrap = {"max_lines": 3, "placeholder": "…"}
    lines = [textwrap.wrap(printable_line(name, 60), 17, **wrap) for _, name, _ in ends]
    unit = 100 / (HEIGHT - 100)
    sizes = [unit * (18 * (1 + len(words)) + 4) for words in lines]
    placed = spread_labels([y for y, _, _ in ends], sizes, 4, 96)
    labels = []
    place = {"yref": "y2", "yanchor": "middle", "align": "left"}
    for (end, _, colour), y, words in zip(ends, placed, lines):
        text = f"<span style='color:{colour}'>■</span> <b>{end:.1f} %</b><br>"
        text += "<br>".join(figure_text(word) for word in words)
        letters = font(INK if colour == COLOURS[-1] else MUTED, SIZE - 1)
        labels.append(note(text, RIGHT[1] + 0.012, y, font=letters, **place))
    return labels


def _view_each_client(own: dict[str, float], state: RoundRecord) -> View:
    names, shares = list(own), [100 * v for v in own.values()]
    worst = min(range(len(names)), key=shares.__getitem__)
    colours = [WORST_COLOUR if i == worst else COLOURS[-1] for i in range(len(names))]
    bar = _bar(shares, list(range(len(names))), [0.0] * len(names), colours, "accuracy")
    bar |= {"width": 0.7, "customdata": names}
    bar["hovertemplate"] = "%{customdata}<br>%{x:.1f} % (measured)<extra></extra>"
    sentence = (
        f"{printable_line(names[worst], 30)} is served worst: {shares[worst]:.1f} % right, "
        f"where all test examples together have {formatting.percent(state.accuracy)}."
    )
    title = "Accuracy on test examples like its own (%)"
    x = {"title": title, "range": [0, 100.2], "domain": [RIGHT[0], 1.0], "dtick": 20}
    heading = WORDS["views"]["client"]["heading"].replace("●──", "■")
    return View(sentence, bars=[bar], x=x, y=client_axis(names), heading=heading)


def _bar(values: list[float], at: list[int], base: list[float], colour: Any, name: str) -> dict:
    """Return horizontal bars. colour: one, or one per bar."""
    bar = {"x": values, "y": at, "base": base, "orientation": "h", "width": 0.3, "name": name}
    hover = f"{name}<br>%{{x:,.3f}} MB (measured)<extra></extra>"
    return bar | {"marker": {"color": colour}, "hovertemplate": hover}


VIEWS: dict[str, Callable[[Scene], View]] = {
    "time": view_by_time,
    "round": view_by_round,
    "gantt": view_round,
    "client": view_by_client,
    "bytes": view_by_bytes,
}


def draw_scene(scene: Scene) -> go.Figure:
    """Return the figure of a scene."""
    return go.Figure(scene_figure(scene))


def scene_figure(scene: Scene) -> dict[str, Any]:
    """Return {data, layout} as plain JSON, always with the same traces in the same places."""
    view, words = VIEWS[scene.view](scene), WORDS["views"][scene.view]
    data = [
        label_heatmap(scene.frame),
        *pad_traces("scatter", view.scatters, N_SCATTERS),
        *pad_traces("bar", view.bars, N_BARS),
    ]
    who = "<b>Who has what</b>" + " in the next run" * scene.ahead
    heads = ((who, LEFT[0]), (view.heading or words["heading"], RIGHT[0]))
    clients = client_axis([str(c) for c in scene.frame.index]) | {"type": "category"}
    frame = deepcopy(base_layout(view.sentence)) | {
        "width": WIDTH,
        "barmode": "overlay",
        "annotations": [*(note(h, x, 1, yshift=10, align="left") for h, x in heads), *view.notes],
        "xaxis": label_axis(scene.frame),
        "yaxis": full_axis(clients) | {"anchor": "x"},
        "xaxis2": full_axis(words.get("x", {}) | view.x) | {"anchor": "y2"},
        "yaxis2": full_axis(words.get("y", {}) | view.y) | {"anchor": "x2"},
    }
    return {"data": data, "layout": frame}
