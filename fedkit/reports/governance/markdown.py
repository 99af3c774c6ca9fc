"""A document: its Markdown (CommonMark with tables), filled with facts of a run, and its blocks.

No value can become a link, HTML, a heading or a new cell: each is marked while a template is
filled, and then escaped for the place where it stands.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import Any, ClassVar

from jinja2 import Environment, FunctionLoader, Template
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode
from markupsafe import Markup

from fedkit.core import locale
from fedkit.core.errors import FedkitError
from fedkit.core.files import read_packaged_words
from fedkit.core.formatting import printable_line
from fedkit.core.locale import LANGS
from fedkit.core.templates import ENGINE, read_template

WORDS = {
    lang: read_packaged_words("fedkit.reports.text", f"governance_{lang}.toml") for lang in LANGS
}
BLANK = {"en": "[ ... ]", "ja": "［\u3000］"}  # what people have to fill in
BLANKS = re.compile(f"({'|'.join(map(re.escape, BLANK.values()))})")
PARSER = MarkdownIt("commonmark", {"html": False}).enable("table")
TEXTS = {"text", "code_inline", "softbreak", "hardbreak"}  # what has words in it
SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&$^])")
# what makes a list, an underlined heading or a definition
STARTS = re.compile(r"^(\d{1,9})([.)])(?=\s|$)|^([-+=:(])")
LINKS = re.compile(
    r"(?<=://)|(?<=www\.)|(?<=@)|(?<=mailto:)"
    r"|(?<=[0-9A-Za-z]\.)(?=[A-Za-z]{2})(?!safetensors|docx|json)",
    re.IGNORECASE,
)
# has no width and stops what many viewers do: make links of what looks like an address
JOINER = "\u2060"
OPEN, CLOSE, AS_IS = "\ue000", "\ue001", "\ue002"  # around a value, in code; no value has them
LINKED = re.compile(BLANKS.pattern + r"(?=[(:[])")  # a blank that would be read as a link
# a value, with the start of its line or the blank that stands directly before it
VALUE = re.compile(
    rf"(?P<begins>^(?:- |> \*\*)?|{BLANKS.pattern})?{OPEN}(?P<value>[^{CLOSE}]*){CLOSE}",
    re.MULTILINE,
)


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


# ---- templates


@cache
def make_environment(lang: str) -> Environment:
    """Return the templates of a language, with filters that write numbers and names in it."""
    made = ENGINE.overlay(
        finalize=partial(_mark_value, lang=lang),  # what a macro returns is no value
        loader=FunctionLoader(lambda name: read_template(f"reports/governance/{name}")),
    )
    filters: dict[str, Callable[..., str]] = {
        "percent": locale.percent,
        "seconds": locale.seconds,
        "size": locale.data_size,
        "name": display_name,
        "names": _name_list,
    }
    own = {name: partial(write, lang=lang) for name, write in filters.items()}
    made.filters = {**ENGINE.filters, **own, "code": code_block}
    return made


def fill_template(template: Template, values: Mapping[str, Any]) -> str:
    """Return the Markdown of a template with values filled in, ending with a newline."""
    text = VALUE.sub(
        lambda m: (m["begins"] or "") + escape_markdown(m["value"], m["begins"] is not None),
        template.render(values),
    )
    text = LINKED.sub(r"\1\\", text).replace(AS_IS, "")
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n") + "\n"


def escape_markdown(text: str, begins: bool = True) -> str:
    """Escape plain text for Markdown; blanks stay readable. begins: whether it begins a line."""
    out = ""
    for piece, blank in split_blanks(text):
        out += piece if blank else _plain(piece, first=begins)
        begins = blank
    return out


def code_block(text: str) -> Markup:
    """Return one line as a block of code."""
    line = BLANKS.sub(rf"\1{AS_IS}", visible_text(text))
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", line))])
    return Markup("\n".join((fence, line, fence)))


def _mark_value(value: Any, lang: str) -> Markup:
    if isinstance(value, Markup):
        return value
    if value is None or isinstance(value, (int, float)):
        value = locale.number(value, lang)
    return Markup(f"{OPEN}{visible_text(value)}{CLOSE}")


def _plain(piece: str, first: bool) -> str:
    kept = SPECIAL.sub(r"\\\1", LINKS.sub(JOINER, piece))
    return STARTS.sub(lambda m: f"{m[1]}\\{m[2]}" if m[1] else f"\\{m[3]}", kept) if first else kept


def _name_list(names: Sequence[str], lang: str) -> str:
    """Return names in words, as recorded; a dash for none."""
    return locale.name_list([display_name(name, lang) for name in names], lang, 6) or "\u2013"


def display_name(text: object, lang: str) -> str:
    """Return a name from a record on one line of at most 60 characters."""
    return printable_line(text, 60) or WORDS[lang]["nameless"]
