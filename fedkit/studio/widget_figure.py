"""The bench panel's picture: who has what at the left; at the right one view of the results. Drawn anew at every change.

Measured values are drawn solid, modelled ones open, broken or hatched, and each figure says which is which.
"""

from __future__ import annotations

import textwrap
from copy import deepcopy
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import plotly.graph_objects as go
from pandas import DataFrame

from fedkit.record import Run
from fedkit.studio.theme import COUNTS, INK, SIZE, TITLE_LINE, axis, layout, plain, tidy
from fedkit.studio.widget_clock import World

LEFT, RIGHT = [0.0, 0.22], [0.35, 0.84]  # of the width: who has what, and the view; the rest is for labels
WIDTH, HEIGHT = 960, 390  # px, without the title; a live figure does not learn the width of the page by itself
SCATTERS, BARS = 5, 6  # traces of each kind that there are always, so that `sync` turns one picture into the next
TICKS = 14  # clients that are named beside an axis; of more only some


@dataclass(frozen=True)
class Scene:
    """Everything that a picture is drawn from. frame: clients x labels, as dealt now. runs: at most three named
    records, the latest last. view: one of `widget_views.VIEWS`. round: of the Gantt picture; -1: the last.
    ahead: the frame is of the run to come, not of the latest record.
    """

    frame: DataFrame
    runs: tuple[tuple[str, Run], ...] = ()
    world: World = field(default_factory=lambda: World("10mbps/40ms", "as-measured"))
    view: str = "time"
    round: int = -1
    ahead: bool = False


@dataclass(frozen=True)
class View:
    """What a view draws: its finding as a sentence, a heading, traces, axes (in full) and annotations."""

    sentence: str
    heading: str
    scatters: list[dict] = field(default_factory=list)
    bars: list[dict] = field(default_factory=list)
    x: dict = field(default_factory=dict)
    y: dict = field(default_factory=dict)
    notes: list[dict] = field(default_factory=list)
    caption: str = ""


def draw(scene: Scene) -> go.Figure:
    """The picture as a figure of its own."""
    return go.Figure(picture(scene))


def picture(scene: Scene) -> dict[str, Any]:
    """{data, layout} as plain JSON: always the same traces in the same places."""
    from fedkit.studio.widget_views import VIEWS

    view = VIEWS[scene.view].draw(scene)
    data = [_who(scene.frame), *_filled("scatter", view.scatters, SCATTERS), *_filled("bar", view.bars, BARS)]
    frame = deepcopy(_frame(view.sentence, view.caption))
    who = "<b>Who has what</b>" + " in the next run" * scene.ahead
    notes = [heading(who, LEFT[0]), heading(view.heading, RIGHT[0]), *view.notes]
    clients = rows([str(c) for c in scene.frame.index]) | {"type": "category"}
    frame |= {
        "width": WIDTH, "barmode": "overlay", "annotations": notes, "xaxis": _labels(scene.frame),
        "yaxis": full_axis(clients) | {"anchor": "x"},
        "xaxis2": full_axis(view.x) | {"anchor": "y2"}, "yaxis2": full_axis(view.y) | {"anchor": "x2"},
    }  # fmt: skip
    return {"data": data, "layout": frame}


def full_axis(given: dict) -> dict:
    """An axis with every property that some view sets, so that none is left over from the view before."""
    rest = {"type": "linear", "range": None, "autorange": None, "tickvals": None, "ticktext": None, "dtick": None,
            "showgrid": True, "showticklabels": True, "domain": None, "ticksuffix": None, "rangemode": None}  # fmt: skip
    own = {k: v for k, v in given.items() if k != "title"}
    own["tickmode"] = "array" if "tickvals" in own else "linear" if "dtick" in own else "auto"  # said, as it is kept
    return {k: v for k, v in (rest | axis(given.get("title", "")) | own).items() if v is not None}


