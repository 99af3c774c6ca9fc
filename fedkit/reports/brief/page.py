"""The brief as one HTML page: self-contained, without a script, one A4 sheet when printed.

Its blocks stand in two columns. What fits on the sheet is estimated before it is written (see
`choose_density`): the type shrinks step by step, then lists and sentences are cut, which the page
says; on a screen nothing is cut. The page computes no figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup

from fedkit.reports.brief import pictures
from fedkit.reports.brief.brief import CONDITIONS, GO, NO_GO, Brief, Fact, Rule
from fedkit.reports.brief.text_metrics import first_items, slide_text, text_width, wrap_lines
from fedkit.reports.pages import render
from fedkit.reports.text.brief import UI

# px on A4 at 96 px per inch: width and height between the margins, room between the two columns
SHEET, HEIGHT, GAP = 742, 1085, 22
COLUMN = (SHEET - GAP) / 2
MOST_COLUMNS = 6  # of a printed table
EFFECTS = {GO: "go", CONDITIONS: "conditions_word", NO_GO: "no_go"}


@dataclass(frozen=True)
class Density:
    """How densely the sheet is set: px of its type, items of a list, lines of a sentence."""

    size: float
    items: int = 99
    clamp: int = 99


LEVELS = (
    *(Density(size / 10) for size in range(114, 77, -1)),
    *(Density(8.4, items, clamp) for items, clamp in ((6, 5), (5, 4), (4, 3), (4, 2), (4, 1))),
    *(Density(size, items, 1) for size, items in ((8.4, 3), (8.0, 2), (7.6, 2))),
)


@dataclass(frozen=True)
class PageBlock:
    """A heading and its content: sentences, a picture, more sentences, and a list or a table.

    rows: (sentence,) of a list, the cells of a table, or `rule_row`. kept: how many are printed.
    head: of a table; all columns but its first hold numbers.
    """

    key: str
    title: str
    rows: Sequence[Sequence[str]] = ()
    kind: str = "list"
    before: Sequence[str] = ()
    after: Sequence[str] = ()
    picture: str = ""
    head: Sequence[str] = ()
    kept: int = 99

    @property
    def wide(self) -> int:
        """How many columns are printed."""
        return MOST_COLUMNS if len(self.head) > MOST_COLUMNS + 1 else 99


def render_brief(brief: Brief) -> str:
    """Return the page as text. The same brief gives the same text."""
    density = choose_density(brief)
    return render(
        "reports/brief.html.j2",
        lang=brief.lang,
        level=density,
        big=_tile_em(brief, density),
        title=slide_text(brief.title, 120),
        date=slide_text(brief.date, 40),
        question=slide_text(brief.question),
        verdict=slide_text(brief.verdict_name, 80),
        headline=slide_text(brief.headline),
        light=Markup(pictures.traffic_light(brief.verdict)),
        dark=pictures.DARK.get(brief.verdict, "#222222"),
        pale=pictures.PALE.get(brief.verdict, "#f4f4f4"),
        tiles=[_fact_values(fact) for fact in brief.tiles[:5]],
        columns=split_columns(brief, density),
        ui=ui_words(brief),
        sources=_source_words(brief, density),
        assumptions=[_fact_values(fact) for fact in brief.returns.assumptions],
    )


def page_blocks(brief: Brief) -> list[PageBlock]:
    """Return every block of the page in order, uncut; empty ones are left out."""
    ui, back = ui_words(brief), brief.returns
    facts = {"costs": brief.costs, "assumptions": back.assumptions}
    pictured = {
        "accuracies": pictures.accuracy_bars(brief) if brief.bars else "",
        "tornado": pictures.tornado(brief) if back.swings else "",
        "break_even": pictures.break_even_curve(brief) if back.curve else "",
    }
    before = {"accuracies": brief.bars_sentence, "returns": back.sentence}
    kinds = {"next_steps": "steps", "phrases": "quotes"}
    out = []
    for key in ORDER:
        told: dict[str, Any] = {"before": _clean_lines([before.get(key, "")])}
        if key in facts:
            rows = [_fact_cells(fact, key == "assumptions") for fact in facts[key]]
            told |= {"kind": "facts", "rows": rows}
        elif key == "hours":
            rows = [_clean_lines(row) for row in brief.hours_rows]
            head = _clean_lines(brief.hours_head) if rows else ()
            told |= {"kind": "hours", "rows": rows, "head": head}
        elif key == "rules":
            told |= {"kind": "rules", "rows": [rule_row(r, ui) for r in brief.rules]}
        elif key == "break_even":
            told["after"] = _clean_lines(back.break_even[:3])
        elif key not in (*pictured, *before):
            rows = [(line,) for line in _clean_lines(getattr(brief, key))]
            told |= {"kind": kinds.get(key, "list"), "rows": rows}
        out.append(PageBlock(key, ui[key], picture=Markup(pictured.get(key, "")), **told))
    return [block for block in out if block.rows or block.picture or block.before]


ORDER = (  # figures and money; then what is shared, and the decision
    *("accuracies", "tried", "costs", "hours", "returns", "tornado", "break_even", "assumptions"),
    *("left", "stayed", "privacy", "leaving", "rules", "conditions", "next_steps", "phrases"),
    "caveats",
)


def rule_row(one: Rule, ui: Mapping[str, str]) -> tuple[str, str, str, str, str]:
    """Return (sign, its class, the sign in words, the rule with its effect if not met, what was
    found).
    """
    effect = "" if one.met else f" → {ui.get(EFFECTS.get(one.effect, ''), one.effect)}"
    sign = ("✓", "yes", ui["met"]) if one.met else ("✗", "no", ui["not_met"])
    return (*sign, slide_text(one.text) + effect, slide_text(one.found))


def ui_words(brief: Brief) -> dict[str, str]:
    """Return headings and labels; one that is missing shows its key."""
    return {key: slide_text(brief.ui.get(key, key), 120) for key in UI}


def choose_density(brief: Brief) -> Density:
    """Return the first of LEVELS at which the sheet is estimated to hold all, or the last."""
    for density in LEVELS:
        columns = split_columns(brief, density)
        if max(_column_height(column, density) for column in columns) <= _room(brief, density):
            return density
    return LEVELS[-1]


def split_columns(
    brief: Brief, density: Density
) -> tuple[Sequence[PageBlock], Sequence[PageBlock]]:
    """Return the blocks in two columns: the first holds few, so that its pictures have more room.

    Where no split fits the sheet, the one whose taller column is lowest.
    """
    blocks, room = _cut_blocks(brief, density), _room(brief, density)
    splits = [(blocks[:at], blocks[at:]) for at in range(1, len(blocks) + 1)]
    heights = [max(_column_height(column, density) for column in two) for two in splits]
    fitting = (two for two, height in zip(splits, heights) if height <= room)
    return next(fitting, splits[heights.index(min(heights))])


def _room(brief: Brief, density: Density) -> float:
    """Return px that the columns have: those between the tiles and the foot."""
    return HEIGHT - _head_height(brief, density) - _foot_height(brief, density)


def _column_height(blocks: Sequence[PageBlock], density: Density) -> float:
    return sum(_block_height(block, density) + 5 for block in blocks) - 5


def _cut_blocks(brief: Brief, density: Density) -> list[PageBlock]:
    """Return the blocks with as many rows as are printed; tables and rules get more."""
    most = {"facts": 3, "hours": 3, "rules": 8}
    return [
        replace(b, kept=len(first_items(b.rows, density.items + most.get(b.kind, 0))[0]))
        for b in page_blocks(brief)
    ]


def _block_height(block: PageBlock, density: Density) -> float:
    """Return px of a block; a picture needs 10 times the size of the type, as in brief.css."""
    size = density.size
    out = _stack([block.title], COLUMN, 1.08 * size, density, 1.25, bold=True) + 7
    out += _stack(block.before, COLUMN, size, density, gap=1)
    out += _stack(block.after, COLUMN, 0.92 * size, density, gap=1)
    if block.picture:
        out += 10 * size + 4
    return out + _rows_height(block, density)


def _rows_height(block: PageBlock, density: Density) -> float:
    """Return px of a list or a table; its columns share the width as their longest cells ask."""
    size = density.size
    rows = list(block.rows[: block.kept])
    cut = block.kept < len(block.rows) or len(block.head) > block.wide
    rest = (1.3 * size + 3) * cut
    if block.kind not in ("facts", "hours"):
        texts = [f"{row[3]} ({row[4]})" if block.kind == "rules" else row[0] for row in rows]
        gap = 2 if block.kind == "quotes" else 1
        return rest + _stack(texts, COLUMN - 1.7 * size, size, density, gap=gap)
    cell_rows = [row[: block.wide] for row in (*[block.head] * bool(block.head), *rows)]
    asked = [max(text_width(c, size, True) + 0.8 * size for c in col) for col in zip(*cell_rows)]
    scale = min(1.0, COLUMN / sum(asked)) if asked else 1.0
    widths = [ask * scale - 0.6 * size for ask in asked]
    for row in cell_rows:
        cells = zip(row, widths)
        rest += max(_stack([c], w, 0.95 * size, density, 1.24, bold=True) for c, w in cells) + 3
    return rest


def _head_height(brief: Brief, density: Density) -> float:
    """Return px of title, question, verdict and tiles."""
    size, words = density.size, SHEET - 90
    whole = replace(density, clamp=99)
    title = _stack([brief.title[:120]], SHEET - 110, 1.5 * size, whole, 1.25, bold=True)
    name = _stack([brief.verdict_name[:80]], words, 2.1 * size, whole, 1.15, bold=True)
    headline = _stack([brief.headline], words, 1.2 * size, density, 1.28)
    question = _stack([brief.question], SHEET, size, density) + 4
    width, big = _tile_width(brief), _tile_em(brief, density)
    tiles = [
        _stack([fact.value], width + 2, big * size, whole, 1.15, bold=True)
        + _stack([fact.name], width, 0.95 * size, density, 1.22)
        + _stack([fact.note] * bool(fact.note), width, 0.84 * size, density)
        for fact in brief.tiles[:5]
    ]
    return title + question + max(54, name + headline + 2) + 26 + max(tiles, default=0) + 30


def _foot_height(brief: Brief, density: Density) -> float:
    words = [_source_words(brief, density), ui_words(brief)["made_by"]]
    return _stack(words, SHEET - 60, 0.9 * density.size, density, 1.27) + 16


def _stack(
    texts: Sequence[str],
    width: float,
    size: float,
    density: Density,
    leading: float = 1.3,
    bold: bool = False,
    gap: float = 0.0,
) -> float:
    """Return px of stacked paragraphs with a gap after each; some typefaces are a little wider."""
    width *= 0.97
    rows = sum(min(len(wrap_lines(slide_text(t), width, size, bold)), density.clamp) for t in texts)
    return rows * size * leading + gap * len(texts)


def _tile_em(brief: Brief, density: Density) -> float:
    """Return the size of the tiles' numbers in em: the longest fits on one line, 1.2 to 2.1."""
    sizes = [text_width(slide_text(f.value, 120), density.size, True) for f in brief.tiles[:5]]
    return round(min(2.1, max(1.2, _tile_width(brief) / max(1.0, *sizes, 1.0))), 2)


def _tile_width(brief: Brief) -> float:
    """Return the inner width of a printed tile in px."""
    count = max(1, len(brief.tiles[:5]))
    return (SHEET - 8 * (count - 1)) / count - 20


def _source_words(brief: Brief, density: Density) -> str:
    return " · ".join(slide_text(s) for s in first_items(brief.sources, density.items)[0])


def _clean_lines(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(line for line in map(slide_text, texts) if line)


def _fact_values(fact: Fact) -> dict[str, str]:
    return {
        "name": slide_text(fact.name),
        "value": slide_text(fact.value, 120),
        "note": slide_text(fact.note),
        "source": slide_text(fact.source),
    }


def _fact_cells(fact: Fact, source: bool = False) -> tuple[str, str, str]:
    """Return name, value, and a note or the source."""
    said: dict[str, Any] = _fact_values(fact)
    return said["name"], said["value"], said["source" if source else "note"] or said["note"]
