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

import numpy as np
import pandas as pd

from fedkit.core.errors import FedkitError
from fedkit.core.files import read_packaged_table
from fedkit.core.formatting import count_noun, one_line_error, quote
from fedkit.data import limits
from fedkit.data.limits import MAX_COLUMNS, refuse_above
from fedkit.data.readers.encoding import guess_encoding
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
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_NAMED_DELIMITER = re.compile(r'"?sep=(\t|[^"\w\s])"?(?=[\r\n])', re.IGNORECASE)  # Excel's
_BY_LINE = re.compile(r"\s*\[?\s*\{.*\}[ \t\r,]*\n\s*\S")  # JSON with an object on its first line
_CONTROLS = bytes({*range(0x20)} - {*b"\t\n\x0b\x0c\r\x1a"}).decode()  # no text file holds them
_CONTROL = re.compile(f"[{_CONTROLS}]")
_JOINED = re.compile("(?<=[\r\n])\ufeff")
_PARSE = json.JSONDecoder().decode
UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # byte order marks
_FOREIGN = read_packaged_table("fedkit.data.readers", "text_files.toml")["foreign"]


def read_delimited(data: bytes, name: str, reading: Reading) -> TableRead:
    """Return a CSV or TSV file as a table of strings ("NA" and "None" stay so).

    The delimiter is detected, and noted if the suffix promised another one. Raises FedkitError that
    names the line where a row has too few or too many cells.
    """
    csv.field_size_limit(limits.MAX_PIECE)
    text, notes = decode_text(data, name, reading.encoding)
    text, delimiter, more = detect_delimiter(text, name)
    text, mended = _drop_blanks(text, delimiter, name)
    try:
        read = table_of_rows(iter_rows(text, delimiter, name), name, reading)
    except csv.Error as error:
        raise FedkitError(
            f"{quote(name)}, {one_line_error(error)}; look for a quote that is not closed "
            'or not doubled (a cell that holds quotes reads "so ""called""")'
        ) from None
    swallowed = _find_swallowed_rows(read.frame, delimiter, name)
    return replace(read, notes=[*notes, *more, *mended, *read.notes, *swallowed])


def _drop_blanks(text: str, delimiter: str, name: str) -> tuple[str, list[str]]:
    """Return the text without the blanks between a delimiter and a quote, and a note if any."""
    end, blanks = re.escape(delimiter), " +" if delimiter == "\t" else "[ \t]+"
    if not any(pair in text for pair in (' "', '" ', '\t"', '"\t')) or not re.search(
        f'{end}{blanks}"|"{blanks}{end}', text
    ):
        return text, []
    cell = f'(^|{end})(?:{blanks})?("(?:[^"]|"")*+")(?:{blanks})?(?=[\r\n]|{end}|\\Z)'
    closer = re.sub(cell, r"\1\2", text, flags=re.MULTILINE)
    number = len(text) - len(closer)
    note = f"{quote(name)}: {count_noun(number, 'blank')} beside quotes left out"
    return closer, [note] if number else []


def _find_swallowed_rows(frame: pd.DataFrame, delimiter: str, name: str) -> list[str]:
    """Note cells over several lines that hold rows: as many cells, and values known elsewhere."""
    tall = np.flatnonzero(np.diff(frame.index, append=frame.index[-1] + 2) > 1)
    found, known = [], list[set[str]]()
    for line, row in zip(frame.index[tall], frame.to_numpy()[tall].tolist() if len(tall) else ()):
        cell = max(row, key=lambda one: one.count("\n") if one else 0)
        if not cell or "\n" not in cell or delimiter not in cell:
            continue
        known = known or [set(frame[c][frame[c].duplicated()]) - {""} for c in frame.columns]
        inside = list(csv.reader(cell.split("\n")[:-1], delimiter=delimiter))
        inside[0] = [""] * row.index(cell) + inside[0]
        hits = [any(c in k for c, k in zip(i, known)) for i in inside if len(i) == len(row)]
        if 2 * sum(hits) > len(inside):
            found.append(
                f"{quote(name)}: a cell spans lines {line} to {line + cell.count(chr(10))}, which"
                f" look like {count_noun(sum(hits), 'row')}: a quote too many or too few in there?"
            )
    return found[:10]


