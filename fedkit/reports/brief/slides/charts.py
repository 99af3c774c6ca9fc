"""The brief's pictures as native charts of a slide, each with its editable workbook inside.

No cell of a workbook holds a formula or a link, whatever the data say.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from fedkit.core import locale
from fedkit.reports.brief.brief import Bar, Brief, Swing
from fedkit.reports.brief.pictures import (
    HIGH,
    LOW,
    MOST_BARS,
    MOST_SWINGS,
    known_interval,
    month_ticks,
    widest_first,
)
from fedkit.reports.brief.slides import chart_xml as parts
from fedkit.reports.brief.text_metrics import cut_lines, slide_text, text_width
from fedkit.results.method_style import method_style

RISKY = re.compile(
    r"^\s*(?:[=+\-@\t\r]|(?:https?|ftp|file|mailto|internal|external|javascript):)", re.IGNORECASE
)
MONTH = {"en": "{word} {month}", "ja": "{month}か月目"}  # in which set-up is back
INCH = 914_400  # EMU
END = 92  # points: the longest label at a bar's end


def add_accuracies_chart(slide, brief: Brief, box: Sequence[int]) -> None:
    """Add a bar for each method, the first on top, with its 95 % interval as error bars and in
    words.

    A second series, not painted, ends where the intervals end and carries the labels.
    """
    from pptx.chart.data import CategoryChartData
    from pptx.enum.chart import XL_CHART_TYPE, XL_LABEL_POSITION

    shown = [bar for bar in brief.bars if math.isfinite(bar.value)][: MOST_BARS + 1][::-1]
    spreads = [known_interval(bar) or (bar.value, bar.value) for bar in shown]
    data = CategoryChartData(number_format="0.0%")
    plot, size = (0.27, 0.01, 0.49, 0.89), 14 if len(shown) < 8 else 12
    data.categories = [
        category_name(bar.name, plot[0] * box[2], size, 2 if len(shown) < 8 else 1) for bar in shown
    ]
    data.add_series(workbook_cell(brief.ui.get("accuracies", ""), 60), [bar.value for bar in shown])
    data.add_series("95%", [high for _, high in spreads])
    chart = parts.add_chart(slide, XL_CHART_TYPE.BAR_CLUSTERED, data, box, plot, size)
    chart.plots[0].gap_width, chart.plots[0].overlap = 40, 100
    bars, ends = chart.plots[0].series
    for bar, point, end in zip(shown, _points(bars, len(shown)), _points(ends, len(shown))):
        parts.fill_colour(point.format.fill, method_style(bar.method).colour)
        parts.add_label(
            end,
            parts.SPACE + value_with_interval(bar, brief.lang),
            XL_LABEL_POSITION.OUTSIDE_END,
            size,
        )
    ends.format.fill.background()
    parts.add_error_bars(bars, spreads)
    parts.format_axis(chart.value_axis, "", 0.0, 1.0, 0.25)
    _tick_format(chart.value_axis, "0%")
    parts.show_every_category(chart.category_axis, 1)


def add_tornado_chart(slide, brief: Brief, box: Sequence[int]) -> None:
    """Add two bars for each assumption, from the yearly net to its value at low and at high.

    The axis has room for the labels at the bars' ends. A solid line marks the net, a broken one
    zero.
    """
    from pptx.chart.data import CategoryChartData
    from pptx.enum.chart import XL_CHART_TYPE, XL_LABEL_POSITION, XL_TICK_LABEL_POSITION

    shown, words, back = drawn_swings(brief)[::-1], brief.ui.get("net_per_year", ""), brief.returns
    net = back.net if math.isfinite(back.net) else 0.0
    plot = (0.31, 0.09, 0.67, 0.73)
    low, high, step = tornado_axis_scale(shown, net, plot[2] * box[2] / INCH * 72)
    by, form, unit = parts.money_format((low, high), step, back.currency, brief.lang)
    data = CategoryChartData(number_format=form)
    data.categories = [category_name(s.name, plot[0] * box[2], 12) for s in shown]
    data.add_series(workbook_cell(f"{words} ↓", 60), [s.at_low / by for s in shown])
    data.add_series(workbook_cell(f"{words} ↑", 60), [s.at_high / by for s in shown])
    chart = parts.add_chart(slide, XL_CHART_TYPE.BAR_CLUSTERED, data, box, plot)
    chart.plots[0].gap_width, chart.plots[0].overlap = 40, 100
    for series, colour, label in zip(
        chart.plots[0].series, (LOW, HIGH), ("low_label", "high_label")
    ):
        parts.fill_colour(series.format.fill, colour)
        series.invert_if_negative = False
        for point, swing in zip(_points(series, len(shown)), shown):
            parts.add_label(point, end_label(getattr(swing, label)), XL_LABEL_POSITION.OUTSIDE_END)
    chart.value_axis.crosses_at, chart.value_axis.has_major_gridlines = net / by, False
    chart.category_axis.tick_label_position = XL_TICK_LABEL_POSITION.LOW
    parts.show_every_category(chart.category_axis, 2)
    parts.format_axis(chart.value_axis, f"{words} ({unit})", low / by, high / by, step / by)
    _tick_format(chart.value_axis, form)

    def at(value: float) -> float:
        return plot[0] + plot[2] * (value - low) / (high - low)

    said = f"{words} {locale.money(net, back.currency, brief.lang)}"
    wide = min(text_width(said, 12, True) / 72 * INCH / box[2], 1.0)
    start = min(max(at(net) - wide / 2, 0.0), 1.0 - wide)
    pitch, rows = plot[3] / len(shown), range(len(shown) + 1)
    gaps = [(max(i - 0.26, 0.0), min(i + 0.26, len(shown))) for i in rows]  # where no label stands
    zero = [(at(0.0), plot[1] + a * pitch, plot[1] + b * pitch) for a, b in gaps]
    parts.add_marks(chart, zero, [(start, 0.01, wide, plot[1] - 0.02, said)])


def add_break_even_chart(slide, brief: Brief, box: Sequence[int]) -> None:
    """Add cumulative money by month as a line, with the zero line and the month that reaches it."""
    from pptx.chart.data import XyChartData
    from pptx.enum.chart import (
        XL_CHART_TYPE,
        XL_LABEL_POSITION,
        XL_MARKER_STYLE,
        XL_TICK_LABEL_POSITION,
    )

    curve, back, lang = curve_points(brief), brief.returns, brief.lang
    values = [v for _, v in curve]
    reach = max(*values, 0.0) - min(*values, 0.0)
    low, high, step = parts.axis_scale(min(values) - 0.1 * reach, max(values) + 0.1 * reach, 6)
    by, form, unit = parts.money_format((low, high), step, back.currency, lang)
    data = XyChartData(number_format=form)
    series = data.add_series(workbook_cell(f"{brief.ui.get('break_even', '')} ({unit})", 60))
    for month, value in curve:
        series.add_data_point(month, value / by)
    paid = (
        back.months
        if back.months is not None and curve[0][0] <= back.months <= curve[-1][0]
        else None
    )
    if paid is not None:
        data.add_series(workbook_cell(brief.ui.get("break_even", ""), 60)).add_data_point(paid, 0)
    chart = parts.add_chart(
        slide, XL_CHART_TYPE.XY_SCATTER_LINES_NO_MARKERS, data, box, (0.13, 0.03, 0.83, 0.79)
    )
    line = chart.plots[0].series[0]
    parts.style_line(line.format.line, HIGH, 2.5)
    line.smooth, rising = False, values[-1] >= values[0]
    below, above = XL_LABEL_POSITION.BELOW, XL_LABEL_POSITION.ABOVE
    for i, right in ((0, True), (len(curve) - 1, False)):
        text = parts.pad_beside(locale.money(values[i], back.currency, lang), right)
        parts.add_label(line.points[i], text, below if right == rising else above)
    if paid is not None:
        mark = chart.plots[0].series[1]
        right = paid - curve[0][0] < 0.6 * (curve[-1][0] - curve[0][0])
        mark.marker.style, mark.marker.size = XL_MARKER_STYLE.CIRCLE, 10
        parts.fill_colour(mark.marker.format.fill, parts.FIRM)
        parts.style_line(mark.format.line, parts.FIRM, 2)
        text = MONTH[lang].format(word=brief.ui.get("month", ""), month=math.ceil(paid - 1e-9))
        parts.add_label(
            mark.points[0], parts.pad_beside(text, right), below if right else above, 13, bold=True
        )
    months = month_ticks(curve[0][0], curve[-1][0])
    across = chart.category_axis
    across.has_major_gridlines = chart.value_axis.has_major_gridlines = False
    across.tick_label_position = XL_TICK_LABEL_POSITION.LOW
    parts.format_axis(
        across,
        brief.ui.get("month", ""),
        curve[0][0],
        curve[-1][0],
        (months[1:] or [curve[-1][0]])[0] - curve[0][0],
    )
    parts.style_line(across.format.line, parts.FIRM, 1.5)  # it crosses at zero
    parts.format_axis(chart.value_axis, unit, low / by, high / by, step / by)
    _tick_format(chart.value_axis, form)


def tornado_axis_scale(
    shown: Sequence[Swing], net: float, wide: float
) -> tuple[float, float, float]:
    """Return (low, high, step) of an axis on which labels at bars' ends stay in `wide` points."""
    ends = [
        sorted(((s.at_low, s.low_label), (s.at_high, s.high_label)), key=lambda e: e[0])
        for s in shown
    ]

    def room(text: str) -> float:
        return (text_width(end_label(text), 12) + 10) / wide

    low, high = min(net, 0.0, *(e[0][0] for e in ends)), max(net, 0.0, *(e[1][0] for e in ends))
    for _ in range(12):
        over = high - low
        low = min(low, *(min(a[0], net) - room(a[1]) * over for a, _ in ends))
        high = max(high, *(max(b[0], net) + room(b[1]) * over for _, b in ends))
    return parts.axis_scale(low, high, 8)


