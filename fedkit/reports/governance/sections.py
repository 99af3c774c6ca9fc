"""Parts that several documents share: a section from its words, the mark at the top, tables of who
has what.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from fedkit.core import locale
from fedkit.reports.brief.promise import left_lines, privacy_lines, stayed_lines
from fedkit.reports.governance.case import ROWS, Case, held, name_of
from fedkit.reports.governance.document import (
    Block,
    Bullets,
    Document,
    Heading,
    Note,
    Paragraph,
    Table,
    Title,
    numbered,
)
from fedkit.reports.text.governance import COMMON

# by language, then by key: (heading, line, line, ...), or rows of a table
Words = Mapping[str, Mapping[str, tuple]]


def document(
    case: Case,
    name: str,
    words: Words,
    sections: Iterable[Sequence[Block]],
    form: str = "{n}. {title}",
) -> Document:
    """A whole document: its title, the mark that it is no legal advice, what it rests on, then the
    sections.
    """
    title, about = words[case.lang]["title"]
    common = COMMON[case.lang]
    opening: list[Block] = [
        Title(title),
        Note(common["mark"]),
        Paragraph(case.say(about)),
        Paragraph(case.say(common["basis"])),
    ]
    opening += [] if case.run.finished else [Note(case.say(common["unfinished"]))]
    day = locale.date(case.date, case.lang) if case.date else case.values["blank"]
    opening.append(Paragraph(case.say(common["version"], day=day)))
    body = numbered((block for section in sections for block in section), form)
    return Document(name, case.lang, (*opening, *body), case.date)


def section(case: Case, words: Words, key: str, *more: Block) -> list[Block]:
    """The heading and lines under `key`, this run's facts in them, then what is given."""
    heading, *lines = words[case.lang][key]
    said = tuple(case.say(line) for line in lines)
    told = [Paragraph(said[0])] if len(said) == 1 else [Bullets(said)] if said else []
    return [Heading(heading), *told, *more]


def table(case: Case, words: Words, key: str, rows: Iterable[Sequence[str]] | None = None) -> Table:
    """The table whose head is the first of the rows under `key`; its other rows are those of the
    words, or those given.
    """
    head, *own = words[case.lang][key]
    filled = [[case.say(cell) for cell in row] for row in own] if rows is None else list(rows)
    return Table(tuple(case.say(cell) for cell in head), tuple(tuple(row) for row in filled))


def lines(case: Case, what: str) -> list[Block]:
    """The brief's sentences on what left the sites, what stayed, or what is promised, under their
    heading.
    """
    tell = {"left": left_lines, "stayed": stayed_lines, "privacy": privacy_lines}[what]
    return [Heading(COMMON[case.lang][what], 2), Bullets(tell(case.run, case.lang))]


def members(case: Case) -> list[Block]:
    """Who took part: the name in the record, beside the blanks for who that is in law."""
    blank = case.values["blank"]
    rows = [
        (name_of(m.name, case.lang), blank, blank, case.number(m.train), case.number(len(m.labels)))
        for m in case.members[:ROWS]
    ]
    return [table(case, COMMON, "members", rows), *_more(case, len(case.members))]


def labels(case: Case) -> list[Block]:
    """The labels, how many training examples each has and how many members hold any."""
    counts = held(case.run)
    rows = [
        (name_of(label, case.lang), case.number(n), case.number(sites))
        for label, (n, sites) in counts.items()
    ]
    return [table(case, COMMON, "labels", rows[:ROWS]), *_more(case, len(rows))]


def traffic(case: Case) -> list[Block]:
    """What each member sent and received, and how long it computed."""
    rows = [
        (
            name_of(m.name, case.lang),
            case.number(m.rounds),
            case.nbytes(m.up),
            case.nbytes(m.down),
            case.seconds(m.seconds),
        )
        for m in case.members[:ROWS]
    ]
    return [table(case, COMMON, "traffic", rows), *_more(case, len(case.members))]


def hashes(case: Case) -> list[Block]:
    """What the run can be recognised by."""
    return [table(case, COMMON, "hashes")]


def _more(case: Case, count: int) -> list[Block]:
    return (
        [Paragraph(case.say(COMMON[case.lang]["more"], count=case.number(count)))]
        if count > ROWS
        else []
    )
