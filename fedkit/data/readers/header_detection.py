"""Where a table begins and ends in a sheet that people look at: titles above the header, two-row
headers, totals below.

A file whose first filled row is the header is read as ever. Another row is taken only on evidence
(a first row that fills few of the columns below it, and a later row that looks like names and whose
cells do not recur below), and it is said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import count_noun, quote, quoted_list
from fedkit.data.columns import CLIENT_NAMES, LABEL_NAMES, TEXT_NAMES, heading_names
from fedkit.data.limits import clean_name

HEAD_ROWS = 200  # filled rows that a guess looks at
MAX_HEADER_DEPTH = 25  # rows among which the header is looked for
TAIL_ROWS = 10  # rows at the end among which totals and notes are looked for
LONGEST_NAME = 40  # characters
_KNOWN = {*TEXT_NAMES, *LABEL_NAMES, *CLIENT_NAMES}
_NUMBER = re.compile(r"[-+¥$€(]*\d[\d,.:/年月日 %)-]*")
_TOTAL = re.compile(
    r"(総?合計|総計|小計|計|合計件数|件数|(grand |sub)?total|sum|count)( ?[:(].*)?", re.IGNORECASE
)
_NOTE = re.compile(r"(※|\*|注[\d:) ]|注記|備考:|出典|以上$|notes?:|source:|end of)", re.IGNORECASE)

NumberedRow = tuple[int, Sequence[Any]]  # line as a person counts, from 1, and its cells
MergedRange = tuple[int, int, int, int]  # first row, first column, last row, last column, from 1


@dataclass(frozen=True)
class FoundHeader:
    """cells: the names as in the file, joined where a header has two rows. body: index of the first
    row below it.
    """

    cells: list[Any]
    line: int
    body: int
    notes: tuple[str, ...] = ()


def find_header(
    head: list[NumberedRow],
    name: str,
    header_row: int | None = None,
    merges: Sequence[MergedRange] = (),
) -> FoundHeader:
    """The header among the first rows of a table. header_row: its line; None: guessed, which notes
    say if it is not the first.

    Raises FedkitError when header_row is no filled row among the first ones.
    """
    if not head:
        return FoundHeader([], 1, 0)
    at = (
        _given(head, name, header_row)
        if header_row is not None
        else _upper(head, _guess(head), merges)
    )
    line, cells = head[at]
    notes = []
    if at and header_row is None:
        notes = [
            f"{quote(name)}: the header was guessed to be row {line};"
            f" {count_noun(at, 'row')} above it"
            f" not read ({quoted_list((_first(c) for _, c in head[:at] if _filled(c)), 3)}); name"
            " header_row to choose"
        ]
    if not _two_rows(head, at, merges):
        return FoundHeader(list(cells), line, at + 1, tuple(notes))
    joined = _join(cells, head[at + 1][1], merges, line)
    notes.append(
        f"{quote(name)}: rows {line} and {head[at + 1][0]} were read as one header:"
        f" {quoted_list(joined, 6)}"
    )
    return FoundHeader(joined, line, at + 2, tuple(notes))


def _given(head: list[NumberedRow], name: str, header_row: int) -> int:
    lines = [line for line, cells in head if _filled(cells)]
    if header_row not in lines:
        raise FedkitError(
            f"{quote(name)} has no header in row {header_row}; rows that hold something:"
            f" {quoted_list(lines, 8)}"
        )
    return next(i for i, (line, _) in enumerate(head) if line == header_row)


def _filled(cells: Sequence[Any]) -> int:
    return sum(1 for cell in cells if not _blank(cell))


def _blank(cell: Any) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _first(cells: Sequence[Any]) -> str:
    return next((clean_name(cell) for cell in cells if not _blank(cell)), "")


def _guess(head: list[NumberedRow]) -> int:
    """Index of the header: the first row, unless that fills few columns and a later one has every
    sign of a header.
    """
    first = next((i for i, (_, cells) in enumerate(head) if _filled(cells)), 0)
    fills = sorted(_filled(cells) for _, cells in head[first + 1 :])
    typical = fills[len(fills) // 2] if fills else 0
    if not fills or _filled(head[first][1]) >= max(2, 0.6 * typical) or _known(head[first][1]) > 1:
        return 0 if not fills or first == 0 else _sure(head, first)
    for at in range(first + 1, min(MAX_HEADER_DEPTH, len(head) - 1)):
        if _filled(head[at][1]) >= max(2, 0.5 * typical) and _is_header(head, at):
            return at
        if _filled(head[at][1]) >= typical:
            return 0  # the table has begun, and nothing above it was a header
    return 0


def _upper(head: list[NumberedRow], at: int, merges: Sequence[MergedRange]) -> int:
    """The row above a guessed header if the two are one header of two rows."""
    if (
        at
        and _filled(head[at - 1][1]) > 1
        and _is_header(head, at - 1)
        and _two_rows(head, at - 1, merges)
    ):
        return at - 1
    return at


def _sure(head: list[NumberedRow], at: int) -> int:
    return at if _is_header(head, at) else 0


def _known(cells: Sequence[Any]) -> int:
    """How many cells are headings that the kit knows."""
    return sum(
        1
        for cell in cells
        if isinstance(cell, str) and any(n in _KNOWN for n in heading_names(clean_name(cell)))
    )


def _is_header(head: list[NumberedRow], at: int) -> bool:
    """Short, different names that are no numbers; none of them recurs in its column below."""
    cells = head[at][1]
    names = [clean_name(cell) for cell in cells if not _blank(cell)]
    if len(set(names)) < len(names) or not all(
        isinstance(cell, str) for cell in cells if not _blank(cell)
    ):
        return False
    if any(len(n) > LONGEST_NAME or _NUMBER.fullmatch(n) for n in names):
        return False
    return at + 1 < len(head) and not any(_recurs(head, at, column) for column in range(len(cells)))


def _recurs(head: list[NumberedRow], at: int, column: int) -> bool:
    name = head[at][1][column]
    return not _blank(name) and any(
        len(cells) > column and cells[column] == name for _, cells in head[at + 1 :]
    )


def _two_rows(head: list[NumberedRow], at: int, merges: Sequence[MergedRange]) -> bool:
    """Whether the row below goes on with the header: merged cells say so, or it fills just what the
    first leaves blank.
    """
    if at + 2 >= len(head) or head[at + 1][0] != head[at][0] + 1 or not _is_header(head, at + 1):
        return False
    line, upper, lower = head[at][0], head[at][1], head[at + 1][1]
    if any(top <= line < bottom for top, _, bottom, _ in merges):
        return True
    spans = [(a - 1, b) for top, a, bottom, b in merges if top == bottom == line and b > a]
    if any(_filled(lower[a:b]) > 1 for a, b in spans):
        return True
    wide = [*upper, *[None] * (len(lower) - len(upper))]
    below = [*lower, *[None] * (len(wide) - len(lower))]
    new = sum(1 for u, b in zip(wide, below) if _blank(u) and not _blank(b))
    under = sum(1 for u, b in zip(wide, below) if not _blank(u) and _blank(b))
    return not merges and new > 0 and (_known(lower) > 0) and (under > 0 or _known(upper) == 0)


def _join(
    upper: Sequence[Any], lower: Sequence[Any], merges: Sequence[MergedRange], line: int
) -> list[Any]:
    """'Report / Text' where a group's name stands above a name; a group reaches as far as it is
    merged, else to the next.
    """
    width = max(len(upper), len(lower))
    top = [*upper, *[None] * (width - len(upper))]
    low = [*lower, *[None] * (width - len(lower))]
    reach = {
        c: b for a_row, a, z_row, b in merges if a_row <= line <= z_row for c in range(a - 1, b)
    }
    joined, group, until = [], None, 0
    for i, (above, below) in enumerate(zip(top, low)):
        if not _blank(above):
            group, until = above, reach.get(i, i + 1) if merges else width
        own = group if i < until else None
        parts = [
            clean_name(part)
            for part in (own if not _blank(below) else above, below)
            if not _blank(part)
        ]
        joined.append(" / ".join(dict.fromkeys(parts)) or None)
    return joined


def drop_tail(
    rows: list[NumberedRow], width: int, name: str
) -> tuple[list[NumberedRow], list[str]]:
    """The rows without totals and remarks at the end of a sheet, and what went: nothing is left out
    unsaid.
    """
    end = len(rows)
    while end > 1 and len(rows) - end < TAIL_ROWS and _is_tail(rows[end - 1], rows[end - 2], width):
        end -= 1
    gone = [(line, cells) for line, cells in rows[end:] if _filled(cells)]
    if not gone:
        return rows, []
    return rows[:end], [
        f"{quote(name)}: {count_noun(len(gone), 'row')} at the end not read, totals or remarks "
        f"(from row {gone[0][0]}: {quoted_list((_first(c) for _, c in gone), 3)})"
    ]


def _is_tail(row: NumberedRow, before: NumberedRow, width: int) -> bool:
    line, cells = row
    filled = [clean_name(cell) for cell in cells if not _blank(cell)]
    if width < 2 or (len(cells) > width and _filled(cells[width:])):
        return False
    if len(filled) < 2:
        gap = 1 + sum(cell.count("\n") for cell in before[1] if isinstance(cell, str))
        alone = width > 2 and (line > before[0] + gap or not _filled(before[1]))
        return not filled or bool(_TOTAL.fullmatch(filled[0]) or _NOTE.match(filled[0])) or alone
    return bool(_TOTAL.fullmatch(filled[0])) and all(_NUMBER.fullmatch(cell) for cell in filled[1:])
