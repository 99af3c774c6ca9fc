"""Reading CSV, TSV and JSON Lines."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import count_noun, one_line_error, quote
from fedkit.data import limits
from fedkit.data.limits import (
    MAX_COLUMNS,
    MAX_ROWS,
    cell_table,
    header_names,
    refuse_too_many_cells,
    refuse_too_many_rows,
)
from fedkit.data.readers.encoding import decode_text
from fedkit.data.readers.header_detection import HEAD_ROWS, NumberedRow, drop_tail, find_header

_LINE_END = re.compile(r"\n|\r(?!\n)")
_BLOCK = 1_000_000  # characters of a text that are cut into lines at a time
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}


def read_delimited(
    data: bytes, name: str, encoding: str | None, header_row: int | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """Return a CSV or TSV file as a table of strings ("NA" and "None" stay so), and notes.

    The delimiter is detected, and noted if the suffix promised another one. header_row: line of the
    header in the file; None: the first filled row, unless `header_detection` finds another, which
    is noted. The index holds the line of each row. Raises FedkitError that names the line where a
    row has too few or too many cells.
    """
    text, notes = decode_text(data, name, encoding)
    delimiter, delimiter_notes = detect_delimiter(text, name)
    frame, header_notes = _parse_rows(text, name, delimiter, header_row)
    return frame, [*notes, *delimiter_notes, *header_notes]


def read_jsonl(data: bytes, name: str, encoding: str | None) -> tuple[pd.DataFrame, list[str]]:
    """Return JSON Lines (one object per line) as a table; a key that a line lacks is None.

    Raises FedkitError that names the line which is not a JSON object.
    """
    text, notes = decode_text(data, name, encoding)
    if text.lstrip().startswith("["):
        raise FedkitError(
            f"{quote(name)} holds one JSON array; write one object per line instead (JSON Lines)"
        )
    keys: list[str] = []
    known: set[str] = set()
    rows: list[list[Any]] = []
    lines, nested = [], 0
    for number, line in enumerate(split_lines(text), start=1):
        if not line.strip():
            continue
        if len(line) > limits.MAX_PIECE:
            limits.refuse_too_long(len(line), name, f"line {number}")
        found = _parse_object(line, name, number)
        if list(found) == keys:
            row = list(found.values())
        else:
            keys += [key for key in found if key not in known]
            known.update(keys)
            row = [found.get(key) for key in keys]
        if ("[" in line or line.count("{") > 1) and any(isinstance(v, (list, dict)) for v in row):
            nested += 4 * sum(map(line.count, ",[{:"))  # an object takes as much as four cells
        rows.append(row)
        lines.append(number)
        if len(keys) > MAX_COLUMNS:
            break  # and `header_names` refuses them
        refuse_too_many_rows(len(rows), name)
        refuse_too_many_cells(len(rows) * len(keys) + nested, name)
    names = header_names(keys, name)
    for row in rows:
        row += [None] * (len(names) - len(row))
    return cell_table(rows, names, name, lines), notes


def detect_delimiter(text: str, name: str) -> tuple[str, list[str]]:
    """Return the delimiter of file `name`, and a note if its suffix promised another."""
    expected = "\t" if name.lower().endswith(".tsv") else ","
    delimiter = sniff_delimiter(text, expected)
    note = (
        f"{quote(name)} separates its cells by {DELIMITERS[delimiter]}, not {DELIMITERS[expected]}"
    )
    return delimiter, [note] if delimiter != expected else []


def sniff_delimiter(text: str, expected: str) -> str:
    """Return the delimiter that fits the first rows best.

    Best is one that cuts all of them into equally many cells (two or more), then one that cuts most
    of them so, then `expected`.
    """

    def fit(delimiter: str) -> tuple[bool, int, bool]:
        rows = csv.reader(io.StringIO(text[:65_536], newline=""), delimiter=delimiter)
        try:
            widths = [len(row) for row in itertools.islice(rows, 50) if row]
        except csv.Error:
            return False, 0, delimiter == expected
        if len(text) > 65_536 and len(widths) > 1:
            widths.pop()  # the last row may be cut
        usual = max(set(widths), key=widths.count, default=0)
        width = usual if 2 * widths.count(usual) > len(widths) else max(widths[:1], default=0)
        return width > 1 and len(set(widths)) == 1, width, delimiter == expected

    return max(DELIMITERS, key=fit)


def split_lines(text: str) -> Iterator[str]:
    """Yield the lines of a text with their ends, as the csv module wants them.

    A block at a time: io.StringIO holds four bytes per character.
    """
    at = 0
    while at < len(text):
        found = _LINE_END.search(text, at + _BLOCK)
        end = found.end() if found else len(text)
        yield from io.StringIO(text[at:end], newline="")
        at = end


def iter_rows(text: str, delimiter: str, name: str) -> Iterator[NumberedRow]:
    """Yield the rows that are not empty, each with the line on which it begins.

    Raises csv.Error that names the line, and FedkitError for too many cells or a row too long.
    """
    line, cells, length = 1, 0, 0

    def weighed_lines() -> Iterator[str]:
        nonlocal length
        for piece in split_lines(text):
            length += len(piece)
            if length > limits.MAX_PIECE:
                limits.refuse_too_long(length, name, f"the row of line {line}")
            yield piece

    reader = csv.reader(weighed_lines(), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            length = 0
            if row:
                cells += len(row)
                refuse_too_many_cells(cells, name)
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise csv.Error(f"line {reader.line_num}: {one_line_error(error)}") from None


def malformed_error(name: str, error: csv.Error) -> FedkitError:
    """Return the FedkitError for a file that the csv module cannot parse."""
    return FedkitError(
        f"{quote(name)}, {one_line_error(error)}; look for a quote that is not closed "
        'or not doubled (a cell that holds quotes reads "so ""called""")'
    )


def _parse_rows(
    text: str, name: str, delimiter: str, header_row: int | None
) -> tuple[pd.DataFrame, list[str]]:
    try:
        rows = iter_rows(text, delimiter, name)
        head = list(itertools.islice(rows, HEAD_ROWS))
        found = find_header(head, name, header_row)
        names = header_names(found.cells, name)
        body = list(itertools.islice(itertools.chain(head[found.body :], rows), MAX_ROWS + 1))
    except csv.Error as error:
        raise malformed_error(name, error) from None
    refuse_too_many_rows(len(body), name)
    kept, tail_notes = drop_tail(body, len(names), name)
    cells = [_check_width(row, names, name, line) for line, row in kept]
    return cell_table(cells, names, name, [line for line, _ in kept]), [*found.notes, *tail_notes]


def _check_width(row: Sequence[Any], names: list[str], name: str, line: int) -> Sequence[Any]:
    if len(row) != len(names):
        raise FedkitError(
            f"{quote(name)}, line {line}: {count_noun(len(row), 'cell')} where the header has"
            f" {len(names)}; put quotes around a cell that holds the delimiter, or mend the line"
        )
    return row


def _parse_object(line: str, name: str, number: int) -> dict:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise FedkitError(
            f"{quote(name)}, line {number}: not JSON ({one_line_error(error)});"
            " write one object per"
            ' line, such as {"text": "...", "label": "..."}'
        ) from None
    if not isinstance(row, dict):
        raise FedkitError(
            f"{quote(name)}, line {number}: a JSON {type(row).__name__} where an object is needed"
        )
    return row
