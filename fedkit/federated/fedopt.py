"""FedOpt: an adaptive optimizer at the server (Reddi et al., 2021)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fedkit.core.tensors import Params
from fedkit.federated.interfaces import State, Strategy


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
