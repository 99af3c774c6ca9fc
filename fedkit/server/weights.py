"""How much each client counts in the mean.

To add one: a small frozen dataclass with `of`, and a line in `WEIGHTS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fedkit.client.train import ClientUpdate
from fedkit.registry import build


class Weights:
    """reports: figures that clients must send along for it."""

    reports: ClassVar[tuple[str, ...]] = ()

    def of(self, update: ClientUpdate) -> float:
        """The weight of an update, above 0; only ratios matter."""
        raise NotImplementedError


@dataclass(frozen=True)
class ByExamples(Weights):
    """Each client by its number of examples (McMahan et al., 2017)."""

    def of(self, update: ClientUpdate) -> float:
        return float(update.num_examples)


@dataclass(frozen=True)
class Uniform(Weights):
    """Every client alike, whatever it has."""

    def of(self, update: ClientUpdate) -> float:
        return 1.0


@dataclass(frozen=True)
class ByValidation(Weights):
    """By examples, divided by the loss on the client's own validation data after its training, to a power."""

    power: float = 1.0
    reports = ("validation",)

    def of(self, update: ClientUpdate) -> float:
        return update.num_examples / max(update.metrics["validation"], 1e-3) ** self.power


def make_weights(spec: str) -> Weights:
    """The weights that 'name:key=value,...' describes. Raises FedkitError naming what is allowed."""
    return build("weights", WEIGHTS, spec)


WEIGHTS: dict[str, type[Weights]] = {
    "examples": ByExamples,
    "uniform": Uniform,
    "validation": ByValidation,
}
