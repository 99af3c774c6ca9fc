"""Boxes of a slide: texts, lists and tables whose type is as great as fits; what is cut says so.
Sizes in inches and points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from fedkit.reports.brief import text_metrics
from fedkit.reports.brief.pictures import DARK
from fedkit.reports.brief.slides.chart_xml import typefaces
from fedkit.reports.brief.text_metrics import clean

LEAD, INSET = 1.22, 0.06  # line height in sizes; inches between a box and its text
INK, MUTED, BAND = "222222", "595959", "f4f4f4"
HANG = 1.25  # sizes by which a list's lines are moved in
SIGNS = {"✓": DARK["go"], "✗": DARK["no-go"]}  # colours of a sign that begins a line


def text(
    slide,
    lines: Sequence[str],
    x: float,
    y: float,
    wide: float,
    tall: float,
    sizes: tuple[int, int],
    colour: str = INK,
    bold: bool = False,
    gap: float = 0.0,
    marks: str = "",
) -> None:
    """Paragraphs in a box at the greatest size from sizes[0] down to sizes[1] at which they fit.

    marks: what a list's lines begin with: "•", "1" (numbers), or " " (a sign of their own); "": no
    list.
    """
    from pptx.enum.text import MSO_AUTO_SIZE
    from pptx.util import Inches, Pt

    lines = [line for line in map(clean, lines) if line]
    if not lines:
        return
    hang = (HANG + 0.45 * (marks == "1" and len(lines) > 9)) * bool(marks)
    size, shown = fitted(lines, wide - 2 * INSET, tall - 2 * INSET, sizes, bold, gap, hang)
    inner = wide - 2 * INSET - hang * size / 72
    roomy = [
        g * gap
        for g in (2.5, 2, 1.5)
        if marks and _tall(shown, inner, size, bold, g * gap) <= 0.9 * tall
    ]
    gap = max(roomy, default=gap)
    frame = slide.shapes.add_textbox(*box(x, y, wide, tall)).text_frame
    frame.word_wrap, frame.auto_size = True, MSO_AUTO_SIZE.NONE
    frame.margin_left = frame.margin_right = frame.margin_top = frame.margin_bottom = Inches(INSET)
    for i, line in enumerate(shown):
        paragraph = frame.paragraphs[0] if i == 0 else frame.add_paragraph()
        paragraph.line_spacing, paragraph.space_after = Pt(size * LEAD), Pt(size * gap)
        if marks:
            _listed(paragraph, hang * size, "" if line.startswith("… +") else marks.strip())
        sign = line[:1] if line[:1] in SIGNS else ""
        if sign:
            styled(paragraph, f"{sign} ", size, SIGNS[sign], True)
        styled(paragraph, line[2:] if sign else line, size, colour, bold)


def fitted(
    lines: Sequence[str],
    wide: float,
    tall: float,
    sizes: tuple[int, int],
    bold: bool = False,
    gap: float = 0.0,
    hang: float = 0.0,
) -> tuple[int, list[str]]:
    """(size in points, the lines that fit at it in a box of inches); at the least size, sentences,
    then lists, are cut.
    """
    for size in range(sizes[0], sizes[1] - 1, -1):
        if _tall(lines, wide - hang * size / 72, size, bold, gap) <= tall:
            return size, list(lines)
    size = sizes[1]
    wide -= hang * size / 72
    for most in (6, 4, 3, 2, 1):
        short = [_short(line, wide, size, most, bold) for line in lines]
        if _tall(short, wide, size, bold, gap) <= tall:
            return size, short
    room = max(1, int(tall * 72 / (size * (LEAD + gap))))
    return size, (
        short
        if len(short) <= room
        else [*short[: room - 1], text_metrics.more(len(short) - room + 1)]
    )


def alike(
    groups: Sequence[Sequence[str]],
    wide: float,
    tall: float,
    sizes: tuple[int, int],
    bold: bool = False,
    gap: float = 0.0,
    hang: float = 0.0,
) -> tuple[int, int]:
    """Sizes at which several boxes of one form all have the same type: the greatest that fits in
    each of them.
    """
    room = (wide - 2 * INSET, tall - 2 * INSET)
    found = [
        fitted([clean(line) for line in one], *room, sizes, bold, gap, hang)[0] for one in groups
    ]
    return min(found, default=sizes[0]), sizes[1]


def styled(paragraph, line: str, size: float, colour: str = INK, bold: bool = False) -> None:
    """One run of text in typefaces that Windows and Mac both have, Latin and East Asian."""
    from pptx.util import Pt

    run = paragraph.add_run()
    run.text = line
    run.font.size, run.font.bold = Pt(size), bold
    run.font.color.rgb = rgb(colour)
    typefaces(run._r.get_or_add_rPr())


def table(
    slide,
    rows: Sequence[Sequence[str]],
    shares: Sequence[float],
    x: float,
    y: float,
    wide: float,
    tall: float,
    head: bool = False,
) -> float:
    """A native table in a box: the type as great as fits, then fewer rows and shorter cells.
    Returns its height.
    """
    from pptx.enum.text import MSO_ANCHOR, MSO_AUTO_SIZE
    from pptx.util import Inches, Pt

    rows = [[clean(cell) for cell in row] for row in rows]
    if not rows:
        return 0.0
    size, rows, heights = _table_fit(rows, [share * wide for share in shares], tall)
    grid = slide.shapes.add_table(len(rows), len(shares), *box(x, y, wide, sum(heights))).table
    grid.first_row, grid.horz_banding = head, False
    for column, share in zip(grid.columns, shares):
        column.width = Inches(share * wide)
    for number, (row, line, height) in enumerate(zip(grid.rows, rows, heights)):
        row.height = Inches(height)
        for i, (cell, words) in enumerate(zip(row.cells, line)):
            cell.margin_left = cell.margin_right = Inches(INSET)
            cell.margin_top = cell.margin_bottom = Inches(INSET / 2)
            cell.vertical_anchor = MSO_ANCHOR.MIDDLE
            cell.fill.solid()
            first = head and number == 0
            cell.fill.fore_color.rgb = rgb("dcdcdc" if first else BAND if number % 2 else "ffffff")
            cell.text_frame.word_wrap, cell.text_frame.auto_size = True, MSO_AUTO_SIZE.NONE
            cell.text_frame.paragraphs[0].line_spacing = Pt(size * LEAD)
            styled(
                cell.text_frame.paragraphs[0],
                words,
                size,
                bold=first or (i == 1 and len(shares) == 3),
            )
    return sum(heights)


def shade(slide, x: float, y: float, wide: float, tall: float, colour: str) -> None:
    """A coloured rectangle without a frame and without a shadow."""
    from pptx.enum.shapes import MSO_SHAPE

    shape = slide.shapes.add_shape(MSO_SHAPE.RECTANGLE, *box(x, y, wide, tall))
    plain(shape)
    shape.fill.solid()
    shape.fill.fore_color.rgb = rgb(colour)
    shape.line.fill.background()


def plain(shape) -> None:
    """Without the theme's style, which adds a shadow."""
    from pptx.oxml.ns import qn

    for style in shape._element.findall(qn("p:style")):
        shape._element.remove(style)


