"""Tables of aligned columns as plain text, at most 100 columns wide."""

from __future__ import annotations

import textwrap
from unicodedata import east_asian_width

WIDTH = 100  # columns of a terminal
MAX_FIRST_WIDTH = 26  # of them for the first column, at most


def format_table(
    heads: tuple[str, ...],
    rows: list[list[str]],
    key: tuple[str, ...],
    indent: int = 0,
    least: int = 16,
) -> str:
    """Return rows of cells as a table: the first column wrapped and flush left, others flush right.

    heads: one per column, their lines separated by newlines. key: lines below the table. indent: of
    the first column's continuation lines. least: width below which the gaps are made smaller.
    """
    widths = [max(map(_width, column)) for column in zip(*(_longest_lines(heads), *rows))]
    room, gap = WIDTH - sum(widths[1:]), 2
    if room - 2 * len(widths) < least:
        gap = 1
    widths[0] = max(12, min(MAX_FIRST_WIDTH, widths[0], room - gap * (len(widths) - 1)))
    rule = "-" * (sum(widths) + gap * (len(widths) - 1))
    blocks = [
        _lines(heads, widths, gap),
        [rule],
        *[_lines(row, widths, gap, indent) for row in rows],
        key,
    ]
    return "\n".join(line for block in blocks for line in block) + "\n"


def _longest_lines(heads: tuple[str, ...]) -> list[str]:
    return [max(head.split("\n"), key=len) for head in heads]


def _lines(
    row: list[str] | tuple[str, ...], widths: list[int], gap: int, indent: int = 0
) -> list[str]:
    """Return a row as lines of text."""
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
    """Return the columns that a text takes in a terminal: East Asian wide characters take two."""
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in text)
