"""From rows of cells to a table with named columns: the header, merged cells, totals below.

Usually the first filled row is the header. Another row is taken only on evidence (a first row that
fills few of the columns below it, and a later row that looks like names and whose cells do not
recur below), and then a note says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, pairwise, zip_longest
from typing import Any

import pandas as pd

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import count_noun, quote, quoted_list
from fedkit.data import limits
from fedkit.data.columns import NAMES, heading_names
from fedkit.data.limits import clean_name, refuse_above

HEAD_ROWS = 200  # filled rows that a guess uses
MAX_HEADER_DEPTH = 25  # rows among which the header is searched
TAIL_ROWS = 10  # rows at the end among which totals and remarks are searched
LONGEST_NAME = 40  # characters of a column name in a guessed header
PREVIEW_ROWS = 1_000  # filled rows that a preview reads
_KNOWN = {name for names in NAMES.values() for name in names}
_NUMBER = re.compile(r"[-+¥$€(]*\d[\d,.:/年月日 %)-]*")
_TOTAL = re.compile(
    r"(総?合計|総計|小計|計|合計件数|件数|(grand |sub)?total|sum|count)( ?[:(].*)?", re.IGNORECASE
)
_NOTE = re.compile(r"(※|\*|注[\d:) ]|注記|備考:|出典|以上$|notes?:|source:|end of)", re.IGNORECASE)

NumberedRow = tuple[int, Sequence[Any]]  # line counted from 1, and its cells
MergedRange = tuple[int, int, int, int]  # first row, first column, last row, last column, from 1


@dataclass(frozen=True)
class Reading:
    """How a file is to be read; None: guessed, and noted.

    encoding: of a text file. sheet: of a workbook. header_row: line of the header. preview: only
    the first rows are wanted, of any width.
    """

    encoding: str | None = None
    sheet: str | None = None
    header_row: int | None = None
    preview: bool = False


GUESSED = Reading()


@dataclass(frozen=True)
class TableRead:
    """What was read: the table (its index: the line of each row), and notes on what was assumed.

    header_line: line of the header, None for formats that have none.
    """

    frame: pd.DataFrame
    notes: list[str]
    header_line: int | None = None


def table_of_rows(
    rows: Iterator[NumberedRow],
    name: str,
    reading: Reading,
    merges: Sequence[MergedRange] = (),
    is_sheet: bool = False,
) -> TableRead:
    """Return rows as a table below their header, without totals and remarks at the end.

    merges: the merged cells of a sheet; their value is written into each row. is_sheet: rows may
    end before the header does; elsewhere, and beyond the header, FedkitError names the line.
    """
    rows = islice(rows, PREVIEW_ROWS if reading.preview else None)
    head = list(islice(rows, HEAD_ROWS))
    found = find_header(head, name, reading.header_row, merges)
    filled = [i for i, cell in enumerate(found.cells, start=1) if clean_name(cell)]
    if reading.preview:
        filled = [i for i, cell in enumerate(found.cells, start=1) if cell not in (None, "")]
    elif not is_sheet:  # a blank name counts if the first row goes as far
        filled = [*filled, len(head[found.body][1]) if found.body < len(head) else 0]
    names = header_names(found.cells[: max(filled, default=0)], name)
    body = list(islice(chain(head[found.body :], rows), limits.MAX_ROWS + 1))
    notes = list(found.notes)
    if not reading.preview:
        refuse_above("MAX_ROWS", len(body), name)
        if is_sheet:
            refuse_above("MAX_CELLS", len(body) * len(names), name)
        notes += fill_down(body, [m for m in merges if m[1] <= len(names)], name)
        body, dropped = drop_tail(body, len(names), name)
        notes += [*dropped, *(_note_layout(body, merges, name) if is_sheet else ())]
        if found.line:
            body, repeated = _drop_repeated_headers(body, names, name)
            notes += repeated
        for line, row in body:
            if len(row) != len(names):
                _refuse_ragged(row, len(names), name, line, is_sheet)
    cells = [_pad(row[: len(names)], len(names)) for _, row in body]
    return TableRead(cell_table(cells, names, name, [line for line, _ in body]), notes, found.line)


def _pad(row: Sequence[Any], width: int) -> Sequence[Any]:
    return row if len(row) == width else [*row, *[None] * (width - len(row))]


def _refuse_ragged(row: Sequence[Any], width: int, name: str, line: int, is_sheet: bool) -> None:
    if is_sheet and _count_filled(row[width:]):
        raise FedkitError(
            f"{quote(name)}, row {line}: a cell to the right of the header, which has {width}"
            " columns; name that column in the header, or clear the cell"
        )
    if not is_sheet and (len(row) < width or any(row[width:])):
        last = line + sum(cell.count("\n") for cell in row)
        place = f"line {line}" + (f" to {last} (one row by its quotes)" if last > line else "")
        raise FedkitError(
            f"{quote(name)}, {place}: {count_noun(len(row), 'cell')} where the header has"
            f" {width}; quote a cell that holds the delimiter, name every column, or mend the line"
        )


def _drop_repeated_headers(
    body: list[NumberedRow], names: list[str], name: str
) -> tuple[list[NumberedRow], list[str]]:
    """Drop rows that repeat the header, as joined files have them; a note says which.

    Raises FedkitError for another header, below which the columns are others.
    """
    signs = {*names, *_KNOWN, *(known.capitalize() for known in _KNOWN)}
    if signs.isdisjoint(chain.from_iterable(row for _, row in body)):  # as a rule, and fast
        return body, []
    wanted = [heading.casefold() for heading in names]
    again, kept = [], []
    for line, row in body:
        found = [] if signs.isdisjoint(row) else [clean_name(cell).casefold() for cell in row]
        if found == wanted:
            again.append(line)
        elif sorted(found) == sorted(wanted) or len(_KNOWN.intersection(found)) > 1:
            raise FedkitError(
                f"{quote(name)}, line {line}: another header ({quoted_list(found, 6)}); columns"
                " change there: give each table a file of its own"
            )
        else:
            kept.append((line, row))
    note = f"{quote(name)}: the header stands again in {count_noun(len(again), 'row')}, not read"
    return kept, [f"{note} (first in line {again[0]})"] if again else []


@dataclass(frozen=True)
class FoundHeader:
    """The header of a table."""

    cells: list[Any]  # the names as in the file, joined if the header has two rows
    line: int  # in the file, counted from 1
    body: int  # index of the first row below the header
    notes: list[str]


def header_names(cells: Sequence[Any], name: str) -> list[str]:
    """Return the column names in a header row; a blank one becomes 'column 3'.

    name: of the file, for messages. Raises FedkitError for no name, too many, or two alike.
    """
    names = [clean_name(cell) or f"column {i}" for i, cell in enumerate(cells, start=1)]
    if not any(clean_name(cell) for cell in cells):
        raise FedkitError(
            f"{quote(name)} is empty; the first row must name the columns, one example per row"
            " below"
        )
    refuse_above("MAX_COLUMNS", len(names), name)
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise FedkitError(
            f"{quote(name)} names column {quote(twice[0])} twice; rename one (all:"
            f" {quoted_list(names)})"
        )
    return names


def cell_table(
    rows: Sequence[Sequence[Any]], names: list[str], name: str, lines: Sequence[int] | None = None
) -> pd.DataFrame:
    """Return rows of cells as a DataFrame of Python objects, cells untouched.

    lines: the index: the line of each row in its file, counted from 1. Raises FedkitError for no
    rows or too many.
    """
    if not rows:
        raise FedkitError(
            f"{quote(name)} has a header ({quoted_list(names)}) and no rows; add examples,"
            " one per row"
        )
    refuse_above("MAX_ROWS", len(rows), name)
    index = None if lines is None else pd.Index(lines, dtype="int64", name="line")
    return pd.DataFrame(rows, index, names, dtype=object)


def find_header(
    head: list[NumberedRow],
    name: str,
    header_row: int | None = None,
    merges: Sequence[MergedRange] = (),
) -> FoundHeader:
    """Find the header among the first rows of a table.

    header_row: its line, 0: there is none; None: guessed, and noted if it is not the first row.
    merges: the merged cells of a sheet. Raises FedkitError if header_row is no filled row among
    the first ones.
    """
    if not head:
        return FoundHeader([], 1, 0, [])
    if header_row == 0 or (header_row is None and _is_data(head)):
        made = [f"column {i}" for i in range(1, len(head[0][1]) + 1)]
        note = (
            f"{quote(name)} has no header, as row {head[0][0]} looks like data"
            f" ({quoted_list(head[0][1], 6)}); the columns are called {quoted_list(made, 6)}"
            f" (--header-row {head[0][0]} if it names them)"
        )
        return FoundHeader(made, 0, 0, [note] if header_row is None else [])
    at = _guess_header(head, merges) if header_row is None else _index(head, name, header_row)
    line, cells = head[at]
    notes = []
    if at:
        above = quoted_list((_first_cell(c) for _, c in head[:at] if _count_filled(c)), 3)
        how = "is" if header_row else "was guessed to be"
        choose = "" if header_row else "; --header-row to choose"
        notes.append(
            f"{quote(name)}: the header {how} row {line}; {count_noun(at, 'row')} above"
            f" it not read ({above}){choose}"
        )
    if not _has_two_rows(head, at, merges):
        return FoundHeader(list(cells), line, at + 1, notes)
    joined = _join_rows(cells, head[at + 1][1], merges, line)
    notes.append(
        f"{quote(name)}: rows {line} and {head[at + 1][0]} were read as one header:"
        f" {quoted_list(joined, 6)}"
    )
    return FoundHeader(joined, line, at + 2, notes)


def fill_down(rows: list[NumberedRow], merges: list[MergedRange], name: str) -> list[str]:
    """Write a value whose cell is merged over several rows into each of them; note how many."""
    tall: dict[int, list[tuple[int, int]]] = {}  # first row -> (column, last row)
    for top, left, bottom, _ in merges:
        if bottom > top:
            tall.setdefault(top, []).append((left - 1, bottom))
    number = 0
    active: dict[int, tuple[int, Any]] = {}  # column -> (last row, value)
    for i, (line, cells) in enumerate(rows if tall else []):
        active = {column: merge for column, merge in active.items() if line <= merge[0]}
        if active:
            wide = [*_pad(cells, max(max(active) + 1, len(cells)))]
            for column, (_, value) in active.items():
                if wide[column] is None:
                    wide[column] = value
                    number += value is not None
            cells = wide
        rows[i] = (line, cells)
        active |= {
            column: (last, cells[column])
            for column, last in tall.get(line, [])
            if column < len(cells)
        }
    note = f"{quote(name)}: {count_noun(number, 'cell')} filled from the merged cell above"
    return [note] if number else []


def _note_layout(rows: list[NumberedRow], merges: Sequence[MergedRange], name: str) -> list[str]:
    """Say which rows come after an empty one, and which have a cell merged over columns."""
    cells = dict(rows)
    inside = {line for top, _, bottom, _ in merges for line in range(top, min(bottom, top + 99))}
    said = {
        "after an empty row was read too; another table needs a sheet of its own": [
            below
            for (above, _), (below, _) in pairwise(rows)
            if below > above + 1 and above not in inside
        ],
        "with a cell merged over columns, whose value was read in the first only": [
            top for top, left, _, right in merges if top in cells and left < right
        ],
    }
    return [
        f"{quote(name)}: {count_noun(len(lines), 'row')} {what}"
        f" (row {lines[0]}: {quote(_first_cell(cells[lines[0]]))})"
        for what, lines in said.items()
        if lines
    ]


def drop_tail(
    rows: list[NumberedRow], width: int, name: str
) -> tuple[list[NumberedRow], list[str]]:
    """Drop totals and remarks at the end of a sheet; the returned notes say which rows."""
    end = len(rows)
    while end > 1 and len(rows) - end < TAIL_ROWS and _is_tail(rows[end - 1], rows[end - 2], width):
        end -= 1
    if not (dropped := [(line, cells) for line, cells in rows[end:] if _count_filled(cells)]):
        return rows, []
    said = f"{quote(name)}: {count_noun(len(dropped), 'row')} at the end not read, totals or"
    shown = quoted_list((_first_cell(cells) for _, cells in dropped), 3)
    return rows[:end], [f"{said} remarks (from row {dropped[0][0]}: {shown})"]


def _index(head: list[NumberedRow], name: str, header_row: int) -> int:
    filled = {line: i for i, (line, cells) in enumerate(head) if _count_filled(cells)}
    if header_row not in filled:
        raise FedkitError(
            f"{quote(name)} has no header in row {header_row}; rows that hold something:"
            f" {quoted_list(filled, 8)}"
        )
    return filled[header_row]


def _guess_header(head: list[NumberedRow], merges: Sequence[MergedRange]) -> int:
    """Return the index of the header: the first row, unless it fills few columns and a later row
    has every sign of a header.
    """
    fills = [_count_filled(cells) for _, cells in head]
    first = next((i for i, filled in enumerate(fills) if filled), 0)
    below = sorted(fills[first + 1 :])
    if not below:
        return 0
    typical = below[len(below) // 2]
    if fills[first] >= max(2, 0.6 * typical) or count_known(head[first][1]) > 1:
        return _move_to_upper(head, first, merges) if _is_header(head, first) else 0
    for at in range(first + 1, min(MAX_HEADER_DEPTH, len(head) - 1)):
        if fills[at] >= max(2, 0.5 * typical) and _is_header(head, at):
            return _move_to_upper(head, at, merges)
        if fills[at] >= typical:
            return 0  # the table has begun, and nothing above it was a header
    return 0


def _is_data(head: list[NumberedRow]) -> bool:
    """Return whether the first row is data: a value recurs among others, and no name is known."""
    row = head[0][1]
    others = [cells for _, cells in head if cells != row]
    columns = [
        {cells[i] for cells in others if i < len(cells)} - {"", None} for i in range(len(row))
    ]
    again = [cell in found and len(found) > 1 for cell, found in zip(row, columns)]
    return any(again) and not count_known([c for c, recurs in zip(row, again) if not recurs])


def _move_to_upper(head: list[NumberedRow], at: int, merges: Sequence[MergedRange]) -> int:
    """Return the row above a guessed header if the two are one header of two rows, else `at`."""
    if (
        at
        and _count_filled(head[at - 1][1]) > 1
        and _is_header(head, at - 1)
        and _has_two_rows(head, at - 1, merges)
    ):
        return at - 1
    return at


def count_known(cells: Sequence[Any]) -> int:
    """Return how many cells are known names of text, label or client columns."""
    texts = (clean_name(cell) for cell in cells if isinstance(cell, str))
    return sum(not _KNOWN.isdisjoint(heading_names(text)) for text in texts)


def _is_header(head: list[NumberedRow], at: int) -> bool:
    """Return whether a row holds short, different names, no numbers, that do not recur below."""
    filled = {i: cell for i, cell in enumerate(head[at][1]) if not _is_blank(cell)}
    names = {clean_name(cell) for cell in filled.values() if isinstance(cell, str)}
    return (
        len(names) == len(filled)
        and not any(len(n) > LONGEST_NAME or _NUMBER.fullmatch(n) for n in names)
        and at + 1 < len(head)
        and not any(
            len(cells) > i and cells[i] == name
            for _, cells in head[at + 1 :]
            for i, name in filled.items()
        )
    )


def _has_two_rows(head: list[NumberedRow], at: int, merges: Sequence[MergedRange]) -> bool:
    """Return whether the row below continues the header, by merged cells or by filling its gaps."""
    if at + 2 >= len(head) or head[at + 1][0] != head[at][0] + 1 or not _is_header(head, at + 1):
        return False
    line, upper, lower = head[at][0], head[at][1], head[at + 1][1]
    if any(top <= line < bottom for top, _, bottom, _ in merges):
        return True
    spans = [(a - 1, b) for top, a, bottom, b in merges if top == bottom == line and b > a]
    if any(_count_filled(lower[a:b]) > 1 for a, b in spans):
        return True
    blank = [(_is_blank(above), _is_blank(below)) for above, below in zip_longest(upper, lower)]
    fills_gap, leaves_gap = (True, False) in blank, (False, True) in blank
    known = count_known(lower) > 0 and (leaves_gap or count_known(upper) == 0)
    return not merges and fills_gap and known


def _join_rows(
    upper: Sequence[Any], lower: Sequence[Any], merges: Sequence[MergedRange], line: int
) -> list[Any]:
    """Join a two-row header into names such as 'Report / Text'.

    A group's name in the upper row reaches as far as it is merged, else to the next group.
    """
    reach = {
        column: right
        for top, left, bottom, right in merges
        if top <= line <= bottom
        for column in range(left - 1, min(right, limits.MAX_COLUMNS))
    }
    joined, group, until = [], None, 0
    for i, (above, below) in enumerate(zip_longest(upper, lower)):
        if not _is_blank(above):
            group, until = above, reach.get(i, i + 1) if merges else limits.MAX_COLUMNS
        own = above if _is_blank(below) else group if i < until else None
        parts = [clean_name(part) for part in (own, below) if not _is_blank(part)]
        joined.append(" / ".join(dict.fromkeys(parts)) or None)
    return joined


def _is_tail(row: NumberedRow, before: NumberedRow, width: int) -> bool:
    line, cells = row
    filled = [clean_name(cell) for cell in cells if not _is_blank(cell)]
    if width < 2 or (len(cells) > width and _count_filled(cells[width:])):
        return False
    if len(filled) < 2:
        gap = 1 + sum(cell.count("\n") for cell in before[1] if isinstance(cell, str))
        alone = width > 2 and (line > before[0] + gap or not _count_filled(before[1]))
        return not filled or bool(_TOTAL.fullmatch(filled[0]) or _NOTE.match(filled[0])) or alone
    return bool(_TOTAL.fullmatch(filled[0])) and all(_NUMBER.fullmatch(cell) for cell in filled[1:])


def _count_filled(cells: Sequence[Any]) -> int:
    return sum(not _is_blank(cell) for cell in cells)


def _is_blank(cell: Any) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _first_cell(cells: Sequence[Any]) -> str:
    return next((clean_name(cell) for cell in cells if not _is_blank(cell)), "")
