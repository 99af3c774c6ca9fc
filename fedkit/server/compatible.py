"""What goes together: settings that contradict each other are refused before any data is read."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fedkit.client.attack import make_attack
from fedkit.client.faults import parse_faults
from fedkit.client.train import sgd_momentum
from fedkit.config import RunConfig
from fedkit.data.corpus import ClientData
from fedkit.errors import FedkitError
from fedkit.server.aggregate import make_aggregator
from fedkit.server.robust import make_robust
from fedkit.server.strategy import make_strategy
from fedkit.server.weights import make_weights

LATE = ("drop", "carry")


def check_server(config: RunConfig) -> None:
    """Refuse a strategy, a robust rule, faults or a deadline that cannot work, alone or together. Raises FedkitError."""
    strategy, rule, robust = (
        make_strategy(config.strategy),
        make_aggregator(config.aggregate),
        make_robust(config.robust),
    )
    weights = make_weights(config.weights)
    make_attack(config.attack), parse_faults(config.faults), sgd_momentum(config)
    for name in ("deadline", "pace"):
        value = getattr(config, name)
        if value is not None and not (0 < value <= 1e9 and math.isfinite(value)):
            raise FedkitError(f"{name} {value:g} given; write seconds above 0, for example 0.5")
    if config.late not in LATE:
        raise FedkitError(f"late {config.late!r} is not known; choose one of: {', '.join(LATE)}")
    one_by_one = rule.both or rule.own_means
    for wrong, why in (
        (strategy.plain_mean and one_by_one,
         f"strategy {config.strategy!r} works on the plain mean, and aggregate {config.aggregate!r} makes another; "
         "use --aggregate mean or ffa"),
        (strategy.controls and (config.aggregate != "mean" or config.share != "all"),
         f"strategy {config.strategy!r} needs every tensor of every client; use --aggregate mean and --share all"),
        (strategy.asynchronous and config.deadline is not None,
         f"deadline {config.deadline} given with strategy {config.strategy!r}, which does not wait; leave --deadline out"),
        (strategy.asynchronous and config.clients_per_round is not None,
         f"clients-per-round {config.clients_per_round} given with strategy {config.strategy!r}, whose clients all work "
         "all the time; leave it out"),
        (strategy.asynchronous and (config.aggregate != "mean" or config.share != "all"),
         f"strategy {config.strategy!r} mixes parameters of several ages; use --aggregate mean and --share all"),
        (robust.individual and one_by_one,
         f"robust {config.robust!r} changes the updates, and aggregate {config.aggregate!r} needs them as they are; "
         "use --aggregate mean or ffa"),
        (robust.individual and strategy.asynchronous,
         f"robust {config.robust!r} compares a whole round's updates, and strategy {config.strategy!r} has no rounds; "
         "use another --strategy"),
        (robust.individual and (strategy.reports or weights.reports),
         f"robust {config.robust!r} takes nobody's word, and {_asks(config, bool(strategy.reports))} asks sites for figures of "
         "their own; use one of the two"),
        (config.late == "carry" and config.deadline is None, "late 'carry' given without --deadline; give both"),
        (config.late == "carry" and (one_by_one or config.share != "all"),
         f"late 'carry' mixes parameters of two rounds, and aggregate {config.aggregate!r} or --share "
         f"{config.share!r} does not allow it; use --late drop"),
    ):  # fmt: skip
        if wrong:
            raise FedkitError(why)


def _asks(config: RunConfig, strategy: bool) -> str:
    return f"strategy {config.strategy!r}" if strategy else f"weights {config.weights!r}"


def check_sites(config: RunConfig, clients: int) -> None:
    """Refuse what cannot work with so many clients. Raises FedkitError."""
    from fedkit.server.sampling import cohort_size

    make_attack(config.attack).who(clients, config.seed)
    make_robust(config.robust).check(cohort_size(clients, config.clients_per_round))


def check_memory(config: RunConfig, clients: Sequence[ClientData], labels: int) -> None:
    """Refuse what a site's device has no memory for, site by site of each device the largest. Raises FedkitError."""
    from fedkit.model.footprint import Texts, lacking, site_footprint
    from fedkit.network import World, parse_device

    names = World.of(config, [c.client_id for c in clients]).devices
    for name in dict.fromkeys(names):
        memory = parse_device(name).memory
        if memory is None:
            continue
        held = [c.train.tokens + c.validation.tokens for c, device in zip(clients, names) if device == name]
        texts = Texts.of(len(t) for t in max(held, key=len))
        if reason := lacking(site_footprint(config, texts, labels), memory, f"a site ({name})"):
            raise FedkitError(
                f"tune {config.tune!r} {reason}; use a smaller --tune, --batch-size or --max-tokens, or other --devices"
            )


def server_notes(config: RunConfig, clients: Sequence[str] = ()) -> list[str]:
    """What happens otherwise than the settings say, or is drawn by the seed, in a sentence each."""
    attackers = sorted(make_attack(config.attack).who(len(clients), config.seed)) if clients else []
    notes = (
        [f"attack {config.attack}: by {', '.join(clients[i] for i in attackers)}, drawn by the seed"]
        if attackers
        else []
    )
    if attackers and config.robust != "none" and 2 * len(attackers) >= len(clients):
        notes.append(f"{len(attackers)} of {len(clients)} sites attack: no robust rule bears half or more")
    if make_strategy(config.strategy).margin(np.zeros(1)) is not None and config.loss != RunConfig.loss:
        notes.append(f"loss {config.loss} not used: strategy {config.strategy} has a loss of its own")
    if config.pace is not None:
        from fedkit.client.pace import time_decides

        if not time_decides(config):
            notes.append("pace: the clock uses it in place of the measured training seconds")
    return notes