def read_jsonl(data: bytes, name: str, reading: Reading) -> TableRead:
    """Return JSON Lines, an array or other objects one after another as a table.

    A key that an object lacks is None; one object alone stands for the list of objects in it.
    Raises FedkitError that names the line which is not a JSON object.
    """
    text, notes = decode_text(data, name, reading.encoding)
    keys: dict[str, None] = {}  # in the order in which they came
    rows: list[list[Any]] = []
    lines, nested = [], 0
    objects = _line_objects(text, name)
    if not (text.isspace() or _BY_LINE.match(text)) and 0 < len(text) <= limits.MAX_PIECE:
        objects = _whole_objects(text, name, notes)
    most = PREVIEW_ROWS if reading.preview else limits.MAX_ROWS + 1
    for number, piece, found in itertools.islice(objects, most):
        if found.keys() != keys.keys():
            keys.update(dict.fromkeys(found))
        row = list(map(found.get, keys))
        if ("[" in piece or piece.count("{") > 1) and any(isinstance(v, (list, dict)) for v in row):
            nested += 4 * sum(map(piece.count, ",[{:"))  # an object takes as much as four cells
        rows.append(row)
        lines.append(number)
        if len(keys) > MAX_COLUMNS:
            break  # and `header_names` refuses them
        refuse_above("MAX_CELLS", len(rows) * len(keys) + nested, name)
    names = header_names(list(keys), name)
    for row in rows:
        row += [None] * (len(names) - len(row))
    return TableRead(cell_table(rows, names, name, lines), notes)


def _line_objects(text: str, name: str) -> Iterator[tuple[int, str, dict]]:
    """Yield the object of each line, with its number; commas and an array around are left out."""
    for number, line in enumerate(split_lines(text), start=1):
        line = line.strip()
        if line[-1:] != "}" or line[:1] != "{":
            line = line.rstrip(",")
            line = line[line.startswith("[{") or line == "[" :]
            line = line.removesuffix("]") if line.endswith("}]") or line == "]" else line
        if line:
            if len(line) > limits.MAX_PIECE:
                refuse_above("MAX_PIECE", len(line), name, f"line {number}")
            if not isinstance(row := _parse_json(line, name, number), dict):
                found = f"a JSON {type(row).__name__} where an object is needed"
                raise FedkitError(f"{quote(name)}, line {number}: {found}")
            yield number, line, row


def _whole_objects(text: str, name: str, notes: list[str]) -> Iterator[tuple[int, str, dict]]:
    """Yield the objects of a JSON array, or of the one list in a JSON object, counted from 1."""
    found = _parse_json(text, name)
    levels = [found, *found.values()] if isinstance(found, dict) else []
    for level in (level for level in levels if isinstance(level, dict)):
        lists = {key: value for key, value in level.items() if _is_rows(value)}
        if len(lists) == 1:
            key, found = lists.popitem()
            notes.append(f"{quote(name)} is one JSON object; the list {quote(key)} in it was read")
            break
    if not _is_rows(found):
        raise FedkitError(
            f"{quote(name)} holds one JSON {type(found).__name__}, and not one list of objects in"
            " it; write one object per line instead (JSON Lines)"
        )
    yield from ((number, json.dumps(row), row) for number, row in enumerate(found, start=1))


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)


def _parse_json(text: str, name: str, line: int | None = None) -> Any:
    """Return what the JSON says. Raises FedkitError that names `line` (None: as the parser does)"""
    try:
        return _PARSE(text)
    except (ValueError, RecursionError) as error:
        raise FedkitError(
            f"{quote(name)}, line {line or getattr(error, 'lineno', 1)}: not JSON"
            f" ({one_line_error(error)}); write one object per line, such as"
            ' {"text": "...", "label": "..."}'
        ) from None


