"""TODO"""

from __future__ import annotations

import textwrap
from unicodedata import east_asian_width

WIDTH, METHOD_WIDTH = 100, 26  # columns of a terminal, and the most of them for the method


def aligned(
    heads: tuple[str, ...],
    rows: list[list[str]],
    key: tuple[str, ...],
    indent: int = 0,
    least: int = 16,
) -> str:
    """Rows of cells below `heads` (lines apart by newlines), the first column wrapped and flush
    left, then `key`.

    indent: of the first column's further lines. least: columns that it should have before gaps are
    made smaller.
    """
    widths = [max(map(_width, column)) for column in zip(*(_widest(heads), *rows))]
    room, gap = WIDTH - sum(widths[1:]), 2
    if room - 2 * len(widths) < least:
        gap = 1
    widths[0] = max(12, min(METHOD_WIDTH, widths[0], room - gap * (len(widths) - 1)))
    rule = "-" * (sum(widths) + gap * (len(widths) - 1))
    blocks = [
        _lines(heads, widths, gap),
        [rule],
        *[_lines(row, widths, gap, indent) for row in rows],
        key,
    ]
    return "\n".join(line for block in blocks for line in block) + "\n"


def _widest(heads: tuple[str, ...]) -> list[str]:
    return [max(head.split("\n"), key=len) for head in heads]


def _lines(
    row: list[str] | tuple[str, ...], widths: list[int], gap: int, indent: int = 0
) -> list[str]:
    """A row as lines: the method is wrapped and flush left, numbers are flush right."""
    name = textwrap.wrap(row[0], widths[0], subsequent_indent=" " * indent) or [""]
    columns = [name, *(cell.split("\n") for cell in row[1:])]
    height = max(map(len, columns))
    filled = [column + [""] * (height - len(column)) for column in columns]
    padded = [
        [_pad(cell, width, i == 0) for cell in column]
        for i, (column, width) in enumerate(zip(filled, widths))
    ]
    return [(" " * gap).join(line).rstrip() for line in zip(*padded)]


def _pad(text: str, width: int, left: bool) -> str:
    room = " " * (width - _width(text))
    return text + room if left else room + text


def _width(text: str) -> int:
    """Columns in a terminal: East Asian wide characters take two."""
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in text)
