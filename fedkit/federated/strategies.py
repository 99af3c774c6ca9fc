"""The strategies against client drift: the short ones, and the table of all.

A strategy acts in local training, in the weights, and in the server's step; the mean of a round's
updates is made in `aggregation`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fedkit.core.errors import FedkitError
from fedkit.core.spec import build_entry
from fedkit.core.tensors import Params
from fedkit.federated.fedbuff import FedBuff
from fedkit.federated.fedopt import FedAdagrad, FedAdam, FedYogi
from fedkit.federated.interfaces import State, Strategy, UpdateSummary, staleness_discount
from fedkit.federated.local.train import ClientUpdate
from fedkit.federated.qfedavg import QFedAvg
from fedkit.federated.scaffold import Scaffold


@dataclass(frozen=True)
class FedAvg(Strategy):
    """The shared tensors plus the mean change (McMahan et al., 2017)."""


@dataclass(frozen=True)
class FedProx(Strategy):
    """FedAvg whose clients are held near their start by mu / 2 ||w - w_start||^2 in the loss (Li et
    al., 2020).
    """

    mu: float = 0.1

    @property
    def pull(self) -> float:  # type: ignore[override]
        return self.mu


@dataclass(frozen=True)
class FedLC(Strategy):
    """FedAvg whose clients' logits are lowered by tau n_label^(-1/4), rare labels the most (Zhang
    et al., 2022).
    """

    tau: float = 1.0
    needs = "its own loss; --loss is not used"

    def logit_margin(self, counts: np.ndarray) -> Tensor:
        """Return -tau n^(-1/4), shape (labels,).

        A label without examples (n = 0) is left out of the client's loss, the limit of n -> 0.
        """
        there = torch.from_numpy(counts).double()
        margin = -self.tau * there.clamp_min(1.0) ** -0.25
        return margin.where(there > 0, -30.0).float()


@dataclass(frozen=True)
class FedAvgM(Strategy):
    """FedAvg with momentum at the server: v = momentum v + delta, w = w + lr v (Hsu et
    al., 2019).
    """

    momentum: float = 0.9
    lr: float = 1.0
    plain_mean = True

    def server_change(self, delta: Params, state: State, arrived: int) -> tuple[Params, State]:
        velocity = {n: self.momentum * state.get(n, 0.0) + t for n, t in delta.items()}
        return {n: self.lr * t for n, t in velocity.items()}, state | velocity


@dataclass(frozen=True)
class FedNova(Strategy):
    """Each change is divided by the client's steps, the mean multiplied by the mean steps (Wang et
    al., 2020).
    """

    plain_mean = True
    reports = ("steps",)

    def update_weight(self, update: ClientUpdate, base: float) -> float:
        return base * staleness_discount(update) / max(update.metrics["steps"], 1.0)

    def mean_scale(self, arrived: Sequence[UpdateSummary]) -> float:
        """Return tau_eff sum_i p_i / tau_i with p_i = base_i / sum base.

        It turns the weighted mean into tau_eff sum_i p_i delta_i / tau_i.
        """
        whole = sum(a.base for a in arrived)
        effective = sum(a.base * max(a.steps, 1.0) for a in arrived) / whole
        return effective * sum(a.weight for a in arrived) / whole


def make_strategy(spec: str) -> Strategy:
    """Return the strategy of 'name:key=value,...'. Raises FedkitError naming what is allowed."""
    strategy = build_entry("strategy", STRATEGIES, spec)
    for name, (least, most) in RANGES.items():
        value = getattr(strategy, name, least)
        if not least <= value <= most:
            raise FedkitError(
                f"strategy {spec!r}: {name} is {value:g}; it must be from {least:g} to {most:g}"
            )
    return strategy


RANGES = {  # allowed values of a parameter, for every strategy that has it
    "mu": (0, 1000),
    "tau": (1e-12, 100),
    "momentum": (0, 0.9999),
    "lr": (1e-9, 1000),
    "beta1": (0, 0.9999),
    "beta2": (0, 0.99999),
    "q": (0, 10),
    "buffer": (0, 100_000),
    "power": (0, 10),
}

STRATEGIES: dict[str, type[Strategy]] = {
    "fedavg": FedAvg,
    "fedprox": FedProx,
    "fedavgm": FedAvgM,
    "fedadagrad": FedAdagrad,
    "fedadam": FedAdam,
    "fedyogi": FedYogi,
    "scaffold": Scaffold,
    "fednova": FedNova,
    "fedlc": FedLC,
    "qfedavg": QFedAvg,
    "fedbuff": FedBuff,
}
