"""Boxes of a slide: texts, lists and tables in the largest type that fits. In inches and points."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pptx.dml.color import RGBColor
from pptx.enum.text import MSO_ANCHOR, MSO_AUTO_SIZE
from pptx.oxml.ns import qn
from pptx.util import Inches, Pt

from fedkit.reports.brief import text_metrics
from fedkit.reports.brief.pictures import DARK
from fedkit.reports.brief.text_metrics import slide_text

LATIN, EAST = "Arial", "Yu Gothic"  # on Windows and with Office for Mac
LEAD, INSET = 1.22, 0.06  # line height in sizes; inches between a box and its text
INK, MUTED, BAND = "222222", "595959", "f4f4f4"
HANG = 1.25  # sizes by which a list's lines are moved in
SIGNS = {"✓": DARK["go"], "✗": DARK["no-go"]}  # colours of a sign that begins a line


def add_text(
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
    """Add paragraphs in a box at the largest size, from sizes[0] down to sizes[1], at which they
    fit.

    marks: what list items begin with: "•", "1" (numbers), or " " (a sign in their text); "": no
    list.
    """
    lines = [line for line in map(slide_text, lines) if line]
    if not lines:
        return
    hang = (HANG + 0.45 * (marks == "1" and len(lines) > 9)) * bool(marks)
    size, shown = fit_text(lines, wide - 2 * INSET, tall - 2 * INSET, sizes, bold, gap, hang)
    inner = wide - 2 * INSET - hang * size / 72
    roomy = [
        g * gap
        for g in (2.5, 2, 1.5)
        if marks and _text_inches(shown, inner, size, bold, g * gap) <= 0.9 * tall
    ]
    gap = max(roomy, default=gap)
    frame = slide.shapes.add_textbox(*to_emu(x, y, wide, tall)).text_frame
    frame.word_wrap, frame.auto_size = True, MSO_AUTO_SIZE.NONE
    set_margins(frame, INSET)
    for i, line in enumerate(shown):
        paragraph = frame.paragraphs[0] if i == 0 else frame.add_paragraph()
        paragraph.line_spacing, paragraph.space_after = Pt(size * LEAD), Pt(size * gap)
        if marks:
            mark = "" if line.startswith("… +") else marks.strip()
            _format_list_item(paragraph, hang * size, mark)
        sign = line[:1] if line[:1] in SIGNS else ""
        if sign:
            add_run(paragraph, f"{sign} ", size, SIGNS[sign], True)
        add_run(paragraph, line[2:] if sign else line, size, colour, bold)


def fit_text(
    lines: Sequence[str],
    wide: float,
    tall: float,
    sizes: tuple[int, int],
    bold: bool = False,
    gap: float = 0.0,
    hang: float = 0.0,
) -> tuple[int, list[str]]:
    """Return (size in points, the lines that fit at it in a box of inches).

    At the smallest size sentences, then lists, are cut.
    """
    for size in range(sizes[0], sizes[1] - 1, -1):
        if _text_inches(lines, wide - hang * size / 72, size, bold, gap) <= tall:
            return size, list(lines)
    size = sizes[1]
    wide -= hang * size / 72
    for most in (6, 4, 3, 2, 1):
        short = [_cut_line(line, wide, size, most, bold) for line in lines]
        if _text_inches(short, wide, size, bold, gap) <= tall:
            return size, short
    room = max(1, int(tall * 72 / (size * (LEAD + gap))))
    if len(short) > room:
        short = [*short[: room - 1], text_metrics.more_mark(len(short) - room + 1)]
    return size, short


def common_sizes(
    groups: Sequence[Sequence[str]],
    wide: float,
    tall: float,
    sizes: tuple[int, int],
    bold: bool = False,
    gap: float = 0.0,
    hang: float = 0.0,
) -> tuple[int, int]:
    """Return sizes for several boxes of one form: the largest that fits in all of them."""
    room = (wide - 2 * INSET, tall - 2 * INSET)
    found = [
        fit_text([slide_text(line) for line in one], *room, sizes, bold, gap, hang)[0]
        for one in groups
    ]
    return min(found, default=sizes[0]), sizes[1]


def add_run(
    paragraph, line: str, size: float, colour: str | None = INK, bold: bool = False
) -> None:
    """Add one run of text in typefaces of Windows and Mac; without a colour in its box's own."""
    run = paragraph.add_run()
    run.text = line
    run.font.size, run.font.bold = Pt(size), bold
    if colour:
        run.font.color.rgb = rgb(colour)
    set_typefaces(run._r.get_or_add_rPr())


def set_typefaces(properties) -> None:
    """Set the Latin and the East Asian typeface of a run's or a chart's text properties."""
    for tag, name in (("a:latin", LATIN), ("a:ea", EAST)):
        for old in properties.findall(qn(tag)):
            properties.remove(old)
        properties.append(properties.makeelement(qn(tag), {"typeface": name}))


