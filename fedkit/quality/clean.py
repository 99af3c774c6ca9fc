"""Make a cleaned copy: unusable rows left out, spellings unified, and every change counted.

What needs a person (conflicting or suspicious labels, damaged letters) is never decided here: it is
listed in a review file.
"""

from __future__ import annotations

import html
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fedkit.core.errors import FedkitError
from fedkit.core.files import write_file
from fedkit.core.formatting import count_noun, quoted_list
from fedkit.data.cleaning import RULES, change_cells, clean_label, clean_text, say_merged, show_cell
from fedkit.data.columns import Columns
from fedkit.data.load import RawTable
from fedkit.data.preview import safe_name
from fedkit.quality.checks.cells import CONTROL, HIDDEN, MARKUP, is_blank_key
from fedkit.quality.checks.spellings import count_names, find_variants
from fedkit.quality.finding import comparison_key
from fedkit.quality.personal import mask_personal_data as masked

_COLUMNS = ("split", "line", "text", "label", "client")
# kinds of findings whose rows go into the review file
REVIEWED = (
    "suspicious-labels",
    "conflicting-labels",
    "encoding-damage",
    "placeholder-labels",
    "near-leakage",
    "near-duplicates",
    "duplicates-across-clients",
    "label-in-text",
    "personal-data",
)
_FORMULA_START = re.compile("[\\s\ufeff]*[=+\\-@\uff1d\uff0b\uff0d\uff20]|[\t\r]")
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)*%?")


@dataclass(frozen=True)
class CleanedTable:
    """The rows that can be used, and what was done to get them.

    frame: the rows that are left, under the file's own column names, with their positions in
    `RawTable.frame` as index. split: the split of each row. changes: a sentence with a count for
    every change. review: rows for a person to look at.
    """

    frame: pd.DataFrame
    split: pd.Series
    changes: tuple[str, ...]
    review: pd.DataFrame


def clean_table(table: RawTable, quality: Any = None, mask: bool = False) -> CleanedTable:
    """Return the rows that can be used, cleaned.

    quality: a `report.Quality` whose rows for people go to the review; None: conflicting labels
    only. mask: replace personal data in texts and in the other columns by its kind.
    """
    frame, changes = table.frame[[*_COLUMNS]].copy(), say_merged(table.frame)
    for role in ("text", "label", "client"):
        frame[role] = _cleaned(frame[role], role, changes)
    for role in ("label", "client"):
        frame[role] = _one_spelling(frame, role, changes)
    for why, rule in _useless(table.columns).items():
        frame = _without(frame, rule(frame), why, changes)
    other = pd.DataFrame(index=frame.index)
    if table.other is not None:
        other = table.other.loc[frame.index].copy()
    review = _review(table, frame, quality, mask)
    if mask:
        words = "{} with personal data masked"
        frame["text"] = _changed(frame["text"], masked, words, "text", changes)
        for name in other.columns:
            said = f"column {name}: {words}"
            other[name] = _changed(other[name], masked, said, "cell", changes)
    named = {name: frame[role] for role, name in vars(table.columns).items() if name}
    result = pd.DataFrame({**named, **{name: other[name] for name in other.columns}}, dtype=object)
    said = tuple(changes) or ("nothing had to be mended",)
    return CleanedTable(result, frame["split"], said, review)


def _cleaned(cells: pd.Series, role: str, changes: list[str]) -> pd.Series:
    words = "{} without signs that nobody sees"
    cells = _changed(cells, _without_hidden, words, role, changes)
    if role != "client":
        cells = _changed(cells, _without_markup, "{} without markup of web pages", role, changes)
    again = clean_text if role == "text" else clean_label
    return pd.Series([again(cell) for cell in cells], cells.index, dtype=object)


def _without_hidden(text: str) -> str:
    return HIDDEN.sub("", CONTROL.sub(" ", text))


def _without_markup(text: str) -> str:
    """Return `text` with tags replaced by a blank and entities by letters."""
    if not MARKUP.search(text):
        return text
    bare = re.sub(r"(?is)<(script|style)\b[^<]*(?:<(?!/?\1\b)[^<]*)*</\1\s*>", " ", text)
    bare = MARKUP.sub(lambda m: " " if m[0].startswith("<") else html.unescape(m[0]), bare)
    return re.sub(r"[ \xa0]{2,}", " ", bare).strip()


def _changed(
    cells: pd.Series, change: Callable[[str], str], words: str, noun: str, changes: list[str]
) -> pd.Series:
    """Return the cells with `change` applied to each string; appends the number to `changes`."""
    new = pd.Series(change_cells(cells, change), cells.index, dtype=object)
    if number := sum(isinstance(old, str) and old != now for old, now in zip(cells, new)):
        # not `format`: a column's name in the words may hold braces
        changes.append(words.replace("{}", count_noun(number, noun), 1))
    return new


def _one_spelling(frame: pd.DataFrame, role: str, changes: list[str]) -> pd.Series:
    cells = frame[role]
    same, _ = find_variants(*count_names(cells, frame["split"] == "train"))
    if same:
        changes.append(
            f"{count_noun(int(cells.isin(same).sum()), 'row')}:"
            f" {role} written as its most frequent spelling ({quoted_list(same, 4)})"
        )
    return cells.map(lambda cell: same.get(cell, cell))


