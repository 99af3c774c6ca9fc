"""The server's optimizer: what it does with the change that a round's updates come to (see aggregate.py).

To add one: a small frozen dataclass with `init` and `step`, and a line in `STRATEGIES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from fedkit.model.classifier import Params
from fedkit.registry import build

State = Params  # tensors the server carries from round to round; {} when it carries none


class Strategy(Protocol):
    def init(self, shared: Params) -> State:
        """The state before round 1."""
        ...

    def step(self, shared: Params, state: State, delta: Params | None) -> tuple[Params, State]:
        """(new shared parameters, new state). delta: the change of some tensors; None when no update arrived."""
        ...


@dataclass(frozen=True)
class FedAvg:
    """The shared tensors plus the mean change (McMahan et al., 2017)."""

    def init(self, shared: Params) -> State:
        return {}

    def step(self, shared: Params, state: State, delta: Params | None) -> tuple[Params, State]:
        return shared | {n: shared[n] + change for n, change in (delta or {}).items()}, state


def make_strategy(spec: str) -> Strategy:
    """The strategy that 'name:key=value,...' describes. Raises FedkitError naming what is allowed."""
    return build("strategy", STRATEGIES, spec)


STRATEGIES: dict[str, type] = {
    "fedavg": FedAvg,
}
