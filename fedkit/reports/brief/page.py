"""The brief as one HTML page: self-contained, without a script, and one sheet of A4 when it is
printed.

What must fit is reckoned before it is written (see `fit`): the type shrinks step by step, then
lists are cut, and say by how much; on a screen everything stands uncut. The page computes no
figure: it draws a `Brief`.
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
from fedkit.reports.brief.text_metrics import clean

SHEET, ROOM = 742, 1085  # px: width between the margins of A4 at 96 px per inch; height there
GAP, LEADING = 14, 1.3
EFFECTS = {GO: "go", CONDITIONS: "conditions_word", NO_GO: "no_go"}


@dataclass(frozen=True)
class Density:
    """How densely the sheet is set. size: px of its type; items: sentences of a list; clamp: lines
    of a sentence; picture: px.
    """

    size: float
    items: int = 99
    clamp: int = 99
    picture: int = 400


@dataclass(frozen=True)
class PageBlock:
    """A heading and what stands under it: sentences, a picture, more sentences, a list or a table.

    items: sentences, or rows of cells, or what `rules` gives. kept: how many of them are printed.
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


def render(brief: Brief) -> str:
    """The page as text. The same brief gives the same text."""
    level, shares = chosen(brief), balanced(brief)
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
            title=clean(brief.title, 120),
            date=clean(brief.date, 40),
            question=clean(brief.question),
            verdict=clean(brief.verdict_name, 80),
            headline=clean(brief.headline),
            light=Markup(pictures.light(brief.verdict)),
            dark=pictures.DARK.get(brief.verdict, "#222222"),
            pale=pictures.PALE.get(brief.verdict, "#f4f4f4"),
            tiles=_tiles(brief),
            big=_big(brief, level),
            rows=[(columns(own), cells) for own, (_, cells) in zip(shares, laid_out(brief, level))],
            ui=words(brief),
            sources=[clean(s) for s in text_metrics.first(brief.sources, level.items)[0]],
            assumptions=[_fact(f) for f in brief.returns.assumptions],
        )
        .lstrip()
    )


def blocks(brief: Brief) -> dict[str, PageBlock]:
    """Every block of the page by its key, whole; one with nothing to show is left out."""
    ui, back = words(brief), brief.returns
    every = [
        PageBlock("tried", ui["tried"], items=_all(brief.tried)),
        PageBlock(
            "accuracies",
            ui["accuracies"],
            before=_all([brief.bars_sentence]),
            picture=_picture(pictures.bars, brief, brief.bars),
        ),
        PageBlock(
            "costs",
            ui["costs"],
            "table",
            [_row(fact) for fact in brief.costs],
            css="facts",
            shares=(0.42, 0.20, 0.38),
        ),
        hours(brief, ui["hours"]),
        PageBlock("left", ui["left"], items=_all(brief.left)),
        PageBlock("stayed", ui["stayed"], items=_all(brief.stayed)),
        PageBlock("privacy", ui["privacy"], items=_all(brief.privacy)),
        PageBlock("leaving", ui["leaving"], items=_all(brief.leaving)),
        PageBlock("returns", ui["returns"], before=_all([back.sentence])),
        PageBlock("tornado", ui["tornado"], picture=_picture(pictures.tornado, brief, back.swings)),
        PageBlock(
            "break_even",
            ui["break_even"],
            picture=_picture(pictures.curve, brief, back.curve),
            after=_all(back.break_even[:3]),
        ),
        PageBlock(
            "assumptions",
            ui["assumptions"],
            "table",
            [_row(f, source=True) for f in back.assumptions],
            css="facts",
            shares=(0.48, 0.24, 0.28),
        ),
        PageBlock("rules", ui["rules"], "rules", [rule(r, ui) for r in brief.rules]),
        PageBlock("conditions", ui["conditions"], items=_all(brief.conditions)),
        PageBlock(
            "next_steps", ui["next_steps"], items=_all(brief.next_steps), tag="ol", css="steps"
        ),
        PageBlock("phrases", ui["phrases"], items=_all(brief.phrases), css="quotes"),
        PageBlock("caveats", ui["caveats"], items=_all(brief.caveats)),
    ]
    return {b.key: b for b in every if b.items or b.picture or b.before}


def hours(brief: Brief, title: str) -> PageBlock:
    """The table of the whole run's time: a row for each device, a column for each link."""
    rows = [_all(row) for row in brief.hours_rows]
    head = _all(brief.hours_head) if rows else ()
    share = 1 / max(1, min(len(head), 6))
    return PageBlock(
        "hours", title, "table", rows, css="hours", head=head, shares=(share,) * len(head)
    )


