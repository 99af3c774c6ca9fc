"""The brief as eight slides (PPTX, 16:9), made from nothing: native charts and tables that stay editable, no macro, no link.

Sizes are in inches. Type sizes are reckoned (see `fit`) so that no text leaves its box; what is cut says so. The same brief
gives the same bytes: no file in the package carries the time of writing.
"""

from __future__ import annotations

import io
import math
import os
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

from fedkit.errors import FedkitError
from fedkit.studio.brief import charts, fit, page
from fedkit.studio.brief.fit import clean
from fedkit.studio.brief.model import Brief, Fact
from fedkit.studio.brief.pictures import DARK, LAMPS, PALE

WIDE, TALL, EDGE, TOP = 13.333, 7.5, 0.6, 1.25  # inches: the slide, its margins, where contents begin
LEAD, INSET = 1.22, 0.06  # line height in sizes; inches between a box and its text
INK, MUTED = "222222", "595959"
STILL = (1980, 1, 1, 0, 0, 0)  # the time in every entry of the package


def write_slides(brief: Brief, path: str | Path) -> Path:
    """Write the slides to `path` atomically; return it. Raises FedkitError without room to write."""
    from pptx import Presentation
    from pptx.util import Inches

    deck, path = Presentation(), Path(path)
    deck.slide_width, deck.slide_height = Inches(WIDE), Inches(TALL)
    deck.core_properties.title, deck.core_properties.author = clean(brief.title, 120), "fedkit"
    for key, relation in list(deck.part.rels.items()):
        if relation.reltype.endswith("/printerSettings"):  # of the library's own template
            deck.part.rels.pop(key)
    for draw in SLIDES:
        slide = deck.slides.add_slide(deck.slide_layouts[6])
        said = draw(slide, brief, page.words(brief))
        slide.notes_slide.notes_text_frame.text = clean(said, 4000)
    held, temporary = io.BytesIO(), path.with_name(path.name + ".tmp")
    deck.save(held)
    try:
        temporary.write_bytes(still(held.getvalue()))
        os.replace(temporary, path)
    except OSError as error:
        raise FedkitError(f"cannot write {path}: {error.strerror or error}; choose another place") from None
    return path


