"""Cleaning a table: cells become normalised strings, unusable rows are dropped, changes counted."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Any

import pandas as pd

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import count_noun, quote, quoted_list
from fedkit.data.columns import Columns
from fedkit.data.limits import refuse_too_large, well_formed

MAX_CHARACTERS = 20_000  # of a text; a model reads far less
MIN_TRAIN = 10  # usable training rows below which nothing can be learned or measured
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)*(e[+-]?\d+)?", re.IGNORECASE)

Notes = list[str]


def as_text(cell: Any) -> str:
    """Return a cell as a string: missing and NaN become "", whole floats lose their '.0'.

    Raises FedkitError for a list, tuple, dict or bytes.
    """
    if isinstance(cell, str):
        return cell
    if isinstance(cell, (list, tuple, dict, bytes)):
        raise FedkitError(
            f"a cell holds {type(cell).__name__} {quote(cell, 40)}; text or a number is needed"
        )
    if cell is None or cell != cell:
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def clean_text(text: str) -> str:
    """Return a text in Unicode NFC (full-width letters stay), without white space at its ends."""
    return unicodedata.normalize("NFC", well_formed(text)).strip()


def clean_label(label: str) -> str:
    """Return a label or client name in Unicode NFKC, without white space at its ends.

    In NFKC full-width and half-width spellings are the same.
    """
    return unicodedata.normalize("NFKC", well_formed(label)).strip()


def normalise_columns(
    frame: pd.DataFrame, columns: Columns, split: str, notes: Notes
) -> pd.DataFrame:
    """Return the columns in use as normalised strings: text, label and (if there is one) client.

    Texts are NFC, labels and clients NFKC. Numbers become text. Sentences on what was changed are
    added to `notes`. Raises FedkitError for a column that is missing here, and for cells that hold
    lists or bytes.
    """
    roles = {"text": columns.text, "label": columns.label, "client": columns.client}
    raw = {role: _strings(frame, name, split) for role, name in roles.items() if name}
    refuse_too_large(sum(map(len, raw["text"])), f"{split}, column {columns.text}")
    clean = {
        role: _each(clean_text if role == "text" else clean_label, cells)
        for role, cells in raw.items()
    }
    _note_numbers(clean["text"], split, notes)
    _note_merged(raw["label"], clean["label"], split, notes)
    return truncate_long_texts(pd.DataFrame(clean, dtype=object), split, notes)


def _strings(frame: pd.DataFrame, name: str, split: str) -> pd.Series:
    if name not in frame.columns:
        raise FedkitError(
            f"{split} has no column {quote(name)}, which train has; it has:"
            f" {quoted_list(frame.columns)}"
        )
    try:
        return _each(as_text, frame[name])
    except FedkitError as error:
        raise FedkitError(
            f"{split}, column {quote(name)}: {error}; choose another column"
        ) from None


def _each(change: Callable[[Any], str], cells: pd.Series) -> pd.Series:
    """Apply `change` to every cell; results stay Python strings, as Arrow needs valid Unicode."""
    return pd.Series([change(cell) for cell in cells], cells.index, dtype=object)


def _note_numbers(texts: pd.Series, split: str, notes: Notes) -> None:
    if number := int(texts.map(lambda text: _NUMBER.fullmatch(text) is not None).sum()):
        notes.append(
            f"{split}: {count_noun(number, 'text')} with nothing but a number, kept as text"
        )


def _note_merged(raw: pd.Series, clean: pd.Series, split: str, notes: Notes) -> None:
    if merged := len(set(map(str.strip, raw))) - len(set(clean)):
        notes.append(
            f"{split}: {count_noun(merged, 'label spelling')} merged with another of the same"
            " letters (NFKC)"
        )


def truncate_long_texts(frame: pd.DataFrame, split: str, notes: Notes) -> pd.DataFrame:
    """Cut texts after MAX_CHARACTERS; how many is added to `notes`."""
    if long := int((frame["text"].map(len) > MAX_CHARACTERS).sum()):
        notes.append(
            f"{split}: {count_noun(long, 'text')} longer than {MAX_CHARACTERS:,} characters,"
            " cut there"
        )
        return frame.assign(text=_each(lambda text: text[:MAX_CHARACTERS], frame["text"]))
    return frame


def drop_rows(
    frame: pd.DataFrame, bad: pd.Series, split: str, why: str, notes: Notes
) -> pd.DataFrame:
    """Drop the rows of `frame` where `bad` is true; how many, and why, is added to `notes`."""
    if number := int(bad.sum()):
        notes.append(f"{split}: {count_noun(number, 'row')} dropped: {why}")
    return frame[~bad]


def drop_unusable_rows(frame: pd.DataFrame, split: str, notes: Notes) -> pd.DataFrame:
    """Drop rows without a text, a label or a client, and exact duplicates of an earlier row."""
    for role in frame.columns:
        frame = drop_rows(frame, frame[role] == "", split, f"no {role}", notes)
    return drop_rows(frame, frame.duplicated(), split, "exact duplicate of another row", notes)


def refuse_too_few_rows(train: pd.DataFrame, columns: Columns, notes: Notes) -> None:
    """Raise FedkitError for too few rows or only one label; `notes` say what was dropped before."""
    if len(train) < MIN_TRAIN:
        raise FedkitError(
            f"{count_noun(len(train), 'usable training row')}, and at least {MIN_TRAIN} are needed;"
            " add examples, or name the right columns (--text, --label);"
            f" {'; '.join(notes[:4]) or 'no row was dropped'}"
        )
    if train["label"].nunique() < 2:
        raise FedkitError(
            f"label column {quote(columns.label)} has one label only,"
            f" {quote(train['label'].iloc[0])}; add examples of another, or name another column"
            " with --label"
        )


def refuse_free_text(train: pd.DataFrame, columns: Columns) -> None:
    """Raise FedkitError for more than one label per two rows: then the column is free text."""
    if (labels := train["label"].nunique()) > len(train) / 2:
        raise FedkitError(
            f"column {quote(columns.label)} looks like free text, not a label: {labels:,} different"
            f" values in {count_noun(len(train), 'row')}; name another with --label"
        )