def rgb(colour: str):
    from pptx.dml.color import RGBColor

    return RGBColor.from_string(colour.lstrip("#").upper())


def box(x: float, y: float, wide: float, tall: float) -> tuple[int, int, int, int]:
    """Inches as EMU."""
    from pptx.util import Inches

    return Inches(x), Inches(y), Inches(wide), Inches(tall)


def _listed(paragraph, hang: float, mark: str) -> None:
    """A paragraph whose lines hang by points behind its mark: "•", "1" for a number, "" for a sign
    in its text.
    """
    from pptx.util import Pt

    properties, room = paragraph._p.get_or_add_pPr(), Pt(hang)
    properties.set("marL", str(room))
    properties.set("indent", str(-room))
    kinds = {
        "•": ("a:buChar", {"char": "•"}),
        "1": ("a:buAutoNum", {"type": "arabicPeriod"}),
        "": ("a:buNone", {}),
    }
    if mark == "•":  # a typeface for it, or Japanese ones draw a wide dot
        _add(properties, "a:buFont", {"typeface": "Arial"})
    _add(properties, *kinds[mark])


def _add(properties, tag: str, values: dict[str, str]) -> None:
    from pptx.oxml.ns import qn

    properties.append(properties.makeelement(qn(tag), values))


def _tall(lines: Sequence[str], wide: float, size: float, bold: bool, gap: float) -> float:
    """Height in inches."""
    rows = sum(len(text_metrics.wrap(line, _room(line, wide), size, bold)) for line in lines)
    return (rows * LEAD + gap * len(lines)) * size / 72


def _room(line: str, wide: float) -> float:
    """Points for a line in so many inches: some programs put a little space between Japanese and
    Latin letters.
    """
    broad = sum(text_metrics.advance(c) == 1.0 for c in line)
    return 72 * wide * (0.95 if 0 < broad < len(line) else 1.0)


def _short(line: str, wide: float, size: float, most: int, bold: bool = False) -> str:
    """The line, cut with … where it takes more than `most` lines of so many inches."""
    room = _room(line, wide)
    if len(text_metrics.wrap(line, room, size, bold)) <= most:
        return line
    return "".join(_joined(text_metrics.cut(line, room - size, size, most, bold)))


def _table_fit(
    rows: list[list[str]], widths: Sequence[float], tall: float
) -> tuple[int, list[list[str]], list[float]]:
    """(size in points, rows, height of each row in inches) that stay within `tall`; with room left,
    rows are a little higher.
    """
    inner = [w - 2 * INSET for w in widths]
    for size, most in (*((s, 99) for s in range(18, 11, -1)), (12, 3), (12, 2), (12, 1)):
        short = [[_short(c, w, size, most, True) for c, w in zip(row, inner)] for row in rows]
        heights = [
            max(_tall([c], w, size, True, 0) for c, w in zip(row, inner)) + INSET for row in short
        ]
        whole = size == 12 or all(
            _whole(c, w, size, i) for row in short for i, (c, w) in enumerate(zip(row, inner))
        )
        if sum(heights) <= tall and whole:
            spare = min((tall - sum(heights)) / len(heights), 0.16)
            return size, short, [height + spare for height in heights]
    room = max(1, math.floor(tall / heights[0]) - 1)
    rest = [text_metrics.more(len(short) - room), *[""] * (len(widths) - 1)]
    return size, [*short[:room], rest], [*heights[:room], heights[0]]


def _whole(words: str, wide: float, size: float, column: int) -> bool:
    """Whether no word of a cell is broken; a value, which stands in the second column, stays on one
    line.
    """
    parts = [words] if column == 1 else words.split(" ")
    return all(
        len(text_metrics.wrap(part, _room(part, wide), size, True)) == 1 or len(part) > 24
        for part in parts
        if not _broad(part) or column == 1
    )


def _broad(words: str) -> bool:
    return any(text_metrics.advance(c) == 1.0 for c in words)


def _joined(lines: Sequence[str]) -> list[str]:
    """Lines as one text again: a space where a line ended with a word of ASCII."""
    return [
        line
        + (
            " "
            if i < len(lines) - 1 and line and line[-1].isascii() and lines[i + 1][:1].isascii()
            else ""
        )
        for i, line in enumerate(lines)
    ]
