"""The figure of how many examples of each label every client holds."""

from __future__ import annotations

import plotly.graph_objects as go
from pandas import DataFrame

from fedkit.core import formatting
from fedkit.core.errors import FedkitError
from fedkit.core.formatting import figure_text, printable_line
from fedkit.core.record import Run
from fedkit.plots.theme import COUNTS, INK, SIZE, layout
from fedkit.results import measures

FEW = 30  # most labels that are all named
NUMBERED = 12  # most clients that are all named and whose cells show numbers
ALIKE = 0.15  # clients have a similar mix when no share of a label differs by more


def who_has_what(frame: DataFrame | Run) -> go.Figure:
    """Draw clients x labels as a heat map of training examples, a client per column.

    frame: from `count_client_labels` (a row per client, a column per label), or a record.
    """
    if isinstance(frame, Run):
        if not measures.tells_labels(frame):
            raise FedkitError(
                "the record tells no labels of clients, as its privacy promise covers them; draw"
                " the data that you hold instead: who_has_what(count_client_labels(...))"
            )
        frame = measures.client_labels(frame)
    (n, m), numbered = frame.shape, len(frame) <= NUMBERED and frame.shape[1] <= FEW
    most = int(frame.to_numpy().max(initial=0))
    hover = [
        [f"{figure_text(c)}<br>{figure_text(label)}" for c in frame.index]
        for label in frame.columns
    ]
    fig = go.Figure(
        go.Heatmap(
            z=frame.to_numpy().T.tolist(),
            x=list(range(n)),
            y=list(range(m)),
            colorscale=COUNTS,
            xgap=1,
            ygap=1,
            zmin=0,
            zmax=max(most, 1),
            text=hover,
            showscale=False,
            texttemplate="%{z}" if numbered else None,
            textfont={"size": SIZE - 2},
            hovertemplate="%{text}<br>%{z:,} training examples<extra></extra>",
        )
    )
    caption = (
        "A cell is the number of training examples of a label at a client, from none (white) to"
        f" {most:,} (darkest); in brackets stands the number of all examples of the client."
    )
    sized = [f"{printable_line(c, 16)} ({k:,})" for c, k in zip(frame.index, frame.sum(axis=1))]
    height = 180 + m * max(10, min(30, 760 // max(m, 1)))
    layout(fig, _finding(frame), caption, "Client (examples)", "Label", height)
    fig.update_xaxes(
        showgrid=False,
        tickfont={"color": INK},
        autotickangles=[0, -35, -90],
        **_ticks(sized, NUMBERED),
    )
    labels = [printable_line(c, 22) for c in frame.columns]
    fig.update_yaxes(showgrid=False, autorange="reversed", **_ticks(labels, FEW))
    return fig


def _ticks(names: list[str], few: int) -> dict:
    """Return all names when there are few, else evenly spaced ones."""
    at = list(range(0, len(names), max(1, -(-len(names) // few))))
    return {"tickmode": "array", "tickvals": at, "ticktext": [figure_text(names[i]) for i in at]}


def _finding(frame: DataFrame) -> str:
    """Return the label that is spread most unevenly, in a sentence."""
    if not len(frame) or not frame.shape[1]:
        return "No client holds any example."
    if len(frame) == 1:
        return (
            f"All {int(frame.to_numpy().sum()):,} examples are at one client,"
            f" {printable_line(frame.index[0])}."
        )
    counts = frame.to_numpy(dtype=float)
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)  # (clients, labels)
    spread = shares.max(axis=0) - shares.min(axis=0)
    if spread.max() < ALIKE:
        most = f"no label's share differs by more than {100 * spread.max():.0f} points"
        return f"The {len(frame)} clients have a similar mix of labels: {most}."
    label, share = frame.columns[spread.argmax()], shares[:, spread.argmax()]
    most, least = (printable_line(frame.index[i]) for i in (share.argmax(), share.argmin()))
    high, low = formatting.percent(share.max(), 0), formatting.percent(share.min(), 0)
    return (
        f"The clients see unlike text: {printable_line(label)} is {high} of the examples at {most}"
        f" and {low} at {least}."
    )
