"""The server's rule: how it starts and what it does with a round's updates.

To add one: a small frozen dataclass with `init` and `step`, and a line in `STRATEGIES`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from fedkit.client.train import ClientUpdate
from fedkit.model.classifier import Params
from fedkit.registry import build
from fedkit.server.aggregate import weighted_mean

State = Params  # tensors the server carries from round to round; {} when it carries none


class Strategy(Protocol):
    def init(self, shared: Params) -> State:
        """The state before round 1."""
        ...

    def step(self, shared: Params, state: State, updates: Iterable[ClientUpdate]) -> tuple[Params, State]:
        """(new shared parameters, new state). `updates` is read once, as they arrive; none may arrive."""
        ...


@dataclass(frozen=True)
class FedAvg:
    """shared + weighted mean of the deltas (McMahan et al., 2017)."""

    def init(self, shared: Params) -> State:
        return {}

    def step(self, shared: Params, state: State, updates: Iterable[ClientUpdate]) -> tuple[Params, State]:
        mean = weighted_mean(updates)
        return ({n: t + mean[n] for n, t in shared.items()} if mean else shared), state


def make_strategy(spec: str) -> Strategy:
    """The strategy that 'name:key=value,...' describes. Raises FedkitError naming what is allowed."""
    return build("strategy", STRATEGIES, spec)


STRATEGIES: dict[str, type] = {
    "fedavg": FedAvg,
}
