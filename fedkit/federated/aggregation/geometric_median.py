"""The geometric median of the updates (RFA: Pillutla et al., 2022)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fedkit.federated.aggregation.distances import gram_matrix, pairwise_distances
from fedkit.federated.interfaces import RobustRule, Screened
from fedkit.federated.local.train import ClientUpdate


@dataclass(frozen=True)
class GeometricMedian(RobustRule):
    """The point nearest to all updates, for less than half hostile: all go on, far ones weigh
    little (RFA: Pillutla et al., 2022).

    Smoothed Weiszfeld iterations, on the inner products of the updates, to convergence.
    """

    def screen(self, updates: list[ClientUpdate]) -> Screened:
        weights = geometric_median_weights(gram_matrix(updates)).tolist()
        return [replace(u, weight=w) for u, w in zip(updates, weights)], {}


def geometric_median_weights(products: Tensor, most: int = 1000) -> Tensor:
    """Return weights, sum 1, whose mean is the geometric median of points with these products.

    ||sum_j w_j x_j - x_i||^2 = w'Gw - 2 (Gw)_i + G_ii, so the points themselves are not needed.
    """
    n = len(products)
    if n < 3:  # of two, every point between them is as near
        return torch.full((n,), 1 / max(n, 1), dtype=torch.float64)
    # how far half of the others are
    middle = pairwise_distances(products).sort(1).values[:, n // 2]
    least = 1e-6 * middle.median().clamp_min(1e-30)  # smoothing: no point weighs without limit
    weights = _shares(middle, least)  # a start that far ones do not pull
    for _ in range(most):
        mixed = products @ weights
        squares = (weights @ mixed - 2 * mixed + products.diagonal()).clamp_min(0)
        before, weights = weights, _shares(squares.sqrt(), least)
        if (weights - before).abs().max() < 1e-12:
            break
    return weights


def _shares(distances: Tensor, least: Tensor) -> Tensor:
    near = 1 / distances.clamp_min(least)
    return near / near.sum()
