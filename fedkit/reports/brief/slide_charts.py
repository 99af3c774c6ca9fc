"""The brief's pictures as native charts of a slide, each with its editable workbook inside.

No cell of a workbook holds a formula or a link, whatever the data say. The plot area has a fixed
place in its chart, so that the room for labels can be computed; everything stays editable.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from lxml import etree
from pptx.chart.data import CategoryChartData, XyChartData
from pptx.enum.chart import (
    XL_CHART_TYPE,
    XL_LABEL_POSITION,
    XL_MARKER_STYLE,
    XL_TICK_LABEL_POSITION,
    XL_TICK_MARK,
)
from pptx.opc.constants import RELATIONSHIP_TYPE
from pptx.opc.package import Part
from pptx.oxml import parse_xml
from pptx.oxml.ns import nsdecls, qn
from pptx.util import Pt

from fedkit.core import locale
from fedkit.core.templates import ENGINE
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
from fedkit.reports.brief.slide_boxes import EAST, LATIN, add_run, rgb, set_typefaces
from fedkit.reports.brief.text_metrics import cut_lines, slide_text, text_width
from fedkit.results.method_style import method_style

RISKY = re.compile(
    r"^\s*(?:[=+\-@\t\r]|(?:https?|ftp|file|mailto|internal|external|javascript):)", re.IGNORECASE
)
MONTH = {"en": "{word} {month}", "ja": "{month}か月目"}  # in which set-up is back
INCH = 914_400  # EMU
END = 92  # points: the longest label at a bar's end
SOFT, FIRM = "#d9d9d9", "#222222"  # lines of a grid; axes and marks
SPACE = "\u00a0"
# from which size on, how much one is, its name
UNITS = {"en": (1e6, 1e6, " million"), "ja": (1e5, 1e4, "万")}
DRAWN = "application/vnd.openxmlformats-officedocument.drawingml.chartshapes+xml"


def add_accuracies_chart(slide, brief: Brief, box: Sequence[int]) -> None:
    """Add a bar for each method, the first on top, with its 95 % interval as error bars and in
    words.

    A second series, not painted, ends where the intervals end and carries the labels.
    """
    shown = [bar for bar in brief.bars if math.isfinite(bar.value)][: MOST_BARS + 1][::-1]
    spreads = [known_interval(bar) or (bar.value, bar.value) for bar in shown]
    data = CategoryChartData(number_format="0.0%")
    plot, (size, most) = (0.27, 0.01, 0.49, 0.89), (14, 2) if len(shown) < 8 else (12, 1)
    data.categories = [category_name(bar.name, plot[0] * box[2], size, most) for bar in shown]
    data.add_series(workbook_cell(brief.ui.get("accuracies", ""), 60), [bar.value for bar in shown])
    data.add_series("95%", [high for _, high in spreads])
    chart = add_chart(slide, XL_CHART_TYPE.BAR_CLUSTERED, data, box, plot, size)
    chart.plots[0].gap_width, chart.plots[0].overlap = 40, 100
    bars, ends = chart.plots[0].series
    for bar, point, end in zip(shown, _points(bars, len(shown)), _points(ends, len(shown))):
        fill_colour(point.format.fill, method_style(bar.method).colour)
        label = SPACE + value_with_interval(bar, brief.lang)
        add_label(end, label, XL_LABEL_POSITION.OUTSIDE_END, size)
    ends.format.fill.background()
    add_error_bars(bars, spreads)
    format_axis(chart.value_axis, (0.0, 1.0, 0.25), "0%")
    show_every_category(chart.category_axis, 1)


def add_tornado_chart(slide, brief: Brief, box: Sequence[int]) -> None:
    """Add two bars for each assumption, from the yearly net to its value at low and at high.

    The axis has room for the labels at the bars' ends. A solid line marks the net, a broken one
    zero.
    """
    shown, words, back = drawn_swings(brief)[::-1], brief.ui.get("net_per_year", ""), brief.returns
    net = back.net if math.isfinite(back.net) else 0.0
    plot = (0.31, 0.09, 0.67, 0.73)
    low, high, step = tornado_axis_scale(shown, net, plot[2] * box[2] / INCH * 72)
    by, form, unit = money_format((low, high), step, back.currency, brief.lang)
    data = CategoryChartData(number_format=form)
    data.categories = [category_name(s.name, plot[0] * box[2], 12) for s in shown]
    data.add_series(workbook_cell(f"{words} ↓", 60), [s.at_low / by for s in shown])
    data.add_series(workbook_cell(f"{words} ↑", 60), [s.at_high / by for s in shown])
    chart = add_chart(slide, XL_CHART_TYPE.BAR_CLUSTERED, data, box, plot)
    chart.plots[0].gap_width, chart.plots[0].overlap = 40, 100
    for series, colour, label in zip(
        chart.plots[0].series, (LOW, HIGH), ("low_label", "high_label")
    ):
        fill_colour(series.format.fill, colour)
        series.invert_if_negative = False
        for point, swing in zip(_points(series, len(shown)), shown):
            add_label(point, end_label(getattr(swing, label)), XL_LABEL_POSITION.OUTSIDE_END)
    chart.value_axis.crosses_at, chart.value_axis.has_major_gridlines = net / by, False
    chart.category_axis.tick_label_position = XL_TICK_LABEL_POSITION.LOW
    show_every_category(chart.category_axis, 2)
    ends = (low / by, high / by, step / by)
    format_axis(chart.value_axis, ends, form, f"{words} ({unit})")

    def at(value: float) -> float:
        return plot[0] + plot[2] * (value - low) / (high - low)

    said = f"{words} {locale.money(net, back.currency, brief.lang)}"
    wide = min(text_width(said, 12, True) / 72 * INCH / box[2], 1.0)
    start = min(max(at(net) - wide / 2, 0.0), 1.0 - wide)
    pitch, rows = plot[3] / len(shown), range(len(shown) + 1)
    gaps = [(max(i - 0.26, 0.0), min(i + 0.26, len(shown))) for i in rows]  # where no label stands
    zero = [(at(0.0), plot[1] + a * pitch, plot[1] + b * pitch) for a, b in gaps]
    add_marks(chart, zero, [(start, 0.01, wide, plot[1] - 0.02, said)])


def add_break_even_chart(slide, brief: Brief, box: Sequence[int]) -> None:
    """Add cumulative money by month as a line, with the zero line and the month that reaches it."""
    curve, back, lang = curve_points(brief), brief.returns, brief.lang
    values, (first, last) = [v for _, v in curve], (curve[0][0], curve[-1][0])
    reach = max(*values, 0.0) - min(*values, 0.0)
    low, high, step = axis_scale(min(values) - 0.1 * reach, max(values) + 0.1 * reach, 6)
    by, form, unit = money_format((low, high), step, back.currency, lang)
    data = XyChartData(number_format=form)
    series = data.add_series(workbook_cell(f"{brief.ui.get('break_even', '')} ({unit})", 60))
    for month, value in curve:
        series.add_data_point(month, value / by)
    paid = back.months if back.months is not None and first <= back.months <= last else None
    if paid is not None:
        data.add_series(workbook_cell(brief.ui.get("break_even", ""), 60)).add_data_point(paid, 0)
    kind, plot = XL_CHART_TYPE.XY_SCATTER_LINES_NO_MARKERS, (0.13, 0.03, 0.83, 0.79)
    chart = add_chart(slide, kind, data, box, plot)
    line = chart.plots[0].series[0]
    style_line(line.format.line, HIGH, 2.5)
    line.smooth, rising = False, values[-1] >= values[0]
    for i, right in ((0, True), (len(curve) - 1, False)):
        text = pad_beside(locale.money(values[i], back.currency, lang), right)
        place = XL_LABEL_POSITION.BELOW if right == rising else XL_LABEL_POSITION.ABOVE
        add_label(line.points[i], text, place)
    if paid is not None:
        text = MONTH[lang].format(word=brief.ui.get("month", ""), month=math.ceil(paid - 1e-9))
        _mark_month(chart.plots[0].series[1], text, paid - first < 0.6 * (last - first))
    across, months = chart.category_axis, month_ticks(first, last)
    across.has_major_gridlines = chart.value_axis.has_major_gridlines = False
    across.tick_label_position = XL_TICK_LABEL_POSITION.LOW
    apart = (months[1:] or [last])[0] - first
    format_axis(across, (first, last, apart), title=brief.ui.get("month", ""))
    style_line(across.format.line, FIRM, 1.5)  # it crosses at zero
    format_axis(chart.value_axis, (low / by, high / by, step / by), form, unit)


def _mark_month(mark, text: str, right: bool) -> None:
    """Draw the point at which set-up is back, with its month to the right or left of it."""
    mark.marker.style, mark.marker.size = XL_MARKER_STYLE.CIRCLE, 10
    fill_colour(mark.marker.format.fill, FIRM)
    style_line(mark.format.line, FIRM, 2)
    place = XL_LABEL_POSITION.BELOW if right else XL_LABEL_POSITION.ABOVE
    add_label(mark.points[0], pad_beside(text, right), place, 13, bold=True)


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
    return axis_scale(low, high, 8)


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
    value, spread = locale.percent(bar.value, lang), known_interval(bar)
    return f"{value} ({locale.percent_range(*spread, lang)})" if spread else value


def workbook_cell(text: str, limit: int = 60) -> str:
    """Return text for a cell: what could be a formula or a link starts with an apostrophe."""
    words = slide_text(text, limit)
    return f"'{words}" if RISKY.match(words) else words


def category_name(text: str, wide: float, size: float, most: int = 2) -> str:
    """Return a name in lines that fit in `wide` EMU, as not every program breaks them itself."""
    return "\n".join(cut_lines(workbook_cell(text, 60), wide / INCH * 72 - 12, size, most))


def _points(series, count: int) -> list:
    return [series.points[i] for i in range(count)]


# ---- parts of charts


def add_chart(slide, kind, data, box: Sequence[int], plot: Sequence[float], size: int = 12):
    """Add a chart in a box (EMU) without legend and title.

    plot: left, top, width, height of its plot area as shares of the box.
    """
    made = slide.shapes.add_chart(kind, *box, data).chart
    made.has_legend = made.has_title = False
    made.font.size = Pt(size)
    set_typefaces(made.font._rPr)
    area = made._chartSpace.chart.plotArea
    for old in area.findall(qn("c:layout")):
        area.remove(old)
    area.insert(0, _element("layout", sides=list(zip("xywh", plot))))
    return made


def _element(name: str, **values):
    """Return an element of a chart from its template."""
    return parse_xml(ENGINE.get_template(f"reports/chart_{name}.xml.j2").render(values))


def fill_colour(fill, colour: str) -> None:
    fill.solid()
    fill.fore_color.rgb = rgb(colour)


def style_line(line, colour: str, points: float) -> None:
    fill_colour(line.fill, colour)
    line.width = Pt(points)


def add_label(point, text: str, position, size: int = 12, bold: bool = False) -> None:
    """Add a direct label of a point on one line; it is editable text, not a cell's value."""
    held = point.data_label
    held.text_frame.word_wrap = False
    add_run(held.text_frame.paragraphs[0], text, size, None, bold)
    held.position = position


