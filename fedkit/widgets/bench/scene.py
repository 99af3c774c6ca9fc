"""TODO"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import plotly.graph_objects as go
from pandas import DataFrame

from fedkit.core.formatting import figure_text, printable_line
from fedkit.core.record import Run
from fedkit.plots.theme import COUNTS, INK, SIZE, TITLE_LINE, axis_style, layout
from fedkit.widgets.bench.clock import WorldControls

# of the width: who has what, and the view; the rest is for labels
LEFT, RIGHT = [0.0, 0.22], [0.35, 0.84]


# px, without the title; a live figure does not learn the width of the page by itself
WIDTH, HEIGHT = 960, 390


# traces of each kind that there are always, so that `sync` turns one picture into the next
SCATTERS, BARS = 5, 6


TICKS = 14  # clients that are named beside an axis; of more only some


@dataclass(frozen=True)
class Scene:
    """Everything that a picture is drawn from. frame: clients x labels, as dealt now. runs: at most
    three named records, the latest last. view: one of `widget_views.VIEWS`. round: of the Gantt
    picture; -1: the last. ahead: the frame is of the run to come, not of the latest record.
    """

    frame: DataFrame
    runs: tuple[tuple[str, Run], ...] = ()
    world: WorldControls = field(
        default_factory=lambda: WorldControls("10mbps/40ms", "as-measured")
    )
    view: str = "time"
    round: int = -1
    ahead: bool = False


@dataclass(frozen=True)
class View:
    """What a view draws: its finding as a sentence, a heading, traces, axes (in full) and
    annotations.
    """

    sentence: str
    heading: str
    scatters: list[dict] = field(default_factory=list)
    bars: list[dict] = field(default_factory=list)
    x: dict = field(default_factory=dict)
    y: dict = field(default_factory=dict)
    notes: list[dict] = field(default_factory=list)
    caption: str = ""


def full_axis(given: dict) -> dict:
    """An axis with every property that some view sets, so that none is left over from the view
    before.
    """
    rest = {
        "type": "linear",
        "range": None,
        "autorange": None,
        "tickvals": None,
        "ticktext": None,
        "dtick": None,
        "showgrid": True,
        "showticklabels": True,
        "domain": None,
        "ticksuffix": None,
        "rangemode": None,
    }
    own = {k: v for k, v in given.items() if k != "title"}
    # said, as it is kept
    own["tickmode"] = "array" if "tickvals" in own else "linear" if "dtick" in own else "auto"
    return {
        k: v for k, v in (rest | axis_style(given.get("title", "")) | own).items() if v is not None
    }


def rows(names: list[str]) -> dict:
    """An axis with a row for each client, the first on top; of many clients only some are named."""
    n, step = len(names), max(1, -(-len(names) // TICKS))
    at = list(range(0, n, step))
    return {
        "showgrid": False,
        "tickvals": at,
        "ticktext": [figure_text(names[i], 14) for i in at],
        "range": [n - 0.5, -0.5],
    }


def heading(text: str, x: float) -> dict:
    """A line over the plot."""
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
        "align": "left",
        "font": {"size": SIZE, "color": INK},
    }


def badge(why: tuple[str, ...], then: str) -> dict:
    """A box over the foot of the plot that cannot be overlooked: why only a new run can tell. then:
    what is drawn.
    """
    lines = textwrap.wrap(printable_line("; ".join(why), 110), 46)
    text = "<br>".join(
        [
            "<b>Would need a new run:</b>",
            *(figure_text(line, 60) for line in lines),
            f"<i>{then}</i>",
        ]
    )
    return {
        "text": text,
        "x": sum(RIGHT) / 2,
        "y": 0.03,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "center",
        "yanchor": "bottom",
        "showarrow": False,
        "align": "center",
        "bgcolor": "#fff3bf",
        "bordercolor": "#b26a00",
        "borderwidth": 1.5,
        "borderpad": 6,
        "font": {"size": SIZE, "color": INK},
    }


@lru_cache(maxsize=32)
def frame_layout(sentence: str, caption: str) -> dict[str, Any]:
    """The layout that all views share. A title of one line takes the room of two: the page does not
    jump.
    """
    fig = layout(go.Figure(), sentence, caption, None, None, HEIGHT, top=44, right=12)
    if "<br>" not in fig.layout.title.text:
        height, room = fig.layout.height + TITLE_LINE, fig.layout.margin.t + TITLE_LINE
        fig.update_layout(height=height, margin_t=room, title_y=1 - TITLE_LINE / height)
    return {k: v for k, v in fig.to_plotly_json()["layout"].items() if not k.endswith("axis")}


def bar_labels(frame: DataFrame) -> dict:
    names, labels = ([figure_text(n, 200) for n in ids] for ids in (frame.index, frame.columns))
    return {
        "type": "heatmap",
        "z": frame.to_numpy().tolist(),
        "x": labels,
        "y": names,
        "colorscale": COUNTS,
        "zmin": 0,
        "xgap": 1,
        "ygap": 1 if len(frame) <= 3 * TICKS else 0,
        "showscale": False,
        "hovertemplate": "%{y}<br>%{x}<br>%{z:,} training examples<extra></extra>",
    }


def axis_labels(frame: DataFrame) -> dict:
    n = frame.shape[1]
    return full_axis(
        {
            "domain": LEFT,
            "type": "category",
            "title": f"{n} labels; darker: more",
            "showgrid": False,
            "showticklabels": False,
            "range": [-0.5, n - 0.5],
        }
    )
