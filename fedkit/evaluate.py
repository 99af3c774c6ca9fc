"""How good a model is on held-out text: mean, worst client, macro F1, and the interval around them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fedkit.data.corpus import ClientData, Examples


@dataclass(frozen=True)
class Score:
    """correct: bool (n,), one entry per test example, for paired comparisons."""

    accuracy: float
    loss: float
    macro_f1: float
    worst_client_accuracy: float
    correct: np.ndarray


def score(logits: np.ndarray, test: Examples, clients: Sequence[ClientData]) -> Score:
    """Score logits (n, labels) against the test labels."""
    predicted = logits.argmax(1)
    correct = predicted == test.labels
    shifted = logits - logits.max(1, keepdims=True)
    log_likelihood = shifted[np.arange(len(test)), test.labels] - np.log(np.exp(shifted).sum(1))
    worst = worst_client(correct, test, clients)
    return Score(float(correct.mean()), float(-log_likelihood.mean()), macro_f1(predicted, test.labels), worst, correct)


def worst_client(correct: np.ndarray, test: Examples, clients: Sequence[ClientData]) -> float:
    """The lowest accuracy over clients, each judged on test examples like its own.

    If the test set names clients: on the client's own rows. Else the accuracy per label, weighted by the client's
    label shares.
    """
    own = np.array(test.clients) if test.clients is not None else np.array([])
    accuracies = [float(correct[own == c.client_id].mean()) for c in clients if np.any(own == c.client_id)]
    return min(accuracies) if accuracies else _worst_by_labels(correct, test.labels, clients)


def _worst_by_labels(correct: np.ndarray, labels: np.ndarray, clients: Sequence[ClientData]) -> float:
    width = 1 + max(int(labels.max()), *(int(c.train.labels.max()) for c in clients))
    there = np.bincount(labels, minlength=width)
    right = np.bincount(labels, weights=correct, minlength=width)
    per_label = np.divide(right, there, out=np.zeros(width), where=there > 0)
    lowest = 1.0
    for client in clients:
        shares = np.bincount(client.train.labels, minlength=width) * (there > 0)
        lowest = min(lowest, float(shares @ per_label / max(shares.sum(), 1)))
    return lowest


def macro_f1(predicted: np.ndarray, labels: np.ndarray) -> float:
    """F1 averaged over labels, each label alike."""
    from sklearn.metrics import f1_score

    return float(f1_score(labels, predicted, average="macro", zero_division=0))


def wilson(right: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson, 1927)."""
    share, scale = right / n, 1 + z * z / n
    middle = (share + z * z / (2 * n)) / scale
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / scale
    return max(0.0, middle - half), min(1.0, middle + half)


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % t interval of a mean over clients or seeds; the value itself twice when there is only one."""
    from scipy.stats import t

    values = np.asarray(values, float)
    if len(values) < 2:
        return float(values.mean()), float(values.mean())
    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))
    return float(max(0.0, values.mean() - half)), float(min(1.0, values.mean() + half))
