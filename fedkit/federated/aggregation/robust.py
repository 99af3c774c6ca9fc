"""Robust rules against updates that do not look like the others: medians, trimming, clipping, Krum.

A rule acts before the mean: it passes on one centre, some of the updates, or all of them with other
weights. Except under `clip`, every client counts the same: the number of examples is the sender's
own claim, and an attacker would claim many. Everything is computed in float64, over at most
`BLOCK_VALUES` values at a time, so that memory does not grow with clients. To add one: a small
frozen dataclass that overrides `screen`, and a line in `ROBUST`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from fedkit.core.errors import FedkitError
from fedkit.core.spec import build_entry
from fedkit.core.tensors import l2_norm
from fedkit.federated.local.train import ClientUpdate

BLOCK_VALUES = 2**22  # float64 values of all clients together that are held at a time: 32 MiB
Screened = tuple[list[ClientUpdate], dict[str, str]]


class RobustRule:
    """Base of all robust rules; passes on every update unchanged."""

    needs: ClassVar[str] = ""
    # looks at updates one by one, so cannot stand behind secure aggregation
    individual: ClassVar[bool] = True

    def check(self, clients: int) -> None:
        """Raise FedkitError if the rule cannot work with so many clients in a round."""

    def screen(self, updates: list[ClientUpdate]) -> Screened:
        """Return (the updates for the mean, {client_id: reason} of those left out).

        updates: all of a round, with the same names and shapes.
        """
        return updates, {}


@dataclass(frozen=True)
class NoRobustRule(RobustRule):
    """Every update goes into the mean as it is: one hostile client can move it anywhere."""

    individual = False


@dataclass(frozen=True)
class Median(RobustRule):
    """The median of each value over the clients, for fewer than half hostile (Yin et al., 2018)."""

    def screen(self, updates: list[ClientUpdate]) -> Screened:
        # the mean of the two in the middle for an even number
        middle = [(len(updates) - 1) // 2, len(updates) // 2]
        return _centre(updates, lambda values: values.sort(0).values[middle].mean(0))


@dataclass(frozen=True)
class Trimmed(RobustRule):
    """The mean of each value over the clients without the largest and the smallest (trimmed mean:
    Yin et al., 2018).

    share: of the clients left out at each end, rounded up; for at most that share hostile.
    """

    share: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < self.share < 0.5:
            raise FedkitError(
                f"robust 'trimmed:share={self.share:g}' given; share must be above 0 and below 0.5,"
                " for example 0.2"
            )

    def screen(self, updates: list[ClientUpdate]) -> Screened:
        n = len(updates)
        cut = min(math.ceil(self.share * n - 1e-9), max(0, n - 1) // 2)
        return _centre(updates, lambda values: values.sort(0).values[cut : n - cut].mean(0))


@dataclass(frozen=True)
class Clip(RobustRule):
    """Updates longer than a limit are shortened to it: bounds what one client can do (Sun et al.,
    2019).

    norm: the limit, Euclidean over all tensors; 0: the median of the round's norms (the lower one
    of two). Clients keep their weights, so that examples count as they are claimed.
    """

    norm: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.norm) and self.norm >= 0):
            raise FedkitError(
                f"robust 'clip:norm={self.norm:g}' given; norm must be above 0, or 0 for the median"
                " of the round's norms"
            )

    def screen(self, updates: list[ClientUpdate]) -> Screened:
        norms = [l2_norm(u.delta) for u in updates]
        limit = self.norm or sorted(norms or [0.0])[max(0, len(norms) - 1) // 2]
        return [
            u if norm <= limit else _shortened(u, limit / norm) for u, norm in zip(updates, norms)
        ], {}


@dataclass(frozen=True)
class Krum(RobustRule):
    """The one update that is nearest to its neighbours, for at most f hostile clients (Blanchard et
    al., 2017).

    Score: the sum of the squared distances to the n - f - 2 nearest others. f: needs n >= 2 f + 3;
    where fewer arrive in a round, the largest f that fits is used.
    """

    f: int = 2

    def __post_init__(self) -> None:
        if self.f < 0:
            raise FedkitError(
                f"robust with f={self.f} given; f, the number of hostile clients, is from 0 on"
            )

    def check(self, clients: int) -> None:
        if clients < 2 * self.f + 3:
            way = f"use f={(clients - 3) // 2} or less" if clients >= 3 else "use --robust median"
            raise FedkitError(
                f"robust {_name(self)}:f={self.f} needs 2 f + 3 = {2 * self.f + 3} clients in a"
                f" round, and there are {clients}; {way}"
            )

    def keeps(self, n: int, f: int) -> int:
        """Return how many of n updates are passed on."""
        return min(n, 1)

    def screen(self, updates: list[ClientUpdate]) -> Screened:
        n = len(updates)
        f = min(self.f, max(0, (n - 3) // 2))
        products = gram_matrix(updates)
        # [:, 0]: to itself
        near = (
            pairwise_distances(products)
            .square()
            .sort(1)
            .values[:, 1 : 1 + max(1, n - f - 2)]
            .sum(1)
        )
        order = sorted(range(n), key=lambda i: (near[i].item(), products[i, i].item(), i))
        chosen = set(order[: self.keeps(n, f)])
        out = {
            updates[i].client_id: f"{_name(self)}: others are nearer to their neighbours"
            for i in order
            if i not in chosen
        }
        return [replace(updates[i], weight=1.0) for i in sorted(chosen)], out


@dataclass(frozen=True)
class MultiKrum(Krum):
    """The mean of the n - f updates that are nearest to their neighbours (multi-Krum: Blanchard et
    al., 2017).
    """

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


def geometric_median_weights(products: Tensor, most: int = 1000) -> Tensor:
    """Return weights, sum 1, whose mean is the geometric median of points with these products.

    ||sum_j w_j x_j - x_i||^2 = w'Gw - 2 (Gw)_i + G_ii, so the points themselves are not needed.
    """
    n = len(products)
    if n < 3:  # of two, every point between them is as near
        return torch.full((n,), 1 / max(n, 1), dtype=torch.float64)
    middle = (
        pairwise_distances(products).sort(1).values[:, n // 2]
    )  # how far half of the others are
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


def _centre(updates: list[ClientUpdate], middle: Callable[[Tensor], Tensor]) -> Screened:
    """Return one update for all: `middle` of each tensor, (clients, values) -> (values,)."""
    if not updates:
        return [], {}
    delta = {}
    for name, like in updates[0].delta.items():
        pieces = [middle(values) for values in value_blocks(updates, name)]
        delta[name] = torch.cat([like.new_zeros(0), *(p.to(like.dtype) for p in pieces)]).reshape(
            like.shape
        )
    return [ClientUpdate("robust", delta, sum(u.num_examples for u in updates))], {}


def _shortened(update: ClientUpdate, share: float) -> ClientUpdate:
    return replace(
        update, delta={n: (t.double() * share).to(t.dtype) for n, t in update.delta.items()}
    )


def _name(rule: RobustRule) -> str:
    return next(name for name, entry in ROBUST.items() if entry is type(rule))


def make_robust(spec: str) -> RobustRule:
    """Return the rule that 'name:key=value,...' describes.

    Raises FedkitError naming what is allowed.
    """
    return build_entry("robust", ROBUST, spec)


ROBUST: dict[str, type[RobustRule]] = {
    "none": NoRobustRule,
    "median": Median,
    "trimmed": Trimmed,
    "clip": Clip,
    "krum": Krum,
    "multikrum": MultiKrum,
    "geomedian": GeometricMedian,
}
