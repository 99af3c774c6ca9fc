"""The brief as eight slides (PPTX, 16:9), made from nothing: native charts and tables that stay
editable, no macro, no link.

Sizes are in inches. Type sizes are reckoned (see `fit`) so that no text leaves its box; what is cut
says so, and the notes have it. The same brief gives the same bytes: no file in the package carries
the time of writing.
"""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

from fedkit.core.errors import FedkitError
from fedkit.reports.brief import page
from fedkit.reports.brief.brief import Brief, Fact
from fedkit.reports.brief.pictures import DARK, LAMPS, PALE
from fedkit.reports.brief.slides import charts
from fedkit.reports.brief.slides.boxes import (
    HANG,
    MUTED,
    alike,
    box,
    plain,
    rgb,
    shade,
    styled,
    table,
    text,
)
from fedkit.reports.brief.text_metrics import clean

# inches: the slide, its margins, where contents begin
WIDE, TALL, EDGE, TOP = 13.333, 7.5, 0.6, 1.25
LEAST, SMALL = 12, 11  # points: the least type of what has to be read, and of notes
GAP = 0.25  # sizes between the lines of a list
STILL = (1980, 1, 1, 0, 0, 0)  # the time in every entry of the package


def write_slides(brief: Brief, path: str | Path) -> Path:
    """Write the slides to `path` atomically; return it. Raises FedkitError without room to
    write.
    """
    from pptx import Presentation
    from pptx.util import Inches

    deck, path = Presentation(), Path(path)
    deck.slide_width, deck.slide_height = Inches(WIDE), Inches(TALL)
    deck.core_properties.title, deck.core_properties.author = clean(brief.title, 120), "fedkit"
    for key, relation in list(deck.part.rels.items()):
        if relation.reltype.endswith("/printerSettings"):  # of the library's own template
            deck.part.rels.pop(key)
    for number, draw in enumerate(SLIDES, 1):
        slide = deck.slides.add_slide(deck.slide_layouts[6])
        said = draw(slide, brief, page.words(brief))
        text(
            slide,
            [f"{number} / {len(SLIDES)}"],
            WIDE - EDGE - 0.7,
            0.02,
            0.7,
            0.32,
            (SMALL, SMALL),
            MUTED,
        )
        slide.notes_slide.notes_text_frame.text = clean(said, 4000)
    held, temporary = io.BytesIO(), path.with_name(path.name + ".tmp")
    deck.save(held)
    try:
        temporary.write_bytes(still(held.getvalue()))
        os.replace(temporary, path)
    except OSError as error:
        raise FedkitError(
            f"cannot write {path}: {error.strerror or error}; choose another place"
        ) from None
    return path


