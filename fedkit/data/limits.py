"""Size limits of a table of cells, whatever file it came from, and what no name may hold."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from fedkit.core.errors import FedkitError
from fedkit.core.files import read_packaged_words
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
_SAID = read_packaged_words("fedkit.data", "limits.toml")
_SURROGATE = re.compile("[\ud800-\udfff]")


def well_formed(text: str) -> str:
    """Replace lone surrogates, which no encoding can write, by U+FFFD."""
    return _SURROGATE.sub("\ufffd", text)


def clean_name(name: Any) -> str:
    """Return a column name in NFKC, runs of white space made one blank and removed at the ends."""
    return " ".join(
        unicodedata.normalize("NFKC", "" if name is None else well_formed(str(name))).split()
    )


def refuse_above(limit: str, number: int, name: str, what: str = "a row") -> None:
    """Raise FedkitError if `number` is above a limit of this module.

    limit: its name. name: of the file. what: the piece that is too long, for MAX_PIECE.
    """
    if number > (most := globals()[limit]):
        said = _SAID[limit].format(most=most, mega=most // 10**6, number=number, what=what)
        raise FedkitError(quote(name) + said)
