"""Size limits of a table of cells, whatever file it came from, and what no name may hold."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import quote

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
