"""The promise to whole clients: every update clipped, noise on their sum, a denominator that
nobody's absence changes.

DP-FedAvg (McMahan et al., 2018), its clip moved to a quantile of the norms (Andrew et al., 2021),
and noise that later rounds take back (DP-FTRL: Kairouz et al., 2021; banded factorization:
Choquette-Choo et al., 2023).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from fedkit.core.tensors import Params, norm_of, torch_rng, under
from fedkit.privacy.mechanisms import Budget

SLACK = 1e-4  # relative: an update is measured after it was serialised
PACE = 0.2  # of the clip towards its quantile, on the log scale
NOISE, COUNT = 11, 12  # mark the server's generators


class Guard:
    """Clip, noise and denominator of a client-level budget. state(): all that the next round needs,
    as tensors.
    """

    def __init__(self, budget: Budget, seed: int, state: Params):
        self.budget, self.seed = budget, seed
        self.clip = float(state.get("clip", torch.tensor(budget.clip, dtype=torch.float64)))
        self.past = [
            past for i in range(max(budget.turns - 1, 0)) if (past := under(state, f"past/{i}/"))
        ]

    # ---- at a client

    def clipped(self, delta: Params) -> tuple[Params, float]:
        """(the update scaled to the clip, 1.0 if it was within it and else 0.0)."""
        norm = norm_of(delta)
        if norm <= self.clip:
            return delta, 1.0
        return {n: t * (self.clip / norm) for n, t in delta.items()}, 0.0

    # ---- at the server

    def wrong(self, delta: Params) -> str:
        """Why an update that arrived cannot count: it would outweigh the noise. '' if it can."""
        norm = norm_of(delta)
        return (
            ""
            if norm <= self.clip * (1 + SLACK)
            else f"longer ({norm:.4g}) than the clip ({self.clip:.4g})"
        )

    def finish(self, mean: Params, count: float, number: int, noised: bool = False) -> Params:
        """The mean over the cohort, with noise. mean: over `count` updates. noised: the updates
        carried the noise.
        """
        scale = count / self.budget.cohort
        total = {n: scale * t for n, t in mean.items()}
        if noised:
            return total
        fresh = self._fresh(total, number)
        spread = self.clip / self.budget.cohort
        return {n: t + spread * fresh[n] for n, t in total.items()}

    def moved(self, within: Sequence[float], number: int) -> None:
        """Move the clip to its quantile. within: of each update, whether it was within the clip."""
        if not self.budget.bits:
            return
        rng = np.random.default_rng([self.seed, number, COUNT])
        share = (sum(within) + self.budget.bits * rng.standard_normal()) / self.budget.cohort
        self.clip *= math.exp(-PACE * (min(max(share, 0.0), 1.0) - self.budget.privacy.quantile))

    @property
    def multiplier(self) -> float:
        """Noise multiplier of the sum alone: with adaptive clipping the count has its share of the
        budget.
        """
        z, bits = self.budget.noise, self.budget.bits
        return (z**-2 - (2 * bits) ** -2) ** -0.5 if bits and z else z

    def _fresh(self, like: Params, number: int) -> Params:
        """Noise for a clip of 1, correlated over rounds where clients come in turn: the solution y
        of C y = z.
        """
        generator = torch_rng(np.random.default_rng([self.seed, number, NOISE]))
        fresh = {
            n: self.multiplier * torch.randn(t.shape, generator=generator)
            for n, t in sorted(like.items())
        }
        if self.budget.turns < 2:
            return fresh
        first, *later = bands(self.budget.turns)
        for c, old in zip(later, self.past):
            fresh = {n: t - c * old[n] if n in old else t for n, t in fresh.items()}
        fresh = {n: t / first for n, t in fresh.items()}
        self.past = [fresh, *self.past][: self.budget.turns - 1]
        return fresh

    def state(self) -> Params:
        kept = {f"past/{i}/{n}": t for i, old in enumerate(self.past) for n, t in old.items()}
        return kept | {"clip": torch.tensor(self.clip, dtype=torch.float64)}


def bands(width: int) -> list[float]:
    """First column of the banded Toeplitz matrix C, length 1: the square root of the prefix sum,
    cut off.

    c_j = binom(2j, j) / 4^j (Fichtenberger et al., 2023). Columns that are `width` rounds apart do
    not overlap, so a client that takes part every `width` rounds, k times in all, moves C x by at
    most sqrt(k) times the clip.
    """
    column = [1.0]
    for j in range(1, width):
        column.append(column[-1] * (2 * j - 1) / (2 * j))
    length = math.sqrt(sum(c * c for c in column))
    return [c / length for c in column]
