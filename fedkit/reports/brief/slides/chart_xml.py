"""Parts of native charts: plot areas, labels, error bars, marks, scales of money.

The plot area has a fixed place in its chart, so that the room for labels can be computed;
everything stays editable.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from fedkit.core import locale
from fedkit.reports.brief.text_metrics import slide_text, text_width

LATIN, EAST = "Arial", "Yu Gothic"  # on Windows and with Office for Mac
SOFT, FIRM = "#d9d9d9", "#222222"  # lines of a grid; axes and marks
SPACE = "\u00a0"
# from which size on, how much one is, its name
UNITS = {"en": (1e6, 1e6, " million"), "ja": (1e5, 1e4, "万")}
DRAWN = "application/vnd.openxmlformats-officedocument.drawingml.chartshapes+xml"


def add_chart(slide, kind, data, box: Sequence[int], plot: Sequence[float], size: int = 12):
    """Add a chart in a box (EMU) without legend and title.

    plot: left, top, width, height of its plot area as shares of the box.
    """
    from pptx.oxml import parse_xml
    from pptx.oxml.ns import nsdecls, qn
    from pptx.util import Pt

    made = slide.shapes.add_chart(kind, *box, data).chart
    made.has_legend = made.has_title = False
    made.font.size = Pt(size)
    set_typefaces(made.font._rPr)
    area = made._chartSpace.chart.plotArea
    for old in area.findall(qn("c:layout")):
        area.remove(old)
    sides = "".join(f'<c:{k} val="{v:.4f}"/>' for k, v in zip("xywh", plot))
    area.insert(
        0,
        parse_xml(
            f"<c:layout {nsdecls('c')}>"
            "<c:manualLayout>"
            '<c:layoutTarget val="inner"/>'
            '<c:xMode val="edge"/>'
            '<c:yMode val="edge"/>'
            f"{sides}"
            "</c:manualLayout>"
            "</c:layout>"
        ),
    )
    return made


def set_typefaces(properties) -> None:
    """Set the Latin and the East Asian typeface of a run's or a chart's text properties."""
    from pptx.oxml.ns import qn

    for tag, name in (("a:latin", LATIN), ("a:ea", EAST)):
        for old in properties.findall(qn(tag)):
            properties.remove(old)
        properties.append(properties.makeelement(qn(tag), {"typeface": name}))


def fill_colour(fill, colour: str) -> None:
    from pptx.dml.color import RGBColor

    fill.solid()
    fill.fore_color.rgb = RGBColor.from_string(colour.lstrip("#").upper())


def style_line(line, colour: str, points: float) -> None:
    from pptx.util import Pt

    fill_colour(line.fill, colour)
    line.width = Pt(points)


def add_label(point, text: str, position, size: int = 12, bold: bool = False) -> None:
    """Add a direct label of a point on one line; it is editable text, not a cell's value."""
    from pptx.util import Pt

    held = point.data_label
    held.text_frame.word_wrap = False
    run = held.text_frame.paragraphs[0].add_run()
    run.text, run.font.size, run.font.bold = text, Pt(size), bold
    set_typefaces(run._r.get_or_add_rPr())
    held.position = position


def pad_beside(text: str, right: bool) -> str:
    """Pad text that is centred on a point with spaces, so that it stands to its right or left."""
    room = SPACE * (8 + math.ceil(text_width(text) / text_width(SPACE)))
    return room + text if right else text + room


def format_axis(
    one,
    text: str = "",
    low: float | None = None,
    high: float | None = None,
    step: float | None = None,
) -> None:
    """Set ends, step and title of an axis, with a pale grid."""
    from pptx.util import Pt

    one.minimum_scale, one.maximum_scale, one.major_unit = low, high, step
    if one.has_major_gridlines:
        style_line(one.major_gridlines.format.line, SOFT, 0.75)
    one.format.line.fill.background()
    if text:
        one.has_title = True
        run = one.axis_title.text_frame.paragraphs[0].add_run()
        run.text, run.font.size, run.font.bold = slide_text(text, 60), Pt(12), False
        set_typefaces(run._r.get_or_add_rPr())


def show_every_category(one, points: float) -> None:
    """Format the axis of categories: a firm line without ticks, and no name left out."""
    from pptx.enum.chart import XL_TICK_MARK
    from pptx.oxml import parse_xml
    from pptx.oxml.ns import nsdecls, qn

    one.major_tick_mark = XL_TICK_MARK.NONE
    style_line(one.format.line, FIRM, points)
    skip = parse_xml(f'<c:tickLblSkip {nsdecls("c")} val="1"/>')
    one._element.find(qn("c:noMultiLvlLbl")).addprevious(skip)


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
    digits = (
        "#,##0"
        + ("." + "0" * min(2, math.ceil(-math.log10(one) - 1e-9)) if one < 1 else "")
        + commas
    )
    said = (
        locale.SIGNS.get(currency, currency)
        if lang == "en"
        else locale.NAMES_JA.get(currency, currency)
    )
    said = slide_text(said, 12)
    named = (said + name * big) if lang == "en" else name * big + said
    return by, f"{digits};\u2212{digits};0", named


