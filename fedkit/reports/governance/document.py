"""A document: its Markdown, and that read as a short list of blocks of plain text."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from fedkit.core.errors import FedkitError

BLANK = {"en": "[ ... ]", "ja": "［\u3000］"}  # what people have to fill in
BLANKS = re.compile(f"({'|'.join(map(re.escape, BLANK.values()))})")
PARSER = MarkdownIt("commonmark", {"html": False}).enable("table")
TEXTS = {"text", "code_inline", "softbreak", "hardbreak"}  # what has words in it


@dataclass(frozen=True)
class Paragraph:
    """Running text. style: in Word, None: that of running text."""

    text: str
    style: ClassVar[str | None] = None


class Title(Paragraph):
    """The document's name; exactly one, and first."""

    style = "Title"


class Note(Paragraph):
    """A highlighted sentence."""


class Code(Paragraph):
    """One line to be copied as it is."""


@dataclass(frozen=True)
class Heading(Paragraph):
    """A heading; level 1 or 2, below the title."""

    level: int = 1

    @property
    def style(self) -> str:
        return f"Heading {self.level}"


@dataclass(frozen=True)
class Bullets:
    """An unordered list."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table; every row has as many cells as the head."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block = Paragraph | Bullets | Table


@dataclass(frozen=True)
class Document:
    """name: file name without ending. lang: "en" or "ja". date: None: no date is shown."""

    name: str
    lang: str
    markdown: str
    date: datetime.date | None = None

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        return read_markdown(self.markdown)

    @property
    def title(self) -> str:
        return next(block.text for block in self.blocks if isinstance(block, Title))


def read_markdown(text: str) -> tuple[Block, ...]:
    """Return the blocks of a Markdown text. Raises FedkitError for what no block can show."""
    return tuple(_block(node) for node in SyntaxTreeNode(PARSER.parse(text)).children)


def _block(node: SyntaxTreeNode) -> Block:
    match node.type:
        case "heading":
            level = int(node.tag[1:]) - 1
            return Heading(_text(node), level) if level else Title(_text(node))
        case "paragraph":
            return Paragraph(_text(node))
        case "blockquote":
            return Note(_text(node))
        case "bullet_list":
            return Bullets(tuple(map(_text, node.children)))
        case "table":
            rows = [row for part in node.children for row in part.children]
            head, *body = (tuple(map(_text, row.children)) for row in rows)
            return Table(head, tuple(body))
        case "fence":
            return Code(visible_text(node.content))
    raise FedkitError(
        f"a Word document cannot show Markdown of type {node.type!r}; write headings, paragraphs,"
        " lists with '-', tables and quotes only"
    )


def _text(node: SyntaxTreeNode) -> str:
    """Return the words inside a block; emphasis is dropped."""
    words = (part for part in node.walk() if part.type in TEXTS)
    return visible_text("".join(" " if "break" in part.type else part.content for part in words))


def visible_text(text: object) -> str:
    """Return `text` on one line without control, bidi or invisible characters.

    The result is valid XML, without lone surrogates. The ideographic and no-break spaces stay.
    """
    line = re.sub(r"[^\S\u3000\u00a0]+", " ", str(text))
    return "".join(c for c in line if c.isprintable() or c in "\u3000\u00a0").strip(" ")


def split_blanks(text: str) -> list[tuple[str, bool]]:
    """Split text at the blanks to fill in: (piece, whether it is a blank), in order."""
    pieces = BLANKS.split(visible_text(text))
    return [(piece, place % 2 == 1) for place, piece in enumerate(pieces) if piece]
