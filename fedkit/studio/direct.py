"""Direct labels at the right end of lines, moved apart where lines lie close together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from fedkit.studio.theme import INK, MUTED, SIZE

LABEL_PX = 38  # height of a label of two lines


@dataclass(frozen=True)
class Label:
    """A label at height `y` (in the axis' unit). text: already escaped. colour: of the line it belongs to."""

    y: float
    text: str
    colour: str
    strong: bool = False


def spread(values: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """The positions nearest to `values` (least squares) that keep their order and lie `gap` apart, within low..high.

    Pooling of adjacent violators; labels that do not fit between low and high come closer than `gap`.
    """
    if len(values) > 1:
        gap = min(gap, (high - low) / (len(values) - 1))
    order = sorted(range(len(values)), key=lambda i: values[i])
    blocks: list[list[float]] = []
    for place, i in enumerate(order):
        blocks.append([values[i] - gap * place])
        while len(blocks) > 1 and _mean(blocks[-2]) > _mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    level = [_mean(block) for block in blocks for _ in block]
    out, ceiling = [0.0] * len(values), high - gap * max(len(values) - 1, 0)
    for place, i in enumerate(order):
        out[i] = min(max(level[place], low), ceiling) + gap * place
    return out


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def label_lines(fig: go.Figure, labels: Sequence[Label], plot_height: int, low: float, high: float) -> None:
    """Write `labels` right of the plot, each joined to its line by a thin stroke. plot_height: px from low to high."""
    labels = [label for label in labels if label.y == label.y]
    gap = LABEL_PX * (high - low) / plot_height
    for label, y in zip(labels, spread([label.y for label in labels], gap, low, high)):
        fig.add_annotation(
            x=1, xref="paper", y=label.y, ax=14, ay=(label.y - y) * plot_height / (high - low), xanchor="left",
            text=f"<b>{label.text}</b>" if label.strong else label.text, align="left", showarrow=True, arrowhead=0,
            borderpad=2, arrowwidth=1.5, arrowcolor=label.colour,
            font={"size": SIZE - 1, "color": INK if label.strong else MUTED},
        )  # fmt: skip
