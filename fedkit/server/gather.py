"""Between the arrival of updates and their mean: what is not like the others, and how much each counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from fedkit.client.train import ClientUpdate
from fedkit.model.tensors import square_of
from fedkit.record import ClientRecord
from fedkit.server.robust import Robust
from fedkit.server.strategy import Arrived, Strategy
from fedkit.server.weights import Weights


def gather(updates: Iterable[ClientUpdate], robust: Robust, weights: Weights, strategy: Strategy,
           records: list[ClientRecord], arrived: list[Arrived]) -> Iterator[ClientUpdate]:  # fmt: skip
    """The updates that go into the mean, with their weights; `arrived` hears of each, `records` of those left out.

    A robust rule has to see all of a round's updates before it hands on any, so they are all held in memory.
    """
    if robust.individual:
        updates, left_out = robust.screen(list(updates))
        for i, record in enumerate(records):
            if record.status == "ok" and record.id in left_out:
                records[i] = replace(record, status="rejected", reason=left_out[record.id])
    for update in updates:
        base = weights.of(update) if update.weight is None else update.weight
        weight = strategy.weigh(update, base)
        square = square_of(update.delta) if strategy.norms else 0.0
        said = {name: update.metrics.get(name, 0.0) for name in ("steps", "loss")}
        arrived.append(Arrived(base, weight, square, update.staleness, **said))
        yield replace(update, weight=weight)