def still(data: bytes) -> bytes:
    """A zip package, and those in it, without the time at which it was written."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith(".xlsx"):
                content = still(content)
            elif name == "docProps/core.xml":
                content = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"1980-01-01T00:00:00Z", content)
            new.writestr(zipfile.ZipInfo(name, STILL), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def verdict(slide, brief: Brief, ui: dict) -> str:
    """1: the traffic light, the headline, the tiles."""
    title(slide, brief.title)
    text(slide, [brief.question], EDGE, TOP - 0.15, WIDE - 2 * EDGE, 0.55, (14, 9), MUTED)
    shade(slide, EDGE, 1.7, WIDE - 2 * EDGE, 2.5, PALE.get(brief.verdict, "#f4f4f4"))
    _light(slide, brief.verdict, EDGE + 0.25, 1.85, 2.2)
    text(
        slide, [brief.verdict_name], 2.0, 1.8, WIDE - 2.7, 0.85, (36, 14), DARK.get(brief.verdict, "#222222"), bold=True
    )
    text(slide, [brief.headline], 2.0, 2.65, WIDE - 2.7, 1.45, (20, 10))
    shown = brief.tiles[:5]
    step = (WIDE - 2 * EDGE + 0.2) / max(len(shown), 1)
    for i, fact in enumerate(shown):
        _tile(slide, fact, EDGE + i * step, 4.5, step - 0.2, DARK.get(brief.verdict, "#222222"))
    text(slide, [f"{brief.date} · {ui['made_by']}"], EDGE, 6.95, WIDE - 2 * EDGE, 0.4, (11, 8), MUTED)
    return notes(brief, ui, [f"{f.name}: {f.value} ({f.source})" for f in brief.tiles])


def accuracies(slide, brief: Brief, ui: dict) -> str:
    """2: a native bar chart with its intervals as error bars."""
    title(slide, ui["accuracies"])
    text(slide, [brief.bars_sentence], EDGE, TOP, WIDE - 2 * EDGE, 0.8, (18, 10))
    if brief.bars:
        charts.accuracies(slide, brief, _box(EDGE, 2.1, WIDE - 2 * EDGE, 4.2))
    text(slide, brief.tried, EDGE, 6.4, WIDE - 2 * EDGE, 0.95, (13, 8), MUTED)
    return notes(brief, ui, [f"{bar.name}: {charts.said(bar, brief.lang)}. {bar.note}" for bar in brief.bars])


def left(slide, brief: Brief, ui: dict) -> str:
    """3: what left, what stayed, privacy, and what happens if a company leaves."""
    title(slide, f"{ui['left']} / {ui['stayed']}")
    half = (WIDE - 2 * EDGE - 0.5) / 2
    for i, (key, lines) in enumerate(
        (("left", brief.left), ("stayed", brief.stayed), ("privacy", brief.privacy), ("leaving", brief.leaving))
    ):
        section(slide, ui[key], lines, EDGE + (i % 2) * (half + 0.5), TOP + (i // 2) * 3.05, half, 2.9)
    return notes(brief, ui, ())


def cost(slide, brief: Brief, ui: dict) -> str:
    """4: costs, and hours as native tables."""
    title(slide, ui["costs"])
    rows = [(f.name, f.value, f.note) for f in brief.costs]
    table(slide, rows, (0.38, 0.2, 0.42), EDGE, TOP, WIDE - 2 * EDGE, 2.7)
    text(slide, [ui["hours"]], EDGE, 4.05, WIDE - 2 * EDGE, 0.45, (16, 10), bold=True)
    if brief.hours_rows:
        every = [brief.hours_head, *brief.hours_rows]
        count = min(max(map(len, every)), 7)
        rows = [tuple(row[:count]) for row in every]
        table(slide, rows, (1 / count,) * count, EDGE, 4.55, WIDE - 2 * EDGE, 2.6, head=True)
    return notes(brief, ui, [f"{f.name}: {f.value} ({f.source})" for f in brief.costs])


def returns(slide, brief: Brief, ui: dict) -> str:
    """5: the tornado and the break-even curve, both native charts."""
    back, half = brief.returns, (WIDE - 2 * EDGE - 0.4) / 2
    title(slide, ui["returns"])
    text(slide, [back.sentence], EDGE, TOP - 0.15, WIDE - 2 * EDGE, 0.8, (16, 9))
    for i, key in enumerate(("tornado", "break_even")):
        text(slide, [ui[key]], EDGE + i * (half + 0.4), 1.95, half, 0.4, (15, 9), bold=True)
    if charts.swings(brief):
        charts.tornado(slide, brief, _box(EDGE, 2.35, half, 4.0))
    if charts.points(brief):
        charts.break_even(slide, brief, _box(EDGE + half + 0.4, 2.35, half, 4.0))
    text(slide, back.break_even, EDGE, 6.45, WIDE - 2 * EDGE, 0.9, (13, 8), MUTED)
    return notes(brief, ui, [f"{f.name}: {f.value} ({f.source})" for f in back.assumptions])


def rules(slide, brief: Brief, ui: dict) -> str:
    """6: the rules, with a tick or a cross each, and the conditions."""
    title(slide, ui["rules"])
    said = [page.rule(one, ui) for one in brief.rules]
    lines = [f"{sign} {words}{f' ({found})' if found else ''}" for sign, _, _, words, found in said]
    text(slide, lines, EDGE, TOP, 7.2, 5.9, (15, 9), gap=0.3)
    section(slide, ui["conditions"], brief.conditions, 8.2, TOP, WIDE - 8.2 - EDGE, 5.9)
    return notes(brief, ui, [f"{one.key}: {ui['met'] if one.met else ui['not_met']}" for one in brief.rules])


def steps(slide, brief: Brief, ui: dict) -> str:
    """7: next steps and phrases."""
    title(slide, ui["next_steps"])
    half = (WIDE - 2 * EDGE - 0.5) / 2
    text(slide, [f"{i}. {line}" for i, line in enumerate(brief.next_steps, 1)], EDGE, TOP, half, 5.9, (18, 9), gap=0.4)
    section(slide, ui["phrases"], brief.phrases, EDGE + half + 0.5, TOP, half, 5.9)
    return notes(brief, ui, ())


def caveats(slide, brief: Brief, ui: dict) -> str:
    """8: caveats and the assumptions."""
    title(slide, f"{ui['caveats']} / {ui['assumptions']}")
    text(slide, [f"• {line}" for line in brief.caveats], EDGE, TOP, 4.7, 5.9, (15, 9), gap=0.3)
    facts = brief.returns.assumptions
    if facts:
        rows = [(ui["name"], ui["value"], ui["source"]), *((f.name, f.value, f.source or f.note) for f in facts)]
        table(slide, rows, (0.44, 0.22, 0.34), 5.6, TOP, WIDE - 5.6 - EDGE, 5.9, head=True)
    return notes(brief, ui, [f"{f.name}: {f.value} ({f.source}) {f.note}" for f in facts])


def notes(brief: Brief, ui: dict, lines: Sequence[str]) -> str:
    """What the speaker reads: where the numbers come from."""
    return " | ".join([*lines, f"{ui['sources']}: {'; '.join(brief.sources)}"])


def title(slide, words: str) -> None:
    text(slide, [words], EDGE, 0.35, WIDE - 2 * EDGE, 0.75, (28, 12), bold=True)


def section(slide, head: str, lines: Sequence[str], x: float, y: float, wide: float, tall: float) -> None:
    """A heading and a list under it."""
    text(slide, [head], x, y, wide, 0.42, (16, 9), bold=True)
    text(slide, [f"• {line}" for line in lines], x, y + 0.45, wide, tall - 0.45, (15, 8), gap=0.2)


def text(
    slide, lines: Sequence[str], x: float, y: float, wide: float, tall: float, sizes: tuple[int, int], colour: str = INK,
    bold: bool = False, gap: float = 0.0,
) -> None:  # fmt: skip
    """Paragraphs in a box (inches) at the greatest size from sizes[0] down to sizes[1] (points) at which they fit."""
    from pptx.enum.text import MSO_AUTO_SIZE
    from pptx.util import Inches, Pt

    lines = [line for line in map(clean, lines) if line]
    if not lines:
        return
    size, shown = fitted(lines, wide - 2 * INSET, tall - 2 * INSET, sizes, bold, gap)
    frame = slide.shapes.add_textbox(*_box(x, y, wide, tall)).text_frame
    frame.word_wrap, frame.auto_size = True, MSO_AUTO_SIZE.NONE
    frame.margin_left = frame.margin_right = frame.margin_top = frame.margin_bottom = Inches(INSET)
    for i, line in enumerate(shown):
        paragraph = frame.paragraphs[0] if i == 0 else frame.add_paragraph()
        paragraph.line_spacing, paragraph.space_after = Pt(size * LEAD), Pt(size * gap)
        styled(paragraph, line, size, colour, bold)


def fitted(
    lines: Sequence[str], wide: float, tall: float, sizes: tuple[int, int], bold: bool = False, gap: float = 0.0
) -> tuple[int, list[str]]:
    """(size in points, the lines that fit at it in a box of inches); at the least size, sentences, then lists, are cut."""
    for size in range(sizes[0], sizes[1] - 1, -1):
        if _tall(lines, wide, size, bold, gap) <= tall:
            return size, list(lines)
    size = sizes[1]
    for most in (6, 4, 3, 2, 1):
        short = ["".join(_joined(fit.cut(line, 72 * wide, size, most, bold))) for line in lines]
        if _tall(short, wide, size, bold, gap) <= tall:
            return size, short
    room = max(1, int(tall * 72 / (size * (LEAD + gap))))
    return size, short if len(short) <= room else [*short[: room - 1], fit.more(len(short) - room + 1)]


def styled(paragraph, line: str, size: float, colour: str = INK, bold: bool = False) -> None:
    """One run of text in typefaces that Windows and Mac both have, Latin and East Asian."""
    from pptx.util import Pt

    run = paragraph.add_run()
    run.text = line
    run.font.size, run.font.bold = Pt(size), bold
    run.font.color.rgb = rgb(colour)
    charts.typefaces(run._r.get_or_add_rPr())


def table(
    slide, rows: Sequence[Sequence[str]], shares: Sequence[float], x: float, y: float, wide: float, tall: float, head: bool = False
) -> None:  # fmt: skip
    """A native table in a box (inches): the type as great as fits, then fewer rows and shorter cells."""
    from pptx.enum.text import MSO_AUTO_SIZE
    from pptx.util import Inches

    rows = [[clean(cell) for cell in row] for row in rows]
    if not rows:
        return
    size, rows, heights = _table_fit(rows, [share * wide for share in shares], tall)
    grid = slide.shapes.add_table(len(rows), len(shares), *_box(x, y, wide, sum(heights))).table
    grid.first_row, grid.horz_banding = head, False
    for column, share in zip(grid.columns, shares):
        column.width = Inches(share * wide)
    for row, line, height in zip(grid.rows, rows, heights):
        row.height = Inches(height)
        for i, (cell, words) in enumerate(zip(row.cells, line)):
            cell.margin_left = cell.margin_right = Inches(INSET)
            cell.margin_top = cell.margin_bottom = Inches(INSET / 2)
            cell.fill.solid()
            first = head and line is rows[0]
            cell.fill.fore_color.rgb = rgb("e4e4e4" if first else "ffffff")
            cell.text_frame.word_wrap, cell.text_frame.auto_size = True, MSO_AUTO_SIZE.NONE
            styled(cell.text_frame.paragraphs[0], words, size, bold=first or (i == 1 and len(shares) == 3))


def shade(slide, x: float, y: float, wide: float, tall: float, colour: str) -> None:
    """A coloured rectangle without a frame."""
    from pptx.enum.shapes import MSO_SHAPE

    shape = slide.shapes.add_shape(MSO_SHAPE.RECTANGLE, *_box(x, y, wide, tall))
    shape.fill.solid()
    shape.fill.fore_color.rgb = rgb(colour)
    shape.line.fill.background()


def rgb(colour: str):
    from pptx.dml.color import RGBColor

    return RGBColor.from_string(colour.lstrip("#").upper())


def _tile(slide, fact: Fact, x: float, y: float, wide: float, colour: str) -> None:
    shade(slide, x, y, wide, 0.08, colour)
    text(slide, [fact.value], x, y + 0.1, wide, 0.75, (32, 12), bold=True)
    text(slide, [fact.name], x, y + 0.85, wide, 0.8, (14, 9))
    text(slide, [fact.note], x, y + 1.65, wide, 0.7, (12, 8), MUTED)


def _light(slide, verdict: str, x: float, y: float, tall: float) -> None:
    """The traffic light of the page, of shapes; the lit lamp carries a sign."""
    from pptx.enum.shapes import MSO_SHAPE
    from pptx.enum.text import PP_ALIGN
    from pptx.util import Inches, Pt

    shade(slide, x, y, 0.85, tall, "#2b2b2b")
    for row, (name, colour) in enumerate(LAMPS.items()):
        lamp = slide.shapes.add_shape(MSO_SHAPE.OVAL, *_box(x + 0.12, y + 0.1 + row * tall / 3.1, 0.61, 0.61))
        lamp.fill.solid()
        lamp.fill.fore_color.rgb = rgb(colour if name == verdict else "#555555")
        lamp.line.fill.background()
        if name == verdict:
            frame, sign = lamp.text_frame, {"go": "✓", "conditions": "!", "no-go": "✗"}[name]
            frame.margin_left = frame.margin_right = frame.margin_top = frame.margin_bottom = Inches(0)
            frame.paragraphs[0].alignment, frame.paragraphs[0].line_spacing = PP_ALIGN.CENTER, Pt(24)
            styled(frame.paragraphs[0], sign, 20, "111111", bold=True)


def _tall(lines: Sequence[str], wide: float, size: float, bold: bool, gap: float) -> float:
    """Height in inches."""
    rows = sum(len(fit.wrap(line, 72 * wide, size, bold)) for line in lines)
    return (rows * LEAD + gap * len(lines)) * size / 72


def _table_fit(rows: list[list[str]], widths: Sequence[float], tall: float) -> tuple[int, list[list[str]], list[float]]:
    """(size in points, rows, height of each row in inches) that stay within `tall`."""
    for size, most in (*((s, 99) for s in range(15, 8, -1)), (9, 3), (9, 2), (9, 1), (8, 1)):
        short = [
            ["".join(_joined(fit.cut(c, 72 * (w - 2 * INSET), size, most, True))) for c, w in zip(row, widths)]
            for row in rows
        ]
        heights = [max(_tall([c], w - 2 * INSET, size, True, 0) for c, w in zip(row, widths)) + INSET for row in short]
        if sum(heights) <= tall:
            return size, short, heights
    room = max(1, math.floor(tall / heights[0]) - 1)
    rest = [fit.more(len(short) - room), *[""] * (len(widths) - 1)]
    return size, [*short[:room], rest], [*heights[:room], heights[0]]


def _joined(lines: Sequence[str]) -> list[str]:
    """Lines as one text again: a space where a line ended with a word of ASCII."""
    return [
        line + (" " if i < len(lines) - 1 and line and line[-1].isascii() and lines[i + 1][:1].isascii() else "")
        for i, line in enumerate(lines)
    ]


def _box(x: float, y: float, wide: float, tall: float) -> tuple[int, int, int, int]:
    from pptx.util import Inches

    return Inches(x), Inches(y), Inches(wide), Inches(tall)


SLIDES = (verdict, accuracies, left, cost, returns, rules, steps, caveats)
