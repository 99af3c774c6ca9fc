"""The brief as eight slides (PPTX, 16:9) with native, editable charts and tables; no macro, no
link.

Sizes are in inches. Type sizes are computed (see `boxes.fit_text`) so that no text leaves its box;
what is cut says so, and the notes have it in full. The same brief gives the same bytes: no file in
the package carries the time of writing.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

from pptx import Presentation
from pptx.enum.shapes import MSO_SHAPE
from pptx.enum.text import PP_ALIGN
from pptx.util import Inches, Pt

from fedkit.core.files import write_file
from fedkit.reports.brief import page
from fedkit.reports.brief import slide_charts as charts
from fedkit.reports.brief.brief import Brief, Fact
from fedkit.reports.brief.pictures import DARK, LAMPS, PALE
from fedkit.reports.brief.slide_boxes import (
    HANG,
    INK,
    MUTED,
    add_run,
    add_shape,
    add_table,
    add_text,
    common_sizes,
    set_margins,
    to_emu,
)
from fedkit.reports.brief.text_metrics import slide_text

# inches: the slide, its margins, where contents begin
WIDE, TALL, EDGE, TOP = 13.333, 7.5, 0.6, 1.25
FULL = WIDE - 2 * EDGE  # of what goes from margin to margin
HALF = (FULL - 0.5) / 2
LEAST, SMALL = 12, 11  # points: the least type of what has to be read, and of notes
GAP = 0.25  # sizes between the lines of a list
STILL = (1980, 1, 1, 0, 0, 0)  # the time in every entry of the package


def write_slides(brief: Brief, path: str | Path) -> Path:
    """Write the slides to `path` atomically; return it. Raises FedkitError if that fails."""
    deck, path = Presentation(), Path(path)
    deck.slide_width, deck.slide_height = Inches(WIDE), Inches(TALL)
    deck.core_properties.title, deck.core_properties.author = slide_text(brief.title, 120), "fedkit"
    for key, relation in list(deck.part.rels.items()):
        if relation.reltype.endswith("/printerSettings"):  # of the library's own template
            deck.part.rels.pop(key)
    for number, draw in enumerate(SLIDES, 1):
        slide = deck.slides.add_slide(deck.slide_layouts[6])
        said = draw(slide, brief, page.ui_words(brief))
        place = f"{number} / {len(SLIDES)}"
        add_text(slide, [place], WIDE - EDGE - 0.7, 0.02, 0.7, 0.32, (SMALL, SMALL), MUTED)
        slide.notes_slide.notes_text_frame.text = slide_text(said, 4000)
    held = io.BytesIO()
    deck.save(held)
    return write_file(path, without_times(held.getvalue()))


def without_times(data: bytes) -> bytes:
    """Return a zip package, and those in it, without the time at which it was written."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            content = old.read(name)
            if name.endswith(".xlsx"):
                content = without_times(content)
            elif name == "docProps/core.xml":
                content = re.sub(
                    rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"1980-01-01T00:00:00Z", content
                )
            new.writestr(zipfile.ZipInfo(name, STILL), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def verdict_slide(slide, brief: Brief, ui: dict) -> str:
    """1: the traffic light, the headline, the tiles."""
    add_title(slide, brief.title, 36)
    colour = DARK.get(brief.verdict, "#222222")
    add_text(slide, [brief.question], EDGE, TOP - 0.1, FULL, 0.6, (18, LEAST), MUTED)
    pale = PALE.get(brief.verdict, "#f4f4f4")
    add_shape(slide, MSO_SHAPE.RECTANGLE, (EDGE, 1.8, FULL, 2.5), pale)
    _light(slide, brief.verdict, EDGE + 0.25, 1.95, 2.2)
    add_text(slide, [brief.verdict_name], 2.0, 1.88, WIDE - 2.8, 0.85, (40, 14), colour, bold=True)
    add_text(slide, [brief.headline], 2.0, 2.75, WIDE - 2.8, 1.5, (24, LEAST))
    _tiles(slide, brief.tiles[:5], 4.5, colour)
    made = f"{brief.date} · {ui['made_by']}"
    add_text(slide, [made], EDGE, 7.0, FULL, 0.35, (12, SMALL), MUTED)
    return speaker_notes(brief, ui, _sourced(brief.tiles))


def accuracies_slide(slide, brief: Brief, ui: dict) -> str:
    """2: a native bar chart with its intervals as error bars."""
    add_title(slide, ui["accuracies"])
    add_text(slide, [brief.bars_sentence], EDGE, TOP - 0.1, FULL, 0.85, (22, LEAST))
    if brief.bars:
        charts.add_accuracies_chart(slide, brief, to_emu(EDGE, 2.05, FULL, 4.1))
    add_text(slide, brief.tried, EDGE, 6.2, FULL, 1.15, (16, SMALL), MUTED)
    values = [charts.value_with_interval(bar, brief.lang) for bar in brief.bars]
    said = [f"{bar.name}: {value}. {bar.note}" for bar, value in zip(brief.bars, values)]
    return speaker_notes(brief, ui, [*said, *brief.tried])


def left_slide(slide, brief: Brief, ui: dict) -> str:
    """3: what left, what stayed, privacy, and what happens if a client leaves, in one type size."""
    add_title(slide, f"{ui['left']} / {ui['stayed']}")
    parts = {key: getattr(brief, key) for key in ("left", "stayed", "privacy", "leaving")}
    tall, most, form = 2.95, (20, LEAST), {"gap": GAP, "hang": HANG}
    sizes = common_sizes(list(parts.values()), HALF, tall - 0.45, most, **form)
    for i, (key, lines) in enumerate(parts.items()):
        x, y = EDGE + (i % 2) * (HALF + 0.5), TOP + (i // 2) * 3.05
        add_section(slide, ui[key], lines, x, y, HALF, tall, sizes)
    return speaker_notes(brief, ui, [f"{ui[key]}: {' '.join(said)}" for key, said in parts.items()])


def cost_slide(slide, brief: Brief, ui: dict) -> str:
    """4: costs, and hours as native tables."""
    add_title(slide, ui["costs"])
    rows = [(f.name, f.value, f.note) for f in brief.costs]
    below = TOP + add_table(slide, rows, (0.38, 0.2, 0.42), EDGE, TOP, FULL, 3.2) + 0.25
    if brief.hours_rows:
        add_text(slide, [ui["hours"]], EDGE, below, FULL, 0.45, (20, LEAST), bold=True)
        every = [brief.hours_head, *brief.hours_rows]
        count = min(max(map(len, every)), 7)
        rows, shares = [tuple(row[:count]) for row in every], (1 / count,) * count
        add_table(slide, rows, shares, EDGE, below + 0.5, FULL, 6.65 - below, head=True)
    return speaker_notes(brief, ui, _sourced(brief.costs))


def returns_slide(slide, brief: Brief, ui: dict) -> str:
    """5: the tornado and the break-even curve, both native charts."""
    back, half = brief.returns, (FULL - 0.4) / 2
    add_title(slide, ui["returns"])
    add_text(slide, [back.sentence], EDGE, TOP - 0.1, FULL, 0.8, (20, LEAST))
    for i, key in enumerate(("tornado", "break_even")):
        add_text(slide, [ui[key]], EDGE + i * (half + 0.4), 1.95, half, 0.4, (18, LEAST), bold=True)
    if charts.drawn_swings(brief):
        charts.add_tornado_chart(slide, brief, to_emu(EDGE, 2.35, half, 3.85))
    if charts.curve_points(brief):
        charts.add_break_even_chart(slide, brief, to_emu(EDGE + half + 0.4, 2.35, half, 3.85))
    add_text(slide, back.break_even, EDGE, 6.25, FULL, 1.1, (16, SMALL), MUTED)
    said = _sourced(back.assumptions)
    return speaker_notes(brief, ui, [back.sentence, *back.break_even, *said])


def rules_slide(slide, brief: Brief, ui: dict) -> str:
    """6: the rules, with a tick or a cross each, and the conditions."""
    add_title(slide, ui["rules"])
    said = [page.rule_row(one, ui) for one in brief.rules]
    lines = [f"{sign} {words}{f' ({found})' if found else ''}" for sign, _, _, words, found in said]
    add_text(slide, lines, EDGE, TOP, 7.3, 5.9, (20, LEAST), gap=0.4, marks=" ")
    add_section(slide, ui["conditions"], brief.conditions, 8.3, TOP, WIDE - 8.3 - EDGE, 5.9)
    met = [f"{one.key}: {ui['met'] if one.met else ui['not_met']}" for one in brief.rules]
    return speaker_notes(brief, ui, [*met, *lines, *brief.conditions])


def steps_slide(slide, brief: Brief, ui: dict) -> str:
    """7: next steps and phrases."""
    add_title(slide, ui["next_steps"])
    add_text(slide, brief.next_steps, EDGE, TOP, HALF, 5.9, (24, LEAST), gap=0.5, marks="1")
    add_section(slide, ui["phrases"], brief.phrases, EDGE + HALF + 0.5, TOP, HALF, 5.9, (22, LEAST))
    return speaker_notes(brief, ui, [*brief.next_steps, *brief.phrases])


def caveats_slide(slide, brief: Brief, ui: dict) -> str:
    """8: caveats and the assumptions."""
    facts = brief.returns.assumptions
    add_title(slide, f"{ui['caveats']} / {ui['assumptions']}" if facts else ui["caveats"])
    add_text(slide, brief.caveats, EDGE, TOP, 4.6, 5.9, (20, LEAST), gap=0.4, marks="•")
    if facts:
        rows = [(ui["name"], ui["value"], ui["source"])]
        rows += [(f.name, f.value, f.source or f.note) for f in facts]
        add_table(slide, rows, (0.42, 0.22, 0.36), 5.5, TOP, WIDE - 5.5 - EDGE, 5.9, head=True)
    said = [f"{line} {f.note}" for line, f in zip(_sourced(facts), facts)]
    return speaker_notes(brief, ui, [*brief.caveats, *said])


def speaker_notes(brief: Brief, ui: dict, lines: Sequence[str]) -> str:
    """Return the notes: where the numbers come from, then the slide's sentences in full."""
    return " | ".join([f"{ui['sources']}: {'; '.join(brief.sources)}", *lines])


def _sourced(facts: Sequence[Fact]) -> list[str]:
    return [f"{fact.name}: {fact.value} ({fact.source})" for fact in facts]


def add_title(slide, words: str, most: int = 32) -> None:
    add_text(slide, [words], EDGE, 0.35, FULL, 0.8, (most, 14), bold=True)


def add_section(
    slide,
    head: str,
    lines: Sequence[str],
    x: float,
    y: float,
    wide: float,
    tall: float,
    sizes: tuple[int, int] = (20, LEAST),
) -> None:
    """Add a heading and a list under it."""
    add_text(slide, [head], x, y, wide, 0.45, (20, LEAST), bold=True)
    add_text(slide, lines, x, y + 0.48, wide, tall - 0.48, sizes, gap=GAP, marks="•")


def _tiles(slide, facts: Sequence[Fact], y: float, colour: str) -> None:
    """Add the big numbers in a row, each kind of text in one size."""
    step = (FULL + 0.2) / max(len(facts), 1)
    wide = step - 0.2
    rows = (
        ("value", 0.1, 0.75, (36, 14)),
        ("name", 0.85, 0.78, (18, LEAST)),
        ("note", 1.63, 0.72, (14, SMALL)),
    )
    for i in range(len(facts)):
        add_shape(slide, MSO_SHAPE.RECTANGLE, (EDGE + i * step, y, wide, 0.08), colour)
    for name, down, tall, sizes in rows:
        bold, said = name == "value", [getattr(fact, name) for fact in facts]
        size = common_sizes([[one] for one in said], wide, tall, sizes, bold)
        for i, one in enumerate(said):
            x, shade = EDGE + i * step, MUTED if name == "note" else INK
            add_text(slide, [one], x, y + down, wide, tall, size, shade, bold)


def _light(slide, verdict: str, x: float, y: float, tall: float) -> None:
    """Add the page's traffic light as shapes; the lit lamp carries a sign."""
    add_shape(slide, MSO_SHAPE.RECTANGLE, (x, y, 0.85, tall), "#2b2b2b")
    for row, (name, colour) in enumerate(LAMPS.items()):
        place = (x + 0.12, y + 0.1 + row * tall / 3.1, 0.61, 0.61)
        shade = colour if name == verdict else "#555555"
        lamp = add_shape(slide, MSO_SHAPE.OVAL, place, shade)
        if name == verdict:
            frame, sign = lamp.text_frame, {"go": "✓", "conditions": "!", "no-go": "✗"}[name]
            set_margins(frame, 0)
            paragraph = frame.paragraphs[0]
            paragraph.alignment, paragraph.line_spacing = PP_ALIGN.CENTER, Pt(24)
            add_run(paragraph, sign, 20, "111111", bold=True)


SLIDES = (
    verdict_slide,
    accuracies_slide,
    left_slide,
    cost_slide,
    returns_slide,
    rules_slide,
    steps_slide,
    caveats_slide,
)
