"""The methods of a run: every text form of its settings, parsed once for all who read it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from fedkit.core.config import RunConfig
from fedkit.federated.aggregation.aggregators import Aggregator, make_aggregator
from fedkit.federated.aggregation.robust import RobustRule, make_robust
from fedkit.federated.aggregation.weighting import Weights, make_weights
from fedkit.federated.local.train import sgd_momentum
from fedkit.federated.rounds.attacks import Attack, make_attack
from fedkit.federated.rounds.faults import Faults, parse_faults
from fedkit.federated.strategies import Strategy, make_strategy
from fedkit.models.head_starts import make_head_start
from fedkit.models.tuners.registry import Tuner, make_tuner
from fedkit.privacy.mechanisms import Privacy, make_privacy
from fedkit.wire.pipeline import Wire, make_wire
from fedkit.wire.secure_aggregation.registry import make_lock


@dataclass(frozen=True)
class Methods:
    """What the settings of the same names describe.

    up, down: wires of the upload, with error feedback if it has any, and of the download. lock: of
    secure aggregation. momentum: of the clients' SGD; None where they use AdamW.
    """

    tuner: Tuner
    strategy: Strategy
    aggregator: Aggregator
    robust: RobustRule
    weights: Weights
    attack: Attack
    faults: Faults
    momentum: float | None
    privacy: Privacy
    lock: Any
    up: Wire
    down: Wire
    head_start: Any


@lru_cache(maxsize=256)
def methods_of(config: RunConfig) -> Methods:
    """Return the methods of a run's settings: the same object for the same settings.

    Raises FedkitError for the first that cannot be parsed.
    """
    tuner, strategy = make_tuner(config.tune), make_strategy(config.strategy)
    aggregator = make_aggregator(config.aggregate)
    return Methods(
        tuner=tuner,
        strategy=strategy,
        aggregator=aggregator,
        robust=make_robust(config.robust),
        weights=make_weights(config.weights),
        attack=make_attack(config.attack),
        faults=parse_faults(config.faults),
        momentum=sgd_momentum(config),
        privacy=make_privacy(config.privacy),
        lock=make_lock(config.secure),
        up=make_wire(config.wire),
        down=_download_wire(config, aggregator),
        head_start=make_head_start(config.head_start),
    )


def _download_wire(config: RunConfig, aggregator: Aggregator) -> Wire:
    if config.wire_down is None and aggregator.needs_both:
        return Wire()
    spec = config.wire if config.wire_down is None else config.wire_down
    return make_wire(spec).without_memory()


def time_decides(config: RunConfig) -> bool:
    """Return whether simulated seconds decide which updates count, and so what is learned."""
    waits = config.deadline is not None or config.faults != "none"
    return waits or methods_of(config).strategy.asynchronous
