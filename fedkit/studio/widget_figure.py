"""The bench panel's picture: who has what, and accuracy over simulated time; drawn from a record at every change."""

from __future__ import annotations

from copy import deepcopy

import plotly.graph_objects as go
from pandas import DataFrame

from fedkit.network import parse_link, replay
from fedkit.record import Run
from fedkit.studio import say
from fedkit.studio.theme import COUNTS, INK, MUTED, SIZE, axis, layout, look, plain

SKEWS = {"alike": "iid", "a little unlike": "dirichlet:3", "unlike": "dirichlet:0.5", "very unlike": "dirichlet:0.1"}
SECONDS = {0.1: "0.1 s", 1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min", 3600: "1 h", 36000: "10 h"}
LEFT, RIGHT = [0.0, 0.26], [0.36, 1.0]  # of the width: who has what, and the curves
HEIGHT = 380  # px without the title
CAPTION = (
    "Left: training examples of each label at each client; darker is more. Right: the recorded accuracy over simulated "
    "time, on a logarithmic axis; every client works at the same time and the server waits for the last."
)


def draw(frame: DataFrame, runs: list[tuple[str, Run]], link: str, devices: str) -> go.Figure:
    """The picture for clients x labels counts and at most two named records: the one before, and the latest.

    There are always three traces, and the axes of the curves never change: `sync` can turn one picture into the next.
    """
    before, latest = ([("", None)] * 2 + list(runs))[-2:]
    fig = go.Figure([_who(frame), _curve(*before, link, devices, False), _curve(*latest, link, devices, True)])
    layout(fig, finding(latest[1], link, devices), CAPTION, None, None, HEIGHT, top=44, right=40)
    n, labels = frame.shape
    fig.update_layout(
        xaxis={
            "domain": LEFT,
            "title": {"text": f"Label (1 to {labels})"},
            "showgrid": False,
            "tickvals": [0, labels - 1],
            "ticktext": ["1", str(labels)],
            "range": [-0.5, labels - 0.5],
        },
        yaxis={
            "title": {"text": ""},
            "showgrid": False,
            "tickvals": list(range(n)),
            "ticktext": [plain(c, 14) for c in frame.index],
            "range": [n - 0.5, -0.5],
        },
        xaxis2={
            **axis("Simulated time (each step is about ten times longer)"),
            "domain": RIGHT,
            "anchor": "y2",
            "type": "log",
            "range": [-1, 4.6],
            "autorange": False,
            "tickvals": list(SECONDS),
            "ticktext": list(SECONDS.values()),
        },
        yaxis2={
            **axis("Accuracy on the test set (%)"),
            "anchor": "x2",
            "range": [0, 100],
            "autorange": False,
            "dtick": 20,
        },
        annotations=[
            _heading("<b>Who has what</b> (training examples)", LEFT[0]),
            _heading("<b>How good, how soon</b>", RIGHT[0]),
        ],
    )
    return fig


def finding(run: Run | None, link: str, devices: str) -> str:
    """What the latest record says over this link, in a sentence."""
    if run is None or not run.rounds:
        return "Press Run: the clients train together, and the curve grows round by round."
    took = say.seconds(replay(run, link, devices)[-1])
    slower = "" if devices == "as-measured" else f" and {devices.replace('-', ' ')} PCs"
    rounds = f"{len(run.rounds)} round{'s' * (len(run.rounds) != 1)}"
    return f"{say.percent(run.rounds[-1].accuracy)} right after {rounds}: {took} over {speed(link)}{slower}."


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


def _curve(name: str, run: Run | None, link: str, devices: str, latest: bool) -> go.Scatter:
    states = [] if run is None else [*([run.start] if run.start else []), *run.rounds]
    clock = replay(run, link, devices) if states else []
    at = [max(clock[r.round], min(SECONDS)) for r in states]  # the first exchange may be too quick for the axis
    label = (
        [""] * (len(states) - 1) + [f"<b>{say.percent(states[-1].accuracy)}</b> {plain(name, 60)}"] if states else []
    )
    colour = look("federated").colour if latest else "#a6a6a6"
    return go.Scatter(
        x=at,
        y=[100 * r.accuracy for r in states],
        text=label,
        customdata=[r.round for r in states],
        xaxis="x2",
        yaxis="y2",
        mode="lines+markers+text",
        textposition="top center" if latest else "bottom center",
        cliponaxis=False,
        line={"color": colour, "width": 3 if latest else 2, "dash": "solid" if latest else "dot"},
        marker={"size": 8},
        textfont={"size": SIZE - 1, "color": INK if latest else MUTED},
        hovertemplate="round %{customdata}<br>accuracy %{y:.1f} %<br>after %{x:.3s} s, simulated<extra></extra>",
    )


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
