"""Checks of cells: empty ones, ones with nothing to learn from, damaged, or personal."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from fedkit.core.files import read_packaged_table
from fedkit.core.formatting import quote, quoted_list
from fedkit.data.cleaning import SIGNS
from fedkit.data.load import RawTable
from fedkit.quality.finding import (
    MOST_EXAMPLES,
    WIDTH,
    CheckOptions,
    Finding,
    make_finding,
    view_of,
)
from fedkit.quality.personal import find_personal_data, mask_personal_data

_FORMS: dict[str, Any] = read_packaged_table("fedkit.quality", "cells.toml")
_DAMAGE = {name: re.compile(form) for name, form in _FORMS["damage"].items()}
MARKUP, _ACTIVE, FORMULA, _CALLS, CONTROL, HIDDEN = (
    re.compile(_FORMS[name])
    for name in ("markup", "active", "formula", "calls", "control", "hidden")
)
_PLACEHOLDERS = frozenset(SIGNS["placeholders"].split("|"))
_AROUND = " .,:;!?()[]<>{}*\"'"
_SIGN = re.compile(r"[^\W_]")
_LETTER = re.compile(r"[^\W\d_]")
_RAW = ("text_raw", "label_raw", "client_raw")


def is_placeholder(key: str) -> bool:
    """Return whether people and programs write this in place of a value, as (none) or N/A."""
    return key in _PLACEHOLDERS or key.strip(_AROUND) in _PLACEHOLDERS


def is_blank_key(key: str) -> bool:
    """Return whether a text with this `comparison_key` holds nothing to read."""
    return is_placeholder(key) or not _SIGN.search(key)


def check_missing(role: str, table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find rows without a text, a label, or a client in train if there is a client column."""
    view, column = view_of(table), getattr(table.columns, role)
    if column is None:
        return []
    bad = getattr(view, f"{role}s") < 0
    if role == "text":
        bad &= ~_spaces(table)
    elif role == "client":
        bad &= view.train
    return make_finding(table, f"missing-{role}", bad, column=quote(column))


def _spaces(table: RawTable) -> np.ndarray:
    """Return rows whose text cell is not empty, but is once it is cleaned: bool, shape (rows,)."""
    return (view_of(table).texts < 0) & (view_of(table).cells("text_raw") != "")


