"""What every figure is made of: lines with their names, horizontal bars, error bars, log axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from pandas import DataFrame
from plotly.subplots import make_subplots

from fedkit.core.formatting import figure_text
from fedkit.plots.labels import Label, draw_levels, label_lines
from fedkit.plots.theme import BLUE, INK, SIZE, above_bar, font, layout, note

PLOT, AXIS_ROOM, RIGHT = 360, 60, 150  # px: a plot, its x axis, the labels beside its lines
SHARES = (0.0, 100.0)  # %: the same range in every figure, so that two can be compared by eye


@dataclass(frozen=True)
class Line:
    """A line with a name (not escaped). x, y: in the units of the axes; NaN where not known.

    level: a value to compare with, thin and without markers. notes: custom data of the points.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: str
    dash: str = "solid"
    level: bool = False
    notes: Sequence[Any] | None = None

    @property
    def last(self) -> float:
        """Return its last known value."""
        return next((v for v in reversed(self.y) if v == v), math.nan)


def draw_line(fig: go.Figure, line: Line, hover: str) -> None:
    """Add `line` to the figure. hover: plotly's template of what the mouse shows at a point."""
    mode = {"mode": "lines+markers", "marker": {"size": 7}, "cliponaxis": False}
    fig.add_scatter(
        x=list(line.x),
        y=[None if v != v else v for v in line.y],
        name=figure_text(line.name),
        customdata=line.notes,
        line={"color": line.colour, "width": 2 if line.level else 3, "dash": line.dash},
        hovertemplate=hover + "<extra></extra>",
        **({"mode": "lines"} if line.level else mode),
    )


def draw_end(fig: go.Figure, line: Line, end: float) -> None:
    """Join the last point of `line` to its label at the right end of the plot, x = end."""
    name = f"{figure_text(line.name)} end"
    draw_curve(fig, [line.x[-1], end], [line.y[-1]] * 2, line.colour, 1, name=name, dash="dot")


def draw_curve(
    fig: go.Figure,
    x: Sequence[float],
    y: Sequence[float],
    colour: str,
    width: float = 2,
    hover: str = "",
    **style: Any,
) -> None:
    """Add a line without marks. style: of plotly; dash and shape of the line, rest of the trace."""
    look = {key: style.pop(key) for key in ("dash", "shape") if key in style}
    line = {"color": colour, "width": width} | look
    fig.add_scatter(x=x, y=y, mode="lines", line=line, **_hover(hover), **style)


def draw_dots(
    fig: go.Figure,
    x: Sequence[float],
    y: Sequence[float],
    colour: str,
    size: float,
    hover: str = "",
    marker: dict[str, Any] | None = None,
    **style: Any,
) -> None:
    """Add marks, by default without a line. size: px. marker, style: further settings of plotly."""
    look = {"size": size, "color": colour} | (marker or {})
    fig.add_scatter(x=x, y=y, marker=look, **_hover(hover), **{"mode": "markers"} | style)


def _hover(template: str) -> dict[str, str]:
    return {"hovertemplate": template + "<extra></extra>"} if template else {"hoverinfo": "skip"}


def line_chart(
    lines: Sequence[Line],
    sentence: str,
    x: str,
    y: str,
    values: tuple[float, float] | None = None,
    words: str = "{:.1f} %",
    hover: str = "%{x:,.5~g}: %{y:.1f} %",
    log_x: bool = False,
    ends: bool = False,
    levels: Sequence[Label] = (),
) -> go.Figure:
    """Draw lines with their names and last values at the right.

    x, y: titles of the axes. values: range of the y axis; None: a margin around percentages.
    words: format of a last value. ends: join lines that end early to their labels. levels: dashed.
    """
    fig, places = go.Figure(), sorted({float(at) for line in lines for at in line.x})
    for line in lines:
        if ends:
            draw_end(fig, line, places[-1])
        draw_line(fig, line, f"{figure_text(line.name)}<br>{hover}")
    draw_levels(fig, levels)
    layout(fig, sentence, "", x, y, PLOT + AXIS_ROOM + 16, right=RIGHT)
    low, high = values or range_around([v for line in lines for v in line.y])
    fig.update_yaxes(range=[low, high], dtick=20 if values == SHARES else None)
    first, last = map(math.log10, (places[0], places[-1])) if log_x else (places[0], places[-1])
    fig.update_xaxes(range=[first - 0.04 * ((last - first) or 1.0), last], nticks=8)
    if log_x:
        fig.update_xaxes(type="log", tickvals=places, ticktext=[f"{v:,.0f}" for v in places])
    named = [Label(line.last, words.format(line.last), line.name, line.colour) for line in lines]
    label_lines(fig, [*named, *levels], PLOT, low, high)
    return fig


def lines_from_table(table: DataFrame, colours: Sequence[str]) -> list[Line]:
    """Return a line in % per column of `table`: shares, a row per number of the x axis."""
    at = [int(n) for n in table.index]
    shares = [[100 * float(v) for v in table[name]] for name in table.columns]
    return [Line(str(n), at, v, c) for n, v, c in zip(table.columns, shares, colours)]


def range_around(values: Sequence[float]) -> tuple[float, float]:
    """Return the range of an axis with a margin around `values` in %."""
    room = max(2.0, 0.12 * (max(values) - min(values)))
    return max(0.0, min(values) - room), min(100.0, max(values) + room)


