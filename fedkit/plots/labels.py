"""Where the names in a figure go: right of lines, moved apart, and next to points, over none."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import Any

import plotly.graph_objects as go

from fedkit.core.formatting import figure_text, printable_line
from fedkit.plots.theme import INK, MUTED, SIZE, font, note

LINE_PX, LINE_CHARS = 18, 14  # height of a line of a label, and the most characters in it
CHAR, LINE = 7.6, 17.0  # mean width of a letter and height of a line, in px
NAME = "beside"  # name of these annotations, which a narrow page leaves out
NEAR = 9.0  # px kept free around a point
# candidate offsets (right, up) of a name's near lower corner from its point, in px
PLACES = (
    (-8, 12),
    (10, 12),
    (12, -44),
    (-8, 34),
    (10, 34),
    (-8, 58),
    (14, -66),
    (10, 58),
    (-8, 84),
    (14, -90),
    (-8, 112),
)


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
        name, wrap = printable_line(self.name, 60), {"max_lines": 3, "placeholder": "…"}
        lines = textwrap.wrap(name, LINE_CHARS, **wrap)
        return [self.number, *(figure_text(line) for line in lines)]

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
        while len(blocks) > 1 and fmean(blocks[-2]) > fmean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    levels = [min(max(fmean(block), low), high - offsets[-1]) for block in blocks for _ in block]
    placed = {i: level + offset for i, level, offset in zip(order, levels, offsets)}
    return [placed[i] for i in range(len(values))]


def label_lines(
    fig: go.Figure, labels: Sequence[Label], plot_height: int, low: float, high: float
) -> None:
    """Write `labels` right of a plot of plot_height px, joined to their lines by thin strokes."""
    labels = [label for label in labels if label.y == label.y]
    unit = (high - low) / plot_height  # of a pixel
    sizes = [unit * (LINE_PX * len(label.lines) + 2) for label in labels]
    for label, y in zip(labels, spread_labels([label.y for label in labels], sizes, low, high)):
        letters = font(INK if label.strong else MUTED, SIZE - 1)
        style = {"xref": "paper", "xanchor": "left", "font": letters, "ax": 14}
        stroke = _stroke_style(label.colour, 1.5, 2)
        note(fig, str(label), 1, label.y, ay=(label.y - y) / unit, **style, **stroke)


def _stroke_style(colour: str, width: float, pad: int) -> dict[str, Any]:
    stroke = {"showarrow": True, "arrowhead": 0, "arrowwidth": width, "arrowcolor": colour}
    return stroke | {"align": "left", "borderpad": pad}


def draw_levels(
    fig: go.Figure, levels: Sequence[Label], width: float = 2, dash: str = "dash"
) -> None:
    """Draw a horizontal line across the plot for each label, in its colour."""
    for level in levels:
        line = {"color": level.colour, "width": width, "dash": dash}
        fig.add_hline(y=level.y, line=line, name=level.name)


@dataclass(frozen=True)
class LabelPoint:
    """A point in px from the lower left corner of the plot, and the lines of its name.

    lines: not escaped; () for a point without a name. low, high: ends of its error bar, in px.
    """

    x: float
    y: float
    lines: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None


Box = tuple[float, float, float, float]  # left, bottom, right, top


def place_names(
    points: Sequence[LabelPoint], width: float, height: float
) -> list[tuple[float, float]]:
    """Return the (x, y) of each name's lower left corner relative to its point, in px.

    (0, 0) for points without a name. Names are placed from left to right, each at the first of
    PLACES that is free, else where least is covered.
    """
    taken = [(p.x - NEAR, p.y - NEAR, p.x + NEAR, p.y + NEAR) for p in points]
    taken += [
        (p.x - 3, p.low, p.x + 3, p.high)
        for p in points
        if p.low is not None and p.high is not None
    ]
    out, names = [(0.0, 0.0)] * len(points), []
    for i in sorted(range(len(points)), key=lambda i: points[i].x):
        point = points[i]
        if not point.lines:
            continue
        across, tall = CHAR * max(map(len, point.lines)), LINE * len(point.lines)
        choices = []
        for dx, dy in PLACES:
            left = point.x + dx if dx > 0 else point.x + dx - across
            left = min(max(left, 2.0), width - across)
            bottom = point.y + dy
            box = (left, bottom, left + across, bottom + tall)
            outside = max(0.0, box[3] - height) + max(0.0, -box[1])
            stroke = _stroke(point, box)
            covered = sum(_overlap(box, other) for other in taken)
            covered += sum(_overlap(part, name) for part in stroke for name in names)
            choices.append((covered + 50 * outside, len(choices), box, stroke))
        *_, best, stroke = min(choices)
        names.append(best)
        taken += [best, *stroke]
        out[i] = (best[0] - point.x, best[1] - point.y)
    return out


def name_points(
    fig: go.Figure,
    points: Sequence[LabelPoint],
    at: Sequence[tuple[float, float]],
    width: float,
    height: float,
) -> None:
    """Write the names into `fig`.

    at: the points in the units of the axes (on a log axis the logarithm).
    """
    for point, (x, y), (dx, dy) in zip(points, at, place_names(points, width, height)):
        if not point.lines:
            continue
        first, *rest = (figure_text(line, 60) for line in point.lines)
        across = CHAR * max(map(len, point.lines)) / 2
        text = "<br>".join([f"<b>{first}</b>", *rest])
        style = {"name": NAME, "font": font(INK, SIZE - 1), "bgcolor": "rgba(255,255,255,0.8)"}
        away = {"ax": dx + across, "ay": -(dy + LINE * len(point.lines) / 2), "standoff": 7}
        note(fig, text, x, y, **style, **away, **_stroke_style(MUTED, 1, 1))


def name_spots(
    fig: go.Figure,
    spots: Sequence[tuple[float, float]],
    names: Sequence[tuple[str, ...]],
    bounds: Sequence[tuple[float, float] | None],
    xs: tuple[float, float],
    ys: tuple[float, float],
    size: tuple[int, int],
) -> None:
    """Write names (lines, () for none) next to points.

    spots: (x, y) in the units of the axes (on a log axis the logarithm). bounds: ends of their
    error bars. xs, ys: ranges of the axes. size: of the plot, px.
    """

    def up(y: float) -> float:
        return size[1] * (y - ys[0]) / (ys[1] - ys[0])

    points = [
        LabelPoint(size[0] * (x - xs[0]) / (xs[1] - xs[0]), up(y), lines, *map(up, ends or ()))
        for (x, y), lines, ends in zip(spots, names, bounds)
    ]
    name_points(fig, points, spots, *size)


def _stroke(point: LabelPoint, box: Box) -> list[Box]:
    """Return the line from a point to the middle of its name as small boxes outside of the name."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    spots = [
        (point.x + k / 10 * (x - point.x), point.y + k / 10 * (y - point.y)) for k in range(2, 10)
    ]
    small = [(u - 4, v - 4, u + 4, v + 4) for u, v in spots]
    return [s for s in small if not _overlap(s, box)]


def _overlap(one: Box, other: Box) -> float:
    """Return the area that two boxes share, in square px."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    tall = min(one[3], other[3]) - max(one[1], other[1])
    return across * tall if across > 0 and tall > 0 else 0.0
