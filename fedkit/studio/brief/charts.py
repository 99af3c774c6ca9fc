"""The brief's pictures as native charts of a slide, each with its workbook inside, so that a reader can edit them.

No cell of a workbook holds a formula or a link, whatever the data say.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from fedkit.studio.brief import local
from fedkit.studio.brief.fit import clean
from fedkit.studio.brief.model import Bar, Brief, Swing
from fedkit.studio.brief.pictures import HIGH, LOW, MOST_BARS, MOST_SWINGS, interval, ordered
from fedkit.studio.theme import look

LATIN, EAST = "Arial", "Yu Gothic"  # on Windows and with Office for Mac
RISKY = re.compile(r"^\s*(?:[=+\-@\t\r]|(?:https?|ftp|file|mailto|internal|external|javascript):)", re.IGNORECASE)


def accuracies(slide, brief: Brief, box: Sequence[int]) -> None:
    """A bar for each way of learning, the first on top, with its 95 % interval as error bars and in its label."""
    from pptx.chart.data import CategoryChartData
    from pptx.enum.chart import XL_CHART_TYPE

    shown = [bar for bar in brief.bars if math.isfinite(bar.value)][: MOST_BARS + 1][::-1]
    data = CategoryChartData(number_format="0.0%")
    data.categories = [cell(bar.name, 60) for bar in shown]
    data.add_series(cell(brief.ui.get("accuracies", ""), 60), [bar.value for bar in shown])
    chart = _chart(slide, XL_CHART_TYPE.BAR_CLUSTERED, data, box)
    plot = chart.plots[0]
    plot.gap_width, series = 45, plot.series[0]
    for point, bar in zip(_points(series, len(shown)), shown):
        _paint(point.format.fill, look(bar.method).colour)
        _label(point, said(bar, brief.lang), over=(interval(bar) or (0, bar.value))[1] - bar.value)
    _error_bars(series, [interval(bar) or (bar.value, bar.value) for bar in shown])
    chart.value_axis.minimum_scale, chart.value_axis.maximum_scale = 0.0, 1.25
    chart.value_axis.visible = False
    chart.value_axis.has_major_gridlines = False


def tornado(slide, brief: Brief, box: Sequence[int]) -> None:
    """Two bars for each assumption, from the net value a year outwards: at its low and at its high value."""
    from pptx.chart.data import CategoryChartData
    from pptx.enum.chart import XL_CHART_TYPE, XL_TICK_LABEL_POSITION

    shown, words = swings(brief)[::-1], brief.ui.get("net_per_year", "")
    data = CategoryChartData(number_format="#,##0")
    data.categories = [cell(s.name, 40) for s in shown]
    data.add_series(cell(f"{words} ↓", 60), [s.at_low for s in shown])
    data.add_series(cell(f"{words} ↑", 60), [s.at_high for s in shown])
    chart = _chart(slide, XL_CHART_TYPE.BAR_CLUSTERED, data, box)
    plot = chart.plots[0]
    plot.gap_width, plot.overlap = 40, 100
    for series, colour, label in zip(plot.series, (LOW, HIGH), ("low_label", "high_label")):
        _paint(series.format.fill, colour)
        series.invert_if_negative = False
        for point, swing in zip(_points(series, len(shown)), shown):
            _label(point, cell(getattr(swing, label), 24))
    chart.value_axis.crosses_at = brief.returns.net if math.isfinite(brief.returns.net) else 0
    chart.category_axis.tick_label_position = XL_TICK_LABEL_POSITION.LOW
    _axis_title(chart.value_axis, f"{words} ({brief.returns.currency})")


def break_even(slide, brief: Brief, box: Sequence[int]) -> None:
    """Money since the start by month, as a line."""
    from pptx.chart.data import XyChartData
    from pptx.enum.chart import XL_CHART_TYPE, XL_TICK_LABEL_POSITION
    from pptx.util import Pt

    data = XyChartData(number_format="#,##0")
    series = data.add_series(cell(f"{brief.ui.get('break_even', '')} ({brief.returns.currency})", 60))
    for month, value in points(brief):
        series.add_data_point(month, value)
    chart = _chart(slide, XL_CHART_TYPE.XY_SCATTER_LINES_NO_MARKERS, data, box)
    line = chart.plots[0].series[0].format.line
    _paint(line.fill, HIGH)
    line.width, chart.plots[0].series[0].smooth = Pt(2.5), False
    chart.category_axis.tick_label_position = XL_TICK_LABEL_POSITION.LOW
    chart.category_axis.minimum_scale, chart.category_axis.maximum_scale = points(brief)[0][0], points(brief)[-1][0]
    chart.category_axis.has_major_gridlines = False
    _axis_title(chart.category_axis, brief.ui.get("month", ""))
    _axis_title(chart.value_axis, brief.returns.currency)


def swings(brief: Brief) -> list[Swing]:
    """Those drawn, the widest first."""
    return ordered(brief.returns.swings)[:MOST_SWINGS]


def points(brief: Brief) -> list[tuple[float, float]]:
    """The finite points of the curve; none where there are too few for a line."""
    found = [(m, v) for m, v in brief.returns.curve if math.isfinite(m) and math.isfinite(v)]
    return found if len(found) > 1 else []


def said(bar: Bar, lang: str) -> str:
    """A bar's value with its interval, in words."""
    spread = interval(bar)
    return local.percent(bar.value, lang) + (f" ({local.between(*spread, lang)})" if spread else "")