def _useless(columns: Columns) -> dict[str, Callable[[pd.DataFrame], pd.Series]]:
    """Return {reason: rule for rows to leave out} in the order in which they apply."""
    nobody = RULES["no client"]
    return {
        "no text": RULES["no text"],
        "a text with nothing to read": lambda f: f["text"].map(comparison_key).map(is_blank_key),
        "no label": RULES["no label"],
        "no client": lambda f: nobody(f) & (f["split"] == "train") & (columns.client is not None),
        "exact duplicate of an earlier row": RULES["repeated"],
        "the same text is in test (leakage)": RULES["in test"],
        "the same text is in validation (leakage)": RULES["in validation"],
        "its label never occurs in train": RULES["unknown label"],
    }


def _without(frame: pd.DataFrame, bad: pd.Series, why: str, changes: list[str]) -> pd.DataFrame:
    bad = bad.astype(bool)
    if number := int(bad.sum()):
        lines = ", ".join(f"{line:,}" for line in frame["line"][bad][:5])
        more = f" and {number - 5:,} more" if number > 5 else ""
        line = "line" if number == 1 else "lines"
        changes.append(f"{count_noun(number, 'row')} left out: {why} ({line} {lines}{more})")
    return frame[~bad]


def _review(table: RawTable, kept: pd.DataFrame, quality: Any, mask: bool) -> pd.DataFrame:
    """Return rows for a person: split, line, why (all reasons), text, label, client."""
    reasons: dict[int, dict[str, str]] = {}  # row -> {kind: with what is likelier}
    labels = kept.groupby("text")["label"].transform("nunique")
    for row in kept.index[labels > 1]:
        reasons[row] = {"conflicting-labels": "conflicting-labels"}
    reviewed = [f for f in quality.findings if f.kind in REVIEWED] if quality is not None else []
    for one in reviewed:
        likely = one.numbers.get("likely", ())
        for i, row in enumerate(one.numbers.get("index", ())):
            rather = f" (rather: {likely[i]})" if i < len(likely) else ""
            reasons.setdefault(row, {}).setdefault(one.kind, one.kind + rather)
    rows = sorted(reasons.keys() & set(kept.index))
    shown = table.frame.loc[rows, [*_COLUMNS]]
    shown.insert(2, "why", ["; ".join(reasons[row].values()) for row in rows])
    return shown.assign(text=shown["text"].map(masked)) if mask else shown


def write_clean(cleaned: CleanedTable, table: RawTable, out: Path | str) -> Path:
    """Write the cleaned copy and the review file into the folder `out`; return the copy's path.

    One file gives <stem>.clean.csv, a set with splits the folder <stem>.clean with train.csv and so
    on, which `load_corpus` reads as is; <stem>.review.csv lies next to it. UTF-8 with a byte order
    mark (Excel shows Japanese). A cell that a spreadsheet would compute begins with an apostrophe,
    see `describe_guarded_cells`. Raises FedkitError instead of overwriting the original.
    """
    folder, stem = Path(out), safe_name(table.name + ".csv").removesuffix(".csv")
    frame, split = cleaned.frame, cleaned.split.to_numpy()
    clean = folder / (f"{stem}.clean.csv" if table.single else f"{stem}.clean")
    if table.single:
        parts = {clean: frame}
    else:
        parts = {clean / f"{name}.csv": frame[split == name] for name in cleaned.split.unique()}
    for path, part in {**parts, folder / f"{stem}.review.csv": cleaned.review}.items():
        _refuse_original(path, Path(table.source))
        _write(part, path)
    return clean


def describe_guarded_cells(cleaned: CleanedTable) -> str | None:
    """Return a sentence on the cells that get an apostrophe when written, or None."""
    frame = cleaned.frame
    number = sum(guard_cell(cell) != _plain(cell) for name in frame.columns for cell in frame[name])
    if not number:
        return None
    cells = count_noun(number, "cell")
    return f"{cells} would start a formula: written with an apostrophe in front"


def guard_cell(cell: Any) -> str:
    """Return a cell that no spreadsheet computes; numbers stay numbers.

    An apostrophe is put before = + - @ (also full-width), tab and CR at the start.
    """
    text = _plain(cell)
    return f"'{text}" if _FORMULA_START.match(text) and not _NUMBER.fullmatch(text) else text


def _plain(cell: Any) -> str:
    return show_cell(cell).replace("\0", "")


def _refuse_original(path: Path, source: Path) -> None:
    originals = [source, *(source.iterdir() if source.is_dir() else ())]
    exists = os.path.exists
    if exists(path) and any(exists(one) and os.path.samefile(path, one) for one in originals):
        raise FedkitError(
            f"the cleaned copy would be written over the original '{path}';"
            " name another folder with --out"
        )


def _write(frame: pd.DataFrame, path: Path) -> None:
    """Write all of the file or nothing; a link at `path` is replaced, never followed."""
    safe = pd.DataFrame(
        {guard_cell(name): frame[name].map(guard_cell) for name in frame.columns}, dtype=object
    )
    text = safe.to_csv(None, index=False, lineterminator="\r\n")
    write_file(path, text.encode("utf-8-sig", "replace"))
