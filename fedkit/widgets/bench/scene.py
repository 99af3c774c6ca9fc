"""What the bench panel draws, and the axes, headings and layout that all its views share."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import plotly.graph_objects as go
from pandas import DataFrame

from fedkit.core.config import RunConfig
from fedkit.core.formatting import figure_text, printable_line
from fedkit.core.record import Run
from fedkit.plots.panel import note
from fedkit.plots.theme import COUNTS, TITLE_LINE, axis_style, layout
from fedkit.widgets.bench.settings import WORDS

# shares of the width for the label heatmap and for the view; names stand in the rest
LEFT, RIGHT = [0.0, 0.22], [0.35, 0.84]
HEIGHT = 390  # px, without the title
MAX_TICKS = 14  # client names beside an axis; of more clients only some are named


class World(NamedTuple):
    """The simulated network, which the panel can change without training: arguments of `replay`.

    deadline: seconds; None: the server waits for the last client.
    """

    link: str = "10mbps/40ms"
    devices: str = "as-measured"
    deadline: float | None = None

    @classmethod
    def of(cls, config: RunConfig) -> World:
        """Return the network of a config."""
        return cls(config.link, config.devices, config.deadline)


@dataclass(frozen=True)
class Scene:
    """Everything that a figure of the panel is drawn from."""

    frame: DataFrame  # clients x labels: training examples, as dealt now
    runs: tuple[tuple[str, Run], ...] = ()  # at most three records with names, the latest last
    world: World = field(default_factory=World)
    view: str = "time"  # a key of `views.VIEWS`
    round: int = -1  # of the Gantt chart; -1: the last
    ahead: bool = False  # the frame is of the next run, not of the latest record

    @property
    def latest(self) -> Run | None:
        """The latest run; None before the first."""
        return self.runs[-1][1] if self.runs else None


@dataclass(frozen=True)
class View:
    """What a view draws: its finding as a sentence, traces, annotations, and axes and heading.

    Those of `words.toml` where there are none here.
    """

    sentence: str
    scatters: list[dict] = field(default_factory=list)
    bars: list[dict] = field(default_factory=list)
    x: dict = field(default_factory=dict)
    y: dict = field(default_factory=dict)
    notes: list[dict] = field(default_factory=list)
    heading: str = ""


# what any axis of a view sets, so that nothing of the view before is left over
ANY_AXIS = {"type": "linear", "showgrid": True, "showticklabels": True}


def full_axis(given: dict) -> dict:
    """Return an axis with its title, style and how its ticks are found."""
    own = {k: v for k, v in given.items() if k != "title"}
    # always given, as plotly keeps the last value
    own["tickmode"] = "array" if "tickvals" in own else "linear" if "dtick" in own else "auto"
    return ANY_AXIS | axis_style(given.get("title", "")) | own


def client_axis(names: list[str]) -> dict:
    """Return an axis with a row for each client, the first on top; of many only some are named."""
    n, step = len(names), max(1, -(-len(names) // MAX_TICKS))
    at = list(range(0, n, step))
    return {
        "showgrid": False,
        "tickvals": at,
        "ticktext": [figure_text(names[i], 14) for i in at],
        "range": [n - 0.5, -0.5],
    }


def new_run_badge(why: tuple[str, ...], then: str) -> dict:
    """Return a box at the foot of the plot that says why only a new run can tell.

    why: the reasons; then: what the plot shows instead.
    """
    lines = textwrap.wrap(printable_line("; ".join(why), 110), 46)
    reasons = "<br>".join(figure_text(line, 60) for line in lines)
    text = f"<b>Would need a new run:</b><br>{reasons}<br><i>{then}</i>"
    return note(text, sum(RIGHT) / 2, 0.03, **WORDS["badge"])


@lru_cache(maxsize=32)
def base_layout(sentence: str) -> dict[str, Any]:
    """Return the layout that all views share; a title of one line takes the room of two."""
    fig = layout(go.Figure(), sentence, "", None, None, HEIGHT, top=44, right=12)
    if "<br>" not in fig.layout.title.text:
        height, room = fig.layout.height + TITLE_LINE, fig.layout.margin.t + TITLE_LINE
        fig.update_layout(height=height, margin_t=room, title_y=1 - TITLE_LINE / height)
    return {k: v for k, v in fig.to_plotly_json()["layout"].items() if not k.endswith("axis")}


def label_heatmap(frame: DataFrame) -> dict:
    """Return a heatmap of the clients' training examples by label."""
    names, labels = ([figure_text(n, 200) for n in ids] for ids in (frame.index, frame.columns))
    gap = 1 if len(frame) <= 3 * MAX_TICKS else 0
    counts = {"z": frame.to_numpy().tolist(), "x": labels, "y": names, "ygap": gap}
    return WORDS["heatmap"] | counts | {"colorscale": COUNTS}


def label_axis(frame: DataFrame) -> dict:
    """Return the label axis of the heatmap."""
    n = frame.shape[1]
    own = {"domain": LEFT, "title": f"{n} labels; darker: more", "range": [-0.5, n - 0.5]}
    return full_axis(WORDS["label_axis"] | own)