def still(data: bytes) -> bytes:
    """A zip package, and those in it, without the time at which it was written."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            content = old.read(name)
            if name.endswith(".xlsx"):
                content = still(content)
            elif name == "docProps/core.xml":
                content = re.sub(
                    rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"1980-01-01T00:00:00Z", content
                )
            new.writestr(zipfile.ZipInfo(name, STILL), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def verdict(slide, brief: Brief, ui: dict) -> str:
    """1: the traffic light, the headline, the tiles."""
    title(slide, brief.title, 36)
    colour = DARK.get(brief.verdict, "#222222")
    text(slide, [brief.question], EDGE, TOP - 0.1, WIDE - 2 * EDGE, 0.6, (18, LEAST), MUTED)
    shade(slide, EDGE, 1.8, WIDE - 2 * EDGE, 2.5, PALE.get(brief.verdict, "#f4f4f4"))
    _light(slide, brief.verdict, EDGE + 0.25, 1.95, 2.2)
    text(slide, [brief.verdict_name], 2.0, 1.88, WIDE - 2.8, 0.85, (40, 14), colour, bold=True)
    text(slide, [brief.headline], 2.0, 2.75, WIDE - 2.8, 1.5, (24, LEAST))
    _tiles(slide, brief.tiles[:5], 4.5, colour)
    text(
        slide,
        [f"{brief.date} · {ui['made_by']}"],
        EDGE,
        7.0,
        WIDE - 2 * EDGE,
        0.35,
        (12, SMALL),
        MUTED,
    )
    return notes(brief, ui, [f"{f.name}: {f.value} ({f.source})" for f in brief.tiles])


def accuracies(slide, brief: Brief, ui: dict) -> str:
    """2: a native bar chart with its intervals as error bars."""
    title(slide, ui["accuracies"])
    text(slide, [brief.bars_sentence], EDGE, TOP - 0.1, WIDE - 2 * EDGE, 0.85, (22, LEAST))
    if brief.bars:
        charts.accuracies(slide, brief, box(EDGE, 2.05, WIDE - 2 * EDGE, 4.1))
    text(slide, brief.tried, EDGE, 6.2, WIDE - 2 * EDGE, 1.15, (16, SMALL), MUTED)
    said = [f"{bar.name}: {charts.said(bar, brief.lang)}. {bar.note}" for bar in brief.bars]
    return notes(brief, ui, [*said, *brief.tried])


def left(slide, brief: Brief, ui: dict) -> str:
    """3: what left, what stayed, privacy, and what happens if a company leaves; all in type of one
    size.
    """
    title(slide, f"{ui['left']} / {ui['stayed']}")
    half, tall = (WIDE - 2 * EDGE - 0.5) / 2, 2.95
    parts = (
        ("left", brief.left),
        ("stayed", brief.stayed),
        ("privacy", brief.privacy),
        ("leaving", brief.leaving),
    )
    sizes = alike([lines for _, lines in parts], half, tall - 0.45, (20, LEAST), gap=GAP, hang=HANG)
    for i, (key, lines) in enumerate(parts):
        section(
            slide,
            ui[key],
            lines,
            EDGE + (i % 2) * (half + 0.5),
            TOP + (i // 2) * 3.05,
            half,
            tall,
            sizes,
        )
    return notes(brief, ui, [f"{ui[key]}: {' '.join(lines)}" for key, lines in parts])


def cost(slide, brief: Brief, ui: dict) -> str:
    """4: costs, and hours as native tables."""
    title(slide, ui["costs"])
    rows = [(f.name, f.value, f.note) for f in brief.costs]
    below = TOP + table(slide, rows, (0.38, 0.2, 0.42), EDGE, TOP, WIDE - 2 * EDGE, 3.2) + 0.25
    if brief.hours_rows:
        text(slide, [ui["hours"]], EDGE, below, WIDE - 2 * EDGE, 0.45, (20, LEAST), bold=True)
        every = [brief.hours_head, *brief.hours_rows]
        count = min(max(map(len, every)), 7)
        rows = [tuple(row[:count]) for row in every]
        table(
            slide,
            rows,
            (1 / count,) * count,
            EDGE,
            below + 0.5,
            WIDE - 2 * EDGE,
            6.65 - below,
            head=True,
        )
    return notes(brief, ui, [f"{f.name}: {f.value} ({f.source})" for f in brief.costs])


def returns(slide, brief: Brief, ui: dict) -> str:
    """5: the tornado and the break-even curve, both native charts."""
    back, half = brief.returns, (WIDE - 2 * EDGE - 0.4) / 2
    title(slide, ui["returns"])
    text(slide, [back.sentence], EDGE, TOP - 0.1, WIDE - 2 * EDGE, 0.8, (20, LEAST))
    for i, key in enumerate(("tornado", "break_even")):
        text(slide, [ui[key]], EDGE + i * (half + 0.4), 1.95, half, 0.4, (18, LEAST), bold=True)
    if charts.swings(brief):
        charts.tornado(slide, brief, box(EDGE, 2.35, half, 3.85))
    if charts.points(brief):
        charts.break_even(slide, brief, box(EDGE + half + 0.4, 2.35, half, 3.85))
    text(slide, back.break_even, EDGE, 6.25, WIDE - 2 * EDGE, 1.1, (16, SMALL), MUTED)
    said = [f"{f.name}: {f.value} ({f.source})" for f in back.assumptions]
    return notes(brief, ui, [back.sentence, *back.break_even, *said])


def rules(slide, brief: Brief, ui: dict) -> str:
    """6: the rules, with a tick or a cross each, and the conditions."""
    title(slide, ui["rules"])
    said = [page.rule(one, ui) for one in brief.rules]
    lines = [f"{sign} {words}{f' ({found})' if found else ''}" for sign, _, _, words, found in said]
    text(slide, lines, EDGE, TOP, 7.3, 5.9, (20, LEAST), gap=0.4, marks=" ")
    section(slide, ui["conditions"], brief.conditions, 8.3, TOP, WIDE - 8.3 - EDGE, 5.9)
    met = [f"{one.key}: {ui['met'] if one.met else ui['not_met']}" for one in brief.rules]
    return notes(brief, ui, [*met, *lines, *brief.conditions])


def steps(slide, brief: Brief, ui: dict) -> str:
    """7: next steps and phrases."""
    title(slide, ui["next_steps"])
    half = (WIDE - 2 * EDGE - 0.5) / 2
    text(slide, brief.next_steps, EDGE, TOP, half, 5.9, (24, LEAST), gap=0.5, marks="1")
    section(slide, ui["phrases"], brief.phrases, EDGE + half + 0.5, TOP, half, 5.9, (22, LEAST))
    return notes(brief, ui, [*brief.next_steps, *brief.phrases])


def caveats(slide, brief: Brief, ui: dict) -> str:
    """8: caveats and the assumptions."""
    facts = brief.returns.assumptions
    title(slide, f"{ui['caveats']} / {ui['assumptions']}" if facts else ui["caveats"])
    text(slide, brief.caveats, EDGE, TOP, 4.6, 5.9, (20, LEAST), gap=0.4, marks="•")
    if facts:
        rows = [
            (ui["name"], ui["value"], ui["source"]),
            *((f.name, f.value, f.source or f.note) for f in facts),
        ]
        table(slide, rows, (0.42, 0.22, 0.36), 5.5, TOP, WIDE - 5.5 - EDGE, 5.9, head=True)
    said = [f"{f.name}: {f.value} ({f.source}) {f.note}" for f in facts]
    return notes(brief, ui, [*brief.caveats, *said])


def notes(brief: Brief, ui: dict, lines: Sequence[str]) -> str:
    """What the speaker reads: where the numbers come from, then the slide's sentences in full."""
    return " | ".join([f"{ui['sources']}: {'; '.join(brief.sources)}", *lines])


