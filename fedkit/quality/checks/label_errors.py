"""Find labels that are likely wrong, by confident learning on out-of-fold predictions.

Source: Northcutt, Jiang and Chuang, "Confident learning: estimating uncertainty in dataset labels",
2021 (package cleanlab).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import count_noun, quote
from fedkit.data.load import RawTable
from fedkit.quality.checks.texts import script_of
from fedkit.quality.finding import MOST_EXAMPLES, CheckOptions, Finding, excerpt, make_finding
from fedkit.quality.table_view import draw_sample, view_of

MOST = 20_000  # rows looked at
MOST_VECTORS = 4_000  # rows for which sentence vectors are computed: about two minutes on two cores
LEAST_EACH = 5  # rows of a label below which it is not checked
LEAST = 40  # rows in all
LETTERS = "letter sequences"
# (least probability of the other label, most probability of the given one) of a suspicious row;
# a model of letters alone is overconfident, so its limits are stricter
SURE = {"vectors": (0.75, 0.05), "letters": (0.9, 0.02)}


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
    read = model.tokenize(unlabelled, options.max_tokens)
    return np.asarray(model.features(read), dtype=np.float32)


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
