"""Who has what: how many examples of each label every client holds."""

from __future__ import annotations

import plotly.graph_objects as go
from pandas import DataFrame

from fedkit.record import Run
from fedkit.studio import facts, say
from fedkit.studio.theme import COUNTS, INK, MUTED, SIZE, layout, plain, tidy

FEW_LABELS, FEW_CLIENTS = 30, 40  # up to here every one is named
FEW_CELLS = 240  # up to here every cell shows its number
ALIKE = 0.05  # clients whose label shares differ by less are called alike


def who_has_what(frame: DataFrame | Run) -> go.Figure:
    """Clients x labels as a heat map of training examples.

    frame: as `data.partition.describe` gives it (a row per client, a column per label), or a record.
    """
    frame = facts.client_labels(frame) if isinstance(frame, Run) else frame
    counts, sizes = frame.to_numpy().tolist(), frame.sum(axis=1).tolist()
    (n, m), height = frame.shape, max(12, min(34, 760 // max(len(frame), 1)))
    hover = [[f"{plain(c)}<br>{plain(name)}" for name in frame.columns] for c in frame.index]
    fig = go.Figure(go.Heatmap(
        z=counts, x=list(range(m)), y=list(range(n)), colorscale=COUNTS, zmin=0, xgap=1, ygap=1, text=hover,
        texttemplate="%{z}" if n * m <= FEW_CELLS else None, textfont={"size": SIZE - 2},
        hovertemplate="%{text}<br>%{z:,} training examples<extra></extra>", showscale=n * m > FEW_CELLS,
        colorbar={"title": {"text": "training<br>examples"}, "thickness": 12, "outlinewidth": 0},
    ))  # fmt: skip
    caption = (
        "Each cell: number of training examples of a label at a client; darker is more. "
        "In brackets: all examples of the client. No example is at two clients."
    )
    layout(fig, _finding(frame), caption, "Label (training examples in each cell)", "Client", 150 + n * height)
    fig.update_xaxes(showgrid=False, tickfont={"size": SIZE - 2, "color": MUTED}, **_ticks(frame.columns, FEW_LABELS))
    sized = [f"{tidy(c, 20)} ({size:,})" for c, size in zip(frame.index, sizes)]
    fig.update_yaxes(showgrid=False, autorange="reversed", tickfont={"color": INK}, **_ticks(sized, FEW_CLIENTS))
    return fig


def _ticks(names, few: int) -> dict:
    """All names when there are few, else evenly spaced ones."""
    every = max(1, -(-len(names) // few))
    at = list(range(0, len(names), every))
    return {"tickmode": "array", "tickvals": at, "ticktext": [plain(names[i], 30) for i in at]}


def _finding(frame: DataFrame) -> str:
    """The label that is spread most unevenly."""
    if not len(frame) or not frame.shape[1]:
        return "No client holds any example."
    counts = frame.to_numpy(dtype=float)
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    column = shares[:, (spread := shares.max(axis=0) - shares.min(axis=0)).argmax()]
    if spread.max() < ALIKE:
        return f"The {len(frame)} clients have much the same mix of {frame.shape[1]} labels."
    label, most, least = frame.columns[spread.argmax()], frame.index[column.argmax()], frame.index[column.argmin()]
    return (
        f"The clients see unlike text: {tidy(label)} is {say.percent(column.max(), 0)} of the examples at {tidy(most)}"
        f" and {say.percent(column.min(), 0)} at {tidy(least)}."
    )