def end_label(text: str) -> str:
    """Return the label at a bar's end, cut to END points."""
    return cut_lines(slide_text(text), END, 12)[0]


def drawn_swings(brief: Brief) -> list[Swing]:
    """Return the swings that are drawn, the widest first."""
    return widest_first(brief.returns.swings)[:MOST_SWINGS]


def curve_points(brief: Brief) -> list[tuple[float, float]]:
    """Return the finite points of the curve; none where there are too few for a line."""
    found = [(m, v) for m, v in brief.returns.curve if math.isfinite(m) and math.isfinite(v)]
    return found if len(found) > 1 else []


def value_with_interval(bar: Bar, lang: str) -> str:
    """Return a bar's value with its interval, in words."""
    spread = known_interval(bar)
    return locale.percent(bar.value, lang) + (
        f" ({locale.percent_range(*spread, lang)})" if spread else ""
    )


def workbook_cell(text: str, limit: int = 60) -> str:
    """Return text for a cell: what could be a formula or a link starts with an apostrophe."""
    words = slide_text(text, limit)
    return f"'{words}" if RISKY.match(words) else words


def category_name(text: str, wide: float, size: float, most: int = 2) -> str:
    """Return a name in lines that fit in `wide` EMU, as not every program breaks them itself."""
    return "\n".join(cut_lines(workbook_cell(text, 60), wide / INCH * 72 - 12, size, most))


def _points(series, count: int) -> list:
    return [series.points[i] for i in range(count)]


def _tick_format(axis, form: str) -> None:
    axis.tick_labels.number_format, axis.tick_labels.number_format_is_linked = form, False
