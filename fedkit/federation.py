"""The federated run, one round at a time: everything else in the package is a detail of these lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from fedkit.client.train import Tick
from fedkit.client.visit import visit
from fedkit.config import RunConfig
from fedkit.data.corpus import ClientData
from fedkit.model.classifier import Model, Params
from fedkit.record import ClientRecord
from fedkit.server.sampling import sample_clients
from fedkit.server.strategy import State, make_strategy
from fedkit.wire.payload import encode


@dataclass(frozen=True)
class Round:
    """What a round leaves behind: the new shared parameters, the server's state, and what each client did."""

    number: int
    shared: Params
    state: State
    clients: tuple[ClientRecord, ...]


def federate(model: Model, clients: Sequence[ClientData], shared: Params, config: RunConfig, prior: Tensor | None = None,
             first: int = 1, state: State | None = None, tick: Tick = lambda *_: None) -> Iterator[Round]:  # fmt: skip
    """Federated averaging (McMahan et al., 2017), yielding every round from `first` to `config.rounds`.

    shared: parameters to start from. prior: label shares over all clients, for the calibrated loss.
    """
    strategy = make_strategy(config.strategy)
    state = strategy.init(shared) if state is None else state
    for number in range(first, config.rounds + 1):
        chosen = sample_clients(clients, config.clients_per_round, config.seed, number)
        download, records = encode(shared), []
        updates = visit(model, chosen, download, shared, config, number, prior, records, tick)
        shared, state = strategy.step(shared, state, updates)
        yield Round(number, shared, state, tuple(records))
