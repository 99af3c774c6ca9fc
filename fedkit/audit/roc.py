"""How well a score tells two groups apart: the ROC curve, its area, and what it reaches at a small
false-positive rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fedkit.audit.bounds import Rate, rate
from fedkit.core.errors import FedkitError

POINTS = 200  # of a curve, at most: enough for any screen


@dataclass(frozen=True)
class Roc:
    """fpr, tpr: (points,) rising from 0 to 1, at most `POINTS` of them. auc: area under the whole
    curve; 0.5 is chance.

    advantage: the largest tpr - fpr, measured on the very scores that chose the threshold, so a
    little too high. at: {false-positive rate: the true-positive rate there with its 95 % interval}.
    """

    fpr: np.ndarray
    tpr: np.ndarray
    auc: float
    advantage: float
    at: dict[float, Rate]


def roc(members: np.ndarray, others: np.ndarray, levels: Sequence[float] = (0.01, 0.001)) -> Roc:
    """The curve of 'score above a threshold' for scores of members (n,) and of others (m,).

    Equal scores move together, so the area counts a tie as one half (Mann-Whitney). Raises
    FedkitError for no scores or scores that are not numbers.
    """
    members, others = np.asarray(members, float), np.asarray(others, float)
    if not (
        len(members) and len(others) and np.isfinite(members).all() and np.isfinite(others).all()
    ):
        raise FedkitError(
            f"scores of {len(members)} members and {len(others)} others given; both need some, all"
            " finite numbers"
        )
    fpr, tpr = curve(members, others)
    at = {
        level: rate(round(float(tpr[fpr <= level][-1]) * len(members)), len(members))
        for level in levels
    }
    area, keep = float(np.trapezoid(tpr, fpr)), _thin(fpr, tpr)
    return Roc(fpr[keep], tpr[keep], area, float((tpr - fpr).max()), at)


def curve(members: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(fpr, tpr) at every threshold, from (0, 0) to (1, 1); one point for each different score."""
    scores = np.concatenate([members, others])
    order = np.argsort(-scores, kind="stable")
    mine = (order < len(members)).astype(float)
    last = np.append(np.diff(scores[order]) != 0, True)  # of those with the same score
    tpr, fpr = np.cumsum(mine)[last] / len(members), np.cumsum(1 - mine)[last] / len(others)
    return np.insert(fpr, 0, 0.0), np.insert(tpr, 0, 0.0)


def _thin(fpr: np.ndarray, tpr: np.ndarray) -> np.ndarray:
    """Rows of at most `POINTS` points, both ends among them, evenly spread along the curve's
    length.
    """
    if len(fpr) <= POINTS:
        return np.arange(len(fpr))
    along = fpr + tpr + np.sqrt(fpr)  # the root gives small rates, which matter most, more points
    return np.unique(
        np.searchsorted(along, np.linspace(along[0], along[-1], POINTS)).clip(0, len(fpr) - 1)
    )
