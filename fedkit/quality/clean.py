"""A cleaned copy beside the original: what cannot be used goes, spellings become one, and all of it
is counted and said.

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

import numpy as np
import pandas as pd

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import count, listing, one_line
from fedkit.data.cleaning import as_text, clean_label, clean_text
from fedkit.data.preview import safe_name
from fedkit.data.read_rows import RawTable
from fedkit.quality.checks.encoding_damage import CONTROL, HIDDEN, MARKUP
from fedkit.quality.checks.missing import PLACEHOLDERS
from fedkit.quality.checks.spellings import variants
from fedkit.quality.personal import mask as masked
from fedkit.quality.table_view import codes, key_of

LOOK = (
    "suspicious-labels",
    "conflicting-labels",
    "encoding-damage",
    "placeholder-labels",
    "near-leakage",
    "near-duplicates",
    # findings whose rows a person should see
    "duplicates-across-clients",
    "label-in-text",
    "personal-data",
)
_STARTS = re.compile("[\\s\ufeff]*[=+\\-@\uff1d\uff0b\uff0d\uff20]|[\t\r]")
_PLAIN = re.compile(r"[+-]?\d+(?:[.,]\d+)*%?")


@dataclass(frozen=True)
class Mended:
    """frame: the rows that are left, under the file's own column names, with their positions in
    `Table.frame` as index.

    split: the split of each row. said: a sentence with a count for everything that was done.
    review: rows to look at.
    """

    frame: pd.DataFrame
    split: pd.Series
    said: tuple[str, ...]
    review: pd.DataFrame


def mend(table: RawTable, quality: Any = None, mask: bool = False) -> Mended:
    """The rows that can be used, cleaned. mask: personal data in texts and in the other columns is
    replaced by its kind.

    quality: what `quality.assess` found; its rows for people go to the review (None: conflicting
    labels only).
    """
    frame, said = table.frame[["split", "line", "text", "label", "client"]].copy(), []
    for role in ("text", "label", "client"):
        frame[role] = _cleaned(frame[role], role, said)
    for role in ("label", "client"):
        frame[role] = _one_spelling(frame[role], role, said)
    for why, bad in _useless(table):
        frame = _without(frame, bad(frame), why, said)
    other = (
        table.other.loc[frame.index].copy()
        if table.other is not None
        else pd.DataFrame(index=frame.index)
    )
    review = _review(table, frame, quality, mask)
    if mask:
        frame["text"] = _changed(
            frame["text"], masked, "{} with personal data masked", "text", said
        )
        for name in other.columns:
            other[name] = _changed(
                other[name], masked, f"column {name}: {{}} with personal data masked", "cell", said
            )
    named = {name: frame[role] for role, name in vars(table.columns).items() if name}
    result = pd.DataFrame({**named, **{name: other[name] for name in other.columns}}, dtype=object)
    return Mended(result, frame["split"], tuple(said) or ("nothing had to be mended",), review)


def _cleaned(cells: pd.Series, role: str, said: list[str]) -> pd.Series:
    cells = _changed(
        cells,
        lambda t: HIDDEN.sub("", CONTROL.sub(" ", t)),
        "{} without signs that nobody sees",
        role,
        said,
    )
    if role != "client":
        cells = _changed(cells, _without_markup, "{} without markup of web pages", role, said)
    again = clean_text if role == "text" else clean_label
    return pd.Series([again(cell) for cell in cells], cells.index, dtype=object)


def _without_markup(text: str) -> str:
    """Tags out (their place a blank), entities as letters; a text without either stays as it is."""
    if not MARKUP.search(text):
        return text
    bare = re.sub(r"(?is)<(script|style)\b.{0,20000}?</\1\s*>", " ", text)
    bare = MARKUP.sub(lambda m: " " if m[0].startswith("<") else html.unescape(m[0]), bare)
    return re.sub(r"[ \xa0]{2,}", " ", bare).strip()


def _changed(
    cells: pd.Series, change: Callable[[str], str], words: str, noun: str, said: list[str]
) -> pd.Series:
    """The cells with `change` made to each different string, and how many changed, said."""
    known = {cell: change(cell) for cell in {c for c in cells if isinstance(c, str)}}
    new = pd.Series(
        [known.get(c, c) if isinstance(c, str) else c for c in cells], cells.index, dtype=object
    )
    if number := sum(isinstance(c, str) and known[c] != c for c in cells):
        said.append(words.format(count(number, noun)))
    return new


def _one_spelling(cells: pd.Series, role: str, said: list[str]) -> pd.Series:
    at, names = codes(cells)
    same = variants(names, np.bincount(at[at >= 0], minlength=len(names))) if len(names) else {}
    if same:
        said.append(
            f"{count(int(cells.isin(same).sum()), 'row')}: {role} written as its most frequent"
            f" spelling ({listing(same, 4)})"
        )
    return cells.map(lambda cell: same.get(cell, cell))


def _useless(table: RawTable) -> list[tuple[str, Callable[[pd.DataFrame], pd.Series]]]:
    """Why a row goes, and which do, in this order."""
    rules = [
        ("no text", lambda f: f["text"] == ""),
        (
            "a text with nothing to read",
            lambda f: f["text"].map(
                lambda t: key_of(t) in PLACEHOLDERS or not re.search(r"[^\W_]", t)
            ),
        ),
        ("no label", lambda f: f["label"] == ""),
        (
            "exact duplicate of an earlier row",
            lambda f: f.duplicated(["split", "text", "label", "client"]),
        ),
        (
            "the same text is in test (leakage)",
            lambda f: (f["split"] != "test") & f["text"].isin(f["text"][f["split"] == "test"]),
        ),
        (
            "the same text is in validation (leakage)",
            lambda f: (
                (f["split"] == "train") & f["text"].isin(f["text"][f["split"] == "validation"])
            ),
        ),
        (
            "its label never occurs in train",
            lambda f: (f["split"] != "train") & ~f["label"].isin(f["label"][f["split"] == "train"]),
        ),
    ]
    if table.columns.client:
        rules.insert(3, ("no client", lambda f: (f["client"] == "") & (f["split"] == "train")))
    return rules


def _without(frame: pd.DataFrame, bad: pd.Series, why: str, said: list[str]) -> pd.DataFrame:
    bad = bad.astype(bool)
    if number := int(bad.sum()):
        lines = ", ".join(f"{line:,}" for line in frame["line"][bad][:5]) + (
            f" and {number - 5:,} more" if number > 5 else ""
        )
        said.append(
            f"{count(number, 'row')} left out: {why} ({'line' if number == 1 else 'lines'} {lines})"
        )
    return frame[~bad]


def _review(table: RawTable, kept: pd.DataFrame, quality: Any, mask: bool) -> pd.DataFrame:
    """Rows for a person: split, line, why (all reasons), text, label, client; of the rows that are
    left.
    """
    reasons: dict[int, list[str]] = {}
    labels = kept.groupby("text")["label"].transform("nunique")
    for row in kept.index[labels > 1]:
        reasons.setdefault(row, []).append("conflicting-labels")
    for one in quality.findings if quality is not None else ():
        likely = one.numbers.get("likely", ())
        for i, row in enumerate(one.numbers.get("index", ()) if one.kind in LOOK else ()):
            if one.kind not in reasons.setdefault(row, []):
                reasons[row].append(
                    one.kind + (f" (rather: {likely[i]})" if i < len(likely) else "")
                )
    rows = [row for row in sorted(reasons) if row in kept.index]
    shown = table.frame.loc[rows, ["split", "line", "text", "label", "client"]]
    shown.insert(2, "why", ["; ".join(reasons[row]) for row in rows])
    return shown.assign(text=shown["text"].map(masked)) if mask else shown


def write_clean(mended: Mended, table: RawTable, out: Path | str) -> Path:
    """Write the cleaned copy and the review file into the folder `out`; the path of the copy, which
    `load_corpus` reads as is.

    One file gives <stem>.clean.csv, a set with splits the folder <stem>.clean with train.csv and so
    on; <stem>.review.csv beside it. UTF-8 with a byte order mark (Excel shows Japanese). A cell
    that a spreadsheet would compute begins with an apostrophe, which models hardly notice: said in
    `said_of_writing`. Raises FedkitError rather than write over the original.
    """
    folder, stem = Path(out), safe_name(table.name + ".csv").removesuffix(".csv")
    parts = {folder / f"{stem}.clean.csv": mended.frame}
    if not table.single:
        parts = {
            folder / f"{stem}.clean" / f"{split}.csv": mended.frame[
                (mended.split == split).to_numpy()
            ]
            for split in mended.split.unique()
        }
    for path, frame in {**parts, folder / f"{stem}.review.csv": mended.review}.items():
        _refuse_original(path, Path(table.source))
        _write(frame, path)
    first = next(iter(parts))
    return first if table.single else first.parent


def said_of_writing(mended: Mended) -> str | None:
    """A sentence on the cells that get an apostrophe when written, or None."""
    number = sum(
        int(mended.frame[name].map(lambda c: guarded(c) != _plain(c)).sum())
        for name in mended.frame.columns
    )
    return (
        f"{count(number, 'cell')} would start a formula: written with an apostrophe in front"
        if number
        else None
    )


def guarded(cell: Any) -> str:
    """A cell that no spreadsheet computes: an apostrophe before = + - @ (also full-width), tab and
    CR; numbers stay numbers.
    """
    text = _plain(cell)
    return f"'{text}" if _STARTS.match(text) and not _PLAIN.fullmatch(text) else text


def _plain(cell: Any) -> str:
    try:
        return as_text(cell).replace("\0", "")
    except FedkitError:
        return str(cell)


def _refuse_original(path: Path, source: Path) -> None:
    try:
        originals = [source, *source.iterdir()] if source.is_dir() else [source]
        same = any(
            path.exists() and original.exists() and os.path.samefile(path, original)
            for original in originals
        )
    except OSError:
        same = False
    if same:
        raise FedkitError(
            f"the cleaned copy would be written over the original '{path}'; name another folder"
            " with --out"
        )


def _write(frame: pd.DataFrame, path: Path) -> None:
    """Whole or not at all; a link at `path` is replaced, never followed."""
    safe = pd.DataFrame(
        {guarded(name): frame[name].map(guarded) for name in frame.columns}, dtype=object
    )
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        with open(part, "x", encoding="utf-8-sig", errors="replace", newline="") as file:
            safe.to_csv(file, index=False, lineterminator="\r\n")
        os.replace(part, path)
    except OSError as error:
        raise FedkitError(
            f"cannot write '{path}': {error.strerror or one_line(error)}; name another folder with"
            " --out"
        ) from None
