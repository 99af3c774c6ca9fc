"""Checks of cells that are empty or hold nothing to learn from."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pandas as pd

from fedkit.core.formatting import count_noun, quote, quoted_list
from fedkit.data.read_rows import RawTable
from fedkit.quality.finding import CheckOptions, Finding
from fedkit.quality.table_view import format_share, level_of, make_finding, view_of

# written by people and programs in place of a value; compared in NFKC and lower case
_NOTHING = (
    "na n/a #n/a nan null none nil - -- --- ? ?? ??? tbd todo unknown undefined blank empty"
    " #ref! #value! #name? #div/0! なし 無し 不明 未定 未分類 未設定 未入力 該当なし 空白 ー"
)
PLACEHOLDERS = frozenset(_NOTHING.split())
_LETTER = re.compile(r"[^\W_]")
_ALPHA = re.compile(r"[^\W\d_]")


def check_missing_text(table: RawTable, options: CheckOptions) -> Iterator[Finding]:
    """Find rows without a text."""
    empty = table.frame["text"].to_numpy(dtype=object) == ""
    empty &= ~_spaces(table)
    yield from _missing(table, "text", empty)


def check_missing_label(table: RawTable, options: CheckOptions) -> Iterator[Finding]:
    """Find rows without a label."""
    yield from _missing(table, "label", view_of(table).labels < 0)


def check_missing_client(table: RawTable, options: CheckOptions) -> Iterator[Finding]:
    """Find training rows without a client, in a table that has a client column."""
    if table.columns.client is not None:
        yield from _missing(table, "client", (view_of(table).clients < 0) & view_of(table).train)


def _missing(table: RawTable, role: str, bad: np.ndarray) -> Iterator[Finding]:
    if not (number := int(bad.sum())):
        return
    column = quote(getattr(table.columns, role))
    why = {
        "text": "a row without a text teaches nothing, and the kit leaves it out",
        "label": (
            "without its answer a row can neither be learned from nor measured on,"
            " and the kit leaves it out"
        ),
        "client": (
            "a row that belongs to nobody cannot be trained on at a client,"
            " and the kit leaves it out"
        ),
    }[role]
    yield make_finding(
        table,
        f"missing-{role}",
        level_of(number, len(table.frame), 0.01, 0.5),
        bad,
        f"{count_noun(number, 'row')} ({format_share(number, len(table.frame))})"
        f" have no {role} in column {column}",
        why,
        f"fill in the {role} where you know it; the cleaned copy leaves the other rows out",
        mended=True,
        examples=[] if role == "text" else None,
    )


def _spaces(table: RawTable) -> np.ndarray:
    """Return rows whose text cell is not empty, but is once it is cleaned: bool, shape (rows,)."""
    raw = table.frame["text_raw"].to_numpy(dtype=object)
    clean = table.frame["text"].to_numpy(dtype=object)
    return (clean == "") & (raw != "")


def check_blank_text(table: RawTable, options: CheckOptions) -> Iterator[Finding]:
    """Find texts of spaces, invisible signs or punctuation only, and words such as "none"."""
    values = pd.Series(view_of(table).same[1], dtype=object)
    empty = np.array(
        [value in PLACEHOLDERS or not _LETTER.search(value) for value in values], dtype=bool
    )
    bad = _spaces(table)
    at = view_of(table).same[0]
    known = at >= 0
    bad[known] |= empty[at[known]]
    bad |= (at < 0) & (table.frame["text"].to_numpy(dtype=object) != "")
    if number := int(bad.sum()):
        seen = table.frame["text_raw"].iloc[np.flatnonzero(bad)[:50]]
        yield make_finding(
            table,
            "blank-text",
            level_of(number, len(table.frame), 0.01, 0.5),
            bad,
            f"{count_noun(number, 'text')} ({format_share(number, len(table.frame))}) hold nothing"
            " to read: spaces, invisible characters, punctuation, or a word such as N/A",
            "such a text says nothing about its label,"
            " so a model can only guess, and it lowers every measured accuracy",
            "look at what these reports said originally and fill it in;"
            " the cleaned copy leaves them out",
            examples=[ascii(text)[1:-1] if not text.strip() else text for text in seen],
            mended=True,
        )


def check_placeholder_labels(table: RawTable, options: CheckOptions) -> Iterator[Finding]:
    """Find labels such as N/A or 未分類, which may mean that nobody chose one."""
    names = [name for name in view_of(table).label_names if name.casefold() in PLACEHOLDERS]
    if not names:
        return
    bad = table.frame["label"].isin(names).to_numpy()
    yield make_finding(
        table,
        "placeholder-labels",
        level_of(int(bad.sum()), len(table.frame), 0.01, 0.5),
        bad,
        f"{count_noun(int(bad.sum()), 'row')} have a label"
        f" that usually means that none was chosen: {quoted_list(names, 5)}",
        "taken as a label of its own it teaches the model to answer 'nothing',"
        " and those texts belong elsewhere",
        "give these rows their right label, or empty the cell;"
        " keep them if the name really is one of your labels",
        examples=names,
    )


def check_constant_text(table: RawTable, options: CheckOptions) -> Iterator[Finding]:
    """Find texts of a number or one word only, and one text that recurs through the file."""
    values = view_of(table).same[1]
    number = np.array(
        [_LETTER.search(v) is not None and not _ALPHA.search(v) for v in values], dtype=bool
    )
    word = np.array([_one_word(value) for value in values], dtype=bool)
    yield from _poor(table, number, "nothing but a number or a date", "number")
    yield from _poor(table, word & ~number, "a single word", "word")
    yield from _refrain(table)


def _one_word(value: str) -> bool:
    """Return whether `value` is one word in ASCII letters, or one or two signs of any script."""
    return (
        value not in PLACEHOLDERS
        and (len(value) <= 2 or (" " not in value and value.isascii()))
        and bool(_ALPHA.search(value))
    )


def _poor(table: RawTable, values: np.ndarray, words: str, which: str) -> Iterator[Finding]:
    at = view_of(table).same[0]
    bad = (at >= 0) & np.append(values, False)[at]
    if found := int(bad.sum()):
        yield make_finding(
            table,
            "constant-text",
            level_of(found, len(table.frame), 0.05, 0.8),
            bad,
            f"{count_noun(found, 'text')} ({format_share(found, len(table.frame))}) are {words}",
            "there is little in it that tells one label from another",
            "see whether the text column is the right one (--text),"
            " or join it with the column that holds the words",
            numbers={"which": which},
        )


def _refrain(table: RawTable) -> Iterator[Finding]:
    """Find a text on 1 % of the rows (10 or more) with several labels, such as a form's default."""
    at = view_of(table).same[0]
    sizes = np.bincount(at[at >= 0], minlength=1)
    for value in np.argsort(-sizes, kind="stable")[:5]:
        bad = at == value
        labels = (
            len(np.unique(view_of(table).labels[bad & (view_of(table).labels >= 0)]))
            if sizes[value]
            else 0
        )
        if sizes[value] < max(10, 0.01 * len(table.frame)) or labels < 3:
            continue
        yield make_finding(
            table,
            "constant-text",
            level_of(int(sizes[value]), len(table.frame), 0.02, 0.8),
            bad,
            "one and the same text stands"
            f" in {count_noun(int(sizes[value]), 'row')} with {labels} different labels",
            "a text that stands for everything,"
            " such as a form's default, teaches nothing and hides what was reported",
            "leave these rows out, or replace them by what was reported",
            numbers={"which": "refrain", "labels": labels},
        )
