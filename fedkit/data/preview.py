"""Previewing a file: its first rows, header and columns, and the encodings and sheets to choose.

A file is a path or an upload as (name, bytes). Little of it is read, and nothing is evaluated.
"""

from __future__ import annotations

import csv
import itertools
import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import one_line_error, quote
from fedkit.data.cleaning import as_text
from fedkit.data.columns import choose_columns
from fedkit.data.limits import MAX_BYTES, cell_table, header_names
from fedkit.data.readers.delimited import detect_delimiter, iter_rows, malformed_error, read_jsonl
from fedkit.data.readers.encoding import UTF_16, decode_text
from fedkit.data.readers.files import SUFFIXES, USES_ENCODING, read_bytes, supported_suffix
from fedkit.data.readers.header_detection import HEAD_ROWS, NumberedRow, find_header
from fedkit.data.readers.parquet import read_parquet
from fedkit.data.readers.workbook import (
    choose_sheet,
    iter_sheet_rows,
    open_workbook,
    read_merged_ranges,
)

ENCODINGS = ("utf-8-sig", "cp932", "euc-jp", "utf-16", "latin-1")
MAX_NAME_LENGTH = 100  # characters of an uploaded file's name
CELL_WIDTH = 120  # characters of a cell that is shown
_RESERVED = {
    "con",
    "prn",
    "aux",
    "nul",
    *(f"{port}{i}" for port in ("com", "lpt") for i in range(10)),
}
FileSource = Path | str | tuple[str, bytes]


@dataclass(frozen=True)
class EncodingOption:
    """An encoding that could be chosen."""

    name: str
    fits: bool  # whether all bytes can be decoded
    sample: str = ""  # a decoded line, with other characters than ASCII if there is one
    chosen: bool = False


@dataclass(frozen=True)
class SheetOption:
    """A sheet that could be chosen."""

    name: str
    state: str  # visible | hidden | veryHidden
    rows: int | None  # size that the file claims; None if it does not say
    columns: int | None
    chosen: bool = False


@dataclass(frozen=True)
class Preview:
    """The first rows of a file, and the choices for reading it.

    header_row: line of the header, counted from 1. cells: strings, one tuple per row, as wide as
    `columns`. lines: the line of each row of `cells`. roles: text, label, client -> guessed column
    (those that were found). problem: why the table could not be read with these choices, or "".
    """

    name: str
    nbytes: int
    format: str
    encodings: tuple[EncodingOption, ...] = ()
    sheets: tuple[SheetOption, ...] = ()
    header_row: int | None = None
    columns: tuple[str, ...] = ()
    cells: tuple[tuple[str, ...], ...] = ()
    lines: tuple[int, ...] = ()
    roles: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    problem: str = ""


def preview_file(
    source: FileSource,
    encoding: str | None = None,
    sheet: str | None = None,
    header_row: int | None = None,
    rows: int = 12,
) -> Preview:
    """Return the first `rows` rows of a file as read with these choices, and what could be chosen.

    source: a path, or an upload as (name, bytes). A file that cannot be read with these choices has
    a `problem`, and still shows its encodings and sheets. Raises FedkitError for no such file, an
    unknown format and a file that is too large.
    """
    name, data = read_source(source)
    suffix = supported_suffix(Path(name))
    options: dict[str, Any] = {"encodings": (), "sheets": ()}
    try:
        if suffix in USES_ENCODING:
            options["encodings"] = _encoding_options(data, encoding)
        found = _READ_HEAD[suffix](data, name, encoding, sheet, header_row, options)
    except FedkitError as error:
        return Preview(name, len(data), suffix, problem=str(error), **options)
    line, frame, notes = found
    shown = frame.head(rows)
    cells = tuple(tuple(_cell_text(cell) for cell in row) for row in shown.itertuples(index=False))
    roles, role_notes = _guess_roles(frame)
    return Preview(
        name,
        len(data),
        suffix,
        header_row=line,
        columns=tuple(frame.columns),
        cells=cells,
        lines=tuple(shown.index),
        roles=roles,
        notes=(*notes, *role_notes),
        **options,
    )


def read_source(source: FileSource) -> tuple[str, bytes]:
    """Return name and bytes of a path or an upload; an upload's name is made safe.

    Raises FedkitError if it is too large, or no file.
    """
    if not isinstance(source, tuple):
        path = Path(source)
        if not path.is_file():
            raise FedkitError(f"no file {quote(path)}; give one of {' '.join(SUFFIXES)}")
        return path.name, read_bytes(path)
    name, data = safe_name(source[0]), bytes(source[1])
    if len(data) > MAX_BYTES:
        raise FedkitError(
            f"{quote(name)} is larger than {MAX_BYTES // 10**6:,} MB; give a sample of it"
        )
    return name, data


