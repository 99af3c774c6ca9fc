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
from fedkit.reports.brief.brief import Brief, Fact
from fedkit.reports.brief.pictures import DARK, LAMPS, PALE
from fedkit.reports.brief.slides import charts
from fedkit.reports.brief.slides.boxes import (
    HANG,
    MUTED,
    add_rectangle,
    add_run,
    add_table,
    add_text,
    common_sizes,
    remove_style,
    rgb,
    to_emu,
)
from fedkit.reports.brief.text_metrics import slide_text

# inches: the slide, its margins, where contents begin
WIDE, TALL, EDGE, TOP = 13.333, 7.5, 0.6, 1.25
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
        add_text(
            slide,
            [f"{number} / {len(SLIDES)}"],
            WIDE - EDGE - 0.7,
            0.02,
            0.7,
            0.32,
            (SMALL, SMALL),
            MUTED,
        )
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
    add_text(slide, [brief.question], EDGE, TOP - 0.1, WIDE - 2 * EDGE, 0.6, (18, LEAST), MUTED)
    add_rectangle(slide, EDGE, 1.8, WIDE - 2 * EDGE, 2.5, PALE.get(brief.verdict, "#f4f4f4"))
    _light(slide, brief.verdict, EDGE + 0.25, 1.95, 2.2)
    add_text(slide, [brief.verdict_name], 2.0, 1.88, WIDE - 2.8, 0.85, (40, 14), colour, bold=True)
    add_text(slide, [brief.headline], 2.0, 2.75, WIDE - 2.8, 1.5, (24, LEAST))
    _tiles(slide, brief.tiles[:5], 4.5, colour)
    add_text(
        slide,
        [f"{brief.date} · {ui['made_by']}"],
        EDGE,
        7.0,
        WIDE - 2 * EDGE,
        0.35,
        (12, SMALL),
        MUTED,
    )
    return speaker_notes(brief, ui, [f"{f.name}: {f.value} ({f.source})" for f in brief.tiles])


def accuracies_slide(slide, brief: Brief, ui: dict) -> str:
    """2: a native bar chart with its intervals as error bars."""
    add_title(slide, ui["accuracies"])
    add_text(slide, [brief.bars_sentence], EDGE, TOP - 0.1, WIDE - 2 * EDGE, 0.85, (22, LEAST))
    if brief.bars:
        charts.add_accuracies_chart(slide, brief, to_emu(EDGE, 2.05, WIDE - 2 * EDGE, 4.1))
    add_text(slide, brief.tried, EDGE, 6.2, WIDE - 2 * EDGE, 1.15, (16, SMALL), MUTED)
    said = [
        f"{bar.name}: {charts.value_with_interval(bar, brief.lang)}. {bar.note}"
        for bar in brief.bars
    ]
    return speaker_notes(brief, ui, [*said, *brief.tried])


