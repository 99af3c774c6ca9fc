"""What a method can override: strategies, aggregation rules, robust rules, weightings.

To add one: a small frozen dataclass over one of these bases, and a line in its registry
(`strategies.STRATEGIES`, `aggregators.AGGREGATORS`, `robust.ROBUST`, `weighting.WEIGHTS`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor

from fedkit.core.tensors import Params
from fedkit.federated.aggregation.lora_pairs import Pair, RoundSums
from fedkit.federated.local.train import ClientUpdate

State = Params  # tensors kept from round to round, which fit in a file; {} when there are none
Screened = tuple[list[ClientUpdate], dict[str, str]]


@dataclass(frozen=True)
class UpdateSummary:
    """What the server knows of an update that counted, without its tensors.

    base: weight by WEIGHTS. weight: weight in the mean. square: ||delta||^2. steps and loss: as
    the client reports them. Square, steps and loss are set only if the strategy needs them.
    """

    base: float
    weight: float
    square: float
    staleness: int = 0
    steps: float = 0.0
    loss: float = 0.0


def staleness_discount(update: ClientUpdate, power: float = 0.5) -> float:
    """Return the discount of a stale update, (1 + staleness)^-power (Xie et al., 2019)."""
    return (1 + update.staleness) ** -power


class Strategy:
    """Base of all strategies against client drift; acts as FedAvg."""

    needs: ClassVar[str] = ""
    reports: ClassVar[tuple[str, ...]] = ()  # numbers that clients must report: steps, loss
    # works on the plain mean of the deltas, so other aggregations are refused
    plain_mean: ClassVar[bool] = False
    needs_norms: ClassVar[bool] = False  # needs ||delta||^2 of every update
    # clients keep and send a control variate for every tensor
    uses_controls: ClassVar[bool] = False
    # the server steps when enough updates have arrived, from any clients
    asynchronous: ClassVar[bool] = False
    pull: ClassVar[float] = 0.0  # mu of the proximal term that holds clients near their start

    def logit_margin(self, counts: np.ndarray) -> Tensor | None:
        """Return what the client's loss adds to the logits, shape (labels,).

        counts: its examples per label. None: as --loss says.
        """
        return None

    def init(self, shared: Params, clients: int) -> State:
        """Return the state before round 1 of a run with so many clients."""
        return {}

    def broadcast(self, state: State) -> Params:
        """Return tensors that clients need in addition to the shared ones."""
        return {}

    def update_weight(self, update: ClientUpdate, base: float) -> float:
        """Return the weight of an update in the mean; a stale update counts less.

        base: its weight by WEIGHTS.
        """
        return base * staleness_discount(update)

    def step(
        self,
        shared: Params,
        state: State,
        delta: Params | None,
        arrived: Sequence[UpdateSummary] = (),
    ) -> tuple[Params, State]:
        """Return (new shared parameters, new state).

        delta: the mean change of some tensors; None when no update counted.
        """
        if delta is None:
            return shared, state
        scale = self.mean_scale(arrived)
        delta = {n: scale * t for n, t in delta.items()}
        change, state = self.server_change(delta, state, len(arrived))
        return shared | {n: shared[n] + t for n, t in change.items() if n in shared}, state

    def mean_scale(self, arrived: Sequence[UpdateSummary]) -> float:
        """Return the factor by which the mean is multiplied before the step."""
        return 1.0

    def server_change(self, delta: Params, state: State, arrived: int) -> tuple[Params, State]:
        """Return (the change of the shared tensors, new state). arrived: updates that counted."""
        return delta, state

    def buffer_size(self, clients: int) -> int:
        """Return the number of updates that an asynchronous server waits for."""
        return clients


class Aggregator:
    """Base of all aggregation rules; averages every tensor separately."""

    needs: ClassVar[str] = ""
    pairs_only: ClassVar[bool] = False  # works on LoRA pairs, refuses other tuners
    needs_both: ClassVar[bool] = False  # needs A and B of every client
    merges: ClassVar[bool] = False  # adds to the frozen matrices
    # averages pairs by its own weights, so that their mean is not that of the deltas
    own_means: ClassVar[bool] = False

    def frozen_names(self, names: Iterable[str], number: int) -> frozenset[str]:
        """Return the names of tensors that are neither trained nor sent in round `number`."""
        return frozenset()

    def local_names(self, names: Iterable[str]) -> frozenset[str]:
        """Return the names of tensors that are trained and never sent."""
        return frozenset()

    def listed_ranks(self) -> list[int]:
        """Return the ranks given to clients in turn, [] for one rank for all."""
        return []

    def client_rank(self, client: int, most: int) -> int:
        """Return the rank of a client's pairs. client: its place among all clients."""
        ranks = self.listed_ranks()
        return min(ranks[client % len(ranks)], most) if ranks else most

    def round_start(self, shared: Params, number: int, seed: int) -> Params:
        """Return what clients start a round from, computed from what they hold."""
        return shared

    def pair_weight(self, update: ClientUpdate, start: Params, found: list[Pair]) -> float:
        """Return the weight of a client's pairs."""
        return update.mean_weight

    def finish(self, begin: Params, sums: RoundSums, scale: float) -> tuple[Params, Params, Params]:
        """Return (delta, merged, message), see `Combined`. scale: of the adapters, alpha / r."""
        return sums.mean_delta(), {}, {}


class RobustRule:
    """Base of all robust rules; passes on every update unchanged."""

    needs: ClassVar[str] = ""
    # looks at updates one by one, so cannot stand behind secure aggregation
    individual: ClassVar[bool] = True

    def check(self, clients: int) -> None:
        """Raise FedkitError if the rule cannot work with so many clients in a round."""

    def screen(self, updates: list[ClientUpdate]) -> Screened:
        """Return (the updates for the mean, {client_id: reason} of those left out).

        updates: all of a round, with the same names and shapes.
        """
        return updates, {}


class Weights:
    """Base of all weightings."""

    reports: ClassVar[tuple[str, ...]] = ()  # numbers that clients must report

    def weight(self, update: ClientUpdate) -> float:
        """Return the weight of an update, above 0; only ratios matter."""
        raise NotImplementedError