def title(slide, words: str, most: int = 32) -> None:
    text(slide, [words], EDGE, 0.35, WIDE - 2 * EDGE, 0.8, (most, 14), bold=True)


def section(
    slide,
    head: str,
    lines: Sequence[str],
    x: float,
    y: float,
    wide: float,
    tall: float,
    sizes: tuple[int, int] = (20, LEAST),
) -> None:
    """A heading and a list under it."""
    text(slide, [head], x, y, wide, 0.45, (20, LEAST), bold=True)
    text(slide, lines, x, y + 0.48, wide, tall - 0.48, sizes, gap=GAP, marks="•")


def _tiles(slide, facts: Sequence[Fact], y: float, colour: str) -> None:
    """The big numbers beside one another, each kind of text in one size."""
    step = (WIDE - 2 * EDGE + 0.2) / max(len(facts), 1)
    wide, rows = (
        step - 0.2,
        (
            ("value", 0.1, 0.75, (36, 14)),
            ("name", 0.85, 0.78, (18, LEAST)),
            ("note", 1.63, 0.72, (14, SMALL)),
        ),
    )
    for i in range(len(facts)):
        shade(slide, EDGE + i * step, y, wide, 0.08, colour)
    for name, down, tall, sizes in rows:
        bold, said = name == "value", [getattr(fact, name) for fact in facts]
        size = alike([[one] for one in said], wide, tall, sizes, bold)
        for i, one in enumerate(said):
            text(
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
    """The traffic light of the page, of shapes; the lit lamp carries a sign."""
    from pptx.enum.shapes import MSO_SHAPE
    from pptx.enum.text import PP_ALIGN
    from pptx.util import Inches, Pt

    shade(slide, x, y, 0.85, tall, "#2b2b2b")
    for row, (name, colour) in enumerate(LAMPS.items()):
        lamp = slide.shapes.add_shape(
            MSO_SHAPE.OVAL, *box(x + 0.12, y + 0.1 + row * tall / 3.1, 0.61, 0.61)
        )
        plain(lamp)
        lamp.fill.solid()
        lamp.fill.fore_color.rgb = rgb(colour if name == verdict else "#555555")
        lamp.line.fill.background()
        if name == verdict:
            frame, sign = lamp.text_frame, {"go": "✓", "conditions": "!", "no-go": "✗"}[name]
            frame.margin_left = frame.margin_right = frame.margin_top = frame.margin_bottom = (
                Inches(0)
            )
            frame.paragraphs[0].alignment, frame.paragraphs[0].line_spacing = (
                PP_ALIGN.CENTER,
                Pt(24),
            )
            styled(frame.paragraphs[0], sign, 20, "111111", bold=True)


SLIDES = (verdict, accuracies, left, cost, returns, rules, steps, caveats)