def log_axis(low: float, high: float, steps: Sequence[int] = ()) -> dict[str, Any]:
    """Return the settings of a log axis from `low` to `high`, with ticks at round numbers.

    steps: multiples of a decade with a tick; (): 1, and on a short axis also 3.
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = steps or ((1, 3) if len(decades) < 6 else (1,))
    ticks = [v for d in decades for s in steps if low <= (v := s * 10.0**d) <= high]
    words = [f"{v:,.0f}" if v >= 1 else f"{v:g}" for v in ticks]
    ends = [math.log10(low), math.log10(high)]
    return {"type": "log", "range": ends, "tickvals": ticks, "ticktext": words}


def error_bar(
    values: Sequence[float],
    lows: Sequence[float],
    highs: Sequence[float],
    colour: str = INK,
    thickness: float = 1.5,
    width: float = 4,
) -> dict[str, Any]:
    """Return plotly's error bars from the bounds of intervals."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - v for v, high in zip(values, highs)],
        "arrayminus": [v - low for v, low in zip(values, lows)],
        "color": colour,
        "thickness": thickness,
        "width": width,
    }


def rows_of(names: Sequence[Any] | Mapping[str, Any]) -> list[int]:
    """Return the y of each row, the first name on top."""
    return list(range(len(names)))[::-1]


def name_rows(
    fig: go.Figure, names: Sequence[str], rows: Sequence[float] | None = None, grid: bool = False
) -> None:
    """Name the rows at the y axis. names: escaped. rows: their y, by default those of `rows_of`.

    grid: draw a line through each row.
    """
    fig.update_yaxes(
        tickvals=list(rows or rows_of(names)),
        ticktext=list(names),
        range=[-0.6, len(names) - 0.4],
        showgrid=grid,
        tickfont=font(),
    )


def heat_map(
    z: Any, x: Sequence[float] | None, y: Sequence[float], colours: Sequence[Any], **style: Any
) -> go.Heatmap:
    """Return cells coloured from the first to the last of `colours`. style: of plotly."""
    return go.Heatmap(z=z, x=x, y=list(y), colorscale=list(colours), showscale=False, **style)


def h_bars(x: Sequence[float], y: Sequence[float], colour: Any, **style: Any) -> go.Bar:
    """Return horizontal bars. colour: one, or one per bar. style: further settings of plotly."""
    marker = {"color": colour} | style.pop("marker", {})
    return go.Bar(x=list(x), y=list(y), orientation="h", marker=marker, **style)


def bar_chart(
    values: Mapping[str, float],
    sentence: str,
    title: str,
    colours: Sequence[str] = (BLUE,),
    words: Callable[[float], str] = "{:.1f} %".format,
    **style: Any,
) -> go.Figure:
    """Draw one bar per name, with the name and `words(value)` above it. title: of the x axis."""
    rows = rows_of(values)
    colour = [colours[i % len(colours)] for i in range(len(values))]
    hover = style.pop("hovertemplate", "%{x:,.3f}<extra></extra>")
    style |= {"width": 0.4, "hovertemplate": hover}
    fig = go.Figure(h_bars(list(values.values()), rows, colour, **style))
    for (name, value), row in zip(values.items(), rows):
        above_bar(fig, row, f"{figure_text(name, 80)}  <b>{words(value)}</b>")
    layout(fig, sentence, "", title, None, 80 + 66 * len(values))
    fig.update_yaxes(visible=False, range=[-0.5, len(values) - 0.2])
    fig.update_xaxes(rangemode="tozero")
    return fig


def bar_columns(
    names: Sequence[str],
    columns: Mapping[str, Mapping[str, tuple[Sequence[float], Any]]],
    sentence: str,
    top: int = 40,
) -> go.Figure:
    """Draw a column of bars, with a scale of its own, per heading; a row per name.

    columns: {heading: {part of a bar: (values, colour)}}; parts are stacked, sums written beside.
    """
    rows = rows_of(names)
    fig = make_subplots(1, len(columns), shared_yaxes=True, horizontal_spacing=0.05)
    for col, parts in enumerate(columns.values(), 1):
        for part, (values, colour) in parts.items():
            hover = f"{figure_text(part)}<br>%{{x:,.4g}}<extra></extra>"
            bars = h_bars(values, rows, colour, width=0.6, hovertemplate=hover, showlegend=False)
            fig.add_trace(bars, row=1, col=col)
        totals = [float(sum(values)) for values in zip(*(values for values, _ in parts.values()))]
        texts = {"text": [f" {short_number(total)}" for total in totals], "textfont": font()}
        texts |= {"textposition": "middle right", "cliponaxis": False, "hoverinfo": "skip"}
        fig.add_scatter(x=totals, y=rows, mode="text", **texts, row=1, col=col)
        fig.update_xaxes(row=1, col=col, range=[0, 1.45 * max(totals)])
    layout(fig, sentence, "", None, None, 50 + top + 46 * len(names), top=top)
    fig.update_layout(barmode="stack")
    fig.update_xaxes(showgrid=False, showticklabels=False)
    name_rows(fig, [figure_text(name) for name in names])
    for col, heading in enumerate(columns, 1):
        place = {"xref": "x domain" if col == 1 else f"x{col} domain", "yref": "paper"}
        style = {"xanchor": "left", "yanchor": "bottom", "align": "left", "yshift": 6}
        style |= {"font": font(INK, SIZE - 1)}
        note(fig, f"<b>{figure_text(heading)}</b>", 0, 1, **place, **style)
    return fig


def short_number(value: float) -> str:
    """Return a number with at most three significant digits below a million."""
    if value >= 1e6:
        return f"{value / 1e6:.1f} M"
    return f"{value:,.0f}" if value >= 100 or value == 0 else f"{value:.1f}"