def left_slide(slide, brief: Brief, ui: dict) -> str:
    """3: what left, what stayed, privacy, and what happens if a client leaves, in one type size."""
    add_title(slide, f"{ui['left']} / {ui['stayed']}")
    half, tall = (WIDE - 2 * EDGE - 0.5) / 2, 2.95
    parts = (
        ("left", brief.left),
        ("stayed", brief.stayed),
        ("privacy", brief.privacy),
        ("leaving", brief.leaving),
    )
    sizes = common_sizes(
        [lines for _, lines in parts], half, tall - 0.45, (20, LEAST), gap=GAP, hang=HANG
    )
    for i, (key, lines) in enumerate(parts):
        add_section(
            slide,
            ui[key],
            lines,
            EDGE + (i % 2) * (half + 0.5),
            TOP + (i // 2) * 3.05,
            half,
            tall,
            sizes,
        )
    return speaker_notes(brief, ui, [f"{ui[key]}: {' '.join(lines)}" for key, lines in parts])


def cost_slide(slide, brief: Brief, ui: dict) -> str:
    """4: costs, and hours as native tables."""
    add_title(slide, ui["costs"])
    rows = [(f.name, f.value, f.note) for f in brief.costs]
    below = TOP + add_table(slide, rows, (0.38, 0.2, 0.42), EDGE, TOP, WIDE - 2 * EDGE, 3.2) + 0.25
    if brief.hours_rows:
        add_text(slide, [ui["hours"]], EDGE, below, WIDE - 2 * EDGE, 0.45, (20, LEAST), bold=True)
        every = [brief.hours_head, *brief.hours_rows]
        count = min(max(map(len, every)), 7)
        rows = [tuple(row[:count]) for row in every]
        add_table(
            slide,
            rows,
            (1 / count,) * count,
            EDGE,
            below + 0.5,
            WIDE - 2 * EDGE,
            6.65 - below,
            head=True,
        )
    return speaker_notes(brief, ui, [f"{f.name}: {f.value} ({f.source})" for f in brief.costs])


def returns_slide(slide, brief: Brief, ui: dict) -> str:
    """5: the tornado and the break-even curve, both native charts."""
    back, half = brief.returns, (WIDE - 2 * EDGE - 0.4) / 2
    add_title(slide, ui["returns"])
    add_text(slide, [back.sentence], EDGE, TOP - 0.1, WIDE - 2 * EDGE, 0.8, (20, LEAST))
    for i, key in enumerate(("tornado", "break_even")):
        add_text(slide, [ui[key]], EDGE + i * (half + 0.4), 1.95, half, 0.4, (18, LEAST), bold=True)
    if charts.drawn_swings(brief):
        charts.add_tornado_chart(slide, brief, to_emu(EDGE, 2.35, half, 3.85))
    if charts.curve_points(brief):
        charts.add_break_even_chart(slide, brief, to_emu(EDGE + half + 0.4, 2.35, half, 3.85))
    add_text(slide, back.break_even, EDGE, 6.25, WIDE - 2 * EDGE, 1.1, (16, SMALL), MUTED)
    said = [f"{f.name}: {f.value} ({f.source})" for f in back.assumptions]
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
    half = (WIDE - 2 * EDGE - 0.5) / 2
    add_text(slide, brief.next_steps, EDGE, TOP, half, 5.9, (24, LEAST), gap=0.5, marks="1")
    add_section(slide, ui["phrases"], brief.phrases, EDGE + half + 0.5, TOP, half, 5.9, (22, LEAST))
    return speaker_notes(brief, ui, [*brief.next_steps, *brief.phrases])


def caveats_slide(slide, brief: Brief, ui: dict) -> str:
    """8: caveats and the assumptions."""
    facts = brief.returns.assumptions
    add_title(slide, f"{ui['caveats']} / {ui['assumptions']}" if facts else ui["caveats"])
    add_text(slide, brief.caveats, EDGE, TOP, 4.6, 5.9, (20, LEAST), gap=0.4, marks="•")
    if facts:
        rows = [
            (ui["name"], ui["value"], ui["source"]),
            *((f.name, f.value, f.source or f.note) for f in facts),
        ]
        add_table(slide, rows, (0.42, 0.22, 0.36), 5.5, TOP, WIDE - 5.5 - EDGE, 5.9, head=True)
    said = [f"{f.name}: {f.value} ({f.source}) {f.note}" for f in facts]
    return speaker_notes(brief, ui, [*brief.caveats, *said])


def speaker_notes(brief: Brief, ui: dict, lines: Sequence[str]) -> str:
    """Return the notes: where the numbers come from, then the slide's sentences in full."""
    return " | ".join([f"{ui['sources']}: {'; '.join(brief.sources)}", *lines])


def add_title(slide, words: str, most: int = 32) -> None:
    add_text(slide, [words], EDGE, 0.35, WIDE - 2 * EDGE, 0.8, (most, 14), bold=True)


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
    step = (WIDE - 2 * EDGE + 0.2) / max(len(facts), 1)
    wide = step - 0.2
    rows = (
        ("value", 0.1, 0.75, (36, 14)),
        ("name", 0.85, 0.78, (18, LEAST)),
        ("note", 1.63, 0.72, (14, SMALL)),
    )
    for i in range(len(facts)):
        add_rectangle(slide, EDGE + i * step, y, wide, 0.08, colour)
    for name, down, tall, sizes in rows:
        bold, said = name == "value", [getattr(fact, name) for fact in facts]
        size = common_sizes([[one] for one in said], wide, tall, sizes, bold)
        for i, one in enumerate(said):
            add_text(
                slide,
                [one],
                EDGE + i * step,
                y + down,
                wide,
                tall,
                size,
                MUTED if name == "note" else "222222",
                bold,
            )


def _light(slide, verdict: str, x: float, y: float, tall: float) -> None:
    """Add the page's traffic light as shapes; the lit lamp carries a sign."""
    add_rectangle(slide, x, y, 0.85, tall, "#2b2b2b")
    for row, (name, colour) in enumerate(LAMPS.items()):
        lamp = slide.shapes.add_shape(
            MSO_SHAPE.OVAL, *to_emu(x + 0.12, y + 0.1 + row * tall / 3.1, 0.61, 0.61)
        )
        remove_style(lamp)
        lamp.fill.solid()
        lamp.fill.fore_color.rgb = rgb(colour if name == verdict else "#555555")
        lamp.line.fill.background()
        if name == verdict:
            frame, sign = lamp.text_frame, {"go": "✓", "conditions": "!", "no-go": "✗"}[name]
            frame.margin_left = frame.margin_right = frame.margin_top = frame.margin_bottom = (
                Inches(0)
            )
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
