"""The bench panel's picture: who has what, and accuracy over simulated time; drawn from a record at every change."""

from __future__ import annotations

import math
from copy import deepcopy

import plotly.graph_objects as go
from pandas import DataFrame

from fedkit.network import DEVICES, parse_link, replay
from fedkit.record import Run
from fedkit.studio import say
from fedkit.studio.theme import COUNTS, INK, MUTED, SIZE, axis, layout, look, plain

SKEWS = {"alike": "iid", "a little unlike": "dirichlet:3", "unlike": "dirichlet:0.5", "very unlike": "dirichlet:0.1"}
LATENCY = "40ms"
SPEEDS = {
    "64 kbit/s": "64kbps", "256 kbit/s": "256kbps", "1 Mbit/s": "1mbps", "4 Mbit/s": "4mbps",
    "10 Mbit/s": "10mbps", "30 Mbit/s": "30mbps", "100 Mbit/s": "100mbps", "1 Gbit/s": "1gbps",
}  # fmt: skip
SECONDS = {0.1: "0.1 s", 1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min", 3600: "1 h", 36000: "10 h", 360000: "100 h"}
LEFT, RIGHT = [0.0, 0.27], [0.36, 1.0]  # of the width: who has what, and the curves
WIDTH, HEIGHT = 960, 380  # px, without the title; a live figure does not learn the width of the page by itself
CAPTION = (
    "Left: training examples of each label at each client; darker is more. Right: the recorded accuracy over simulated "
    "time, on a logarithmic axis; every client works at the same time and the server waits for the last."
)


def draw(frame: DataFrame, runs: list[tuple[str, Run]], link: str, devices: str) -> go.Figure:
    """The picture for clients x labels counts and at most two named records: the one before, and the latest.

    There are always three traces, and no slider of the network changes an axis: `sync` turns one picture into the next.
    """
    before, latest = ([("", None)] * 2 + list(runs))[-2:]
    fig = go.Figure([_who(frame), _curve(*before, link, devices, False), _curve(*latest, link, devices, True)])
    layout(fig, finding(latest[1], link, devices), CAPTION, None, None, HEIGHT, top=44, right=40)
    headings = [_heading("<b>Who has what</b>", LEFT[0]), _heading("<b>How good, how soon</b>", RIGHT[0])]
    time, accuracy = axis("Simulated time (each line is about ten times longer)"), axis("Accuracy on the test set (%)")
    fig.update_layout(
        width=WIDTH, annotations=headings, xaxis=_labels(frame), yaxis=_clients(frame),
        xaxis2={**time, **_reach([run for _, run in runs]), "domain": RIGHT, "anchor": "y2"},
        yaxis2={**accuracy, "anchor": "x2", "range": [0, 100], "autorange": False, "dtick": 20},
    )  # fmt: skip
    return fig


def finding(run: Run | None, link: str, devices: str) -> str:
    """What the latest record says over this link, in a sentence."""
    if run is None:
        return "Press Run: the clients train together, and the curve grows."
    if not run.rounds:
        return f"Before training {say.percent(run.start.accuracy)} are right; now round 1."
    took = say.seconds(replay(run, link, devices)[-1])
    slower = "" if devices == "as-measured" else f", {devices.replace('-', ' ')} PCs"
    rounds = f"{len(run.rounds)} round{'s' * (len(run.rounds) != 1)}"
    return f"{say.percent(run.rounds[-1].accuracy)} right after {rounds}, {took} over {speed(link)}{slower}."


def speed(link: str) -> str:
    """'10mbps/40ms' -> '10 Mbit/s'."""
    return say.link(f"{parse_link(link).down / 1e3:g}kbps").split(" each")[0]


def sync(widget: go.FigureWidget, fresh: go.Figure) -> None:
    """Make the live `widget` show `fresh`, which has the same traces: the only way in which the panel changes it.

    The state that a browser reads when it (re)opens the page is what the widget held when it was made, so it is
    written anew too; else a reload brings back the first picture.
    """
    with widget.batch_update():
        for old, new in zip(widget.data, fresh.data):
            old.update(new.to_plotly_json())
        widget.layout.update(fresh.layout.to_plotly_json())
    widget._widget_data = deepcopy(widget._data)
    widget._widget_layout = deepcopy(widget._layout_obj._props)


def _who(frame: DataFrame) -> go.Heatmap:
    hover = [[f"{plain(client)}<br>{plain(label)}" for label in frame.columns] for client in frame.index]
    return go.Heatmap(
        z=frame.to_numpy().tolist(),
        text=hover,
        colorscale=COUNTS,
        zmin=0,
        xgap=1,
        ygap=1,
        showscale=False,
        hovertemplate="%{text}<br>%{z:,} training examples<extra></extra>",
    )


def _labels(frame: DataFrame) -> dict:
    n = frame.shape[1]
    return {"domain": LEFT, "title": {"text": f"{n} labels (point to see which)"}, "showgrid": False,
            "showticklabels": False, "range": [-0.5, n - 0.5]}  # fmt: skip


def _clients(frame: DataFrame) -> dict:
    n = len(frame)
    return {"title": {"text": ""}, "showgrid": False, "tickvals": list(range(n)), "range": [n - 0.5, -0.5],
            "ticktext": [plain(client, 14) for client in frame.index]}  # fmt: skip


def _reach(runs: list[Run]) -> dict:
    """A logarithmic axis up to what the runs take over the slowest line and PCs: no slider ever moves it."""
    slowest = f"{next(iter(SPEEDS.values()))}/{LATENCY}", list(DEVICES)[-1]
    rounds = [max(len(run.rounds), 1) for run in runs]
    longest = [replay(run, *slowest)[-1] * run.config["rounds"] / n for run, n in zip(runs, rounds)]
    end = next((s for s in SECONDS if s >= max([60, *longest])), max(SECONDS))
    return {"type": "log", "range": [math.log10(min(SECONDS)), math.log10(end * 1.3)], "autorange": False,
            "tickvals": list(SECONDS), "ticktext": list(SECONDS.values())}  # fmt: skip


def _curve(name: str, run: Run | None, link: str, devices: str, latest: bool) -> go.Scatter:
    states = [] if run is None else [*([run.start] if run.start else []), *run.rounds]
    clock = replay(run, link, devices) if states else []
    at = [max(clock[r.round], min(SECONDS)) for r in states]  # the first exchange may be too quick for the axis
    words = f"<b>{say.percent(states[-1].accuracy)}</b> {plain(name, 60)}" if states else ""
    colour = look("federated").colour if latest else "#8c8c8c"
    return go.Scatter(
        x=at, y=[100 * r.accuracy for r in states], text=[""] * (len(states) - 1) + [words] * bool(states),
        customdata=[r.round for r in states], xaxis="x2", yaxis="y2", mode="lines+markers+text", cliponaxis=False,
        textposition=("top " if latest else "bottom ") + ("right" if at and at[-1] < 20 else "left"),
        line={"color": colour, "width": 3 if latest else 2, "dash": "solid" if latest else "dot"}, marker={"size": 8},
        textfont={"size": SIZE - 1, "color": INK if latest else MUTED},
        hovertemplate="round %{customdata}<br>accuracy %{y:.1f} %<br>after %{x:,.1f} s, simulated<extra></extra>",
    )  # fmt: skip


def _heading(text: str, x: float) -> dict:
    return {
        "text": text,
        "x": x,
        "y": 1,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "left",
        "yanchor": "bottom",
        "yshift": 10,
        "showarrow": False,
        "font": {"size": SIZE, "color": INK},
    }
