"""Names next to points, placed so that they cover neither each other nor a point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from fedkit.core.formatting import figure_text
from fedkit.plots.theme import INK, MUTED, SIZE

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
            covered = sum(_overlap(box, other) for other in taken) + sum(
                _overlap(s, n) for s in stroke for n in names
            )
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
        fig.add_annotation(
            x=x,
            y=y,
            text=text,
            align="left",
            font={"size": SIZE - 1, "color": INK},
            showarrow=True,
            arrowhead=0,
            arrowwidth=1,
            arrowcolor=MUTED,
            name=NAME,
            standoff=7,
            ax=dx + across,
            ay=-(dy + LINE * len(point.lines) / 2),
            bgcolor="rgba(255,255,255,0.8)",
            borderpad=1,
        )


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
