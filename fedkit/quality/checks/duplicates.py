"""Checks of repeated texts: exact or nearly the same, within and across clients and splits."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from fedkit.core.formatting import count_noun
from fedkit.data.cleaning import RULES
from fedkit.data.load import RawTable
from fedkit.quality.checks.minhash import ALIKE, SimilarPairs, find_similar_pairs
from fedkit.quality.finding import (
    CheckOptions,
    Finding,
    TableView,
    excerpt,
    factorize_cells,
    make_finding,
    view_of,
)


def check_exact_duplicates(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find rows that repeat text, label and client of an earlier row of the same split."""
    repeated = RULES["repeated"](table.frame).to_numpy()
    return make_finding(table, "exact-duplicates", repeated & (view_of(table).texts >= 0))


def check_duplicates_across_clients(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find texts that two clients or more have in one split."""
    f = view_of(table)
    if len(f.client_names) < 2:
        return []
    known = np.flatnonzero((f.texts >= 0) & (f.clients >= 0))
    columns = {"split": f.splits, "text": f.texts, "client": f.clients}
    groups = pd.DataFrame(columns).iloc[known].groupby(["split", "text"], sort=False)
    bad = known[groups["client"].transform("nunique").to_numpy() > 1]
    bad = bad[np.argsort(f.texts[bad], kind="stable")]
    number = len(np.unique(f.texts[bad]))
    texts, numbers = count_noun(number, "text"), {"texts": number}
    return make_finding(table, "duplicates-across-clients", bad, numbers=numbers, texts=texts)


def check_leakage(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find held-out texts that are in train too."""
    f = view_of(table)
    bad = (f.texts >= 0) & ~f.train & np.isin(f.texts, f.train_texts)
    return make_finding(table, "leakage", bad, of=int((~f.train).sum()))


def check_near_duplicates(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find training texts that are nearly the same as an earlier one."""
    f, pairs = view_of(table), near_duplicates(table, options)
    here = np.isin(pairs.left, f.train_texts) & np.isin(pairs.right, f.train_texts)
    later = np.maximum(pairs.left, pairs.right)[here]
    bad = f.train & np.isin(f.texts, later) & ~f.repeated
    return _near_finding(table, "near-duplicates", bad, pairs, here, of=int(f.train.sum()))


def check_near_across_clients(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find texts that are nearly the same at two clients."""
    f = view_of(table)
    if len(f.client_names) < 2:
        return []
    pairs = near_duplicates(table, options)
    low, high = _client_range(f)
    ends = np.stack([low[pairs.left], high[pairs.left], low[pairs.right], high[pairs.right]])
    known = (ends >= 0).all(axis=0) & (ends < len(f.client_names)).all(axis=0)
    across = known & (ends.min(axis=0) < ends.max(axis=0))
    texts = np.concatenate([pairs.left[across], pairs.right[across]])
    bad = np.isin(f.texts, texts) & (f.clients >= 0)
    return _near_finding(table, "near-duplicates-across-clients", bad, pairs, across)


def check_near_leakage(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find held-out texts that are nearly the same as one in train."""
    f = view_of(table)
    if table.single:
        return []
    pairs = near_duplicates(table, options)
    left, right = np.isin(pairs.left, f.train_texts), np.isin(pairs.right, f.train_texts)
    leaky = np.concatenate([pairs.left[right], pairs.right[left]])
    bad = ~f.train & np.isin(f.texts, leaky) & ~np.isin(f.texts, f.train_texts)
    return _near_finding(table, "near-leakage", bad, pairs, right != left, of=int((~f.train).sum()))


def near_duplicates(table: RawTable, options: CheckOptions) -> SimilarPairs:
    """Return the near pairs of a table as codes of `TableView.texts`, computed once.

    These are texts with one `comparison_key` (similarity 1) and pairs of keys of at least ALIKE.
    """
    f = view_of(table)
    if options.seed not in f.near:
        f.near[options.seed] = _find_near(f, options.seed)
    return f.near[options.seed]


def _find_near(f: TableView, seed: int) -> SimilarPairs:
    rows = f.first_rows[f.same[0][f.first_rows] >= 0]
    key, names = factorize_cells(f.same[1][f.same[0][rows]])
    _, heads = np.unique(key, return_index=True)  # of each key, the first of `rows`
    later = np.setdiff1d(np.arange(len(rows)), heads)
    at = rows[heads]
    # train before held-out rows, then by client: neighbours in a group of similar texts then often
    # differ in split or client
    first = (~f.train[at]).astype(np.int64) * (len(f.client_names) + 1) + f.clients[at]
    found = find_similar_pairs(names, seed, first)
    left = np.concatenate([rows[heads[key[later]]], rows[heads[found.left]]])
    right = np.concatenate([rows[later], rows[heads[found.right]]])
    similarity = np.concatenate([np.ones(len(later)), found.similarity])
    return SimilarPairs(f.texts[left], f.texts[right], similarity, len(rows), found.sampled)


def _client_range(f: TableView) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and the highest client code of each text.

    Where no client has the text: the number of clients, and -1.
    """
    known = (f.texts >= 0) & (f.clients >= 0)
    low = np.full(f.texts.max(initial=-1) + 1, len(f.client_names))
    high = np.full(len(low), -1)
    np.minimum.at(low, f.texts[known], f.clients[known])
    np.maximum.at(high, f.texts[known], f.clients[known])
    return low, high


def _near_finding(
    table: RawTable,
    key: str,
    bad: np.ndarray,
    pairs: SimilarPairs,
    which: np.ndarray,
    of: int | None = None,
) -> list[Finding]:
    """Return a finding of near pairs, with the number of pairs, and at most 100 of them by line."""
    at = np.flatnonzero(which)[:100]
    first, raw = view_of(table).first_rows, table.frame["text_raw"]
    lines = table.frame["line"].to_numpy()
    ends = list(zip(first[pairs.left[at]], first[pairs.right[at]], pairs.similarity[at]))
    numbers = {
        "pairs": int(which.sum()),
        "alike_from": ALIKE,
        "looked": pairs.looked,
        "first_pairs": [[int(lines[a]), int(lines[b]), round(float(s), 3)] for a, b, s in ends],
    }
    shown = [f"{excerpt(raw.iloc[a])[:38]} ≈ {excerpt(raw.iloc[b])[:38]}" for a, b, _ in ends[:5]]
    return make_finding(
        table,
        key,
        bad,
        of=of,
        examples=shown,
        numbers=numbers,
        sampled=pairs.sampled,
        single=table.single,
    )
