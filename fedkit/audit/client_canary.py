"""The same game for whole sites: rounds of the kit's DP-FedAvg on made-up updates, one of them the
canary's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from fedkit.core.config import RunConfig
from fedkit.core.tensors import Params
from fedkit.federated.rounds.client_dp import Guard
from fedkit.federated.rounds.head_start import budget_of
from fedkit.federated.rounds.sampling import chosen
from fedkit.privacy.mechanisms import Budget

# other sites; the numbers of an update; the canary's length in clips
OTHERS, WIDTH, LONG = 20, 4, 50.0
LIMITLESS = 1e9


@dataclass(frozen=True)
class CanaryClient:
    """A site whose update is always the same, before clipping."""

    client_id: str
    update: Params


def canary_clients(there: bool, clip: float) -> list[CanaryClient]:
    """`OTHERS` sites with updates longer than the clip, and last the canary, alone in its
    dimension, if it is there.
    """
    rows = np.random.default_rng(0).standard_normal((OTHERS, WIDTH))
    rows = np.pad(2 * clip * rows / np.linalg.norm(rows, axis=1, keepdims=True), ((0, 0), (0, 1)))
    canary = np.r_[np.zeros(WIDTH), LONG * clip]
    every = [*rows, canary] if there else rows
    return [
        CanaryClient(f"site-{i}", {"head.weight": torch.tensor(row, dtype=torch.float32)})
        for i, row in enumerate(every)
    ]


def budget_for(noise: float, rate: float, clip: float, delta: float, steps: int) -> Budget:
    """What the kit makes of this promise."""
    config = RunConfig(
        privacy=f"client:noise={noise!r},clip={clip!r},delta={delta!r}",
        head_start="zero",
        rounds=steps,
        clients_per_round=rate if rate < 1 else None,
    )
    return budget_of(config, OTHERS)


def play(
    members: list[CanaryClient], budget: Budget, rounds: int, seed: int, broken: str | None = None
) -> np.ndarray:
    """What the canary's dimension of each round's mean shows, in clips on the sum, shape
    (rounds,).
    """
    guard, config = Guard(_faulty(budget, broken), seed, {}), RunConfig(seed=seed)
    clip, seen = guard.clip, np.zeros(rounds)
    guard.clip = LIMITLESS if broken in ("no clipping", "clip of the mean") else clip
    for number in range(1, rounds + 1):
        arrived = [
            guard.clipped(s.update)[0]["head.weight"]
            for s in chosen(members, config, budget, number)
        ]
        assert not any(guard.wrong({"head.weight": update}) for update in arrived)
        mean = torch.stack(arrived).mean(0) if arrived else torch.zeros(WIDTH + 1)
        guard.clip, kept = clip, guard.clip
        mean = _shortened(mean, clip) if broken == "clip of the mean" else mean
        seen[number - 1] = float(
            guard.finish({"head.weight": mean}, len(arrived), number)["head.weight"][-1]
        )
        guard.clip = kept
    return seen * budget.cohort / clip


def _faulty(budget: Budget, broken: str | None) -> Budget:
    return replace(budget, noise=budget.noise / 4) if broken == "noise/4" else budget


def _shortened(mean: Tensor, clip: float) -> Tensor:
    return mean * min(1.0, clip / max(float(mean.norm()), 1e-12))
