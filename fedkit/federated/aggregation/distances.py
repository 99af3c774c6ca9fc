"""Robust rules that compare updates with each other, and the distances that they work on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from fedkit.core.errors import FedkitError
from fedkit.federated.interfaces import RobustRule, Screened
from fedkit.federated.local.train import ClientUpdate

BLOCK_VALUES = 2**22  # float64 values of all clients together that are held at a time: 32 MiB


def value_blocks(updates: Sequence[ClientUpdate], name: str) -> Iterator[Tensor]:
    """Yield one tensor of every client, as float64 pieces of shape (clients, values)."""
    rows = [u.delta[name].detach().reshape(-1) for u in updates]
    size = max(1, BLOCK_VALUES // len(rows))
    for start in range(0, len(rows[0]), size):
        yield torch.stack([row[start : start + size].double() for row in rows])


def gram_matrix(updates: Sequence[ClientUpdate]) -> Tensor:
    """Return the inner products of every two updates, float64 (clients, clients)."""
    total = torch.zeros(len(updates), len(updates), dtype=torch.float64)
    for name in updates[0].delta if updates else ():
        for values in value_blocks(updates, name):
            total += (values @ values.T).cpu()
    return total


def pairwise_distances(products: Tensor) -> Tensor:
    """Return the Euclidean distances of every two updates, from their inner products."""
    own = products.diagonal()
    distances = (own[:, None] + own[None] - 2 * products).clamp_min(0).sqrt()
    return distances.fill_diagonal_(0)


@dataclass(frozen=True)
class Krum(RobustRule):
    """The one update that is nearest to its neighbours, for at most f hostile clients (Blanchard et
    al., 2017).

    Score: the sum of the squared distances to the n - f - 2 nearest others. f: needs n >= 2 f + 3;
    where fewer arrive in a round, the largest f that fits is used.
    """

    f: int = 2
    name: ClassVar[str] = "krum"

    def __post_init__(self) -> None:
        if self.f < 0:
            raise FedkitError(
                f"robust with f={self.f} given; f, the number of hostile clients, is from 0 on"
            )

    def check(self, clients: int) -> None:
        if clients < 2 * self.f + 3:
            way = f"use f={(clients - 3) // 2} or less" if clients >= 3 else "use --robust median"
            raise FedkitError(
                f"robust {self.name}:f={self.f} needs 2 f + 3 = {2 * self.f + 3} clients in a"
                f" round, and there are {clients}; {way}"
            )

    def keeps(self, n: int, f: int) -> int:
        """Return how many of n updates are passed on."""
        return min(n, 1)

    def screen(self, updates: list[ClientUpdate]) -> Screened:
        n = len(updates)
        f = min(self.f, max(0, (n - 3) // 2))
        products = gram_matrix(updates)
        squares = pairwise_distances(products).square().sort(1).values  # [:, 0]: to itself
        near = squares[:, 1 : 1 + max(1, n - f - 2)].sum(1)
        order = sorted(range(n), key=lambda i: (near[i].item(), products[i, i].item(), i))
        chosen = set(order[: self.keeps(n, f)])
        reason = f"{self.name}: others are nearer to their neighbours"
        out = {updates[i].client_id: reason for i in order if i not in chosen}
        return [replace(updates[i], weight=1.0) for i in sorted(chosen)], out


@dataclass(frozen=True)
class MultiKrum(Krum):
    """The mean of the n - f updates that are nearest to their neighbours (multi-Krum: Blanchard et
    al., 2017).
    """

    name = "multikrum"

    def keeps(self, n: int, f: int) -> int:
        return n - f


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
