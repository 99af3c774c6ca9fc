"""Labels that are likely wrong: predictions for each text by a model that did not train on it,
judged by confident learning.

Source: Northcutt, Jiang and Chuang, "Confident learning: estimating uncertainty in dataset labels",
2021 (package cleanlab).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import count, quote
from fedkit.data.read_rows import RawTable
from fedkit.quality.checks.languages import script_of
from fedkit.quality.finding import MOST_EXAMPLES, CheckOptions, Finding
from fedkit.quality.table_view import cut, facts, finding, share

MOST = 20_000  # rows looked at
MOST_VECTORS = 4_000  # rows for which sentence vectors are computed: about two minutes on two cores
LEAST_EACH = 5  # rows of a label below which nothing is said of it
LEAST = 40  # rows in all
LETTERS = "letter sequences"
# How likely the other label is at least, and the given one at most: letters alone are sure too
# often, so they must be surer.
SURE = {"vectors": (0.75, 0.05), "letters": (0.9, 0.02)}


def check_suspicious_labels(table: RawTable, setting: CheckOptions) -> Iterator[Finding]:
    """Rows whose label a model trained on the other rows would not give, by far; for a person to
    look at, never changed here.
    """
    rows, labels, sampled = _rows(table, setting.seed)
    if len(rows) < LEAST or len(set(labels.tolist())) < 2:
        return
    texts = [table.frame["text"].iat[i] for i in rows]
    features, by = _features(texts, setting)
    probabilities = out_of_fold(features, labels, setting.seed)
    bad = suspicious(labels, probabilities, *SURE["letters" if by == LETTERS else "vectors"])
    if not len(bad):
        return
    names = np.unique(table.frame["label"].to_numpy(dtype=object)[rows].astype(str))
    better = names[probabilities[bad].argmax(axis=1)]
    examples = [
        f"{cut(texts[i])[:48]} | {names[labels[i]][:12]} → {other[:12]}"
        for i, other in zip(bad[:MOST_EXAMPLES], better)
    ]
    yield finding(
        table,
        "suspicious-labels",
        "care" if len(bad) > 0.01 * len(rows) else "note",
        rows[bad],
        f"{count(len(bad), 'label')} ({share(len(bad), len(rows))}) look wrong to a model that"
        f" learned from the other rows ({by})",
        "wrong labels teach wrong answers and make every score look worse or better than it is",
        "look at these rows in the review file, most suspicious first; they are never changed by"
        " the kit",
        of=len(rows),
        examples=examples,
        sampled=sampled,
        numbers={"likely": better.tolist()[:1_000], "by": by},
    )


def _rows(table: RawTable, seed: int) -> tuple[np.ndarray, np.ndarray, bool]:
    """Positions of rows to look at (one per text, labels with enough rows), their labels' codes,
    and whether they are a sample.
    """
    known = facts(table)
    once = np.zeros(len(table.frame), dtype=bool)
    once[known.first_rows] = True
    at = np.flatnonzero(known.usable & once)
    if sampled := len(at) > MOST:
        at = np.sort(np.random.default_rng(seed).choice(at, MOST, replace=False))
    names = table.frame["label"].to_numpy(dtype=object)[at].astype(str)
    _, codes, sizes = np.unique(names, return_inverse=True, return_counts=True)
    enough = sizes[codes] >= LEAST_EACH
    return at[enough], np.unique(names[enough], return_inverse=True)[1], sampled


def _features(texts: list[str], setting: CheckOptions) -> tuple[Any, str]:
    """Sentence vectors where the base model is at hand and reads the texts, else character n-grams;
    and which.
    """
    if setting.slow and len(texts) <= MOST_VECTORS and _reads(texts, setting.model):
        try:
            return _vectors(texts, setting), f"sentence vectors of {setting.model}"
        except FedkitError:
            pass  # not at hand
    return _ngrams(texts, setting.seed), LETTERS


def _reads(texts: list[str], model: str) -> bool:
    from fedkit.models.base import MODELS

    script = MODELS[model].script if model in MODELS else ""
    strange = sum(script_of(text) not in ("", "latin") for text in texts[:2_000])
    return script != "LATIN" or strange <= 0.05 * min(len(texts), 2_000)


def _vectors(texts: list[str], setting: CheckOptions) -> np.ndarray:
    from fedkit.core.config import RunConfig
    from fedkit.data.corpus import Examples
    from fedkit.models.loading import load_model

    if setting.tell:
        setting.tell(f"reading {count(len(texts), 'text')} with {quote(setting.model)}")
    model = load_model(RunConfig(model=setting.model, tune="head"), ("a", "b"))
    read = model.tokenize(
        Examples(tuple(texts), np.zeros(len(texts), np.int64)), setting.max_tokens
    )
    return np.asarray(model.features(read), dtype=np.float32)


def _ngrams(texts: list[str], seed: int) -> np.ndarray:
    """Weights of sequences of one to four letters, brought down to at most 150 directions: float32,
    (texts, directions).
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
    return (
        normalize(TruncatedSVD(width, n_iter=2, random_state=seed).fit_transform(weights))
        if width > 1
        else weights.toarray()
    )


def out_of_fold(features: np.ndarray, labels: np.ndarray, seed: int) -> np.ndarray:
    """Probabilities of each label for each row, from a logistic regression that was fitted without
    it: (rows, labels).
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one that has not converged ranks as well
        return cross_val_predict(
            LogisticRegression(C=10, max_iter=60),
            features,
            labels,
            cv=folds,
            method="predict_proba",
        )


def suspicious(
    labels: np.ndarray, probabilities: np.ndarray, sure: float = 0.75, unsure: float = 0.05
) -> np.ndarray:
    """Positions of rows whose label confident learning doubts and whose other label is far more
    likely; worst first.
    """
    from cleanlab.filter import find_label_issues

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = find_label_issues(
            labels, probabilities, return_indices_ranked_by="normalized_margin", n_jobs=1
        )
    own, best = probabilities[found, labels[found]], probabilities[found].max(axis=1)
    return found[(best >= sure) & (own <= unsure)]
