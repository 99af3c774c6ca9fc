"""The brief as one HTML page: self-contained, without a script, one A4 sheet when printed.

What fits is estimated before it is written (see `choose_density`): the type shrinks step by step,
then lists are cut, which the page says; on a screen nothing is cut. The page computes no figures:
it draws a `Brief`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from fedkit.core.files import read_packaged_text
from fedkit.plots.theme import FONT
from fedkit.reports.brief import pictures, text_metrics
from fedkit.reports.brief.brief import CONDITIONS, GO, NO_GO, Brief, Fact, Rule
from fedkit.reports.brief.text_metrics import slide_text
from fedkit.reports.text.brief import UI

SHEET, HEIGHT = 742, 1085  # px: width between the margins of A4 at 96 px per inch; height there
GAP, LEADING = 14, 1.3
EFFECTS = {GO: "go", CONDITIONS: "conditions_word", NO_GO: "no_go"}


@dataclass(frozen=True)
class Density:
    """How densely the sheet is set.

    size: px of its type; items: sentences of a list; clamp: lines of a sentence; picture: px.
    """

    size: float
    items: int = 99
    clamp: int = 99
    picture: int = 400


@dataclass(frozen=True)
class PageBlock:
    """A heading and its content: sentences, a picture, more sentences, a list or a table.

    items: sentences, rows of cells, or rows of `rule_row`. kept: how many of them are printed.
    wide: columns printed.
    """

    key: str
    title: str
    kind: str = "lines"
    items: Sequence[Any] = ()
    tag: str = "ul"
    css: str = ""
    before: Sequence[str] = ()
    after: Sequence[str] = ()
    picture: str = ""
    head: Sequence[str] = ()
    kept: int = 99
    wide: int = 99
    shares: Sequence[float] = (1.0,)  # of the width, by column of a table

    @property
    def cut_columns(self) -> int:
        return max(0, len(self.head) - self.wide)


Row = tuple[tuple[float, ...], list[list[PageBlock]]]


def render_brief(brief: Brief) -> str:
    """Return the page as text. The same brief gives the same text."""
    level, shares = choose_density(brief), balance_columns(brief)
    engine = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    css = (
        read_packaged_text("fedkit.reports", "templates/brief.css")
        .replace("__FONT__", FONT)
        .replace("__TILES__", str(max(1, min(len(brief.tiles), 5))))
    )
    return (
        engine.from_string(read_packaged_text("fedkit.reports", "templates/brief.html.j2"))
        .render(
            brief=brief,
            level=level,
            css=Markup(css),
            title=slide_text(brief.title, 120),
            date=slide_text(brief.date, 40),
            question=slide_text(brief.question),
            verdict=slide_text(brief.verdict_name, 80),
            headline=slide_text(brief.headline),
            light=Markup(pictures.traffic_light(brief.verdict)),
            dark=pictures.DARK.get(brief.verdict, "#222222"),
            pale=pictures.PALE.get(brief.verdict, "#f4f4f4"),
            tiles=_tiles(brief),
            big=_tile_em(brief, level),
            rows=[
                (grid_columns(own), cells) for own, (_, cells) in zip(shares, lay_out(brief, level))
            ],
            ui=ui_words(brief),
            sources=[
                slide_text(s) for s in text_metrics.first_items(brief.sources, level.items)[0]
            ],
            assumptions=[_fact_values(f) for f in brief.returns.assumptions],
        )
        .lstrip()
    )


def page_blocks(brief: Brief) -> dict[str, PageBlock]:
    """Return every block of the page by its key, uncut; empty ones are left out."""
    ui, back = ui_words(brief), brief.returns
    every = [
        PageBlock("tried", ui["tried"], items=_clean_lines(brief.tried)),
        PageBlock(
            "accuracies",
            ui["accuracies"],
            before=_clean_lines([brief.bars_sentence]),
            picture=_picture(pictures.accuracy_bars, brief, brief.bars),
        ),
        PageBlock(
            "costs",
            ui["costs"],
            "table",
            [_fact_cells(fact) for fact in brief.costs],
            css="facts",
            shares=(0.42, 0.20, 0.38),
        ),
        hours_block(brief, ui["hours"]),
        PageBlock("left", ui["left"], items=_clean_lines(brief.left)),
        PageBlock("stayed", ui["stayed"], items=_clean_lines(brief.stayed)),
        PageBlock("privacy", ui["privacy"], items=_clean_lines(brief.privacy)),
        PageBlock("leaving", ui["leaving"], items=_clean_lines(brief.leaving)),
        PageBlock("returns", ui["returns"], before=_clean_lines([back.sentence])),
        PageBlock("tornado", ui["tornado"], picture=_picture(pictures.tornado, brief, back.swings)),
        PageBlock(
            "break_even",
            ui["break_even"],
            picture=_picture(pictures.break_even_curve, brief, back.curve),
            after=_clean_lines(back.break_even[:3]),
        ),
        PageBlock(
            "assumptions",
            ui["assumptions"],
            "table",
            [_fact_cells(f, source=True) for f in back.assumptions],
            css="facts",
            shares=(0.48, 0.24, 0.28),
        ),
        PageBlock("rules", ui["rules"], "rules", [rule_row(r, ui) for r in brief.rules]),
        PageBlock("conditions", ui["conditions"], items=_clean_lines(brief.conditions)),
        PageBlock(
            "next_steps",
            ui["next_steps"],
            items=_clean_lines(brief.next_steps),
            tag="ol",
            css="steps",
        ),
        PageBlock("phrases", ui["phrases"], items=_clean_lines(brief.phrases), css="quotes"),
        PageBlock("caveats", ui["caveats"], items=_clean_lines(brief.caveats)),
    ]
    return {b.key: b for b in every if b.items or b.picture or b.before}


def hours_block(brief: Brief, title: str) -> PageBlock:
    """Return the table of the whole run's time: a row for each device, a column for each link."""
    rows = [_clean_lines(row) for row in brief.hours_rows]
    head = _clean_lines(brief.hours_head) if rows else ()
    share = 1 / max(1, min(len(head), 6))
    return PageBlock(
        "hours", title, "table", rows, css="hours", head=head, shares=(share,) * len(head)
    )