def safe_name(name: object) -> str:
    """Return a file name without folders, control or bidi characters, and reserved names.

    The suffix stays. Never empty, at most 100 characters and 200 bytes, never starts with a dot or
    a dash.
    """
    text = unicodedata.normalize("NFKC", str(name).encode("utf-8", "replace").decode())
    last = re.split(r"[/\\]", text)[-1].split(":")[-1]
    kept = "".join(c if c.isprintable() and c not in '<>"|?*' else "_" for c in last).strip(" .-~")
    stem, suffix = PurePosixPath(kept).stem, PurePosixPath(kept).suffix[:12]
    if stem.split(".")[0].strip().casefold() in _RESERVED:
        stem = f"_{stem}"
    stem = stem[: MAX_NAME_LENGTH - len(suffix)]
    while len((stem + suffix).encode()) > 200:
        stem = stem[:-1]
    return (stem.rstrip(" .") or "upload") + suffix


def _cell_text(cell: Any) -> str:
    try:
        text = as_text(cell)
    except FedkitError:
        text = str(cell)
    return text if len(text) <= CELL_WIDTH else text[: CELL_WIDTH - 1] + "…"


def _guess_roles(frame: pd.DataFrame) -> tuple[dict[str, str], list[str]]:
    try:
        chosen, notes = choose_columns(frame)
    except FedkitError as error:
        return {}, [str(error)]
    return {role: name for role, name in vars(chosen).items() if name}, notes


def _encoding_options(data: bytes, given: str | None) -> tuple[EncodingOption, ...]:
    """Return each candidate with a decoded sample line; the one that would be used is marked."""
    names = list(dict.fromkeys([*([given] if given else []), *ENCODINGS]))
    marked = data[:2] in UTF_16
    found, used = [], given
    for name in names:
        try:
            text = data.decode(name)
            if name == "utf-16" and (not marked and b"\0" not in data[:200]):
                continue  # nearly any bytes can be decoded as UTF-16: no use as a candidate
        except (LookupError, ValueError):
            found.append(EncodingOption(name, False))
            continue
        used = used or (name if name in ENCODINGS[:2] else None)
        found.append(EncodingOption(name, True, _sample(text), name == used))
    return tuple(found)


def _sample(text: str) -> str:
    lines = [line.strip() for line in text[:200_000].splitlines()]
    return next(
        (line for line in lines if line and not line.isascii()), next((x for x in lines if x), "")
    )[:CELL_WIDTH]


# --- the first rows of each format, as (line of the header, table, notes) ---


def _read_delimited(data, name, encoding, sheet, header_row, options):
    text, notes = decode_text(data, name, encoding)
    delimiter, delimiter_notes = detect_delimiter(text, name)
    try:
        head = list(itertools.islice(iter_rows(text, delimiter, name), 1_000))
    except csv.Error as error:
        raise malformed_error(name, error) from None
    line, frame, more = _make_head(head, name, header_row, ())
    return line, frame, [*notes, *delimiter_notes, *more]


def _read_excel(data, name, encoding, sheet, header_row, options):
    book = open_workbook(data, name)
    try:
        options["sheets"] = tuple(_sheet_option(s, False) for s in book.sheets)
        chosen, notes = choose_sheet(book, name, sheet)
        options["sheets"] = tuple(_sheet_option(s, s is chosen) for s in book.sheets)
        head = list(itertools.islice(iter_sheet_rows(chosen, name), 1_000))
        merges = read_merged_ranges(data, chosen)
        line, frame, more = _make_head(head, f"{name}, sheet {chosen.title}", header_row, merges)
    except FedkitError:
        raise
    except Exception as error:  # openpyxl lets whatever broke inside it pass
        raise FedkitError(
            f"{quote(name)} is not a readable Excel file ({one_line_error(error)}); save it again"
        ) from None
    return line, frame, [*notes, *more]


def _sheet_option(sheet: Any, chosen: bool) -> SheetOption:
    return SheetOption(sheet.title, sheet.sheet_state, sheet.max_row, sheet.max_column, chosen)


def _make_head(
    head: list[NumberedRow], name: str, header_row: int | None, merges: Any
) -> tuple[int, pd.DataFrame, list[str]]:
    """Return the table in the first rows, every row cut or filled to the width of the header."""
    found = find_header(head[:HEAD_ROWS], name, header_row, merges)
    wide = max((i for i, cell in enumerate(found.cells, 1) if cell not in (None, "")), default=0)
    names = header_names(found.cells[:wide], name)
    body = head[found.body :]
    rows = [[*cells[:wide], *[None] * (wide - len(cells))] for _, cells in body]
    return found.line, cell_table(rows, names, name, [line for line, _ in body]), list(found.notes)


def _read_jsonl(data, name, encoding, sheet, header_row, options):
    text, notes = decode_text(data, name, encoding)
    cut = "\n".join(text.split("\n", 1_000)[:1_000]).encode("utf-8", "surrogatepass")
    frame, more = read_jsonl(cut, name, "utf-8")
    return None, frame, [*notes, *more]


def _read_parquet(data, name, encoding, sheet, header_row, options):
    frame, notes = read_parquet(data, name)
    return None, frame, notes


_READ_HEAD = {
    ".csv": _read_delimited,
    ".tsv": _read_delimited,
    ".xlsx": _read_excel,
    ".parquet": _read_parquet,
    ".jsonl": _read_jsonl,
    ".json": _read_jsonl,
}