def add_error_bars(series, spreads: Sequence[tuple[float, float]]) -> None:
    """Add native error bars with given ends (ECMA-376 21.2.2.55): plus and minus of values."""
    from pptx.oxml import parse_xml
    from pptx.oxml.ns import nsdecls, qn

    sides = [
        [high - v for (_, high), v in zip(spreads, series.values)],
        [v - low for (low, _), v in zip(spreads, series.values)],
    ]
    plus, minus = (_literal(name, values) for name, values in zip(("plus", "minus"), sides))
    bars = parse_xml(
        f"<c:errBars {nsdecls('c', 'a')}>"
        '<c:errBarType val="both"/>'
        '<c:errValType val="cust"/>'
        '<c:noEndCap val="0"/>'
        f"{plus}{minus}"
        "<c:spPr>"
        '<a:ln w="15875"><a:solidFill><a:srgbClr val="222222"/></a:solidFill></a:ln>'
        "</c:spPr>"
        "</c:errBars>"
    )
    series._element.find(qn("c:cat")).addprevious(bars)


def add_marks(
    made,
    lines: Sequence[tuple[float, float, float]],
    words: Sequence[tuple[float, float, float, float, str]],
) -> None:
    """Add vertical lines and words that move with a chart (ECMA-376 21.3), in shares of it.

    lines: (x, top, bottom); words: (x, y, width, height, text), centred.
    """
    from pptx.opc.constants import RELATIONSHIP_TYPE
    from pptx.opc.package import Part
    from pptx.oxml import parse_xml
    from pptx.oxml.ns import nsdecls

    shapes = [_line(i, *one) for i, one in enumerate(lines, 2)]
    shapes += [_word(i, *one) for i, one in enumerate(words, 2 + len(shapes))]
    spaces = 'xmlns:cdr="http://schemas.openxmlformats.org/drawingml/2006/chartDrawing"'
    body = f"<c:userShapes {nsdecls('c', 'a')} {spaces}>{''.join(shapes)}</c:userShapes>"
    package = made.part.package
    part = Part(package.next_partname("/ppt/drawings/drawing%d.xml"), DRAWN, package, body.encode())
    ident = made.part.relate_to(part, RELATIONSHIP_TYPE.CHART_USER_SHAPES)
    # the last that may stand
    made._chartSpace.append(parse_xml(f'<c:userShapes {nsdecls("c", "r")} r:id="{ident}"/>'))


def _line(number: int, x: float, top: float, bottom: float) -> str:
    return _anchored(
        x,
        top,
        x,
        bottom,
        '<cdr:cxnSp macro="">'
        "<cdr:nvCxnSpPr>"
        f'<cdr:cNvPr id="{number}" name="Line {number}"/>'
        "<cdr:cNvCxnSpPr/>"
        "</cdr:nvCxnSpPr>"
        "<cdr:spPr>"
        '<a:xfrm><a:off x="0" y="0"/><a:ext cx="0" cy="0"/></a:xfrm>'
        '<a:prstGeom prst="line"><a:avLst/></a:prstGeom>'
        '<a:ln w="15875"><a:solidFill><a:srgbClr val="595959"/></a:solidFill></a:ln>'
        "</cdr:spPr>"
        "</cdr:cxnSp>",
    )


def _word(number: int, x: float, y: float, wide: float, tall: float, text: str) -> str:
    from xml.sax.saxutils import escape

    return _anchored(
        x,
        y,
        x + wide,
        y + tall,
        '<cdr:sp macro="" textlink="">'
        "<cdr:nvSpPr>"
        f'<cdr:cNvPr id="{number}" name="Words {number}"/>'
        '<cdr:cNvSpPr txBox="1"/>'
        "</cdr:nvSpPr>"
        "<cdr:spPr>"
        '<a:xfrm><a:off x="0" y="0"/><a:ext cx="0" cy="0"/></a:xfrm>'
        '<a:prstGeom prst="rect"><a:avLst/></a:prstGeom>'
        "</cdr:spPr>"
        "<cdr:txBody>"
        '<a:bodyPr wrap="none" lIns="0" tIns="0" rIns="0" bIns="0" anchor="ctr"/>'
        "<a:p>"
        '<a:pPr algn="ctr"/>'
        "<a:r>"
        f'<a:rPr sz="1200" b="1"><a:latin typeface="{LATIN}"/><a:ea typeface="{EAST}"/></a:rPr>'
        f"<a:t>{escape(slide_text(text, 60))}</a:t>"
        "</a:r>"
        "</a:p>"
        "</cdr:txBody>"
        "</cdr:sp>",
    )


def _anchored(x0: float, y0: float, x1: float, y1: float, inside: str) -> str:
    ends = (("from", x0, y0), ("to", x1, y1))
    corners = "".join(
        f"<cdr:{n}><cdr:x>{x:.4f}</cdr:x><cdr:y>{y:.4f}</cdr:y></cdr:{n}>" for n, x, y in ends
    )
    return f"<cdr:relSizeAnchor>{corners}{inside}</cdr:relSizeAnchor>"


def _literal(name: str, values: Sequence[float]) -> str:
    inside = "".join(
        f'<c:pt idx="{i}"><c:v>{max(v, 0.0):.6g}</c:v></c:pt>' for i, v in enumerate(values)
    )
    return (
        f"<c:{name}>"
        "<c:numLit>"
        "<c:formatCode>General</c:formatCode>"
        f'<c:ptCount val="{len(values)}"/>'
        f"{inside}"
        "</c:numLit>"
        f"</c:{name}>"
    )