def rule_row(one: Rule, ui: Mapping[str, str]) -> tuple[str, str, str, str, str]:
    """Return (sign, its class, the sign in words, the rule with its effect if not met, what was
    found).
    """
    effect = "" if one.met else f" → {ui.get(EFFECTS.get(one.effect, ''), one.effect)}"
    sign = ("✓", "yes", ui["met"]) if one.met else ("✗", "no", ui["not_met"])
    return (*sign, slide_text(one.text) + effect, slide_text(one.found))


def lay_out(brief: Brief, level: Density) -> list[Row]:
    """Return rows of the sheet: (shares of the width, columns of blocks cut as `level` says).

    Empty columns are left out.
    """
    every = {key: _cut_block(block, level) for key, block in page_blocks(brief).items()}
    out = []
    for row in ROWS:
        kept = [(share, [every[key] for key in keys if key in every]) for share, keys in row]
        kept = [(share, cells) for share, cells in kept if cells]
        if kept:
            out.append((tuple(share for share, _ in kept), [cells for _, cells in kept]))
    return out


def balance_columns(brief: Brief) -> list[tuple[float, ...]]:
    """Return for each row the shares of the width at which its tallest column is lowest.

    Width moves in small steps from the lowest column to the tallest.
    """
    out = []
    for shares, row in lay_out(brief, USUAL):
        best = shares = tuple(share / sum(shares) for share in shares)
        for _ in range(16):
            tall = _column_heights(shares, row, USUAL)
            best = min(best, shares, key=lambda s: max(_column_heights(s, row, USUAL)))
            shares = _shift_width(shares, tall.index(min(tall)), tall.index(max(tall)))
        out.append(best)
    return out


def choose_density(brief: Brief) -> Density:
    """Return the first of LEVELS at which everything is estimated to fit, or the densest."""
    shares = balance_columns(brief)
    return next(
        (level for level in LEVELS if needed_height(brief, level, shares) <= HEIGHT), LEVELS[-1]
    )


def needed_height(brief: Brief, level: Density, shares: Sequence[tuple[float, ...]]) -> float:
    """Return the estimated height of the sheet's contents in px."""
    total = _head_height(brief, level)
    total += sum(
        6 + max(_column_heights(own, row, level))
        for own, (_, row) in zip(shares, lay_out(brief, level))
    )
    sources = " · ".join(text_metrics.first_items(brief.sources, level.items)[0])
    foot = 0.9 * level.size
    lines = min(len(text_metrics.wrap_lines(sources, SHEET - 60, foot)), level.clamp) + len(
        text_metrics.wrap_lines(ui_words(brief)["made_by"], SHEET, foot)
    )
    return total + 10 + lines * foot * 1.27


