"""The federated run, one round at a time: everything else in the package is a detail of these lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from fedkit.client.train import Tick
from fedkit.client.visit import visit
from fedkit.config import RunConfig
from fedkit.data.corpus import ClientData
from fedkit.model.classifier import Model, Params
from fedkit.record import ClientRecord
from fedkit.server.exchange import Exchange
from fedkit.server.sampling import sample_clients
from fedkit.server.strategy import State, make_strategy


@dataclass(frozen=True)
class Round:
    """What a round leaves behind: the new shared tensors, all that the next round needs, and what each client did.

    home: the tensors that stay with a client, by its place. aggregation_error: see `aggregate.Combined`.
    """

    number: int
    shared: Params
    state: State
    clients: tuple[ClientRecord, ...]
    aggregation_error: float | None = None
    home: dict[int, Params] = field(default_factory=dict)


def federate(model: Model, clients: Sequence[ClientData], shared: Params, config: RunConfig, prior: Tensor | None = None,
             first: int = 1, state: State | None = None, tick: Tick = lambda *_: None) -> Iterator[Round]:  # fmt: skip
    """Federated averaging (McMahan et al., 2017), yielding every round from `first` to `config.rounds`.

    shared: parameters to start from. prior: label shares over all clients, for the calibrated loss.
    """
    strategy, (kept, travelled) = make_strategy(config.strategy), apart(state or {})
    kept = strategy.init(shared) if state is None else kept
    exchange = Exchange(model, clients, shared, config, travelled)
    for number in range(first, config.rounds + 1):
        chosen = sample_clients(clients, config.clients_per_round, config.seed, number)
        exchange.publish(shared, number)
        records: list[ClientRecord] = []
        done = exchange.combine(visit(model, chosen, exchange, config, number, prior, records, tick))
        shared, kept = strategy.step(shared, kept, done.delta)
        shared |= {n: shared[n] + change for n, change in done.merged.items()}
        state = together(kept, exchange.state())
        yield Round(number, shared, state, tuple(records), done.error, dict(exchange.home))


def together(strategy: State, exchange: State) -> State:
    """The state of both as one."""
    return {f"strategy/{n}": t for n, t in strategy.items()} | {f"exchange/{n}": t for n, t in exchange.items()}


def apart(state: State) -> tuple[State, State]:
    """The inverse of `together`."""
    parts: dict[str, State] = {"strategy": {}, "exchange": {}}
    for name, tensor in state.items():
        part, _, rest = name.partition("/")
        parts[part][rest] = tensor
    return parts["strategy"], parts["exchange"]
