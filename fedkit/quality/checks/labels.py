"""Checks of labels: too few, too many, contradictory, missing from train, named in the text."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from fedkit.core.formatting import count_noun, quote, quoted_list
from fedkit.data.load import RawTable
from fedkit.quality.finding import (
    CheckOptions,
    Finding,
    excerpt,
    format_share,
    level_of,
    make_finding,
)
from fedkit.quality.table_view import view_of

RARE = 10  # training examples below which a label can hardly be learned
CROWDED = 5  # training examples per label, on average, below which there are too many labels
NAMED = 0.9  # share of a label's texts that hold its name, above which the text tells the answer
LOOKED = 2_000  # texts of a label, and of the others, that are searched for its name
LONGEST = 100  # characters of a label whose name is searched
_NO_ROWS = np.zeros(0, np.int64)


def check_conflicting_labels(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find texts that have different labels, by `comparison_key`."""
    f, frame = view_of(table), table.frame
    keys, names = f.same
    known = f.usable & (keys >= 0)
    pairs = np.unique(np.stack([keys[known], f.labels[known]]), axis=1)
    # a text may have no usable row
    torn = np.bincount(pairs[0], minlength=len(names) or 1) > 1
    bad = np.flatnonzero(known & torn[np.maximum(keys, 0)])
    bad = bad[np.argsort(keys[bad], kind="stable")]  # the rows of one text side by side
    texts = int(torn.sum())
    return make_finding(
        table,
        "conflicting-labels",
        bad,
        examples=[
            f"{excerpt(frame['text'].iloc[i])[:50]} → {frame['label'].iloc[i]}" for i in bad[:40]
        ],
        numbers={"texts": texts},
        texts=count_noun(texts, "text"),
    )


def check_single_label(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find that there is one label only, or none."""
    f = view_of(table)
    names = f.label_names[f.label_sizes > 0] if len(f.label_names) else []
    if len(names) > 1:
        return []
    name = quote(names[0], 40) if len(names) else ""
    count = int(f.usable.sum())
    return make_finding(
        table, "single-label", f.usable, level="stop", count=count, examples=(), name=name
    )


def check_rare_labels(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find labels with fewer than RARE training examples."""
    f = view_of(table)
    sizes, names = f.label_sizes, f.label_names
    rare = np.flatnonzero((sizes < RARE) & (sizes > 0))
    if not len(rare) or len(rare) == len(sizes) == 1:
        return []
    rare = rare[np.argsort(sizes[rare], kind="stable")]
    listed = [f"{names[i]} ({sizes[i]})" for i in rare]
    return make_finding(
        table,
        "rare-labels",
        np.isin(f.labels, rare) & f.train,
        level="care",
        examples=listed,
        numbers={"labels": {str(names[i]): int(sizes[i]) for i in rare[:100]}},
        labels=count_noun(len(rare), "label"),
        all=len(sizes),
        minimum=RARE,
        names=quoted_list(listed, 5),
    )


def check_too_many_labels(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find that there are so many labels that each has few examples or they look like free text."""
    f = view_of(table)
    labels, rows = int((f.label_sizes > 0).sum()), int(f.label_sizes.sum())
    if labels < 3 or rows >= CROWDED * labels:
        return []
    free = labels > rows / 2
    return make_finding(
        table,
        "too-many-labels",
        _NO_ROWS,
        level="stop" if free else "care",
        examples=[str(name) for name in f.label_names[:5]],
        count=labels,
        of=rows,
        rows_in_train=count_noun(rows, "training row"),
        free=free,
    )


def check_unseen_labels(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find labels that occur in a held-out split and never in train."""
    f = view_of(table)
    if table.single or not len(f.label_names):
        return []
    bad = (f.labels >= 0) & (f.label_sizes == 0)[f.labels] & ~f.train
    names = f.label_names[np.unique(f.labels[bad])]
    level = level_of("unseen-labels", int(bad.sum()), int((~f.train).sum()))
    listed = quoted_list(names, 5)
    return make_finding(table, "unseen-labels", bad, level=level, examples=names, names=listed)


def check_imbalance(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find a label so frequent that always predicting it gives a good accuracy."""
    sizes = view_of(table).label_sizes
    labels = int((sizes > 0).sum())
    if labels < 2:
        return []
    name, part = view_of(table).label_names[int(np.argmax(sizes))], sizes.max() / sizes.sum()
    if part < max(0.5, 1.6 / labels):
        return []
    return make_finding(
        table,
        "imbalance",
        _NO_ROWS,
        level="care" if part >= 0.75 else "note",
        examples=(),
        count=int(sizes.max()),
        of=int(sizes.sum()),
        numbers={"label": str(name), "share": float(part)},
        share=format_share(sizes.max(), sizes.sum()),
        name=quote(name, 40),
    )


def check_label_in_text(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find labels whose name is in nearly all of their texts, and hardly ever in others."""
    names, labels = view_of(table).label_names, view_of(table).labels
    rng = np.random.default_rng(options.seed)
    named: dict[int, np.ndarray] = {}
    for label in range(min(len(names), 1_000)):
        if (rows := _rows_naming_label(table, label, rng)) is not None:
            named[label] = rows
    if not named:
        return []
    listed = [str(names[label]) for label in named]
    bad = np.sort(np.concatenate(list(named.values())))
    number = int(np.isin(labels, list(named)).sum())
    return make_finding(
        table,
        "label-in-text",
        bad,
        numbers={"labels": listed[:100]},
        sampled=len(bad) < number,
        count=number,
        labels=count_noun(len(named), "label"),
        names=quoted_list(listed, 5),
    )


def _rows_naming_label(table: RawTable, label: int, rng: np.random.Generator) -> np.ndarray | None:
    """Return rows of `label` that hold its name, or None.

    None: fewer than a share NAMED of its texts do, or more than a tenth of the other texts do.
    """
    labels = view_of(table).labels
    name = " ".join(str(view_of(table).label_names[label]).casefold().replace("_", " ").split())
    if not (3 if name.isascii() else 2) <= len(name) <= LONGEST or name.isdigit():
        return None
    edge = r"(?<![^\W_]){}(?![^\W_])" if name.isascii() else "{}"
    pattern = re.compile(edge.format(r"[\s_]+".join(map(re.escape, name.split()))))
    own, others = np.flatnonzero(labels == label), np.flatnonzero((labels != label) & (labels >= 0))
    if len(own) < RARE:
        return None
    found = _holding(table, own, pattern, rng)
    if len(found) < NAMED * min(len(own), LOOKED) or not len(others):
        return None
    elsewhere = _holding(table, others, pattern, rng)
    return found if len(elsewhere) <= 0.1 * min(len(others), LOOKED) else None


def _holding(
    table: RawTable, rows: np.ndarray, pattern: re.Pattern[str], rng: np.random.Generator
) -> np.ndarray:
    """Return those of at most LOOKED `rows` whose text holds the pattern."""
    if len(rows) > LOOKED:
        rows = np.sort(rng.choice(rows, LOOKED, replace=False))
    keys = view_of(table).keys
    return np.array([i for i in rows if pattern.search(keys[i])], dtype=np.int64)
