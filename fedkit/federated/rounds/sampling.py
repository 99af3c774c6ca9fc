"""Which clients take part in a round."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.data.corpus import ClientData
from fedkit.privacy.mechanisms import Budget
from fedkit.privacy.noise import NoiseKey


def choose_clients(
    clients: Sequence[ClientData],
    config: RunConfig,
    budget: Budget | None,
    number: int,
    key: NoiseKey | None = None,
) -> list[ClientData]:
    """Return the clients of round `number`.

    A client-level budget decides how they are drawn, as its accounting assumes: in turn, or each
    with probability `budget.rate`. Else `clients_per_round` does. key: of the draw, where it
    must stay secret; None: the key of the run's seed.
    """
    if budget is None or budget.unit != "client":
        return sample_clients(clients, config.clients_per_round, config.seed, number)
    if budget.turns:
        return [c for i, c in enumerate(clients) if i % budget.turns == number % budget.turns]
    draws = (key or NoiseKey.from_seed(config.seed)).stream("clients", number).random(len(clients))
    return [c for c, draw in zip(clients, draws) if draw < budget.rate]


def sample_clients(
    clients: Sequence[ClientData], wanted: float | None, seed: int, round_number: int
) -> list[ClientData]:
    """Return clients drawn without replacement, in their own order.

    wanted: None for all, below 1 a fraction, else a count.
    """
    n = cohort_size(len(clients), wanted)
    rows = np.random.default_rng([seed, round_number, 1]).choice(len(clients), n, replace=False)
    return [clients[i] for i in sorted(rows)]


def cohort_size(total: int, wanted: float | None) -> int:
    """Return how many of `total` clients a round takes, at least one.

    Raises FedkitError for an impossible number.
    """
    if wanted is None:
        return total
    if not 0 < wanted <= total or (wanted >= 1 and wanted != int(wanted)):  # NaN is refused too
        raise FedkitError(
            f"clients-per-round {wanted:g} given; choose a fraction below 1, or a whole number from"
            f" 1 to {total}"
        )
    return int(wanted) if wanted >= 1 else max(1, round(wanted * total))