def _column_heights(
    shares: Sequence[float], row: Sequence[Sequence[PageBlock]], level: Density
) -> list[float]:
    """Return px of each column of a row."""
    width = (SHEET - GAP * (len(row) - 1)) / sum(shares)
    return [
        sum(_block_height(b, width * share, level) + 4 for b in cells) - 4
        for share, cells in zip(shares, row)
    ]


def _shift_width(
    shares: tuple[float, ...], giver: int, taker: int, step: float = 0.012, least: float = 0.19
) -> tuple[float, ...]:
    """Move a little of the width from one column to another, unless it is at its minimum."""
    if giver == taker or shares[giver] - step < least:
        return shares
    return tuple(share + step * ((i == taker) - (i == giver)) for i, share in enumerate(shares))


def grid_columns(shares: Sequence[float]) -> str:
    """Return a grid template for columns of these shares, which may shrink below their words."""
    return " ".join(f"minmax(0, {share:.3g}fr)" for share in shares)


def _head_height(brief: Brief, level: Density) -> float:
    """Return the height of title, question, verdict and tiles."""
    size, clamp = level.size, level.clamp
    out = (
        len(text_metrics.wrap_lines(slide_text(brief.title, 120), SHEET - 110, 1.5 * size, True))
        * 1.5
        * size
        * 1.25
    )
    out += text_metrics.text_height([slide_text(brief.question)], SHEET, size, LEADING, clamp) + 4
    words = text_metrics.text_height(
        [slide_text(brief.headline)], SHEET - 90, 1.2 * size, 1.28, clamp
    )
    name = (
        len(
            text_metrics.wrap_lines(
                slide_text(brief.verdict_name, 80), SHEET - 90, 2.1 * size, True
            )
        )
        * 2.1
        * size
        * 1.15
    )
    out += max(65, name + words + 2) + 26
    return (
        out
        + max(
            (
                _tile_height(tile, _tile_width(brief), _tile_em(brief, level), level)
                for tile in _tiles(brief)
            ),
            default=0,
        )
        + 24
    )


def _tile_height(tile: Mapping[str, str], width: float, big: float, level: Density) -> float:
    size = level.size
    out = (
        len(text_metrics.wrap_lines(tile["value"], width + 2, big * size, True)) * big * size * 1.15
    )
    out += text_metrics.text_height([tile["name"]], width, 0.95 * size, 1.22, level.clamp)
    return out + (
        text_metrics.text_height([tile["note"]], width, 0.84 * size, 1.3, level.clamp)
        if tile["note"]
        else 0
    )


def _block_height(block: PageBlock, width: float, level: Density) -> float:
    size = level.size
    out = (
        len(text_metrics.wrap_lines(block.title, width, 1.08 * size, True)) * 1.08 * size * 1.25 + 7
    )
    out += text_metrics.text_height(block.before, width, size, LEADING, level.clamp) + 2 * len(
        block.before
    )
    out += text_metrics.text_height(
        block.after, width, 0.92 * size, LEADING, level.clamp
    ) + 2 * len(block.after)
    if block.picture:
        out += min(_picture_height(block.picture, width), level.picture) + 4
    return out + (HEIGHTS[block.kind](block, width, level) if block.items else 0)


def _lines_height(block: PageBlock, width: float, level: Density) -> float:
    shown, inner = list(block.items[: block.kept]), width - 1.5 * level.size
    out = (
        text_metrics.text_height(shown, inner, level.size, LEADING, level.clamp)
        + (4 if block.css == "quotes" else 2) * len(shown)
        + 2
    )
    return out + (level.size * LEADING + 2) * (block.kept < len(block.items))


def _rules_height(block: PageBlock, width: float, level: Density) -> float:
    said = [f"{text} ({found})".strip() for *_, text, found in block.items]
    return _lines_height(replace(block, items=said), width, level)


