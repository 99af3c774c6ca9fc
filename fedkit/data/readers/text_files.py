"""Reading text files: CSV, TSV and JSON Lines, and how their bytes are decoded."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import count_noun, one_line_error, quote
from fedkit.data import limits
from fedkit.data.limits import MAX_COLUMNS, refuse_above
from fedkit.data.readers.table import (
    PREVIEW_ROWS,
    NumberedRow,
    Reading,
    TableRead,
    cell_table,
    header_names,
    table_of_rows,
)

_LINE_END = re.compile(r"\n|\r(?!\n)")
_BLOCK = 1_000_000  # characters of a text that are cut into lines at a time
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_CONTROLS = bytes({*range(0x20)} - {*b"\t\n\x0b\x0c\r\x1a"}).decode()  # no text file holds them
_CONTROL = re.compile(f"[{_CONTROLS}]")
_FILLED = re.compile("[^\ufeff\x1a \t\r\n]")
UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # byte order marks
_MAGIC = {
    b"PK\x03\x04": "a zip or .xlsx file",
    b"PAR1": "a .parquet file",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"\x1f\x8b": "a gzip file",
    b"%PDF": "a PDF file",
}


def read_delimited(data: bytes, name: str, reading: Reading) -> TableRead:
    """Return a CSV or TSV file as a table of strings ("NA" and "None" stay so).

    The delimiter is detected, and noted if the suffix promised another one. Raises FedkitError that
    names the line where a row has too few or too many cells.
    """
    text, notes = decode_text(data, name, reading.encoding)
    delimiter, more = detect_delimiter(text, name)
    try:
        read = table_of_rows(iter_rows(text, delimiter, name), name, reading)
    except csv.Error as error:
        raise FedkitError(
            f"{quote(name)}, {one_line_error(error)}; look for a quote that is not closed "
            'or not doubled (a cell that holds quotes reads "so ""called""")'
        ) from None
    return replace(read, notes=[*notes, *more, *read.notes])


def read_jsonl(data: bytes, name: str, reading: Reading) -> TableRead:
    """Return JSON Lines (one object per line) as a table; a key that a line lacks is None.

    Raises FedkitError that names the line which is not a JSON object.
    """
    text, notes = decode_text(data, name, reading.encoding)
    if reading.preview:
        text = "\n".join(text.split("\n", PREVIEW_ROWS)[:PREVIEW_ROWS])
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
        refuse_above("MAX_PIECE", len(line), name, f"line {number}")
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
        refuse_above("MAX_ROWS", len(rows), name)
        refuse_above("MAX_CELLS", len(rows) * len(keys) + nested, name)
    names = header_names(keys, name)
    for row in rows:
        row += [None] * (len(names) - len(row))
    return TableRead(cell_table(rows, names, name, lines), notes)


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
            refuse_above("MAX_PIECE", length, name, f"the row of line {line}")
            yield piece

    reader = csv.reader(weighed_lines(), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            length = 0
            if row:
                cells += len(row)
                refuse_above("MAX_CELLS", cells, name)
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise csv.Error(f"line {reader.line_num}: {one_line_error(error)}") from None


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


def decode_text(data: bytes, name: str, encoding: str | None = None) -> tuple[str, list[str]]:
    """Return the text in the bytes of file `name`, and notes on how it was decoded.

    Tried in this order, each strictly: utf-8-sig, then cp932, which is what Excel writes in Japan.
    No detector is used: they confuse cp932 with similar encodings and change characters silently.
    A given `encoding` is used strictly and alone. Raises FedkitError for an empty file, bytes that
    do not fit, an unknown encoding, UTF-16 without `encoding`, and binary data.
    """
    _refuse_other_formats(data, name, encoding)
    _refuse_long_lines(data, name)
    text, notes = _decode(data, name, encoding)
    if not _FILLED.search(text):
        raise FedkitError(
            f"{quote(name)} is empty; the first row must name the columns, one example per row"
            " below"
        )
    return _blank_control(text.removeprefix("\ufeff").rstrip("\x1a"), name, notes), notes


def _blank_control(text: str, name: str, notes: list[str]) -> str:
    """Replace stray control characters by blanks. Raises FedkitError for many of them, or a NUL."""
    if not _CONTROL.search(text):
        return text
    number = sum(map(text.count, _CONTROLS))
    if "\0" in text or number > len(text) / 1000:
        raise _not_text_error(name, number, "control character")
    notes.append(f"{quote(name)}: {count_noun(number, 'control character')} replaced by blanks")
    return _CONTROL.sub(" ", text)


def _refuse_other_formats(data: bytes, name: str, encoding: str | None) -> None:
    for magic, what in _MAGIC.items():
        if data.startswith(magic):
            raise FedkitError(
                f"{quote(name)} is {what}, not text; give it the suffix it should have, or save"
                " as CSV"
            )
    if encoding is None and b"\0" in data and data[:2] not in UTF_16:
        raise _not_text_error(name, data.count(0), "zero byte")
    if encoding is None and data[:2] in UTF_16:
        wide = "utf-32" if data[:4] == b"\xff\xfe\x00\x00" else "utf-16"
        raise FedkitError(
            f"{quote(name)} looks like {wide.upper()}; add --encoding {wide}, or save it as UTF-8"
        )


def _refuse_long_lines(data: bytes, name: str) -> None:
    """Raise FedkitError for too many lines, or one of twice the limit at least (no shorter one)."""
    refuse_above("MAX_LINES", data.count(b"\n"), name)
    step = limits.MAX_PIECE
    for at in range(0, len(data) - step, step):
        if data.find(b"\n", at, at + step) < 0 and data.find(b"\r", at, at + step) < 0:
            refuse_above("MAX_PIECE", step + 1, name, "a line")


def _not_text_error(name: str, number: int, what: str) -> FedkitError:
    return FedkitError(
        f"{quote(name)} is not a text file: it holds {count_noun(number, what)}; "
        "save it as CSV in UTF-8 (if it is UTF-16, add --encoding utf-16)"
    )


def _decode(data: bytes, name: str, encoding: str | None) -> tuple[str, list[str]]:
    if encoding is not None:
        return _decode_as(data, name, encoding), []
    try:
        return data.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        return _decode_cp932(data, name)


def _decode_as(data: bytes, name: str, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeError as error:
        raise FedkitError(
            f"{quote(name)} is not {quote(encoding)} ({one_line_error(error)});"
            " leave --encoding out to try utf-8 and cp932"
        ) from None
    except (LookupError, ValueError):
        raise FedkitError(
            f"unknown encoding {quote(encoding)}; --encoding takes names such as utf-8, cp932,"
            " euc-jp, utf-16"
        ) from None


def _decode_cp932(data: bytes, name: str) -> tuple[str, list[str]]:
    try:
        text = data.decode("cp932")
    except UnicodeDecodeError:
        raise FedkitError(
            f"{quote(name)} is neither UTF-8 nor cp932 (Japanese Windows); name what it is, "
            "for example --encoding euc-jp or --encoding latin-1"
        ) from None
    sample = next((line for line in text.splitlines() if not line.isascii()), "")
    note = (
        f"{quote(name)} is not UTF-8 and was read as cp932: {quote(sample, 40)}"
        " (name --encoding if that looks wrong)"
    )
    return text, [note]
