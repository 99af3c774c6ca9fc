"""Parts that several documents share: sections, the opening, tables of clients and labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from fedkit.core import locale
from fedkit.reports.brief.promise import left_lines, privacy_lines, stayed_lines
from fedkit.reports.governance.case import ROWS, Case, display_name, label_counts
from fedkit.reports.governance.document import (
    Block,
    Bullets,
    Document,
    Heading,
    Note,
    Paragraph,
    Table,
    Title,
    number_headings,
)
from fedkit.reports.text.governance import COMMON
from fedkit.results import measures

# by language, then by key: (heading, line, line, ...), or rows of a table
Words = Mapping[str, Mapping[str, tuple]]


def make_document(
    case: Case,
    name: str,
    words: Words,
    sections: Iterable[Sequence[Block]],
    form: str = "{n}. {title}",
) -> Document:
    """Return a document: title, the note that it is no legal advice, its basis, the sections."""
    title, about = words[case.lang]["title"]
    common = COMMON[case.lang]
    opening: list[Block] = [
        Title(title),
        Note(common["mark"]),
        Paragraph(case.fill(about)),
        Paragraph(case.fill(common["basis"])),
    ]
    opening += [] if case.run.finished else [Note(case.fill(common["unfinished"]))]
    day = locale.date(case.date, case.lang) if case.date else case.values["blank"]
    opening.append(Paragraph(case.fill(common["version"], day=day)))
    body = number_headings((block for section in sections for block in section), form)
    return Document(name, case.lang, (*opening, *body), case.date)


def make_section(case: Case, words: Words, key: str, *more: Block) -> list[Block]:
    """Return the heading and the filled lines under `key`, followed by `more`."""
    heading, *lines = words[case.lang][key]
    filled = tuple(case.fill(line) for line in lines)
    body = [Paragraph(filled[0])] if len(filled) == 1 else [Bullets(filled)] if filled else []
    return [Heading(heading), *body, *more]


def make_table(
    case: Case, words: Words, key: str, rows: Iterable[Sequence[str]] | None = None
) -> Table:
    """Return the table under `key`: the head is its first row; the others are its own or `rows`."""
    head, *own = words[case.lang][key]
    filled = [[case.fill(cell) for cell in row] for row in own] if rows is None else list(rows)
    return Table(tuple(case.fill(cell) for cell in head), tuple(tuple(row) for row in filled))


def section_lines(case: Case, what: str) -> list[Block]:
    """Return the brief's sentences on what left the clients, what stayed or what is promised."""
    write = {"left": left_lines, "stayed": stayed_lines, "privacy": privacy_lines}[what]
    return [Heading(COMMON[case.lang][what], 2), Bullets(write(case.run, case.lang))]


def clients_table(case: Case) -> list[Block]:
    """Return the table of clients: names as recorded, with blanks for their legal identity."""
    blank = case.values["blank"]
    rows = [
        (
            display_name(client.name, case.lang),
            blank,
            blank,
            case.number(client.train),
            case.about_labels(case.number(len(client.labels))),
        )
        for client in case.clients[:ROWS]
    ]
    return [make_table(case, COMMON, "members", rows), *more_rows(case, len(case.clients))]


def labels_table(case: Case) -> list[Block]:
    """Return the table of labels: training examples and the number of clients that hold any.

    Where a promise covers that, a sentence.
    """
    if not measures.tells_labels(case.run):
        return [Paragraph(COMMON[case.lang]["labels_not_told"])]
    counts = label_counts(case.run)
    rows = [
        (display_name(label, case.lang), case.number(n), case.number(holders))
        for label, (n, holders) in counts.items()
    ]
    return [make_table(case, COMMON, "labels", rows[:ROWS]), *more_rows(case, len(rows))]


def traffic_table(case: Case) -> list[Block]:
    """Return the table of what each client sent and received, and how long it computed."""
    rows = [
        (
            display_name(client.name, case.lang),
            case.number(client.rounds),
            case.nbytes(client.up),
            case.nbytes(client.down),
            case.seconds(client.seconds),
        )
        for client in case.clients[:ROWS]
    ]
    return [make_table(case, COMMON, "traffic", rows), *more_rows(case, len(case.clients))]


def hashes_table(case: Case) -> list[Block]:
    """Return the table of the hashes that identify the run."""
    return [make_table(case, COMMON, "hashes")]


def more_rows(case: Case, count: int) -> list[Block]:
    return (
        [Paragraph(case.fill(COMMON[case.lang]["more"], count=case.number(count)))]
        if count > ROWS
        else []
    )
