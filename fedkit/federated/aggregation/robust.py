"""Robust rules against updates that do not look like the others: medians, trimming, clipping, Krum.

A rule acts before the mean: it passes on one centre, some of the updates, or all of them with other
weights. Except under `clip`, every client counts the same: the number of examples is the sender's
own claim, and an attacker would claim many. Everything is computed in float64, over at most
`BLOCK_VALUES` values at a time, so that memory does not grow with clients.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fedkit.core.errors import FedkitError
from fedkit.core.spec import build_entry
from fedkit.core.tensors import l2_norm
from fedkit.federated.aggregation.distances import GeometricMedian, Krum, MultiKrum, value_blocks
from fedkit.federated.interfaces import RobustRule, Screened
from fedkit.federated.local.train import ClientUpdate


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


def make_robust(spec: str) -> RobustRule:
    """Return the rule of 'name:key=value,...'. Raises FedkitError naming what is allowed."""
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
