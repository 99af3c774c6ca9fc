"""Labels at the right end of lines, moved apart where the lines lie close together."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import plotly.graph_objects as go

from fedkit.core.formatting import figure_text, printable_line
from fedkit.plots.theme import INK, MUTED, SIZE

LINE_PX, LINE_CHARS = 18, 14  # height of a line of a label, and the most characters in it


@dataclass(frozen=True)
class Label:
    """A number and a name (not escaped) at height `y` of the axis. colour: of its line."""

    y: float
    number: str
    name: str
    colour: str
    strong: bool = False

    @property
    def lines(self) -> list[str]:
        """Return the number, then the name on at most three lines."""
        name = textwrap.wrap(
            printable_line(self.name, 60), LINE_CHARS, max_lines=3, placeholder="…"
        )
        return [self.number, *(figure_text(line) for line in name)]

    def __str__(self) -> str:
        text = "<br>".join(self.lines)
        return f"<b>{text}</b>" if self.strong else text


def spread_labels(
    values: Sequence[float], sizes: Sequence[float], low: float, high: float
) -> list[float]:
    """Return the positions nearest to `values` (least squares) that leave room for `sizes`.

    They keep their order and lie in low..high. Pooling of adjacent violators; labels that do not
    all fit between low and high come closer than their sizes.
    """
    order = sorted(range(len(values)), key=lambda i: values[i])
    steps = [(sizes[a] + sizes[b]) / 2 for a, b in pairwise(order)]
    scale = min(1.0, (high - low) / (sum(steps) or 1.0))
    offsets = [scale * sum(steps[:place]) for place in range(len(order))]
    blocks: list[list[float]] = []
    for i, offset in zip(order, offsets):
        blocks.append([values[i] - offset])
        while len(blocks) > 1 and _mean(blocks[-2]) > _mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    levels = [min(max(_mean(block), low), high - offsets[-1]) for block in blocks for _ in block]
    placed = {i: level + offset for i, level, offset in zip(order, levels, offsets)}
    return [placed[i] for i in range(len(values))]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def label_lines(
    fig: go.Figure, labels: Sequence[Label], plot_height: int, low: float, high: float
) -> None:
    """Write `labels` right of a plot of plot_height px, joined to their lines by thin strokes."""
    labels = [label for label in labels if label.y == label.y]
    unit = (high - low) / plot_height  # of a pixel
    sizes = [unit * (LINE_PX * len(label.lines) + 2) for label in labels]
    for label, y in zip(labels, spread_labels([label.y for label in labels], sizes, low, high)):
        font = {"size": SIZE - 1, "color": INK if label.strong else MUTED}
        fig.add_annotation(
            x=1,
            xref="paper",
            y=label.y,
            ax=14,
            ay=(label.y - y) / unit,
            xanchor="left",
            text=str(label),
            align="left",
            showarrow=True,
            arrowhead=0,
            arrowwidth=1.5,
            arrowcolor=label.colour,
            borderpad=2,
            font=font,
        )