def add_table(
    slide,
    rows: Sequence[Sequence[str]],
    shares: Sequence[float],
    x: float,
    y: float,
    wide: float,
    tall: float,
    head: bool = False,
) -> float:
    """Add a native table in the largest type that fits, or with fewer rows and shorter cells.

    Returns its height in inches.
    """
    rows = [[slide_text(cell) for cell in row] for row in rows]
    if not rows:
        return 0.0
    size, rows, heights = fit_table(rows, [share * wide for share in shares], tall)
    grid = slide.shapes.add_table(len(rows), len(shares), *to_emu(x, y, wide, sum(heights))).table
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
            bold = first or (i == 1 and len(shares) == 3)
            add_run(cell.text_frame.paragraphs[0], words, size, bold=bold)
    return sum(heights)


def add_shape(slide, kind, box: Sequence[float], colour: str):
    """Add a coloured shape without a frame and without the theme's style, which adds a shadow."""
    shape = slide.shapes.add_shape(kind, *to_emu(*box))
    for style in shape._element.findall(qn("p:style")):
        shape._element.remove(style)
    shape.fill.solid()
    shape.fill.fore_color.rgb = rgb(colour)
    shape.line.fill.background()
    return shape


def set_margins(frame, inches: float) -> None:
    frame.margin_left = frame.margin_right = Inches(inches)
    frame.margin_top = frame.margin_bottom = Inches(inches)


def rgb(colour: str):
    return RGBColor.from_string(colour.lstrip("#").upper())


def to_emu(x: float, y: float, wide: float, tall: float) -> tuple[int, int, int, int]:
    """Convert inches to EMU."""
    return Inches(x), Inches(y), Inches(wide), Inches(tall)


def _format_list_item(paragraph, hang: float, mark: str) -> None:
    """Indent a paragraph by `hang` points behind its mark: "•", "1" for a number, "" for none."""
    properties, room = paragraph._p.get_or_add_pPr(), Pt(hang)
    properties.set("marL", str(room))
    properties.set("indent", str(-room))
    tags = {
        "•": {
            "a:buFont": {"typeface": "Arial"},
            "a:buChar": {"char": "•"},
        },  # Japanese dots are wide
        "1": {"a:buAutoNum": {"type": "arabicPeriod"}},
        "": {"a:buNone": {}},
    }
    for tag, values in tags[mark].items():
        properties.append(properties.makeelement(qn(tag), values))


def _text_inches(lines: Sequence[str], wide: float, size: float, bold: bool, gap: float) -> float:
    """Return the height of lines in inches."""
    rows = sum(
        len(text_metrics.wrap_lines(line, _line_points(line, wide), size, bold)) for line in lines
    )
    return (rows * LEAD + gap * len(lines)) * size / 72


def _line_points(line: str, wide: float) -> float:
    """Return the points for a line; some programs put space between Japanese and Latin."""
    broad = sum(text_metrics.char_width(c) == 1.0 for c in line)
    return 72 * wide * (0.95 if 0 < broad < len(line) else 1.0)


def _cut_line(line: str, wide: float, size: float, most: int, bold: bool = False) -> str:
    """Return the line, cut with … where it takes more than `most` lines of `wide` inches."""
    room = _line_points(line, wide)
    if len(text_metrics.wrap_lines(line, room, size, bold)) <= most:
        return line
    return _join_lines(text_metrics.cut_lines(line, room - size, size, most, bold))


def fit_table(
    rows: list[list[str]], widths: Sequence[float], tall: float
) -> tuple[int, list[list[str]], list[float]]:
    """Return (size in points, rows, height of each row in inches) that stay within `tall`.

    With room left, rows are a little higher.
    """
    inner = [w - 2 * INSET for w in widths]
    for size, most in (*((s, 99) for s in range(18, 11, -1)), (12, 3), (12, 2), (12, 1)):
        short = [[_cut_line(c, w, size, most, True) for c, w in zip(row, inner)] for row in rows]
        heights = [
            max(_text_inches([c], w, size, True, 0) for c, w in zip(row, inner)) + INSET
            for row in short
        ]
        whole = size == 12 or all(
            _keeps_words_whole(c, w, size, i)
            for row in short
            for i, (c, w) in enumerate(zip(row, inner))
        )
        if sum(heights) <= tall and whole:
            spare = min((tall - sum(heights)) / len(heights), 0.16)
            return size, short, [height + spare for height in heights]
    room = max(1, math.floor(tall / heights[0]) - 1)
    rest = [text_metrics.more_mark(len(short) - room), *[""] * (len(widths) - 1)]
    return size, [*short[:room], rest], [*heights[:room], heights[0]]


def _keeps_words_whole(words: str, wide: float, size: float, column: int) -> bool:
    """Return whether no word of a cell is broken; a value, in the second column, needs one line."""
    parts = [words] if column == 1 else words.split(" ")
    return all(
        len(text_metrics.wrap_lines(part, _line_points(part, wide), size, True)) == 1
        or len(part) > 24
        for part in parts
        if not _broad(part) or column == 1
    )


def _broad(words: str) -> bool:
    return any(text_metrics.char_width(c) == 1.0 for c in words)


def _join_lines(lines: Sequence[str]) -> str:
    """Join lines as one text again: with a space between an ASCII word and another."""
    text = ""
    for line in lines:
        text += " " if text[-1:].isascii() and text and line[:1].isascii() else ""
        text += line
    return text