def cell(text: str, limit: int = 60) -> str:
    """Text for a workbook's cell: what could be a formula or a link starts with an apostrophe."""
    words = clean(text, limit)
    return f"'{words}" if RISKY.match(words) else words


def typefaces(properties) -> None:
    """Set the Latin and the East Asian typeface of a run's or a chart's text properties."""
    from pptx.oxml.ns import qn

    for tag, name in (("a:latin", LATIN), ("a:ea", EAST)):
        for old in properties.findall(qn(tag)):
            properties.remove(old)
        properties.append(properties.makeelement(qn(tag), {"typeface": name}))


def _chart(slide, kind, data, box: Sequence[int]):
    from pptx.util import Pt

    chart = slide.shapes.add_chart(kind, *box, data).chart
    chart.has_legend = chart.has_title = False
    chart.font.size = Pt(12)
    typefaces(chart.font._rPr)
    return chart


def _points(series, count: int) -> list:
    return [series.points[i] for i in range(count)]


def _paint(fill, colour: str) -> None:
    from pptx.dml.color import RGBColor

    fill.solid()
    fill.fore_color.rgb = RGBColor.from_string(colour.lstrip("#").upper())


def _label(point, text: str, over: float = 0.0) -> None:
    """A direct label at a bar's end; it stays editable text. over: share of 1 by which an error bar leaves the bar."""
    from pptx.enum.chart import XL_LABEL_POSITION
    from pptx.util import Pt

    label = point.data_label
    run = label.text_frame.paragraphs[0].add_run()
    run.text, run.font.size = (
        "\u00a0" * (1 + round(160 * max(over, 0.0))) + clean(text, 60),
        Pt(11),
    )  # beyond the error bar
    typefaces(run._r.get_or_add_rPr())
    label.position = XL_LABEL_POSITION.OUTSIDE_END


def _axis_title(axis, text: str) -> None:
    from pptx.util import Pt

    axis.has_title = True
    run = axis.axis_title.text_frame.paragraphs[0].add_run()
    run.text, run.font.size, run.font.bold = clean(text, 60), Pt(11), False
    typefaces(run._r.get_or_add_rPr())


def _error_bars(series, spreads: Sequence[tuple[float, float]]) -> None:
    """Native error bars with given ends (ECMA-376 21.2.2.55): plus and minus from each value."""
    from pptx.oxml import parse_xml
    from pptx.oxml.ns import nsdecls, qn

    sides = [
        [high - v for (_, high), v in zip(spreads, series.values)],
        [v - low for (low, _), v in zip(spreads, series.values)],
    ]
    plus, minus = (_literal(name, values) for name, values in zip(("plus", "minus"), sides))
    bars = parse_xml(f'<c:errBars {nsdecls("c", "a")}><c:errBarType val="both"/><c:errValType val="cust"/><c:noEndCap val="0"/>{plus}{minus}'
                     '<c:spPr><a:ln w="15875"><a:solidFill><a:srgbClr val="222222"/></a:solidFill></a:ln></c:spPr></c:errBars>')  # fmt: skip
    series._element.find(qn("c:cat")).addprevious(bars)


def _literal(name: str, values: Sequence[float]) -> str:
    inside = "".join(f'<c:pt idx="{i}"><c:v>{max(v, 0.0):.6g}</c:v></c:pt>' for i, v in enumerate(values))
    return f'<c:{name}><c:numLit><c:formatCode>General</c:formatCode><c:ptCount val="{len(values)}"/>{inside}</c:numLit></c:{name}>'
