"""The uploads of a round under a lock: sealed at the clients, added up by the server, opened as one
mean.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from fedkit.core.config import RunConfig
from fedkit.core.errors import PayloadError
from fedkit.core.record import ClientRecord
from fedkit.core.tensors import CENTRE, Params
from fedkit.federated.local.dp_sgd import stepped
from fedkit.federated.local.train import ClientUpdate
from fedkit.federated.rounds.client_dp import Guard
from fedkit.privacy.accounting import discrete_sum_noise
from fedkit.privacy.discrete_noise import (
    discrete_gaussian,
    effective_noise,
    noise_share,
    sensitivity,
)
from fedkit.privacy.mechanisms import Budget
from fedkit.wire.pipeline import Context, Wire
from fedkit.wire.secure_aggregation.registry import TooFew, make_lock

SUM = "the sum of all"  # stands for the sender of an update that nobody can tell apart


class Sealing:
    """What `--secure` does in a round; nothing where it is 'none'.

    heaviest: the largest weight of a client, known to all. rates: learning rates, for a server that
    takes the step. noise: the multiplier that the opened sum carries, None if none was owed to it.
    """

    def __init__(
        self,
        config: RunConfig,
        wire: Wire,
        budget: Budget | None,
        guard: Guard | None,
        heaviest: float,
        rates: dict[str, float],
        entropy: int,
    ):
        self.config, self.wire, self.budget, self.guard = config, wire, budget, guard
        self.heaviest, self.rates, self.entropy = heaviest, rates, entropy
        self.on = config.secure != "none"
        self.vault: Vault | None = None
        self.noise: float | None = None

    def open(self, chosen: Sequence[str], template: Params, number: int) -> None:
        """Before the uploads of a round: those who take part agree on how. template: what each of
        them sends.
        """
        self.vault = self.noise = None
        if self.on and len(chosen) > 1:
            size = len(self.wire.project(template, self._context(number))[0])
            lock = make_lock(self.config.secure)
            self.vault = Vault(
                lock, chosen, size, self.entropy, number, self.heaviest, self._owed()
            )

    def seal(self, delta: Params, context: Context, examples: int) -> tuple[bytes, Params]:
        """(a client's upload, its new memory of what was lost). Raises PayloadError for what does
        not fit.
        """
        if self.vault is None:
            raise PayloadError("alone in its round, and a sum of one hides nothing")
        vector, memory = self.wire.project(delta, context)
        weight = float(examples) if self.config.weights == "examples" else 1.0
        return self.vault.seal(context.sender, vector.numpy(), weight), memory

    def take(self, client: str, body: bytes) -> str:
        """Take an upload into the sum; why it cannot be, or ''."""
        try:
            self.vault.add(client, body)
        except PayloadError as error:
            return str(error)
        return ""

    def opened(
        self, records: list[ClientRecord], begin: Params, names: Sequence[str], number: int
    ) -> Iterator[ClientUpdate]:
        """The mean of a round as one update, once all are there; `records` gets the bytes that the
        lock took.
        """
        if self.vault is None:
            return
        costs: Mapping[str, tuple[int, int]] = {}
        try:
            done = self.vault.result()
            costs, self.noise = done.costs, done.noise
            vector = torch.from_numpy(done.mean).float()
            mean = self.wire.restore(vector, {n: begin[n] for n in names}, self._context(number))
            if self.budget and self.budget.trust_sum:  # the server takes the step
                mean = stepped(mean, begin.get(CENTRE), self.budget, self.rates, done.weight)
            yield ClientUpdate(SUM, mean, max(1, round(done.weight)), weight=done.weight)
        except TooFew as error:
            lose(records, f"too few arrived: {error}")
        except PayloadError as error:  # a hostile client can spoil a sum that nobody looks into
            lose(records, f"the sum cannot be used: {error}")
        charge(records, self.vault.setup, costs)

    def _owed(self) -> Owed | None:
        """The noise that the sum must carry: of clipped updates, or of clipped gradients over rate
        x `heaviest`.
        """
        if self.guard:
            return Owed(self.guard.clip, self.guard.multiplier)
        if self.budget and self.budget.trust_sum:
            share = self.budget.clip / (self.budget.rate * self.heaviest)
            return Owed(share, self.budget.noise, int(self.heaviest))
        return None

    def _context(self, number: int) -> Context:
        return Context("server", number, self.config.seed, {})


def lose(records: list[ClientRecord], reason: str) -> None:
    """Nothing came of the uploads of a round."""
    for i, record in enumerate(records):
        if record.status == "ok":
            records[i] = replace(record, status="lost", reason=reason)


def charge(records: list[ClientRecord], *costs: Mapping[str, tuple[int, int]]) -> None:
    """Add what a lock made each client send and receive besides its upload."""
    for i, record in enumerate(records):
        sent, received = (sum(cost.get(record.id, (0, 0))[way] for cost in costs) for way in (0, 1))
        records[i] = replace(
            record,
            uplink_bytes=record.uplink_bytes + sent,
            downlink_bytes=record.downlink_bytes + received,
        )


ROOM = 10  # standard deviations of a share of noise that always fit


@dataclass(frozen=True)
class Owed:
    """The noise that the sum must carry. sensitivity: the most that one unit moves it. multiplier:
    z, in units of that.

    units: that one client may hold, so that its vector is at most as many times the sensitivity
    long.
    """

    sensitivity: float
    multiplier: float
    units: int = 1


@dataclass(frozen=True)
class Opened:
    """What the server read. mean: weighted. weight: of all together. noise: multiplier that the sum
    carries, None if none was owed. costs: {client: (bytes sent, bytes received)} of the
    recovery.
    """

    mean: np.ndarray
    weight: float
    noise: float | None
    costs: dict[str, tuple[int, int]]


class Vault:
    """One round's sum of sealed vectors of `size` values. most: the largest weight of a client,
    known to all.
    """

    def __init__(
        self,
        lock: Any,
        clients: Sequence[str],
        size: int,
        seed: int,
        number: int,
        most: float,
        owed: Owed | None = None,
    ):
        self.session = lock.open(list(clients), size + 1, seed, number)
        self.size, self.most, self.owed, self.stream, self.parties = (
            size,
            most,
            owed,
            (seed, number),
            len(clients),
        )
        self.added: list[str] = []
        self.fixed, self.factor = getattr(self.session, "fixed", None), 1.0
        fixed = self.fixed
        self.step = 2.0**-fixed.fraction if fixed else None
        # as large as fits: the rounding must be small beside what a unit can move
        if fixed and owed:
            largest = owed.sensitivity * (
                owed.units + ROOM * owed.multiplier / math.sqrt(self.parties)
            )
            self.factor = 0.9 * fixed.limit(self.parties) * self.step / largest
        self.unit = 1 / most if fixed is None else self.step

    @property
    def setup(self) -> dict[str, tuple[int, int]]:
        """Bytes that each client sent and received before its upload."""
        return self.session.setup

    def seal(self, client: str, vector: np.ndarray, weight: float) -> bytes:
        """A client's upload. Raises PayloadError for what does not fit."""
        scaled = vector.astype(np.float64) * (weight / self.most * self.factor)
        noise = None
        if self.owed:
            rng = np.random.default_rng([*self.stream, zlib.crc32(client.encode()), 13])
            share = self._share()
            if self.step is None:
                scaled += share * rng.standard_normal(self.size)
            else:
                noise = np.append(discrete_gaussian(share / self.step, self.size, rng), 0)
        return self.session.seal(client, np.append(scaled, weight * self.unit), noise)

    def add(self, client: str, body: bytes) -> None:
        """Take an upload in. Raises PayloadError with the reason."""
        self.session.add(client, body)
        self.added.append(client)

    def result(self) -> Opened:
        """Raises TooFew where the sum cannot be read."""
        total, costs = self.session.result()
        weight = round(float(total[-1]) / self.unit, 6)
        return Opened(total[:-1] * (self.most / self.factor / weight), weight, self._noise(), costs)

    def _share(self) -> float:
        """Standard deviation of a client's share, in the scaled units; with the room that rounding
        takes.
        """
        return noise_share(self._bound() * self.owed.multiplier, self.parties)

    def _bound(self) -> float:
        """The most that one unit moves the scaled sum: rounding moves each value by less than a
        step.
        """
        exact = self.owed.sensitivity * self.factor
        return exact if self.fixed is None else sensitivity(exact, self.size, self.fixed.fraction)

    def _noise(self) -> float | None:
        """The multiplier of what arrived; None where none was owed."""
        if self.owed is None:
            return None
        if self.step is None:
            return effective_noise(
                self.owed.multiplier, self.parties, self.parties - len(self.added)
            )
        each = self._share() / self.step
        return discrete_sum_noise(each, len(self.added), self.size, self._bound() / self.step)
