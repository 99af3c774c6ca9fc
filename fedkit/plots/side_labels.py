"""Names beside points, placed so that they cover neither each other nor a point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from fedkit.core.formatting import plain
from fedkit.plots.theme import INK, MUTED, SIZE

CHAR, LINE = 7.6, 17.0  # px, of a letter and of a line, on average
NAME = "beside"  # of these annotations: the page leaves them out where it is narrow
NEAR = 9.0  # px kept free around a point
# of a name's near lower corner against its point, in px: right is +, up is +; the first that is
# free
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
    """A point in px from the lower left corner of the plot, and the lines of its name (not
    escaped); () for none.
    """

    x: float
    y: float
    lines: tuple[str, ...] = ()
    low: float | None = None  # px: the ends of its error bar
    high: float | None = None


Box = tuple[float, float, float, float]  # left, bottom, right, top


def places(points: Sequence[LabelPoint], width: float, height: float) -> list[tuple[float, float]]:
    """For each named point the (x, y) of its name's lower left corner against the point, in px; (0,
    0) for the others.

    Names are placed from left to right, each at the first of PLACES that is free, else where least
    is covered.
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
            covered = sum(_shared(box, other) for other in taken) + sum(
                _shared(s, n) for s in stroke for n in names
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
    """Write the names into `fig`. at: the points in the axes' own numbers (on a log axis the
    logarithm).
    """
    for point, (x, y), (dx, dy) in zip(points, at, places(points, width, height)):
        if not point.lines:
            continue
        first, *rest = (plain(line, 60) for line in point.lines)
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
    """The line from a point to the middle of its name, as small boxes: what lies outside of the
    name itself.
    """
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    spots = [
        (point.x + k / 10 * (x - point.x), point.y + k / 10 * (y - point.y)) for k in range(2, 10)
    ]
    small = [(u - 4, v - 4, u + 4, v + 4) for u, v in spots]
    return [s for s in small if not _shared(s, box)]


def _shared(one: Box, other: Box) -> float:
    """Square px that two boxes share."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    tall = min(one[3], other[3]) - max(one[1], other[1])
    return across * tall if across > 0 and tall > 0 else 0.0
