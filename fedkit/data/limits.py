"""Size limits and header rules of a table of cells, whatever file it came from."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import pandas as pd

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import quote, quoted_list

MAX_BYTES = 500_000_000  # of a file
MAX_UNPACKED = 500_000_000  # bytes of an unpacked file; above that it is a mistake or a bomb
MAX_ROWS = 2_000_000
MAX_LINES = 20_000_000  # of a text file, empty ones included
MAX_COLUMNS = 1_000
MAX_CELLS = 10_000_000
MAX_SHEET_CELLS = 5_000_000  # of a workbook, whose cells take ten times as long as those of CSV
MAX_PIECE = 10_000_000  # bytes of a row, or of a part that a library reads whole
MAX_TAGS = 200_000  # tags and attributes of XML in such a piece
_SURROGATE = re.compile("[\ud800-\udfff]")


def well_formed(text: str) -> str:
    """Replace lone surrogates, which no encoding can write, by U+FFFD."""
    return _SURROGATE.sub("\ufffd", text)


def clean_name(name: Any) -> str:
    """Return a column name in NFKC, runs of white space made one blank and removed at the ends."""
    return " ".join(
        unicodedata.normalize("NFKC", "" if name is None else well_formed(str(name))).split()
    )


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
    if len(names) > MAX_COLUMNS:
        raise FedkitError(
            f"{quote(name)} has {len(names):,} columns; at most {MAX_COLUMNS:,} are read: drop some"
        )
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
    refuse_too_many_rows(len(rows), name)
    index = None if lines is None else pd.Index(lines, dtype="int64", name="line")
    return pd.DataFrame(rows, index, names, dtype=object)


def refuse_too_many_rows(number: int, name: str) -> None:
    """Raise FedkitError for more rows than a laptop can reasonably learn from."""
    if number > MAX_ROWS:
        raise FedkitError(f"{quote(name)} has more than {MAX_ROWS:,} rows; give a sample of it")


def refuse_too_many_cells(number: int, name: str, most: int | None = None) -> None:
    """Raise FedkitError for more cells than memory should hold. most: None: MAX_CELLS."""
    if number > (most := most or MAX_CELLS):
        raise FedkitError(
            f"{quote(name)} has more than {most:,} cells (rows x columns); drop columns, give a"
            " sample of it, or a workbook as CSV"
        )


def refuse_too_long(nbytes: int, name: str, what: str = "a row") -> None:
    """Raise FedkitError for a row, or another piece of a file, that is read whole and too long."""
    if nbytes > MAX_PIECE:
        raise FedkitError(
            f"{quote(name)}: {what} is longer than {MAX_PIECE // 10**6:,} MB; take it out, or save"
            " the file as CSV with one example per line"
        )


def refuse_too_large(nbytes: int, name: str) -> None:
    """Raise FedkitError if a compressed file would grow beyond the limit."""
    if nbytes > MAX_UNPACKED:
        raise FedkitError(
            f"{quote(name)} unpacks to more than {MAX_UNPACKED // 10**6:,} MB; give a smaller file,"
            " or CSV"
        )