def rows(names: list[str]) -> dict:
    """An axis with a row for each client, the first on top; of many clients only some are named."""
    n, step = len(names), max(1, -(-len(names) // TICKS))
    at = list(range(0, n, step))
    return {"showgrid": False, "tickvals": at, "ticktext": [plain(names[i], 14) for i in at], "range": [n - 0.5, -0.5]}


def heading(text: str, x: float) -> dict:
    """A line over the plot."""
    return {"text": text, "x": x, "y": 1, "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom",
            "yshift": 10, "showarrow": False, "align": "left", "font": {"size": SIZE, "color": INK}}  # fmt: skip


def badge(why: tuple[str, ...], then: str) -> dict:
    """A box over the foot of the plot that cannot be overlooked: why only a new run can tell. then: what is drawn."""
    lines = textwrap.wrap(tidy("; ".join(why), 110), 46)
    text = "<br>".join(["<b>Would need a new run:</b>", *(plain(line, 60) for line in lines), f"<i>{then}</i>"])
    return {"text": text, "x": sum(RIGHT) / 2, "y": 0.03, "xref": "paper", "yref": "paper", "xanchor": "center",
            "yanchor": "bottom", "showarrow": False, "align": "center", "bgcolor": "#fff3bf", "bordercolor": "#b26a00",
            "borderwidth": 1.5, "borderpad": 6, "font": {"size": SIZE, "color": INK}}  # fmt: skip


def sync(widget: go.FigureWidget, fresh: go.Figure | dict[str, Any]) -> None:
    """Make the live `widget` show `fresh`, which has the same traces: the only way in which a panel changes it.

    Only what differs is sent. The state that a browser reads when it (re)opens the page is what the widget held when
    it was made, so it is written anew too; else a reload brings back the first picture.
    """
    fresh = fresh if isinstance(fresh, dict) else fresh.to_plotly_json()
    data = [whole(changes(old, new), new) for old, new in zip(widget._data, fresh["data"])]
    moved = changes(widget._layout, {"template": widget._layout.get("template"), **fresh["layout"]})
    moved |= {"meta": fresh["layout"]["meta"]} if "meta" in moved else {}  # one value, whatever it holds
    notes = moved.pop("annotations", None)
    with widget.batch_update():
        for trace, change in zip(widget.data, data):
            for key, value in change.items():
                trace[key] = value
        if moved:
            widget.layout.update(moved)
        if notes is not None:
            widget.layout.annotations = notes
    kept = widget._trait_values  # not by assignment: that would send everything once more
    kept["_widget_data"] = [deepcopy(d) if c else k for d, c, k in zip(widget._data, data, widget._widget_data)]
    kept["_widget_layout"] = deepcopy(widget._layout_obj._props)


def changes(old: dict, new: dict) -> dict:
    """What turns `old` into `new`: changed values, None for what is gone; tables inside tables likewise."""
    out: dict[str, Any] = {}
    for key in old.keys() | new.keys():
        was, now = old.get(key), new.get(key)
        if key == "uid" or (was is None and now is None):
            continue
        if isinstance(was, dict) and isinstance(now, dict):
            if inner := changes(was, now):
                out[key] = inner
        elif not _same(was, now):
            out[key] = now
    return out


def whole(change: dict, new: dict) -> dict:
    """A trace's changes with tables as wholes: in one message plotly.js takes a table or its parts, for all traces alike."""
    return {key: new.get(key) for key in change}


def _same(was: Any, now: Any) -> bool:
    if isinstance(was, (list, tuple)) and isinstance(now, (list, tuple)):
        return len(was) == len(now) and all(map(_same, was, now))
    return type(was) is type(now) and was == now if not isinstance(now, (int, float)) else was == now


def _filled(kind: str, traces: list[dict], count: int) -> list[dict]:
    rest = [{"visible": False, "x": [], "y": []}] * (count - len(traces))
    return [{"type": kind, "xaxis": "x2", "yaxis": "y2", "visible": True, **trace} for trace in [*traces, *rest]]


@lru_cache(maxsize=32)
def _frame(sentence: str, caption: str) -> dict[str, Any]:
    """The layout that all views share. A title of one line takes the room of two: the page does not jump."""
    fig = layout(go.Figure(), sentence, caption, None, None, HEIGHT, top=44, right=12)
    if "<br>" not in fig.layout.title.text:
        height, room = fig.layout.height + TITLE_LINE, fig.layout.margin.t + TITLE_LINE
        fig.update_layout(height=height, margin_t=room, title_y=1 - TITLE_LINE / height)
    return {k: v for k, v in fig.to_plotly_json()["layout"].items() if not k.endswith("axis")}


def _who(frame: DataFrame) -> dict:
    names, labels = ([plain(n, 200) for n in ids] for ids in (frame.index, frame.columns))
    return {
        "type": "heatmap", "z": frame.to_numpy().tolist(), "x": labels, "y": names, "colorscale": COUNTS, "zmin": 0,
        "xgap": 1, "ygap": 1 if len(frame) <= 3 * TICKS else 0, "showscale": False,
        "hovertemplate": "%{y}<br>%{x}<br>%{z:,} training examples<extra></extra>",
    }  # fmt: skip


def _labels(frame: DataFrame) -> dict:
    n = frame.shape[1]
    return full_axis({"domain": LEFT, "type": "category", "title": f"{n} labels; darker: more", "showgrid": False,
                      "showticklabels": False, "range": [-0.5, n - 0.5]})  # fmt: skip
