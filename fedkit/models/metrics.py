"""Quality of a model on held-out text: accuracy, loss, macro F1 and the worst client."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fedkit.data.corpus import ClientData, Examples


@dataclass(frozen=True)
class Score:
    """Quality on the test set.

    own: accuracy of each client, by its id, on test examples like its own; may be empty. own_tests:
    how many test examples name one of these clients; 0 where none does. correct: bool (n,), one
    entry per test example, for paired comparisons.
    """

    accuracy: float
    loss: float
    macro_f1: float
    own: dict[str, float]
    correct: np.ndarray
    own_tests: int = 0

    @property
    def worst_client_accuracy(self) -> float:
        return min(self.own.values(), default=math.nan)

    @property
    def own_mix_accuracy(self) -> float:
        """The mean over clients of the accuracy on test examples like their own."""
        return float(np.mean(list(self.own.values()))) if self.own else math.nan


def score_logits(logits: np.ndarray, test: Examples, clients: Sequence[ClientData]) -> Score:
    """Score logits (n, labels) against the test labels."""
    predicted = logits.argmax(1)
    correct = predicted == test.labels
    loss, own = mean_loss(logits, test.labels), own_accuracies(correct, test, clients)
    named = sum(name in own for name in test.clients or ())
    return Score(float(correct.mean()), loss, macro_f1(predicted, test.labels), own, correct, named)


def mean_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean cross-entropy of logits (n, labels)."""
    shifted = logits - logits.max(1, keepdims=True)
    log_likelihood = shifted[np.arange(len(labels)), labels] - np.log(np.exp(shifted).sum(1))
    return float(-log_likelihood.mean())


def own_accuracies(
    correct: np.ndarray, test: Examples, clients: Sequence[ClientData]
) -> dict[str, float]:
    """Return each client's accuracy on test examples like its own.

    If the test set names clients: on the client's own rows. Otherwise the accuracy per label,
    weighted by the client's label shares. Clients without such test examples are left out.
    """
    rows: dict[str, list[bool]] = {}
    for name, right in zip(test.clients or (), correct):
        rows.setdefault(name, []).append(right)
    named = {c.client_id: float(np.mean(rows[c.client_id])) for c in clients if c.client_id in rows}
    return named or _by_label_shares(correct, test.labels, clients)


def _by_label_shares(
    correct: np.ndarray, labels: np.ndarray, clients: Sequence[ClientData]
) -> dict[str, float]:
    width = 1 + max(int(labels.max()), *(int(c.train.labels.max()) for c in clients))
    there = np.bincount(labels, minlength=width)
    right = np.bincount(labels, weights=correct, minlength=width)
    per_label = np.divide(right, there, out=np.zeros(width), where=there > 0)
    counts = {c.client_id: np.bincount(c.train.labels, minlength=width) for c in clients}
    shares = {name: count * (there > 0) for name, count in counts.items()}
    known = {name: float(s @ per_label / s.sum()) for name, s in shares.items() if s.any()}
    return known or {"all": float(correct.mean())}


def macro_f1(predicted: np.ndarray, labels: np.ndarray) -> float:
    """Return F1 averaged over labels with equal weights."""
    from sklearn.metrics import f1_score

    return float(f1_score(labels, predicted, average="macro", zero_division=0))
