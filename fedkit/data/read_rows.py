"""Reading every row of a data set, raw and cleaned, for the checks in `quality`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import quote, quoted_list
from fedkit.data.cleaning import Notes, as_text, clean_label, clean_text
from fedkit.data.columns import Columns, choose_columns
from fedkit.data.limits import refuse_too_large
from fedkit.data.load import present_columns, read_raw

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class RawTable:
    """The rows of a data set as read, with their cleaned form next to it. Nothing is dropped.

    frame: one row per row of the file(s), in their order, with the columns
      split: train | validation | test
      line: int, counted from 1 (the header of a plain CSV is line 1; in Excel the sheet's row)
      text_raw, label_raw, client_raw: strings as read
      text: `cleaning.clean_text`; label, client: `cleaning.clean_label` (client is "" throughout
      where there is no such column).
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

    header_row: line of the header in a text file or a sheet; None: guessed. sha256 is that of the
    files' bytes in order of their names ("" for hub sets). Raises FedkitError for what cannot be
    read at all.
    """
    notes: Notes = []
    raw = read_raw(str(source), encoding, sheet, notes, header_row)
    known = [
        own if given is None else given for given, own in zip((text, label, client), raw.columns)
    ]
    columns, guesses = choose_columns(raw.splits["train"], *known)
    parts = {split: raw.splits[split] for split in SPLITS if split in raw.splits}
    frame = pd.concat(
        [
            _rows(part, present_columns(columns, part, split), split)
            for split, part in parts.items()
        ],
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
        _other_columns(parts, columns),
    )


def _rows(part: pd.DataFrame, columns: Columns, split: str) -> pd.DataFrame:
    """Return the rows of one split with the columns of `RawTable.frame`."""
    line = part.index if part.index.name == "line" else np.arange(1, len(part) + 1)
    raw = {
        role: _cells(part, getattr(columns, role), split) for role in ("text", "label", "client")
    }
    refuse_too_large(sum(map(len, raw["text"])), f"{split}, column {columns.text}")
    rows = {"split": [split] * len(part), "line": np.asarray(line, dtype=np.int64)}
    rows |= {f"{role}_raw": cells for role, cells in raw.items()}
    rows |= {"text": [clean_text(cell) for cell in raw["text"]]}
    rows |= {role: _change_unique(clean_label, raw[role]) for role in ("label", "client")}
    return pd.DataFrame(
        {
            name: pd.Series(cells, dtype=None if name == "line" else object)
            for name, cells in rows.items()
        }
    )


def _cells(part: pd.DataFrame, name: str | None, split: str) -> list[str]:
    """Return the cells of a column as strings, "" throughout if there is no such column."""
    if name is None:
        return [""] * len(part)
    if name not in part.columns:
        raise FedkitError(
            f"{split} has no column {quote(name)}, which train has; it has:"
            f" {quoted_list(part.columns)}"
        )
    try:
        return [as_text(cell) for cell in part[name].tolist()]
    except FedkitError as error:
        raise FedkitError(
            f"{split}, column {quote(name)}: {error}; choose another column"
        ) from None


def _change_unique(change: Callable[[str], str], cells: list[str]) -> list[str]:
    """Apply `change` once to each different cell: labels and clients recur."""
    changed = {cell: change(cell) for cell in set(cells)}
    return [changed[cell] for cell in cells]


def _other_columns(parts: dict[str, pd.DataFrame], columns: Columns) -> pd.DataFrame | None:
    """Return the unused columns (None where a split lacks one); None if there are none."""
    used = {columns.text, columns.label, columns.client}
    names: dict[str, Any] = dict.fromkeys(
        name for part in parts.values() for name in part.columns if name not in used
    )
    if not names:
        return None
    kept = [part.reindex(columns=list(names)).astype(object) for part in parts.values()]
    return pd.concat(kept, ignore_index=True)
