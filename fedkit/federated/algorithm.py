"""The federated run, one round at a time: everything else in the package is a detail of these
lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from fedkit.core.config import RunConfig
from fedkit.core.record import ClientRecord
from fedkit.core.tensors import Params
from fedkit.data.corpus import ClientData
from fedkit.federated.aggregation.robust import make_robust
from fedkit.federated.aggregation.weighting import gather, make_weights
from fedkit.federated.local.train import Tick
from fedkit.federated.rounds.asynchronous import Flying
from fedkit.federated.rounds.exchange import Exchange
from fedkit.federated.rounds.participant import Participants
from fedkit.federated.rounds.synchronous import Waiting
from fedkit.federated.strategies import Arrived, State, make_strategy
from fedkit.models.classifier import Model


@dataclass(frozen=True)
class Round:
    """What a round leaves behind: the new shared tensors, all that the next round needs, and what
    each client did.

    home: the tensors that stay with a client, by its place. aggregation_error: see
    `aggregate.Combined`. noise: the multiplier of what was released of the sum, None if no noise
    was owed to it.
    """

    number: int
    shared: Params
    state: State
    clients: tuple[ClientRecord, ...]
    aggregation_error: float | None = None
    home: dict[int, Params] = field(default_factory=dict)
    noise: float | None = None


def federate(
    model: Model,
    clients: Sequence[ClientData],
    shared: Params,
    config: RunConfig,
    prior: Tensor | None = None,
    first: int = 1,
    state: State | None = None,
    tick: Tick = lambda *_: None,
    secret: int = 0,
) -> Iterator[Round]:
    """Federated averaging (McMahan et al., 2017), yielding every round from `first` to
    `config.rounds`.

    shared: parameters to start from. prior: label shares over all clients, for the calibrated loss.
    secret: added to the seed of the noise that protects.
    """
    strategy, weights, robust = (
        make_strategy(config.strategy),
        make_weights(config.weights),
        make_robust(config.robust),
    )
    kept, travelled, befell = apart(state or {})
    kept = strategy.init(shared, len(clients)) if state is None else kept
    exchange = Exchange(
        model, clients, shared | strategy.broadcast(kept), config, travelled, secret
    )
    sites = Participants(
        model, clients, config, strategy, (*strategy.reports, *weights.reports), prior, tick
    )
    world = (Flying if strategy.asynchronous else Waiting)(sites, befell)
    for number in range(first, config.rounds + 1):
        exchange.publish(shared | strategy.broadcast(kept), number)
        records: list[ClientRecord] = []
        arrived: list[Arrived] = []
        updates = world.visit(exchange, number, records)
        done = exchange.combine(gather(updates, robust, weights, strategy, records, arrived))
        shared, kept = strategy.step(shared, kept, done.delta, arrived)
        shared |= {n: shared[n] + change for n, change in done.merged.items()}
        state = together(kept, exchange.state(), world.state())
        yield Round(
            number, shared, state, tuple(records), done.error, dict(exchange.home), exchange.noise
        )


PARTS = ("strategy", "exchange", "world")


def together(*parts: State) -> State:
    """The state of all as one."""
    return {f"{part}/{n}": t for part, state in zip(PARTS, parts) for n, t in state.items()}


def apart(state: State) -> tuple[State, ...]:
    """The inverse of `together`."""
    parts: dict[str, State] = {part: {} for part in PARTS}
    for name, tensor in state.items():
        part, _, rest = name.partition("/")
        parts[part][rest] = tensor
    return tuple(parts.values())
