"""Previewing a file: its first rows, header and columns, and the encodings and sheets to choose.

A file is a path or an upload as (name, bytes). Little of it is read, and nothing is evaluated.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import quote
from fedkit.data.cleaning import show_cell
from fedkit.data.columns import choose_columns
from fedkit.data.limits import refuse_above
from fedkit.data.readers.encoding import guess_encoding
from fedkit.data.readers.files import READERS, SUFFIXES, USES_ENCODING, read_bytes, supported_suffix
from fedkit.data.readers.table import Reading
from fedkit.data.readers.text_files import UTF_16
from fedkit.data.readers.workbook import choose_sheet, open_workbook, read_book

ENCODINGS = ("utf-8-sig", "cp932", "cp1252", "euc-jp", "utf-16", "latin-1")
MAX_NAME_LENGTH = 100  # characters of an uploaded file's name
CELL_WIDTH = 120  # characters of a cell that is shown
_RESERVED = {"con", "prn", "aux", "nul"}  # names that Windows keeps for devices
_RESERVED |= {f"{port}{i}" for port in ("com", "lpt") for i in range(10)}
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
    reading = Reading(encoding, sheet, header_row, preview=True)
    shown = Preview(name, len(data), suffix)
    try:
        if suffix in USES_ENCODING:
            shown = replace(shown, encodings=_encoding_options(data, encoding))
        if suffix == ".xlsx":
            book = open_workbook(data, name)
            shown = replace(shown, sheets=_sheet_options(book, name, sheet))
            read = read_book(book, data, name, reading)
        else:
            read = READERS[suffix](data, name, reading)
    except FedkitError as error:
        return replace(shown, problem=str(error))
    first = read.frame.head(rows)
    roles, notes = _guess_roles(read.frame)
    return replace(
        shown,
        header_row=read.header_line,
        columns=tuple(first.columns),
        cells=tuple(tuple(map(_cell_text, row)) for row in first.itertuples(index=False)),
        lines=tuple(first.index),
        roles=roles,
        notes=(*read.notes, *notes),
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
    refuse_above("MAX_BYTES", len(data), name)
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
    text = show_cell(cell)
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
    try:
        used = given or guess_encoding(data, "")
    except FedkitError:
        used = None
    found = []
    for name in names:
        try:
            text = data.decode(name)
        except (LookupError, ValueError):
            found.append(EncodingOption(name, False))
            continue
        # nearly any bytes can be decoded as UTF-16: then it is no candidate
        if name != "utf-16" or data[:2] in UTF_16 or b"\0" in data[:200]:
            found.append(EncodingOption(name, True, _sample(text), name == used))
    return tuple(found)


def _sample(text: str) -> str:
    lines = [line for line in map(str.strip, text[:200_000].splitlines()) if line]
    return next((line for line in lines if not line.isascii()), "".join(lines[:1]))[:CELL_WIDTH]


def _sheet_options(book: Any, name: str, sheet: str | None) -> tuple[SheetOption, ...]:
    try:
        chosen = choose_sheet(book, name, sheet)[0]
    except FedkitError:  # said when the sheet is read
        chosen = None
    return tuple(
        SheetOption(s.title, s.sheet_state, s.max_row, s.max_column, s is chosen)
        for s in book.sheets
    )
