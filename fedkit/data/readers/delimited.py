"""Reading CSV, TSV and JSON Lines."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import count_noun, one_line_error, quote
from fedkit.data.limits import MAX_ROWS, cell_table, header_names, refuse_too_many_rows
from fedkit.data.readers.encoding import decode_text
from fedkit.data.readers.header_detection import HEAD_ROWS, NumberedRow, drop_tail, find_header

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
    lines = ((i, line) for i, line in enumerate(text.split("\n"), start=1) if line.strip())
    rows = {i: _parse_object(line, name, i) for i, line in itertools.islice(lines, MAX_ROWS + 1)}
    keys = list(dict.fromkeys(key for row in rows.values() for key in row))
    cells = [[row.get(key) for key in keys] for row in rows.values()]
    return cell_table(cells, header_names(keys, name), name, list(rows)), notes


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


def iter_rows(text: str, delimiter: str) -> Iterator[NumberedRow]:
    """Yield the rows that are not empty, each with the line on which it begins.

    Raises csv.Error that names the line.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for row in reader:
            if row:
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
        rows = iter_rows(text, delimiter)
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
