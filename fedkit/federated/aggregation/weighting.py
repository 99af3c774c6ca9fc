"""Screening of a round's updates and their weights in the mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from fedkit.core.record import ClientRecord
from fedkit.core.spec import build_entry
from fedkit.core.tensors import squared_norm
from fedkit.federated.interfaces import RobustRule, Strategy, UpdateSummary, Weights
from fedkit.federated.local.train import ClientUpdate


def screen_and_weight(
    updates: Iterable[ClientUpdate],
    robust: RobustRule,
    weights: Weights,
    strategy: Strategy,
    records: list[ClientRecord],
    arrived: list[UpdateSummary],
) -> Iterator[ClientUpdate]:
    """Yield the updates that go into the mean, with their weights.

    A summary of each is appended to `arrived`; those left out are marked in `records`. A robust
    rule needs all of a round's updates before it passes on any, so they are all held in memory.
    """
    if robust.individual:
        updates, left_out = robust.screen(list(updates))
        for i, record in enumerate(records):
            if record.status == "ok" and record.id in left_out:
                records[i] = replace(record, status="rejected", reason=left_out[record.id])
    for update in updates:
        base = weights.weight(update) if update.weight is None else update.weight
        weight = strategy.update_weight(update, base)
        square = squared_norm(update.delta) if strategy.needs_norms else 0.0
        reported = {name: update.metrics.get(name, 0.0) for name in ("steps", "loss")}
        arrived.append(UpdateSummary(base, weight, square, update.staleness, **reported))
        yield replace(update, weight=weight)


@dataclass(frozen=True)
class ByExamples(Weights):
    """Each client by its number of examples (McMahan et al., 2017)."""

    def weight(self, update: ClientUpdate) -> float:
        return float(update.num_examples)


@dataclass(frozen=True)
class Uniform(Weights):
    """Every client alike, whatever it has."""

    def weight(self, update: ClientUpdate) -> float:
        return 1.0


@dataclass(frozen=True)
class ByValidation(Weights):
    """By examples, divided by the loss on the client's own validation data after its training, to a
    power.
    """

    power: float = 1.0
    reports = ("validation",)

    def weight(self, update: ClientUpdate) -> float:
        return update.num_examples / max(update.metrics["validation"], 1e-3) ** self.power


def make_weights(spec: str) -> Weights:
    """Return the weighting of 'name:key=value,...'. Raises FedkitError naming what is allowed."""
    return build_entry("weights", WEIGHTS, spec)


WEIGHTS: dict[str, type[Weights]] = {
    "examples": ByExamples,
    "uniform": Uniform,
    "validation": ByValidation,
}
