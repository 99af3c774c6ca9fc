"""The strategies against client drift, and the table of all.

A strategy acts in local training, in the weights, and in the server's step; the mean of a round's
updates is made in `aggregation`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fedkit.core.errors import FedkitError
from fedkit.core.files import read_packaged_table
from fedkit.core.spec import build_entry
from fedkit.core.tensors import CONTROL_SUFFIX, Params
from fedkit.federated.interfaces import State, Strategy, UpdateSummary, staleness_discount
from fedkit.federated.local.train import ClientUpdate


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
class Adaptive(Strategy):
    """What FedAdagrad, FedAdam and FedYogi share (Reddi et al., 2021, algorithm 2).

    m = beta1 m + (1 - beta1) delta; w = w + lr m / (sqrt(v) + tau); v starts at tau^2, and each has
    its own rule for it.
    """

    lr: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.99
    tau: float = 0.001
    plain_mean = True

    def server_change(self, delta: Params, state: State, arrived: int) -> tuple[Params, State]:
        change, new = {}, dict(state)
        for n, t in delta.items():
            v = state.get(f"v/{n}", torch.full_like(t, self.tau**2))
            m = state.get(f"m/{n}", torch.zeros_like(t))
            new[f"m/{n}"] = m = self.beta1 * m + (1 - self.beta1) * t
            new[f"v/{n}"] = v = self.second_moment(v, t.square())
            change[n] = self.lr * m / (v.sqrt() + self.tau)
        return change, new

    def second_moment(self, v: Tensor, square: Tensor) -> Tensor:
        """Return the new second moment from the one before and delta^2."""
        raise NotImplementedError


@dataclass(frozen=True)
class FedAdagrad(Adaptive):
    """The mean change through Adagrad at the server: v = v + delta^2 (Reddi et al., 2021)."""

    beta1: float = 0.0

    def second_moment(self, v: Tensor, square: Tensor) -> Tensor:
        return v + square


@dataclass(frozen=True)
class FedAdam(Adaptive):
    """The mean change through Adam at the server: v = beta2 v + (1 - beta2) delta^2 (Reddi et al.,
    2021).
    """

    def second_moment(self, v: Tensor, square: Tensor) -> Tensor:
        return self.beta2 * v + (1 - self.beta2) * square


@dataclass(frozen=True)
class FedYogi(Adaptive):
    """The mean change through Yogi at the server: v = v - (1 - beta2) delta^2 sign(v - delta^2)
    (Reddi et al., 2021).
    """

    def second_moment(self, v: Tensor, square: Tensor) -> Tensor:
        return v - (1 - self.beta2) * square * torch.sign(v - square)


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


@dataclass(frozen=True)
class Scaffold(Strategy):
    """Clients' gradients are corrected by control variates, which travel too: c - c_i (Karimireddy
    et al., 2020).

    c_i becomes the mean gradient of the client's steps; with plain SGD that is the paper's option
    II, c_i - c + (w_start - w_end) / (K lr), and it means something under AdamW as well. lr: of the
    server.
    """

    lr: float = 1.0
    plain_mean = uses_controls = True
    needs = "twice the traffic; --aggregate mean, --share all"

    def init(self, shared: Params, clients: int) -> State:
        controls = {n + CONTROL_SUFFIX: torch.zeros_like(t) for n, t in shared.items()}
        return controls | {"clients": torch.tensor(float(clients))}

    def broadcast(self, state: State) -> Params:
        return {n: t for n, t in state.items() if n.endswith(CONTROL_SUFFIX)}

    def server_change(self, delta: Params, state: State, arrived: int) -> tuple[Params, State]:
        """c moves by |arrived| / clients times the mean change of the clients' c_i."""
        share = arrived / float(state["clients"])
        moved = {n: state[n] + share * t for n, t in delta.items() if n.endswith(CONTROL_SUFFIX)}
        return {n: self.lr * t for n, t in delta.items() if n not in moved}, state | moved


@dataclass(frozen=True)
class QFedAvg(Strategy):
    """q-fair: clients with a higher loss before training count more, loss^q (q-FedAvg: Li et al.,
    2020).

    lr: of the clients, 1 / L in the paper; its step is sum_i F_i^q L delta_i / sum_i (q F_i^(q-1)
    L^2 ||delta_i||^2 + L F_i^q).
    """

    q: float = 0.2
    lr: float = 1.0
    plain_mean = needs_norms = True
    reports = ("loss",)
    needs = "every client counts alike but for its loss; --weights is not used"

    def update_weight(self, update: ClientUpdate, base: float) -> float:
        return (update.metrics["loss"] + 1e-10) ** self.q

    def mean_scale(self, arrived: Sequence[UpdateSummary]) -> float:
        steep, q = 1 / self.lr, self.q
        norms = sum(
            q * (a.loss + 1e-10) ** (q - 1) * steep**2 * a.square + steep * a.weight
            for a in arrived
        )
        return steep * sum(a.weight for a in arrived) / norms


@dataclass(frozen=True)
class FedBuff(Strategy):
    """Asynchronous: a step whenever `buffer` updates are there, each divided by (1 +
    staleness)^power (Nguyen et al., 2022).

    buffer: 0 for half of the clients. lr: of the server. Clients never wait: who has sent starts
    again at once.
    """

    buffer: int = 0
    power: float = 0.5
    lr: float = 1.0
    plain_mean = asynchronous = True
    needs = "devices and link decide the order; --aggregate mean, no --deadline"

    def update_weight(self, update: ClientUpdate, base: float) -> float:
        return base * staleness_discount(update, self.power)

    def mean_scale(self, arrived: Sequence[UpdateSummary]) -> float:
        """Return the factor that divides by the weights without staleness.

        Old updates then make a smaller step, not only a smaller share.
        """
        return self.lr * sum(a.weight for a in arrived) / sum(a.base for a in arrived)

    def buffer_size(self, clients: int) -> int:
        return min(self.buffer or math.ceil(clients / 2), clients)


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


RANGES = read_packaged_table("fedkit.federated", "ranges.toml")

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
