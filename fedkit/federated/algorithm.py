"""Federated averaging, one round at a time; the other modules are its details."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.formatting import one_line_error
from fedkit.core.record import ClientRecord
from fedkit.core.tensors import Params
from fedkit.data.corpus import ClientData
from fedkit.federated.aggregation.weighting import screen_and_weight
from fedkit.federated.interfaces import State, UpdateSummary
from fedkit.federated.local.train import Tick
from fedkit.federated.methods import methods_of
from fedkit.federated.rounds.asynchronous import AsynchronousRounds
from fedkit.federated.rounds.exchange import Exchange
from fedkit.federated.rounds.participant import SimulatedClients
from fedkit.federated.rounds.synchronous import SynchronousRounds
from fedkit.models.classifier import Model
from fedkit.privacy.noise import NoiseKey
from fedkit.wire.payload import check_tensors

STATE_PARTS = ("strategy", "exchange", "world")  # prefixes of the names in a saved state


@dataclass(frozen=True)
class Round:
    """Result of one round: the new shared tensors, the state for the next round, client records.

    home: the tensors that stay with a client, by its place. aggregation_error: see
    `aggregators.Combined`. noise: noise multiplier of the released sum; None without noise.
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
    key: NoiseKey | None = None,
) -> Iterator[Round]:
    """Yield the rounds `first` to `config.rounds` of federated averaging (McMahan et al., 2017).

    shared: parameters to start from. prior: label shares over all clients, for the calibrated loss.
    state: of the round before `first`. key: of the noise that protects; None: as `run_key` has it.
    """
    methods = methods_of(config)
    strategy, weights, robust = methods.strategy, methods.weights, methods.robust
    reports = (*strategy.reports, *weights.reports)
    simulated = SimulatedClients(model, clients, config, strategy, reports, prior, tick)
    server_state, exchange, rounds = restore_state(simulated, shared, state, key)
    for number in range(first, config.rounds + 1):
        exchange.publish(shared | strategy.broadcast(server_state), number)
        records: list[ClientRecord] = []
        counted: list[UpdateSummary] = []
        updates = rounds.collect_updates(exchange, number, records)
        updates = screen_and_weight(updates, robust, weights, strategy, records, counted)
        mean = exchange.combine(updates)
        shared, server_state = strategy.step(shared, server_state, mean.delta, counted)
        shared |= {name: shared[name] + change for name, change in mean.merged.items()}
        state = join_state(server_state, exchange.state(), rounds.state())
        home, noise = dict(exchange.home), exchange.noise
        yield Round(number, shared, state, tuple(records), mean.error, home, noise)


def restore_state(
    simulated: SimulatedClients, shared: Params, state: State | None, key: NoiseKey | None
) -> tuple[State, Exchange, SynchronousRounds | AsynchronousRounds]:
    """Return (strategy's state, exchange, rounds) after the round that left `state`, or before 1.

    Raises FedkitError for a damaged state.
    """
    strategy, clients = simulated.strategy, simulated.clients
    fresh = strategy.init(shared, len(clients))
    try:
        server_state, exchange_state, rounds_state = split_state(state or {})
        server_state = fresh if state is None else server_state
        check_tensors({name: server_state[name] for name in fresh}, fresh)
        sent = shared | strategy.broadcast(server_state)
        exchange = Exchange(simulated.model, clients, sent, simulated.config, exchange_state, key)
        rounds = AsynchronousRounds if strategy.asynchronous else SynchronousRounds
        return server_state, exchange, rounds(simulated, rounds_state)
    except (LookupError, TypeError, ValueError, RuntimeError) as error:
        if state is None or isinstance(error, FedkitError):
            raise
        raise FedkitError(
            f"the state of the run is damaged ({one_line_error(error)}); start again in another"
            " --out"
        ) from None


def join_state(*parts: State) -> State:
    """Return the states of strategy, exchange and rounds as one."""
    named = zip(STATE_PARTS, parts)
    return {f"{part}/{name}": t for part, state in named for name, t in state.items()}


def split_state(state: State) -> tuple[State, ...]:
    """Return the states that `join_state` joined."""
    parts: dict[str, State] = {part: {} for part in STATE_PARTS}
    for name, tensor in state.items():
        part, _, rest = name.partition("/")
        parts[part][rest] = tensor
    return tuple(parts.values())
