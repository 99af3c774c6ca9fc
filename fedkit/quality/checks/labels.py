"""Checks of labels: too few, too many, contradictory, named in the text, likely wrong.

Wrong labels are found by confident learning on out-of-fold predictions: Northcutt, Jiang and
Chuang, "Confident learning: estimating uncertainty in dataset labels", 2021 (package cleanlab).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import count_noun, quote, quoted_list
from fedkit.data.load import RawTable
from fedkit.quality.checks.texts import script_of
from fedkit.quality.finding import (
    MOST_EXAMPLES,
    CheckOptions,
    Finding,
    draw_sample,
    excerpt,
    format_share,
    level_of,
    make_finding,
    view_of,
)

RARE = 10  # training examples below which a label can hardly be learned
CROWDED = 5  # training examples per label, on average, below which there are too many labels
NAMED = 0.9  # share of a label's texts that hold its name, above which the text tells the answer
LOOKED = 2_000  # texts of a label, and of the others, that are searched for its name
LONGEST = 100  # characters of a label whose name is searched
MOST = 20_000  # rows looked at
MOST_VECTORS = 4_000  # rows for which sentence vectors are computed: about two minutes on two cores
LEAST_EACH = 5  # rows of a label below which it is not checked
LEAST = 40  # rows in all
LETTERS = "letter sequences"
# (least probability of the other label, most probability of the given one) of a suspicious row;
# a model of letters alone is overconfident, so its limits are stricter
SURE = {"vectors": (0.75, 0.05), "letters": (0.9, 0.02)}


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
    names = f.label_names[f.label_sizes > 0]
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
    keys, looked = view_of(table).keys, draw_sample(rows, LOOKED, rng)
    return np.array([i for i in looked if pattern.search(keys[i])], dtype=np.int64)


# --- labels that are likely wrong


def check_suspicious_labels(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find rows whose label a model trained on the other rows finds very unlikely.

    They are for a person to look at and never changed here.
    """
    rows, labels, sampled = _rows(table, options.seed)
    if len(rows) < LEAST or len(set(labels.tolist())) < 2:
        return []
    texts = [table.frame["text"].iat[i] for i in rows]
    features, by = _features(texts, options)
    probabilities = out_of_fold_probabilities(features, labels, options.seed)
    bad = find_suspicious(labels, probabilities, *SURE["letters" if by == LETTERS else "vectors"])
    names = np.unique(view_of(table).cells("label")[rows].astype(str))
    likely = names[probabilities[bad].argmax(axis=1)]
    examples = [
        f"{excerpt(texts[i])[:48]} | {names[labels[i]][:12]} → {other[:12]}"
        for i, other in zip(bad[:MOST_EXAMPLES], likely)
    ]
    return make_finding(
        table,
        "suspicious-labels",
        rows[bad],
        level="care" if len(bad) > 0.01 * len(rows) else "note",
        of=len(rows),
        examples=examples,
        sampled=sampled,
        numbers={"likely": likely.tolist()[:1_000], "by": by},
        by=by,
    )


def _rows(table: RawTable, seed: int) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return positions of rows to check, their labels' codes, and whether they are a sample.

    One row per text is taken, of labels with enough rows.
    """
    first = view_of(table).first_rows
    every = first[view_of(table).usable[first]]
    at = draw_sample(every, MOST, seed)
    names = view_of(table).cells("label")[at].astype(str)
    _, codes, sizes = np.unique(names, return_inverse=True, return_counts=True)
    enough = sizes[codes] >= LEAST_EACH
    return at[enough], np.unique(names[enough], return_inverse=True)[1], len(at) < len(every)


def _features(texts: list[str], options: CheckOptions) -> tuple[Any, str]:
    """Return features of the texts, and their name.

    Sentence vectors where the base model is on this machine and reads the texts, else character
    n-grams.
    """
    if options.slow and len(texts) <= MOST_VECTORS and _reads(texts, options.model):
        try:
            return _vectors(texts, options), f"sentence vectors of {options.model}"
        except FedkitError:
            pass  # not at hand
    return _ngrams(texts, options.seed), LETTERS


def _reads(texts: list[str], model: str) -> bool:
    from fedkit.models.base import MODELS

    script = MODELS[model].script if model in MODELS else ""
    strange = sum(script_of(text) not in ("", "latin") for text in texts[:2_000])
    return script != "LATIN" or strange <= 0.05 * min(len(texts), 2_000)


def _vectors(texts: list[str], options: CheckOptions) -> np.ndarray:
    from fedkit.core.config import RunConfig
    from fedkit.data.corpus import Examples
    from fedkit.models.loading import load_model

    if options.tell:
        options.tell(f"reading {count_noun(len(texts), 'text')} with {quote(options.model)}")
    model = load_model(RunConfig(model=options.model, tune="head"), ("a", "b"))
    unlabelled = Examples(tuple(texts), np.zeros(len(texts), np.int64))
    tokens = model.tokenize(unlabelled, options.max_tokens)
    return np.asarray(model.features(tokens), dtype=np.float32)


def _ngrams(texts: list[str], seed: int) -> np.ndarray:
    """Return weights of 1- to 4-grams of letters, reduced by SVD to at most 150 directions.

    float32, shape (texts, directions).
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    form = TfidfVectorizer(
        analyzer="char",
        ngram_range=(1, 4),
        sublinear_tf=True,
        max_features=30_000,
        dtype=np.float32,
    )
    weights = form.fit_transform(text[:300].casefold() for text in texts)
    width = min(150, min(weights.shape) - 1)
    if width <= 1:
        return weights.toarray()
    return normalize(TruncatedSVD(width, n_iter=2, random_state=seed).fit_transform(weights))


def out_of_fold_probabilities(features: np.ndarray, labels: np.ndarray, seed: int) -> np.ndarray:
    """Return label probabilities by logistic regressions fitted without the row: (rows, labels)."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    form = LogisticRegression(C=10, max_iter=60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one that has not converged ranks as well
        return cross_val_predict(form, features, labels, cv=folds, method="predict_proba")


def find_suspicious(
    labels: np.ndarray, probabilities: np.ndarray, sure: float = 0.75, unsure: float = 0.05
) -> np.ndarray:
    """Return positions of rows with a doubtful label and a far more likely one, worst first.

    labels: codes, shape (rows,). probabilities: shape (rows, labels). sure: least probability of
    the other label. unsure: most probability of the given one.
    """
    from cleanlab.filter import find_label_issues

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = find_label_issues(
            labels, probabilities, return_indices_ranked_by="normalized_margin", n_jobs=1
        )
    own, best = probabilities[found, labels[found]], probabilities[found].max(axis=1)
    return found[(best >= sure) & (own <= unsure)]