def rule(one: Rule, ui: Mapping[str, str]) -> tuple[str, str, str, str, str]:
    """(sign, its class, the sign in words, the rule with what it asks for when it is not met, what
    was found).
    """
    effect = "" if one.met else f" → {ui.get(EFFECTS.get(one.effect, ''), one.effect)}"
    sign = ("✓", "yes", ui["met"]) if one.met else ("✗", "no", ui["not_met"])
    return (*sign, clean(one.text) + effect, clean(one.found))


def laid_out(brief: Brief, level: Density) -> list[Row]:
    """Rows of the sheet: (shares of the width, columns of blocks), each block cut as `level` says;
    no empty column.
    """
    every = {key: _cut(block, level) for key, block in blocks(brief).items()}
    out = []
    for row in ROWS:
        kept = [(share, [every[key] for key in keys if key in every]) for share, keys in row]
        kept = [(share, cells) for share, cells in kept if cells]
        if kept:
            out.append((tuple(share for share, _ in kept), [cells for _, cells in kept]))
    return out


def balanced(brief: Brief) -> list[tuple[float, ...]]:
    """For each row, shares of the width with which its tallest column is lowest: a little at a time
    from the lowest to it.
    """
    out = []
    for shares, row in laid_out(brief, USUAL):
        best = shares = tuple(share / sum(shares) for share in shares)
        for _ in range(16):
            tall = _column_heights(shares, row, USUAL)
            best = min(best, shares, key=lambda s: max(_column_heights(s, row, USUAL)))
            shares = _shifted(shares, tall.index(min(tall)), tall.index(max(tall)))
        out.append(best)
    return out


def chosen(brief: Brief) -> Density:
    """The first level of LEVELS at which everything is reckoned to fit; the densest where
    none is.
    """
    shares = balanced(brief)
    return next((level for level in LEVELS if needed(brief, level, shares) <= ROOM), LEVELS[-1])


def needed(brief: Brief, level: Density, shares: Sequence[tuple[float, ...]]) -> float:
    """Height of the sheet's contents in px at a level and with these widths of columns,
    reckoned.
    """
    total = _head_height(brief, level)
    total += sum(
        6 + max(_column_heights(own, row, level))
        for own, (_, row) in zip(shares, laid_out(brief, level))
    )
    sources = " · ".join(text_metrics.first(brief.sources, level.items)[0])
    foot = 0.9 * level.size
    lines = min(len(text_metrics.wrap(sources, SHEET - 60, foot)), level.clamp) + len(
        text_metrics.wrap(words(brief)["made_by"], SHEET, foot)
    )
    return total + 10 + lines * foot * 1.27


def _column_heights(
    shares: Sequence[float], row: Sequence[Sequence[PageBlock]], level: Density
) -> list[float]:
    """px of each column of a row."""
    width = (SHEET - GAP * (len(row) - 1)) / sum(shares)
    return [
        sum(_block_height(b, width * share, level) + 4 for b in cells) - 4
        for share, cells in zip(shares, row)
    ]


def _shifted(
    shares: tuple[float, ...], giver: int, taker: int, step: float = 0.012, least: float = 0.19
) -> tuple[float, ...]:
    """A little of the width from one column to another, unless it is as narrow as it may be."""
    if giver == taker or shares[giver] - step < least:
        return shares
    return tuple(share + step * ((i == taker) - (i == giver)) for i, share in enumerate(shares))


def columns(shares: Sequence[float]) -> str:
    """A grid template for columns of these shares, which may shrink below their words."""
    return " ".join(f"minmax(0, {share:.3g}fr)" for share in shares)


def _head_height(brief: Brief, level: Density) -> float:
    """Title, question, verdict and tiles."""
    size, clamp = level.size, level.clamp
    out = (
        len(text_metrics.wrap(clean(brief.title, 120), SHEET - 110, 1.5 * size, True))
        * 1.5
        * size
        * 1.25
    )
    out += text_metrics.height([clean(brief.question)], SHEET, size, LEADING, clamp) + 4
    words = text_metrics.height([clean(brief.headline)], SHEET - 90, 1.2 * size, 1.28, clamp)
    name = (
        len(text_metrics.wrap(clean(brief.verdict_name, 80), SHEET - 90, 2.1 * size, True))
        * 2.1
        * size
        * 1.15
    )
    out += max(65, name + words + 2) + 26
    return (
        out
        + max(
            (
                _tile_height(tile, _tile_width(brief), _big(brief, level), level)
                for tile in _tiles(brief)
            ),
            default=0,
        )
        + 24
    )


