"""A document as Markdown (CommonMark with tables).

No text can become a link, HTML, a heading or a new cell.
"""

from __future__ import annotations

import re

from fedkit.reports.governance.document import (
    Block,
    Bullets,
    Code,
    Document,
    Heading,
    Note,
    Paragraph,
    Table,
    Title,
    split_blanks,
    visible_text,
)

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


def render_markdown(document: Document) -> str:
    """Return the document as Markdown, ending with a newline."""
    return "\n\n".join(_block(block) for block in document.blocks) + "\n"


def escape_markdown(text: str, begins: bool = True) -> str:
    """Escape plain text for Markdown; blanks stay readable. begins: whether it begins a line."""
    out, after = "", False
    for piece, blank in split_blanks(text):
        out += piece if blank else _plain(piece, first=after or (begins and not out))
        after = blank
    return out


def _plain(piece: str, first: bool) -> str:
    kept = SPECIAL.sub(r"\\\1", LINKS.sub(JOINER, piece))
    return STARTS.sub(lambda m: f"{m[1]}\\{m[2]}" if m[1] else f"\\{m[3]}", kept) if first else kept


def _block(block: Block) -> str:
    match block:
        case Title(text):
            return f"# {escape_markdown(text, begins=False)}"
        case Heading(text, level):
            return f"{'#' * (level + 1)} {escape_markdown(text, begins=False)}"
        case Paragraph(text):
            return escape_markdown(text)
        case Note(text):
            return f"> **{escape_markdown(text)}**"
        case Bullets(items):
            return "\n".join(f"- {escape_markdown(item)}" for item in items)
        case Table(head, rows):
            return "\n".join([_row(head), _row(("---",) * len(head), raw=True), *map(_row, rows)])
        case Code(text):
            return _code(visible_text(text))


def _row(cells: tuple[str, ...], raw: bool = False) -> str:
    return (
        f"| {' | '.join(cell if raw else escape_markdown(cell, begins=False) for cell in cells)} |"
    )


def _code(line: str) -> str:
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", line))])
    return f"{fence}\n{line}\n{fence}"