def detect_delimiter(text: str, name: str) -> tuple[str, str, list[str]]:
    """Return the text, the delimiter of file `name`, and a note if its suffix promised another.

    A first line such as sep=; names it, and is left empty in the text. Else best is one that cuts
    the first rows into equally many cells (two or more), then one that cuts most of them so.
    """
    expected = "\t" if name.lower().endswith(".tsv") else ","
    if named := _NAMED_DELIMITER.match(text):
        text, delimiter = text[named.end() :], named[1]
    else:
        delimiter = max(DELIMITERS, key=lambda one: (*_fit(text, one), one == expected))
    word = DELIMITERS.get(delimiter, quote(delimiter))
    note = f"{quote(name)} separates its cells by {word}, not {DELIMITERS[expected]}"
    return text, delimiter, [note] if delimiter != expected else []


def _fit(text: str, delimiter: str) -> tuple[bool, int]:
    start = io.StringIO(text[:65_536], newline="")
    rows = csv.reader(start, delimiter=delimiter, skipinitialspace=delimiter != "\t")
    try:
        widths = [len(row) for row in itertools.islice(rows, 50) if row]
    except csv.Error:
        return False, 0
    if len(text) > 65_536 and len(widths) > 1:
        widths.pop()  # the last row may be cut
    usual = max(set(widths), key=widths.count, default=0)
    width = usual if 2 * widths.count(usual) > len(widths) else max(widths[:1], default=0)
    return width > 1 and len(set(widths)) == 1, width


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
            if length > limits.MAX_PIECE:  # asked here: a call for each line takes its time
                refuse_above("MAX_PIECE", length, name, f"the row of line {line}")
            yield piece

    reader = csv.reader(weighed_lines(), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            length = 0
            if row:
                cells += len(row)
                if cells > limits.MAX_CELLS:
                    refuse_above("MAX_CELLS", cells, name)
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        begun = f", in the row that begins in line {line}" if line < reader.line_num else ""
        raise csv.Error(f"line {reader.line_num}: {one_line_error(error)}{begun}") from None


def decode_text(data: bytes, name: str, encoding: str | None = None) -> tuple[str, list[str]]:
    """Return the text in the bytes of file `name`, and notes on how it was decoded.

    utf-8-sig is tried first, strictly, then `guess_encoding`. A given `encoding` is used strictly
    and alone. Raises FedkitError for bytes that do not fit, an unknown encoding, UTF-16 without
    `encoding`, and binary data.
    """
    _refuse_other_formats(data, name, encoding)
    _refuse_long_lines(data, name)
    text, notes = _decode(data, name, encoding)
    if "\ufeff" in text:  # files were joined
        text = _JOINED.sub("", text)
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
    for other in _FOREIGN:
        start, part = (other.get(key, "").encode("latin-1") for key in ("starts", "holds"))
        is_open = encoding is None or not other.get("may_be_named")
        if is_open and data.startswith(start) and part in data:
            raise FedkitError(f"{quote(name)} {other['said']}")
    if encoding is None and b"\0" in data:
        raise _not_text_error(name, data.count(0), "zero byte")


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
    try:
        return data.decode("utf-8-sig" if encoding is None else encoding), []
    except UnicodeError as error:
        if encoding is not None:
            raise FedkitError(
                f"{quote(name)} is not {quote(encoding)} ({one_line_error(error)});"
                " leave --encoding out to try utf-8, cp932 and cp1252"
            ) from None
    except (LookupError, ValueError):
        raise FedkitError(
            f"unknown encoding {quote(encoding)}; --encoding takes names such as utf-8, cp932,"
            " euc-jp, utf-16"
        ) from None
    guessed = guess_encoding(data, name)
    text = data.decode(guessed)
    sample = next((line for line in text.splitlines() if not line.isascii()), "")
    note = (
        f"{quote(name)} is not UTF-8 and was read as {guessed}: {quote(sample, 40)}"
        " (name --encoding if that looks wrong)"
    )
    return text, [note]