def _tile_height(tile: Mapping[str, str], width: float, big: float, level: Density) -> float:
    size = level.size
    out = len(text_metrics.wrap(tile["value"], width + 2, big * size, True)) * big * size * 1.15
    out += text_metrics.height([tile["name"]], width, 0.95 * size, 1.22, level.clamp)
    return out + (
        text_metrics.height([tile["note"]], width, 0.84 * size, 1.3, level.clamp)
        if tile["note"]
        else 0
    )


def _block_height(block: PageBlock, width: float, level: Density) -> float:
    size = level.size
    out = len(text_metrics.wrap(block.title, width, 1.08 * size, True)) * 1.08 * size * 1.25 + 7
    out += text_metrics.height(block.before, width, size, LEADING, level.clamp) + 2 * len(
        block.before
    )
    out += text_metrics.height(block.after, width, 0.92 * size, LEADING, level.clamp) + 2 * len(
        block.after
    )
    if block.picture:
        out += min(_picture_height(block.picture, width), level.picture) + 4
    return out + (HEIGHTS[block.kind](block, width, level) if block.items else 0)


def _lines_height(block: PageBlock, width: float, level: Density) -> float:
    shown, inner = list(block.items[: block.kept]), width - 1.5 * level.size
    out = (
        text_metrics.height(shown, inner, level.size, LEADING, level.clamp)
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
                len(text_metrics.wrap(c, width * share / scale - 0.6 * size, size, True)),
                level.clamp,
            )
            for c, share in cells
        )
        out += lines * size * 1.24 + 3.5
    return out + (size * 1.24 + 3.5) * (block.kept < len(block.items) or block.cut_columns > 0)


def _cut(block: PageBlock, level: Density) -> PageBlock:
    """The block with as many items as the level prints; tables and rules, where a reader looks for
    all of them, get more.
    """
    most = level.items + {"lines": 0, "table": 3, "rules": 8}[block.kind]
    kept = len(text_metrics.first(block.items, most)[0])
    return replace(block, kept=kept, wide=6 if len(block.head) > 7 else 99)


def _picture(draw: Callable[[Brief], str], brief: Brief, of: Sequence) -> str:
    return Markup(draw(brief)) if of else ""


def _picture_height(svg: str, width: float) -> float:
    """From the picture's own box."""
    box = svg.split('viewBox="0 0 ', 1)[1].split('"', 1)[0].split()
    return width * float(box[1]) / float(box[0])


def words(brief: Brief) -> dict[str, str]:
    """Headings and labels; one that is missing shows its key."""
    return {key: clean(brief.ui.get(key, key), 120) for key in KEYS}


def _all(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(line for line in map(clean, texts) if line)


def _tiles(brief: Brief) -> list[dict[str, str]]:
    """At most five; all their numbers as big as the longest one allows."""
    said = [_fact(fact) for fact in brief.tiles[:5]]
    longest = max((text_metrics.extent(tile["value"], 1.0, True) for tile in said), default=0)
    return [{**tile, "size": "long" if longest > 4.4 else ""} for tile in said]


def _big(brief: Brief, level: Density) -> float:
    """Size of the tiles' numbers in em: as great as the longest allows on one line, from 1.2 to
    2.1.
    """
    longest = max(
        (text_metrics.extent(tile["value"], level.size, True) for tile in _tiles(brief)), default=1
    )
    return round(min(2.1, max(1.2, _tile_width(brief) / max(longest, 1.0))), 2)


def _tile_width(brief: Brief) -> float:
    """px between the edges of a printed tile."""
    count = max(1, len(brief.tiles[:5]))
    return (SHEET - 8 * (count - 1)) / count - 20


def _fact(fact: Fact) -> dict[str, str]:
    return {
        "name": clean(fact.name),
        "value": clean(fact.value, 120),
        "note": clean(fact.note),
        "source": clean(fact.source),
    }


def _row(fact: Fact, source: bool = False) -> tuple[str, str, str]:
    """Name, value, and a note or where it comes from."""
    said = _fact(fact)
    return said["name"], said["value"], said["source" if source else "note"] or said["note"]


KEYS = (
    "tried",
    "accuracies",
    "costs",
    "hours",
    "privacy",
    "left",
    "stayed",
    "leaving",
    "rules",
    "met",
    "not_met",
    "conditions",
    "returns",
    "assumptions",
    "break_even",
    "tornado",
    "next_steps",
    "phrases",
    "caveats",
    "sources",
    "name",
    "value",
    "source",
    "note",
    "effect",
    "go",
    "conditions_word",
    "no_go",
    "month",
    "net_per_year",
    "made_by",
    "open_values",
)
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