def _table_height(block: PageBlock, width: float, level: Density) -> float:
    size, wide = 0.95 * level.size, min(block.wide, len(block.shares))
    scale = sum(block.shares[:wide])
    rows = [*([block.head] if block.head else []), *block.items[: block.kept]]
    out = 0.0
    for row in rows:
        cells = zip(row[:wide], block.shares[:wide])
        lines = max(
            min(
                len(text_metrics.wrap_lines(c, width * share / scale - 0.6 * size, size, True)),
                level.clamp,
            )
            for c, share in cells
        )
        out += lines * size * 1.24 + 3.5
    return out + (size * 1.24 + 3.5) * (block.kept < len(block.items) or block.cut_columns > 0)


def _cut_block(block: PageBlock, level: Density) -> PageBlock:
    """Return the block with as many items as the level prints; tables and rules get more."""
    most = level.items + {"lines": 0, "table": 3, "rules": 8}[block.kind]
    kept = len(text_metrics.first_items(block.items, most)[0])
    return replace(block, kept=kept, wide=6 if len(block.head) > 7 else 99)


def _picture(draw: Callable[[Brief], str], brief: Brief, of: Sequence) -> str:
    return Markup(draw(brief)) if of else ""


def _picture_height(svg: str, width: float) -> float:
    """Return the height of a picture from its own box."""
    box = svg.split('viewBox="0 0 ', 1)[1].split('"', 1)[0].split()
    return width * float(box[1]) / float(box[0])


def ui_words(brief: Brief) -> dict[str, str]:
    """Return headings and labels; one that is missing shows its key."""
    return {key: slide_text(brief.ui.get(key, key), 120) for key in UI}


def _clean_lines(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(line for line in map(slide_text, texts) if line)


def _tiles(brief: Brief) -> list[dict[str, str]]:
    """Return at most five tiles; all numbers are as big as the longest one allows."""
    said = [_fact_values(fact) for fact in brief.tiles[:5]]
    longest = max((text_metrics.text_width(tile["value"], 1.0, True) for tile in said), default=0)
    return [{**tile, "size": "long" if longest > 4.4 else ""} for tile in said]


def _tile_em(brief: Brief, level: Density) -> float:
    """Return the size of the tiles' numbers in em: the longest fits on one line, 1.2 to 2.1."""
    longest = max(
        (text_metrics.text_width(tile["value"], level.size, True) for tile in _tiles(brief)),
        default=1,
    )
    return round(min(2.1, max(1.2, _tile_width(brief) / max(longest, 1.0))), 2)


def _tile_width(brief: Brief) -> float:
    """Return the inner width of a printed tile in px."""
    count = max(1, len(brief.tiles[:5]))
    return (SHEET - 8 * (count - 1)) / count - 20


def _fact_values(fact: Fact) -> dict[str, str]:
    return {
        "name": slide_text(fact.name),
        "value": slide_text(fact.value, 120),
        "note": slide_text(fact.note),
        "source": slide_text(fact.source),
    }


def _fact_cells(fact: Fact, source: bool = False) -> tuple[str, str, str]:
    """Return name, value, and a note or the source."""
    said = _fact_values(fact)
    return said["name"], said["value"], said["source" if source else "note"] or said["note"]


ROWS = (
    ((0.54, ("accuracies", "tried")), (0.46, ("costs", "hours"))),
    ((0.25, ("left",)), (0.23, ("stayed",)), (0.27, ("privacy",)), (0.25, ("leaving",))),
    ((0.33, ("returns", "tornado")), (0.31, ("break_even",)), (0.36, ("assumptions",))),
    ((0.34, ("rules",)), (0.33, ("conditions", "next_steps")), (0.33, ("phrases", "caveats"))),
)
LEVELS = (
    *(Density(size) for size in (11.4, 11.0, 10.6, 10.2, 9.9, 9.6, 9.3)),
    *(Density(size, picture=165) for size in (9.2, 9.0, 8.8)),
    *(Density(size, picture=138) for size in (8.7, 8.5, 8.3)),
    Density(8.1, picture=132),
    *(
        Density(8.4, items, clamp, 135)
        for items, clamp in ((5, 99), (4, 99), (4, 5), (3, 4), (3, 3), (3, 2), (2, 2))
    ),
    Density(8.2, 2, 2, 120),
    Density(8.0, 2, 2, 115),
    Density(9.0, 4, 1, 150),
    Density(9.0, 3, 1, 150),
    Density(8.6, 2, 1, 140),
    Density(7.6, 2, 1, 110),
)
USUAL = Density(9.0, 6, 6, 165)  # at which the widths of columns are balanced
HEIGHTS = {"lines": _lines_height, "rules": _rules_height, "table": _table_height}
