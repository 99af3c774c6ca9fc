"""A table of cells, whatever file it came from: the limits it keeps and the header it must have."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import pandas as pd

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import listing, quote

MAX_BYTES = 500_000_000  # of a file
# of what a compressed file grows to: above that it is a mistake or a bomb
MAX_UNPACKED = 1_000_000_000
MAX_ROWS = 2_000_000
MAX_COLUMNS = 1_000
_SURROGATE = re.compile("[\ud800-\udfff]")


def well_formed(text: str) -> str:
    """`text` with lone surrogates, which no encoding can write, replaced by U+FFFD."""
    return _SURROGATE.sub("\ufffd", text)


def clean_name(name: Any) -> str:
    """A column name as the kit knows it: NFKC, runs of white space made one blank, none at the
    ends.
    """
    return " ".join(
        unicodedata.normalize("NFKC", "" if name is None else well_formed(str(name))).split()
    )


def header(cells: Sequence[Any], name: str) -> list[str]:
    """The column names in a file's first row; a blank one becomes 'column 3'.

    Raises FedkitError when there are none, too many, or two alike.
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
            f" {listing(names)})"
        )
    return names


def table(
    rows: list[Sequence[Any]], names: list[str], name: str, lines: Sequence[int] | None = None
) -> pd.DataFrame:
    """Rows of cells as a DataFrame of Python objects, cells untouched. Raises FedkitError for none
    or too many.

    lines: the index: where each row stands in its file, as a person counts, from 1.
    """
    if not rows:
        raise FedkitError(
            f"{quote(name)} has a header ({listing(names)}) and no rows; add examples, one per row"
        )
    refuse_rows(len(rows), name)
    index = None if lines is None else pd.Index(lines, dtype="int64", name="line")
    return pd.DataFrame(rows, index, names, dtype=object)


def refuse_rows(number: int, name: str) -> None:
    """Raise FedkitError when there are more rows than a laptop should be asked to learn from."""
    if number > MAX_ROWS:
        raise FedkitError(f"{quote(name)} has more than {MAX_ROWS:,} rows; give a sample of it")


def refuse_unpacked(nbytes: int, name: str) -> None:
    """Raise FedkitError when a compressed file would grow beyond the limit."""
    if nbytes > MAX_UNPACKED:
        raise FedkitError(
            f"{quote(name)} unpacks to more than {MAX_UNPACKED // 10**6:,} MB; give a smaller file,"
            " or CSV"
        )
