"""Checks of repeated texts: exact or nearly the same, within and across clients and splits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fedkit.core.formatting import count_noun
from fedkit.data.read_rows import RawTable
from fedkit.quality.checks.minhash import ALIKE, find_similar_pairs
from fedkit.quality.finding import CheckOptions, Finding
from fedkit.quality.table_view import (
    excerpt,
    factorize_cells,
    format_share,
    level_of,
    make_finding,
    view_of,
)

SAME = "(case, width, spaces, a few letters aside)"


def check_exact_duplicates(table: RawTable, options: CheckOptions) -> Iterator[Finding]:
    """Find rows that repeat text, label and client of an earlier row of the same split."""
    known = table.frame["text"].to_numpy(dtype=object) != ""
    bad = known & table.frame.duplicated(["split", "text", "label", "client"]).to_numpy()
    if number := int(bad.sum()):
        yield make_finding(
            table,
            "exact-duplicates",
            level_of(number, len(table.frame), 0.01),
            bad,
            f"{count_noun(number, 'row')} ({format_share(number, len(table.frame))})"
            " repeat an earlier row word for word",
            "a text that is there several times counts several times,"
            " in training and in every measured number",
            "the cleaned copy keeps the first of each; see whether an export was pasted twice",
            mended=True,
        )


def check_duplicates_across_clients(table: RawTable, options: CheckOptions) -> Iterator[Finding]:
    """Find texts that two clients or more have in one split."""
    f = view_of(table)
    known = (f.texts >= 0) & (f.clients >= 0)
    if len(f.client_names) < 2:
        return
    groups = pd.DataFrame({"split": f.splits, "text": f.texts, "client": f.clients})[known]
    several = (
        groups.groupby(["split", "text"], sort=False)["client"].transform("nunique").to_numpy() > 1
    )
    bad = np.flatnonzero(known)[several]
    if len(bad):
        bad = bad[np.argsort(f.texts[bad], kind="stable")]
        texts = len(np.unique(f.texts[bad]))
        yield make_finding(
            table,
            "duplicates-across-clients",
            level_of(len(bad), len(table.frame), 0.01),
            bad,
            f"{count_noun(texts, 'text')} in {len(bad):,} rows stand word"
            " for word at two clients or more",
            "then sites are not as separate as they look: a site's own result owes something"
            " to the others' reports, and privacy per client covers each copy apart",
            "see whether one export holds several sites' rows or a shared template;"
            " keep each text where it arose",
            numbers={"texts": texts},
        )


def check_leakage(table: RawTable, options: CheckOptions) -> Iterator[Finding]:
    """Find held-out texts that are in train too."""
    f = view_of(table)
    if table.single:
        return
    bad = (f.texts >= 0) & ~f.train & np.isin(f.texts, np.unique(f.texts[f.train]))
    held_out = int((~f.train).sum())
    if number := int(bad.sum()):
        yield make_finding(
            table,
            "leakage",
            level_of(number, held_out, 0.005, 0.3),
            bad,
            f"{count_noun(number, 'held-out row')} ({format_share(number, held_out)} of test"
            " and validation) stand word for word in train",
            "what was learned by heart is then measured as if it were understood:"
            " accuracy looks better than it is",
            "the cleaned copy and the kit keep such a text"
            " where it is measured and take it out of train",
            of=held_out,
            mended=True,
        )


@dataclass(frozen=True)
class NearDuplicates:
    """Pairs of different texts that are nearly the same.

    left, right: codes of `TableView.texts`, int64, shape (pairs,). similarity: 0 to 1, shape
    (pairs,). looked: texts compared. sampled: not all texts or candidates were looked at.
    """

    left: np.ndarray
    right: np.ndarray
    similarity: np.ndarray
    looked: int
    sampled: bool


def near_duplicates(table: RawTable, options: CheckOptions) -> NearDuplicates:
    """Return the near pairs of a table, computed once.

    These are texts with one `comparison_key` (similarity 1) and pairs of keys of at least ALIKE.
    """
    kept = view_of(table).near
    if options.seed not in kept:
        kept[options.seed] = _near(table, options.seed)
    return kept[options.seed]


def _near(table: RawTable, seed: int) -> NearDuplicates:
    f = view_of(table)
    known = np.flatnonzero((f.texts >= 0) & (f.same[0] >= 0))
    _, first = np.unique(f.texts[known], return_index=True)
    rows = known[np.sort(first)]  # the first row of each text
    key, names = factorize_cells(f.same[1][f.same[0][rows]])
    _, heads = np.unique(key, return_index=True)  # of each key, the first of `rows`
    later = np.setdiff1d(np.arange(len(rows)), heads)
    found = find_similar_pairs(names, seed, _first(table, rows[heads]))
    left = np.concatenate([rows[heads[key[later]]], rows[heads[found.left]]])
    right = np.concatenate([rows[later], rows[heads[found.right]]])
    similarity = np.concatenate([np.ones(len(later)), found.similarity])
    return NearDuplicates(f.texts[left], f.texts[right], similarity, len(rows), found.sampled)


def _first(table: RawTable, rows: np.ndarray) -> np.ndarray:
    """Return numbers that sort train before held-out rows, then by client.

    Neighbours in a group of similar texts then often differ in split or client.
    """
    f = view_of(table)
    return (~f.train[rows]).astype(np.int64) * (len(f.client_names) + 1) + f.clients[rows]


def check_near_duplicates(table: RawTable, options: CheckOptions) -> Iterator[Finding]:
    """Find training texts that are nearly the same as an earlier one."""
    f, pairs = view_of(table), near_duplicates(table, options)
    here = _in_train(table, pairs.left) & _in_train(table, pairs.right)
    bad = f.train & np.isin(f.texts, np.maximum(pairs.left, pairs.right)[here]) & ~_seen(table)
    of = int(f.train.sum())
    if number := int(bad.sum()):
        leak = ", and the kit's own split puts some of them into test" if table.single else ""
        yield make_finding(
            table,
            "near-duplicates",
            level_of(number, of, 0.05),
            bad,
            f"{count_noun(number, 'text')}"
            f" ({format_share(number, of)}) are nearly the same as another one {SAME}",
            "templates and copied reports count several times"
            + leak
            + ": accuracy looks better than it is on new reports",
            "look at the pairs; keep one of each,"
            " or see to it that they are all in train or all in test",
            of=of,
            examples=_shown(table, pairs, here),
            numbers=_numbers(table, pairs, here),
            sampled=pairs.sampled,
        )


def check_near_across_clients(table: RawTable, options: CheckOptions) -> Iterator[Finding]:
    """Find texts that are nearly the same at two clients."""
    f, pairs = view_of(table), near_duplicates(table, options)
    if len(f.client_names) < 2:
        return
    low, high = _client_range(table)
    ends = np.stack([low[pairs.left], high[pairs.left], low[pairs.right], high[pairs.right]])
    across = (
        (ends.min(axis=0) >= 0)
        & (ends < len(f.client_names)).all(axis=0)
        & (ends.min(axis=0) < ends.max(axis=0))
    )
    bad = np.isin(f.texts, np.concatenate([pairs.left[across], pairs.right[across]])) & (
        f.clients >= 0
    )
    if number := int(bad.sum()):
        yield make_finding(
            table,
            "near-duplicates-across-clients",
            level_of(number, len(table.frame), 0.05),
            bad,
            f"{count_noun(number, 'row')} ({format_share(number, len(table.frame))})"
            f" have nearly the same text at another client {SAME}",
            "sites that share templates or copied reports are less separate than they look,"
            " in results and in privacy",
            "see whether one export holds several sites' rows; keep each report where it arose",
            examples=_shown(table, pairs, across),
            numbers=_numbers(table, pairs, across),
            sampled=pairs.sampled,
        )


def check_near_leakage(table: RawTable, options: CheckOptions) -> Iterator[Finding]:
    """Find held-out texts that are nearly the same as one in train."""
    f, pairs = view_of(table), near_duplicates(table, options)
    if table.single:
        return
    train = np.unique(f.texts[f.train & (f.texts >= 0)])
    left, right = np.isin(pairs.left, train), np.isin(pairs.right, train)
    leaky = np.concatenate([pairs.left[right], pairs.right[left]])
    bad = ~f.train & np.isin(f.texts, leaky) & ~np.isin(f.texts, train)
    held_out = int((~f.train).sum())
    if number := int(bad.sum()):
        which = (right & ~left) | (left & ~right)
        yield make_finding(
            table,
            "near-leakage",
            level_of(number, held_out, 0.02, 0.5),
            bad,
            f"{count_noun(number, 'held-out text')} ({format_share(number, held_out)} of test"
            f" and validation) are nearly in train {SAME}",
            "the test then partly asks what was learned by heart:"
            " accuracy looks better than it is on new reports",
            "take these texts out of train,"
            " or collect test reports from a later time than those in train",
            of=held_out,
            examples=_shown(table, pairs, which),
            numbers=_numbers(table, pairs, which),
            sampled=pairs.sampled,
        )


def _in_train(table: RawTable, texts: np.ndarray) -> np.ndarray:
    f = view_of(table)
    return np.isin(texts, f.texts[f.train & (f.texts >= 0)])


def _seen(table: RawTable) -> np.ndarray:
    """Return rows whose exact text is in an earlier row: bool, shape (rows,)."""
    return pd.Series(view_of(table).texts).duplicated().to_numpy()


def _client_range(table: RawTable) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and the highest client code of each text.

    Where no client has the text: the number of clients, and -1.
    """
    f = view_of(table)
    known = (f.texts >= 0) & (f.clients >= 0)
    low = np.full(f.texts.max(initial=-1) + 1, len(f.client_names))
    high = np.full(len(low), -1)
    np.minimum.at(low, f.texts[known], f.clients[known])
    np.maximum.at(high, f.texts[known], f.clients[known])
    return low, high


def _shown(table: RawTable, pairs: NearDuplicates, which: np.ndarray) -> list[str]:
    at = np.flatnonzero(which)[:5]
    raw = table.frame["text_raw"]
    first = view_of(table).first_rows
    ends = first[pairs.left[at]], first[pairs.right[at]]
    return [f"{excerpt(raw.iloc[a])[:38]} ≈ {excerpt(raw.iloc[b])[:38]}" for a, b in zip(*ends)]


def _numbers(table: RawTable, pairs: NearDuplicates, which: np.ndarray) -> dict:
    """Return the number of pairs, and at most 100 of them by line."""
    at = np.flatnonzero(which)[:100]
    lines = table.frame["line"].to_numpy()
    first = view_of(table).first_rows
    ends = zip(first[pairs.left[at]], first[pairs.right[at]], pairs.similarity[at])
    return {
        "pairs": int(which.sum()),
        "alike_from": ALIKE,
        "looked": pairs.looked,
        "first_pairs": [[int(lines[a]), int(lines[b]), round(float(s), 3)] for a, b, s in ends],
    }
