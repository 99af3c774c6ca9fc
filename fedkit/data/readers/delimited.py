"""CSV, TSV and JSON Lines to a table of cells."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Iterator

import pandas as pd

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import count, one_line, quote
from fedkit.data.limits import MAX_ROWS, header, refuse_rows, table
from fedkit.data.readers.encoding import decode
from fedkit.data.readers.header_detection import HEAD, find_heading, without_tail

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}


def read_delimited(
    data: bytes, name: str, encoding: str | None, header_row: int | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """A CSV or TSV file as a table of strings ("NA" and "None" stay what they are), and what to
    say.

    The delimiter is sniffed, and said when the suffix promised another one. header_row: the
    header's line in the file; None: the first filled row unless `heading` finds another, which is
    said. The index holds the line of each row. Raises FedkitError that names the line where a row
    has too few or too many cells.
    """
    text, notes = decode(data, name, encoding)
    delimiter, said = delimiter_of(text, name)
    frame, guesses = _delimited(text, name, delimiter, header_row)
    return frame, [*notes, *said, *guesses]


def delimiter_of(text: str, name: str) -> tuple[str, list[str]]:
    """What separates the cells of file `name`, and a sentence if its suffix promised something
    else.
    """
    expected = "\t" if name.lower().endswith(".tsv") else ","
    delimiter = sniff(text, expected)
    said = (
        f"{quote(name)} separates its cells by {DELIMITERS[delimiter]}, not {DELIMITERS[expected]}"
    )
    return delimiter, [said] if delimiter != expected else []


def sniff(text: str, expected: str) -> str:
    """The delimiter that cuts the first rows into equally many cells, two or more; else most of
    them; else `expected`.
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


def rows_of(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, each with the line on which it begins. Raises csv.Error that
    names the line.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for row in reader:
            if row:
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise csv.Error(f"line {reader.line_num}: {one_line(error)}") from None


def _delimited(
    text: str, name: str, delimiter: str, header_row: int | None
) -> tuple[pd.DataFrame, list[str]]:
    try:
        rows = rows_of(text, delimiter)
        head = list(itertools.islice(rows, HEAD))
        heading = find_heading(head, name, header_row)
        names = header(heading.cells, name)
        body = list(itertools.islice(itertools.chain(head[heading.body :], rows), MAX_ROWS + 1))
    except csv.Error as error:
        raise broken(name, error) from None
    refuse_rows(len(body), name)
    kept, said = without_tail(body, len(names), name)
    cells = [_whole(row, names, name, line) for line, row in kept]
    return table(cells, names, name, [line for line, _ in kept]), [*heading.notes, *said]


def broken(name: str, error: csv.Error) -> FedkitError:
    return FedkitError(
        f"{quote(name)}, {one_line(error)}; look for a quote that is not closed "
        'or not doubled (a cell that holds quotes reads "so ""called""")'
    )


def _whole(row: list[str], names: list[str], name: str, line: int) -> list[str]:
    if len(row) != len(names):
        raise FedkitError(
            f"{quote(name)}, line {line}: {count(len(row), 'cell')} where the header has"
            f" {len(names)}; put quotes around a cell that holds the delimiter, or mend the line"
        )
    return row


def read_jsonl(data: bytes, name: str, encoding: str | None) -> tuple[pd.DataFrame, list[str]]:
    """JSON Lines, one object per line, as a table; a key that a line lacks is a missing cell.

    Raises FedkitError that names the line which is not a JSON object.
    """
    text, notes = decode(data, name, encoding)
    if text.lstrip().startswith("["):
        raise FedkitError(
            f"{quote(name)} holds one JSON array; write one object per line instead (JSON Lines)"
        )
    lines = ((i, line) for i, line in enumerate(text.split("\n"), start=1) if line.strip())
    numbered = [(i, _object(line, name, i)) for i, line in itertools.islice(lines, MAX_ROWS + 1)]
    rows = [row for _, row in numbered]
    keys = list(dict.fromkeys(key for row in rows for key in row))
    names = header(keys, name)
    return (
        table(
            [[row.get(key) for key in keys] for row in rows], names, name, [i for i, _ in numbered]
        ),
        notes,
    )


def _object(line: str, name: str, number: int) -> dict:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise FedkitError(
            f"{quote(name)}, line {number}: not JSON ({one_line(error)}); write one object per"
            ' line, such as {"text": "...", "label": "..."}'
        ) from None
    if not isinstance(row, dict):
        raise FedkitError(
            f"{quote(name)}, line {number}: a JSON {type(row).__name__} where an object is needed"
        )
    return row
