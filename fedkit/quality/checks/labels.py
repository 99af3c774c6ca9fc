"""Checks of labels: too few, too many, contradictory, missing from train, named in the text."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from fedkit.core.formatting import count_noun, quote, quoted_list
from fedkit.data.read_rows import RawTable
from fedkit.quality.finding import CheckOptions, Finding
from fedkit.quality.table_view import excerpt, format_share, level_of, make_finding, view_of

RARE = 10  # training examples below which a label can hardly be learned
CROWDED = 5  # training examples per label, on average, below which there are too many labels
NAMED = 0.9  # share of a label's texts that hold its name, above which the text tells the answer
LOOKED = 2_000  # texts of a label, and of the others, that are searched for its name
LONGEST = 100  # characters of a label whose name is searched


def train_counts(table: RawTable) -> np.ndarray:
    """Return the usable training rows of each label, int64, shape (labels,)."""
    known = view_of(table).usable & view_of(table).train
    return np.bincount(view_of(table).labels[known], minlength=len(view_of(table).label_names))


def check_conflicting_labels(table: RawTable, options: CheckOptions) -> Iterator[Finding]:
    """Find texts that have different labels, by `comparison_key`."""
    known = view_of(table).usable & (view_of(table).same[0] >= 0)
    at, labels = view_of(table).same[0], view_of(table).labels
    pairs = np.unique(np.stack([at[known], labels[known]]), axis=1)
    # a text may have no usable row
    torn = np.bincount(pairs[0], minlength=len(view_of(table).same[1]) or 1) > 1
    bad = known & torn[np.maximum(at, 0)]
    if number := int(bad.sum()):
        bad = np.flatnonzero(bad)
        bad = bad[np.argsort(at[bad], kind="stable")]  # the rows of one text side by side
        frame = table.frame
        shown = dict.fromkeys(
            f"{excerpt(frame['text'].iloc[i])[:50]} → {frame['label'].iloc[i]}" for i in bad[:40]
        )
        yield make_finding(
            table,
            "conflicting-labels",
            level_of(number, len(frame), 0.005, 0.3),
            bad,
            f"{count_noun(int(torn.sum()), 'text')}"
            f" in {number:,} rows have different labels on different rows",
            "nobody can get both right: it teaches contradictions"
            " and caps the accuracy that can be measured",
            "decide on one label for each of these texts;"
            " the list of rows to look at has them side by side",
            examples=list(shown),
            numbers={"texts": int(torn.sum())},
        )


def check_single_label(table: RawTable, options: CheckOptions) -> Iterator[Finding]:
    """Find that there is one label only, or none."""
    names = (
        view_of(table).label_names[train_counts(table) > 0]
        if len(view_of(table).label_names)
        else []
    )
    if len(names) > 1:
        return
    what = (
        f"every usable training row has the same label, {quote(names[0], 40)}"
        if len(names)
        else "no row has a label"
    )
    yield make_finding(
        table,
        "single-label",
        "stop",
        view_of(table).usable,
        what,
        "with one answer there is nothing to learn",
        "add examples of another label, or name the column that holds the labels (--label)",
        examples=(),
    )


def check_rare_labels(table: RawTable, options: CheckOptions) -> Iterator[Finding]:
    """Find labels with fewer than RARE training examples."""
    sizes = train_counts(table)
    rare = np.flatnonzero((sizes < RARE) & (sizes > 0))
    if not len(rare) or len(rare) == len(sizes) == 1:
        return
    rare = rare[np.argsort(sizes[rare], kind="stable")]
    names = [f"{view_of(table).label_names[i]} ({sizes[i]})" for i in rare]
    bad = np.isin(view_of(table).labels, rare) & view_of(table).train
    yield make_finding(
        table,
        "rare-labels",
        "care",
        bad,
        f"{count_noun(len(rare), 'label')} of {len(sizes):,} have fewer"
        f" than {RARE} training examples: {quoted_list(names, 5)}",
        "a model can hardly learn them,"
        " and with one or two of them in the test set their accuracy means nothing",
        "collect more of them, or join them with a neighbouring label or with one such as 'other'",
        examples=names,
        numbers={"labels": {str(view_of(table).label_names[i]): int(sizes[i]) for i in rare[:100]}},
    )


def check_too_many_labels(table: RawTable, options: CheckOptions) -> Iterator[Finding]:
    """Find that there are so many labels that each has few examples or they look like free text."""
    sizes = train_counts(table)
    labels, rows = int((sizes > 0).sum()), int(sizes.sum())
    if labels < 3 or rows >= CROWDED * labels:
        return
    free = labels > rows / 2
    yield make_finding(
        table,
        "too-many-labels",
        "stop" if free else "care",
        np.zeros(0, np.int64),
        f"{labels:,} different labels in {count_noun(rows, 'training row')}"
        + (", as in a column of free text" if free else ""),
        "a label is learned from several examples;"
        " the kit refuses a column with a new label on every other row",
        "name the column that holds the labels (--label), or join fine labels into coarser ones",
        examples=[str(name) for name in view_of(table).label_names[:5]],
        count=labels,
        of=rows,
    )


def check_unseen_labels(table: RawTable, options: CheckOptions) -> Iterator[Finding]:
    """Find labels that occur in a held-out split and never in train."""
    if table.single or not len(view_of(table).label_names):
        return
    unseen = train_counts(table) == 0
    bad = (view_of(table).labels >= 0) & unseen[view_of(table).labels] & ~view_of(table).train
    if number := int(bad.sum()):
        names = view_of(table).label_names[np.unique(view_of(table).labels[bad])]
        yield make_finding(
            table,
            "unseen-labels",
            level_of(number, int((~view_of(table).train).sum()), 0.005, 0.5),
            bad,
            f"{count_noun(number, 'held-out row')} have a label"
            f" that never occurs in train: {quoted_list(names, 5)}",
            "a model cannot answer what it was never taught;"
            " the kit leaves these rows out of the test",
            "spell these labels as in train, or move some of their examples to train",
            examples=names,
            mended=True,
        )


def check_imbalance(table: RawTable, options: CheckOptions) -> Iterator[Finding]:
    """Find a label so frequent that always predicting it gives a good accuracy."""
    sizes = train_counts(table)
    if (sizes > 0).sum() < 2:
        return
    top, part = int(np.argmax(sizes)), sizes.max() / sizes.sum()
    if part < max(0.5, 1.6 / (sizes > 0).sum()):
        return
    name = quote(view_of(table).label_names[top], 40)
    yield make_finding(
        table,
        "imbalance",
        "care" if part >= 0.75 else "note",
        np.zeros(0, np.int64),
        f"{format_share(sizes.max(), sizes.sum())} of the training rows have the label {name}",
        f"a model that always answers {name} is right that often:"
        " accuracy alone would flatter every model here",
        "compare with the majority class,"
        " which every run prints, and read the accuracy of each label",
        examples=(),
        count=int(sizes.max()),
        of=int(sizes.sum()),
        numbers={"label": str(view_of(table).label_names[top]), "share": float(part)},
    )


def check_label_in_text(table: RawTable, options: CheckOptions) -> Iterator[Finding]:
    """Find labels whose name is in nearly all of their texts, and hardly ever in others."""
    names, labels = view_of(table).label_names, view_of(table).labels
    rng = np.random.default_rng(options.seed)
    named = [
        (i, rows)
        for i in range(min(len(names), 1_000))
        if (rows := _rows_naming_label(table, i, labels, rng)) is not None
    ]
    if not named:
        return
    listed = [str(names[i]) for i, _ in named]
    bad = np.sort(np.concatenate([rows for _, rows in named]))
    number = int(np.isin(labels, [i for i, _ in named]).sum())
    sampled = len(bad) < number
    yield make_finding(
        table,
        "label-in-text",
        level_of(number, len(labels), 0.05),
        bad,
        f"the texts of {count_noun(len(named), 'label')} name their own label nearly every time:"
        f" {quoted_list(listed, 5)}",
        "the answer stands in the question:"
        " accuracy will look high here and fall on reports written without it",
        "if the name was added by a form or a program, take it out of the text;"
        " keep it if people write it themselves",
        numbers={"labels": listed[:100]},
        sampled=sampled,
        count=number,
    )


def _rows_naming_label(
    table: RawTable, label: int, labels: np.ndarray, rng: np.random.Generator
) -> np.ndarray | None:
    """Return rows of `label` that hold its name, or None.

    None: fewer than a share NAMED of its texts do, or more than a tenth of the other texts do.
    """
    name = " ".join(str(view_of(table).label_names[label]).casefold().replace("_", " ").split())
    if not (3 if name.isascii() else 2) <= len(name) <= LONGEST or name.isdigit():
        return None
    edge = r"(?<![^\W_]){}(?![^\W_])" if name.isascii() else "{}"
    pattern = re.compile(edge.format(r"[\s_]+".join(map(re.escape, name.split()))))
    own, others = np.flatnonzero(labels == label), np.flatnonzero((labels != label) & (labels >= 0))
    if len(own) < RARE:
        return None
    found = _holding(table, _some(own, rng), pattern)
    if len(found) < NAMED * min(len(own), LOOKED) or not len(others):
        return None
    return (
        found
        if len(_holding(table, _some(others, rng), pattern)) <= 0.1 * min(len(others), LOOKED)
        else None
    )


def _some(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rows if len(rows) <= LOOKED else np.sort(rng.choice(rows, LOOKED, replace=False))


def _holding(table: RawTable, rows: np.ndarray, pattern: re.Pattern) -> np.ndarray:
    keys = view_of(table).keys
    return np.array([i for i in rows if pattern.search(keys[i])], dtype=np.int64)