def check_blank_text(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find texts of spaces, invisible signs or punctuation only, and words such as "none"."""
    codes, keys = view_of(table).same
    blank = np.array([*map(is_blank_key, keys), True])  # the last for the code -1
    bad = _spaces(table) | (blank[codes] & (view_of(table).texts >= 0))
    seen = table.frame["text_raw"].iloc[np.flatnonzero(bad)[:50]]
    shown = [ascii(text)[1:-1] if not text.strip() else text for text in seen]
    return make_finding(table, "blank-text", bad, examples=shown)


def check_placeholder_labels(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find labels such as N/A or 未分類, which may mean that nobody chose one."""
    names = [name for name in view_of(table).label_names if is_placeholder(name.casefold())]
    bad = table.frame["label"].isin(names).to_numpy()
    listed = quoted_list(names, 5)
    return make_finding(table, "placeholder-labels", bad, examples=names, names=listed)


def check_constant_text(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find texts of a number or one word only, and one text that recurs through the file."""
    codes, keys = view_of(table).same
    number = [bool(_SIGN.search(key)) and not _LETTER.search(key) for key in keys]
    word = [_is_one_word(key) for key in keys]
    for which, values in (("number", number), ("word", word)):
        bad = np.array([*values, False])[codes]
        yield from make_finding(table, f"constant-text.{which}", bad, numbers={"which": which})
    yield from _refrain(table)


def _is_one_word(key: str) -> bool:
    """Return whether `key` is one word in ASCII letters, or one or two signs of any script."""
    short = len(key) <= 2 or (" " not in key and key.isascii())
    return not is_placeholder(key) and short and bool(_LETTER.search(key))


def _refrain(table: RawTable) -> Iterable[Finding]:
    """Find a text on 1 % of the rows (10 or more) with several labels, such as a form's default."""
    codes, all_labels = view_of(table).same[0], view_of(table).labels
    sizes = np.bincount(codes[codes >= 0], minlength=1)
    for code in np.argsort(-sizes, kind="stable")[:5]:
        bad = codes == code
        labels = len(np.unique(all_labels[bad & (all_labels >= 0)]))
        if sizes[code] >= max(10, 0.01 * len(table.frame)) and labels >= 3:
            yield from make_finding(
                table, "constant-text.refrain", bad, numbers={"which": "refrain", "labels": labels}
            )


def check_encoding_damage(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find texts and labels that were once read in the wrong encoding."""
    found = {
        name: view_of(table).holding(form, ("text", "label")) for name, form in _DAMAGE.items()
    }
    marks = found["question marks for letters"]  # alone they are a placeholder
    marks[marks] = [not is_placeholder(text) for text in table.frame["text"][marks]]
    numbers = {name: int(bad.sum()) for name, bad in found.items() if bad.any()}
    bad = np.logical_or.reduce(list(found.values()))
    return make_finding(table, "encoding-damage", bad, numbers=numbers, kinds=", ".join(numbers))


def check_html_or_markup(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find texts with tags or entities of HTML."""
    bad = view_of(table).holding(MARKUP, ("text", "label"))
    active = int((view_of(table).holding(_ACTIVE, ("text", "label")) & bad).sum())
    level = "care" if active else None
    return make_finding(table, "html-or-markup", bad, level=level, numbers={"active": active})


def check_formulas(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find cells that a spreadsheet would compute when it opens the file."""
    bad = view_of(table).holding(FORMULA, _RAW, start=True)
    cells = [
        next(cell for cell in row if FORMULA.match(cell))
        for row in table.frame.loc[bad, list(_RAW)].itertuples(index=False)
    ]
    calls = sum(1 for cell in cells if _CALLS.search(cell))
    return make_finding(
        table,
        "formulas",
        bad,
        level="care" if calls else "note",
        examples=[cell[:WIDTH] for cell in cells[:5]],
        numbers={"calls": calls},
    )


def check_control_characters(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find control characters, signs that turn the direction of writing, and zero-width signs."""
    control, hidden = (view_of(table).holding(form, _RAW) for form in (CONTROL, HIDDEN))
    bad = control | hidden
    seen = table.frame["text_raw"][bad].head(5)
    return make_finding(
        table,
        "control-characters",
        bad,
        numbers={"control": int(control.sum()), "hidden": int(hidden.sum())},
        examples=[HIDDEN.sub("·", CONTROL.sub("·", text)) for text in seen],
    )


def check_personal(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find rows with likely personal data, and count them by kind; the examples are masked."""
    texts = table.frame["text"].tolist()
    known = {
        text: frozenset(span.kind for span in find_personal_data(text))
        for text in dict.fromkeys(texts)
    }
    bad = np.array([bool(known[text]) for text in texts], dtype=bool)
    kinds = Counter(kind for text in texts for kind in sorted(known[text]))
    shown: list[str] = []
    new = set(kinds)
    for text in known:  # the first with each kind
        if new & known[text]:
            new -= known[text]
            shown.append(text)
    few = set(kinds) == {"name"} and bad.sum() < 0.01 * len(texts)
    return make_finding(
        table,
        "personal-data",
        bad,
        level="note" if few else "care",
        examples=map(_around_mask, shown[:MOST_EXAMPLES]),
        numbers=kinds,
        kinds=", ".join(f"{kind} in {number:,}" for kind, number in kinds.most_common()),
    )


def _around_mask(text: str) -> str:
    """Return `text` masked and on one line, from WIDTH / 2 characters before its first mask."""
    flat = " ".join(mask_personal_data(text).split())
    at = max(0, flat.find("[") - WIDTH // 2) if len(flat) > WIDTH else 0
    return ("…" if at else "") + flat[at:]