def pad_beside(text: str, right: bool) -> str:
    """Pad text that is centred on a point with spaces, so that it stands to its right or left."""
    room = SPACE * (8 + math.ceil(text_width(text) / text_width(SPACE)))
    return room + text if right else text + room


def format_axis(axis, ends: Sequence[float], form: str = "", title: str = "") -> None:
    """Set low end, high end and step, number format and title of an axis, with a pale grid."""
    axis.minimum_scale, axis.maximum_scale, axis.major_unit = ends
    if axis.has_major_gridlines:
        style_line(axis.major_gridlines.format.line, SOFT, 0.75)
    axis.format.line.fill.background()
    if title:
        axis.has_title = True
        add_run(axis.axis_title.text_frame.paragraphs[0], slide_text(title, 60), 12, None)
    if form:
        ticks = axis.tick_labels
        ticks.number_format, ticks.number_format_is_linked = form, False


def show_every_category(axis, points: float) -> None:
    """Format the axis of categories: a firm line without ticks, and no name left out."""
    axis.major_tick_mark = XL_TICK_MARK.NONE
    style_line(axis.format.line, FIRM, points)
    skip = parse_xml(f'<c:tickLblSkip {nsdecls("c")} val="1"/>')
    axis._element.find(qn("c:noMultiLvlLbl")).addprevious(skip)


