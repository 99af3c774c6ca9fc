"""Krum and multi-Krum (Blanchard et al., 2017)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from fedkit.core.errors import FedkitError
from fedkit.federated.aggregation.distances import gram_matrix, pairwise_distances
from fedkit.federated.interfaces import RobustRule, Screened
from fedkit.federated.local.train import ClientUpdate


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
