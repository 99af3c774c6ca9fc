"""The canary game for whole clients: rounds of fedkit's DP-FedAvg on synthetic updates."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from fedkit.core.config import RunConfig
from fedkit.core.tensors import Params
from fedkit.federated.rounds.client_dp import ClientDP
from fedkit.federated.rounds.head_start import privacy_budget
from fedkit.federated.rounds.sampling import choose_clients
from fedkit.privacy.mechanisms import Budget
from fedkit.privacy.noise import NoiseKey

OTHERS = 20  # clients without the canary
WIDTH = 4  # numbers in an update, without the canary's dimension
CANARY_CLIPS = 50.0  # length of the canary's update, in clips
NO_CLIP = 1e9


@dataclass(frozen=True)
class CanaryClient:
    """A client whose update before clipping is always the same."""

    client_id: str
    update: Params


def canary_clients(there: bool, clip: float) -> list[CanaryClient]:
    """Return OTHERS clients with updates longer than the clip and, if `there`, last the canary.

    Only the canary's update has an entry in the last dimension.
    """
    rows = np.random.default_rng(0).standard_normal((OTHERS, WIDTH))
    rows = np.pad(2 * clip * rows / np.linalg.norm(rows, axis=1, keepdims=True), ((0, 0), (0, 1)))
    canary = np.r_[np.zeros(WIDTH), CANARY_CLIPS * clip]
    every = [*rows, canary] if there else rows
    return [
        CanaryClient(f"site-{i}", {"head.weight": torch.tensor(row, dtype=torch.float32)})
        for i, row in enumerate(every)
    ]


def canary_budget(noise: float, rate: float, clip: float, delta: float, steps: int) -> Budget:
    """Return fedkit's budget for this guarantee."""
    config = RunConfig(
        privacy=f"client:noise={noise!r},clip={clip!r},delta={delta!r}",
        head_start="zero",
        rounds=steps,
        clients_per_round=rate if rate < 1 else None,
    )
    return privacy_budget(config, OTHERS)


def play_rounds(
    clients: list[CanaryClient],
    budget: Budget,
    rounds: int,
    key: NoiseKey,
    broken: str | None = None,
) -> np.ndarray:
    """Return the canary's dimension of each round's noisy sum, in clips, shape (rounds,)."""
    dp, config = ClientDP(_faulty_budget(budget, broken), key, {}), RunConfig()
    clip, seen = dp.clip, np.zeros(rounds)
    dp.clip = NO_CLIP if broken in ("no clipping", "clip of the mean") else clip
    for number in range(1, rounds + 1):
        arrived = [
            dp.clip_update(c.update)[0]["head.weight"]
            for c in choose_clients(clients, config, budget, number, key)
        ]
        assert not any(dp.rejection_reason({"head.weight": update}) for update in arrived)
        mean = torch.stack(arrived).mean(0) if arrived else torch.zeros(WIDTH + 1)
        dp.clip, kept = clip, dp.clip
        mean = _clip_norm(mean, clip) if broken == "clip of the mean" else mean
        seen[number - 1] = float(
            dp.finish_mean({"head.weight": mean}, len(arrived), number)["head.weight"][-1]
        )
        dp.clip = kept
    return seen * budget.cohort / clip


def _faulty_budget(budget: Budget, broken: str | None) -> Budget:
    return replace(budget, noise=budget.noise / 4) if broken == "noise/4" else budget


def _clip_norm(mean: Tensor, clip: float) -> Tensor:
    return mean * min(1.0, clip / max(float(mean.norm()), 1e-12))