def axis_scale(low: float, high: float, most: int = 5) -> tuple[float, float, float]:
    """Return (low, high, step): whole steps of 1, 2 or 5 times a power of ten, including zero.

    There are `most` steps or one more.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    least = ((high - low) or 1.0) / most
    power = 10.0 ** math.floor(math.log10(least))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= least * (1 - 1e-9))
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, step


def money_format(
    values: Sequence[float], step: float, currency: str, lang: str
) -> tuple[float, str, str]:
    """Return (divisor of the data, number format, unit name) for few digits at an axis.

    English: '¥ million', by the number format. Japanese: '万円', by the data, as no number format
    counts in ten thousands.
    """
    least, unit, name = UNITS[lang]
    big = max(map(abs, values), default=0.0) >= least
    by, commas = (unit, "") if big and lang == "ja" else (1.0, ",," * big)
    one = step / unit if big else step
    decimals = "." + "0" * min(2, math.ceil(-math.log10(one) - 1e-9)) if one < 1 else ""
    digits = f"#,##0{decimals}{commas}"
    signs = locale.SIGNS if lang == "en" else locale.NAMES_JA
    said = slide_text(signs.get(currency, currency), 12)
    named = said + name * big if lang == "en" else name * big + said
    return by, f"{digits};\u2212{digits};0", named


def add_error_bars(series, spreads: Sequence[tuple[float, float]]) -> None:
    """Add native error bars with given ends (ECMA-376 21.2.2.55): plus and minus of values."""
    plus = [high - value for (_, high), value in zip(spreads, series.values)]
    minus = [value - low for (low, _), value in zip(spreads, series.values)]
    bars = _element("errors", sides=[("plus", plus), ("minus", minus)])
    series._element.find(qn("c:cat")).addprevious(bars)


def add_marks(
    made,
    lines: Sequence[tuple[float, float, float]],
    words: Sequence[tuple[float, float, float, float, str]],
) -> None:
    """Add vertical lines and words that move with a chart (ECMA-376 21.3), in shares of it.

    lines: (x, top, bottom); words: (x, y, width, height, text), centred.
    """
    cleaned = [(*place, slide_text(text, 60)) for *place, text in words]
    shapes = _element("marks", lines=lines, words=cleaned, latin=LATIN, east=EAST)
    package = made.part.package
    name = package.next_partname("/ppt/drawings/drawing%d.xml")
    part = Part(name, DRAWN, package, etree.tostring(shapes, encoding="utf-8"))
    ident = made.part.relate_to(part, RELATIONSHIP_TYPE.CHART_USER_SHAPES)
    # the last that may stand
    made._chartSpace.append(parse_xml(f'<c:userShapes {nsdecls("c", "r")} r:id="{ident}"/>'))
