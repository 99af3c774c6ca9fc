"""ROC curve of a score, its area, and true-positive rates at small false-positive rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fedkit.audit.bounds import Rate, estimate_rate
from fedkit.core.errors import FedkitError

MAX_POINTS = 200  # of a curve


@dataclass(frozen=True)
class Roc:
    """A ROC curve.

    fpr, tpr: (points,), rising from 0 to 1, at most MAX_POINTS. auc: area under the full curve.
    advantage: largest tpr - fpr, slightly too high, since it is measured on the scores that chose
    the threshold. at: {false-positive rate: true-positive rate with its 95 % interval}.
    """

    fpr: np.ndarray
    tpr: np.ndarray
    auc: float
    advantage: float
    at: dict[float, Rate]


def roc_of_scores(
    members: np.ndarray, others: np.ndarray, levels: Sequence[float] = (0.01, 0.001)
) -> Roc:
    """Return the ROC curve for scores of members (n,) and of others (m,).

    Ties count one half in the area (Mann-Whitney). Raises FedkitError if there are no scores or
    some are not finite.
    """
    members, others = np.asarray(members, float), np.asarray(others, float)
    if not (
        len(members) and len(others) and np.isfinite(members).all() and np.isfinite(others).all()
    ):
        raise FedkitError(
            f"scores of {len(members)} members and {len(others)} others given; both need some, all"
            " finite numbers"
        )
    fpr, tpr = roc_points(members, others)
    at = {
        level: estimate_rate(round(float(tpr[fpr <= level][-1]) * len(members)), len(members))
        for level in levels
    }
    area, keep = float(np.trapezoid(tpr, fpr)), _thin(fpr, tpr)
    return Roc(fpr[keep], tpr[keep], area, float((tpr - fpr).max()), at)


def roc_points(members: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (fpr, tpr) from (0, 0) to (1, 1), one point for each distinct score."""
    scores = np.concatenate([members, others])
    order = np.argsort(-scores, kind="stable")
    mine = (order < len(members)).astype(float)
    last = np.append(np.diff(scores[order]) != 0, True)  # of those with the same score
    tpr, fpr = np.cumsum(mine)[last] / len(members), np.cumsum(1 - mine)[last] / len(others)
    return np.insert(fpr, 0, 0.0), np.insert(tpr, 0, 0.0)


def _thin(fpr: np.ndarray, tpr: np.ndarray) -> np.ndarray:
    """Return indices of at most MAX_POINTS points, both ends included, evenly along the curve."""
    if len(fpr) <= MAX_POINTS:
        return np.arange(len(fpr))
    along = fpr + tpr + np.sqrt(fpr)  # the root gives small rates, which matter most, more points
    return np.unique(
        np.searchsorted(along, np.linspace(along[0], along[-1], MAX_POINTS)).clip(0, len(fpr) - 1)
    )
