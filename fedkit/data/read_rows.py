"""From a name, a file or a folder to a Table: the rows as read beside what they become when
cleaned, none dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import listing, quote
from fedkit.data.cleaning import Notes, as_text, clean_label, clean_text
from fedkit.data.columns import Columns, choose_columns
from fedkit.data.limits import refuse_unpacked
from fedkit.data.load import Raw, _path, _present, _read, _read_path

SPLITS = ("train", "validation", "test")


def read_rows(
    source: str | Path,
    text: str | None = None,
    label: str | None = None,
    client: str | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
    header_row: int | None = None,
) -> RawTable:
    """Read the same sources as `load.load_corpus`, with the same guesses, and keep every row.

    header_row: line of the header in a text file or a sheet; None: found by itself. sha256 is that
    of the files' bytes in order of their names ("" for hub sets). Raises FedkitError for what
    cannot be read at all.
    """
    notes: Notes = []
    raw = _raw(str(source), encoding, sheet, header_row, notes)
    known = [
        own if given is None else given for given, own in zip((text, label, client), raw.columns)
    ]
    columns, guesses = choose_columns(raw.splits["train"], *known)
    parts = {split: raw.splits[split] for split in SPLITS if split in raw.splits}
    frame = pd.concat(
        [_rows(part, _present(columns, part, split), split) for split, part in parts.items()],
        ignore_index=True,
    )
    return RawTable(
        raw.name,
        raw.source,
        raw.sha256 or "",
        frame,
        columns,
        set(parts) == {"train"},
        (*guesses, *notes),
        _other(parts, columns),
    )


def _raw(
    source: str, encoding: str | None, sheet: str | None, header_row: int | None, notes: Notes
) -> Raw:
    """What `load` reads; with the header's row given, the same files with that header."""
    if header_row is None:
        return _read(source, encoding, sheet, notes)
    return _read_path(_path(source), encoding, sheet, notes, header_row)


def _rows(part: pd.DataFrame, columns: Columns, split: str) -> pd.DataFrame:
    """One split's rows in the columns of `Table.frame`."""
    line = part.index if part.index.name == "line" else np.arange(1, len(part) + 1)
    raw = {
        role: _cells(part, getattr(columns, role), split) for role in ("text", "label", "client")
    }
    refuse_unpacked(sum(map(len, raw["text"])), f"{split}, column {columns.text}")
    rows = {"split": [split] * len(part), "line": np.asarray(line, dtype=np.int64)}
    rows |= {f"{role}_raw": cells for role, cells in raw.items()}
    rows |= {"text": [clean_text(cell) for cell in raw["text"]]}
    rows |= {role: _once(clean_label, raw[role]) for role in ("label", "client")}
    return pd.DataFrame(
        {
            name: pd.Series(cells, dtype=None if name == "line" else object)
            for name, cells in rows.items()
        }
    )


def _cells(part: pd.DataFrame, name: str | None, split: str) -> list[str]:
    """A column's cells as strings, "" throughout where there is no such column; equal labels are
    one object.
    """
    if name is None:
        return [""] * len(part)
    if name not in part.columns:
        raise FedkitError(
            f"{split} has no column {quote(name)}, which train has; it has: {listing(part.columns)}"
        )
    try:
        return [as_text(cell) for cell in part[name].tolist()]
    except FedkitError as error:
        raise FedkitError(
            f"{split}, column {quote(name)}: {error}; choose another column"
        ) from None


def _once(change: Callable[[str], str], cells: list[str]) -> list[str]:
    """`cells` changed, each different one once: labels and clients recur."""
    changed = {cell: change(cell) for cell in set(cells)}
    return [changed[cell] for cell in cells]


def _other(parts: dict[str, pd.DataFrame], columns: Columns) -> pd.DataFrame | None:
    """The columns that nobody reads, None where a split lacks one; no frame where there
    are none.
    """
    used = {columns.text, columns.label, columns.client}
    names: dict[str, Any] = dict.fromkeys(
        name for part in parts.values() for name in part.columns if name not in used
    )
    if not names:
        return None
    kept = [part.reindex(columns=list(names)).astype(object) for part in parts.values()]
    return pd.concat(kept, ignore_index=True)


@dataclass(frozen=True)
class RawTable:
    """The rows of a data set as read, beside what they become when cleaned. Nothing is dropped.

    frame: one row per row of the file(s), in their order, with the columns
      split (train | validation | test), line (int, as a person counts in the file: the header is 1
      in a plain CSV; in Excel
      the sheet's row), text_raw, label_raw, client_raw (strings as read), text
      (`checks.clean_text`), label, client
      (`checks.clean_label`; client is "" throughout where there is no such column).
    columns: which of the file's columns they are. single: one file without splits. notes: what
    reading guessed and changed. other: the file's further columns as read, same index as `frame`,
    for the cleaned copy.
    """

    name: str
    source: str
    sha256: str
    frame: pd.DataFrame
    columns: Columns
    single: bool = True
    notes: tuple[str, ...] = ()
    other: pd.DataFrame | None = None
