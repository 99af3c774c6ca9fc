"""A document as a small tree of plain text, which writers for Markdown and DOCX only draw."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

BLANK = {"en": "[ ... ]", "ja": "［\u3000］"}  # what people have to fill in
BLANKS = re.compile("|".join(re.escape(blank) for blank in BLANK.values()))


@dataclass(frozen=True)
class Title:
    """The document's name; exactly one, and first."""

    text: str


@dataclass(frozen=True)
class Heading:
    """A heading; level 1 or 2, below the title."""

    text: str
    level: int = 1


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """An unordered list."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table; every row has as many cells as the head."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Note:
    """A highlighted sentence."""

    text: str


@dataclass(frozen=True)
class Code:
    """One line to be copied as it is."""

    text: str


Block = Title | Heading | Paragraph | Bullets | Table | Note | Code


@dataclass(frozen=True)
class Document:
    """name: file name without ending. lang: "en" or "ja". date: None: no date is shown."""

    name: str
    lang: str
    blocks: tuple[Block, ...]
    date: datetime.date | None = None

    @property
    def title(self) -> str:
        return next(block.text for block in self.blocks if isinstance(block, Title))


def number_headings(blocks: Iterable[Block], form: str = "{n}. {title}") -> tuple[Block, ...]:
    """Number the headings of level 1 as `form` says: '3. Purpose', '第3条（目的）'."""
    out: list[Block] = []
    for block in blocks:
        if isinstance(block, Heading) and block.level == 1:
            place = 1 + sum(isinstance(b, Heading) and b.level == 1 for b in out)
            block = replace(block, text=form.format(n=place, title=block.text))
        out.append(block)
    return tuple(out)


def visible_text(text: str) -> str:
    """Return `text` on one line without control, bidi or invisible characters.

    The result is valid XML, without lone surrogates. The ideographic and no-break spaces stay.
    """
    line = re.sub(r"[^\S\u3000\u00a0]+", " ", str(text))
    return "".join(c for c in line if c.isprintable() or c in "\u3000\u00a0").strip(" ")


def split_blanks(text: str) -> list[tuple[str, bool]]:
    """Split text at the blanks to fill in: (piece, whether it is a blank), in order."""
    line, out, at = visible_text(text), [], 0
    for found in BLANKS.finditer(line):
        out += [(line[at : found.start()], False), (found.group(), True)]
        at = found.end()
    return [(piece, blank) for piece, blank in [*out, (line[at:], False)] if piece]


def document_texts(document: Document) -> list[str]:
    """Return every text of a document in order, for tests and for searching."""
    out: list[str] = []
    for block in document.blocks:
        if isinstance(block, Bullets):
            out += block.items
        elif isinstance(block, Table):
            out += [cell for row in (block.head, *block.rows) for cell in row]
        else:
            out.append(block.text)
    return out
