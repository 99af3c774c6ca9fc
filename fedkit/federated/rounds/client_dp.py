"""Client-level differential privacy: clipped updates, noise on their sum, a fixed denominator.

DP-FedAvg (McMahan et al., 2018), with a clip that moves to a quantile of the norms (Andrew et al.,
2021), and with noise that later rounds take back (DP-FTRL: Kairouz et al., 2021; banded
factorization: Choquette-Choo et al., 2023).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from fedkit.core.tensors import Params, l2_norm, select_prefix
from fedkit.federated.local.dp_sgd import unflatten_params
from fedkit.privacy.mechanisms import Budget
from fedkit.privacy.noise import NoiseKey, add_discrete_noise

CLIP_TOLERANCE = 1e-4  # relative; an update is measured after it was serialised
CLIP_RATE = 0.2  # of the clip towards its quantile, on the log scale


class ClientDP:
    """Clip, noise and denominator of a client-level budget.

    key: of the noise. state: what `state()` returned after the last round, {} before round 1.
    """

    def __init__(self, budget: Budget, key: NoiseKey, state: Params):
        self.budget, self.key = budget, key
        self.clip = float(state.get("clip", torch.tensor(budget.clip, dtype=torch.float64)))
        self.past = [
            past
            for i in range(max(budget.turns - 1, 0))
            if (past := select_prefix(state, f"past/{i}/"))
        ]

    # ---- at a client

    def clip_update(self, delta: Params) -> tuple[Params, float]:
        """Return (the update scaled to the clip, 1.0 if it was within the clip, else 0.0)."""
        norm = l2_norm(delta)
        if norm <= self.clip:
            return delta, 1.0
        return {n: t * (self.clip / norm) for n, t in delta.items()}, 0.0

    # ---- at the server

    def rejection_reason(self, delta: Params) -> str:
        """Return why an update is too long for the noise to hide, or ''."""
        if l2_norm(delta) <= self.clip * (1 + CLIP_TOLERANCE):
            return ""
        return f"longer than the clip ({self.clip:.4g})"  # by how much, nothing protects

    def finish_mean(self, mean: Params, count: float, number: int, noised: bool = False) -> Params:
        """Return the mean over the expected cohort, with noise.

        mean: over `count` updates. noised: whether the updates carried the noise already.
        """
        scale = count / self.budget.cohort
        total = {n: scale * t for n, t in sorted(mean.items())}
        if noised:
            return total
        spread, turns = self.clip / self.budget.cohort, max(self.budget.turns, 1)
        first, *later = banded_column(turns)
        # the release is C x + z, x the totals of all rounds. C^-1 of it, o, is no secret, so in its
        # newest row (C x)_t can be taken less sum_j c_j o_(t-j): c_0 x_t - sum_j c_j (o - x)_(t-j)
        rows = {n: first * t.double() for n, t in total.items()}
        for c, old in zip(later, self.past):
            rows = {n: t - c * old[n] if n in old else t for n, t in rows.items()}
        noisy = add_discrete_noise(
            torch.cat([t.flatten() for t in rows.values()]),
            self.multiplier * spread,
            spread / math.sqrt(turns),  # a unit is rounded in as many rows
            self.key.stream("server noise", number),
        )
        out = {n: t / first for n, t in unflatten_params(noisy, rows).items()}
        self.past = [{n: t - total[n] for n, t in out.items()}, *self.past][: turns - 1]
        return {n: t.to(total[n]) for n, t in out.items()}

    def move_clip(self, within: Sequence[float], number: int) -> None:
        """Move the clip towards its quantile. within: 1.0 per update within the clip, else 0.0.

        What is released is the noisy sum of (flag - 1/2), which one client moves by 1/2.
        """
        if not self.budget.count_noise:
            return
        total = torch.tensor(sum(flag - 0.5 for flag in within), dtype=torch.float64)
        stream = self.key.stream("count noise", number)
        noisy = add_discrete_noise(total, self.budget.count_noise, 0.5, stream)
        share = float(noisy) / self.budget.cohort + 0.5
        quantile = getattr(self.budget.privacy, "quantile", 0.0)
        self.clip *= math.exp(-CLIP_RATE * (min(max(share, 0.0), 1.0) - quantile))

    @property
    def multiplier(self) -> float:
        """Noise multiplier of the sum alone.

        With adaptive clipping, the count of updates within the clip takes a share of the budget.
        """
        z, bits = self.budget.noise, self.budget.count_noise
        return (z**-2 - (2 * bits) ** -2) ** -0.5 if bits and z else z

    def state(self) -> Params:
        """Return what the next round needs, as tensors."""
        kept = {f"past/{i}/{n}": t for i, old in enumerate(self.past) for n, t in old.items()}
        return kept | {"clip": torch.tensor(self.clip, dtype=torch.float64)}


def banded_column(width: int) -> list[float]:
    """Return the first column of the banded Toeplitz matrix C, scaled to length 1.

    C is the square root of the prefix sum, cut off at `width` bands:
    c_j = binom(2j, j) / 4^j (Fichtenberger et al., 2023). Columns that are `width` rounds apart do
    not overlap, so a client that takes part every `width` rounds, k times in all, moves C x by at
    most sqrt(k) times the clip.
    """
    column = [1.0]
    for j in range(1, width):
        column.append(column[-1] * (2 * j - 1) / (2 * j))
    length = math.sqrt(sum(c * c for c in column))
    return [c / length for c in column]
