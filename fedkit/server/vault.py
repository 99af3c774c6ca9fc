"""Uploads that the server can only add up: weighted at the client, sealed, and where noise is owed, each with its share.

The value after the last is the client's weight, so that the server learns the weighted mean and no single weight.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedkit.accounting import discrete_sum_noise
from fedkit.wire.discrete import discrete_gaussian, effective_noise, noise_share, sensitivity

ROOM = 10  # standard deviations of a share of noise that always fit


@dataclass(frozen=True)
class Owed:
    """The noise that the sum must carry. sensitivity: the most that one unit moves it. multiplier: z, in units of that.

    units: that one client may hold, so that its vector is at most as many times the sensitivity long.
    """

    sensitivity: float
    multiplier: float
    units: int = 1


@dataclass(frozen=True)
class Opened:
    """What the server read. mean: weighted. weight: of all together. noise: multiplier that the sum carries, None if none
    was owed. costs: {client: (bytes sent, bytes received)} of the recovery."""

    mean: np.ndarray
    weight: float
    noise: float | None
    costs: dict[str, tuple[int, int]]


class Vault:
    """One round's sum of sealed vectors of `size` values. most: the largest weight of a client, known to all."""

    def __init__(self, lock: Any, clients: Sequence[str], size: int, seed: int, number: int, most: float,
                 owed: Owed | None = None):  # fmt: skip
        self.session = lock.open(list(clients), size + 1, seed, number)
        self.size, self.most, self.owed, self.stream, self.parties = size, most, owed, (seed, number), len(clients)
        self.added: list[str] = []
        self.fixed, self.factor = getattr(self.session, "fixed", None), 1.0
        fixed = self.fixed
        self.step = 2.0**-fixed.fraction if fixed else None
        if fixed and owed:  # as large as fits: the rounding must be small beside what a unit can move
            largest = owed.sensitivity * (owed.units + ROOM * owed.multiplier / math.sqrt(self.parties))
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
        """Standard deviation of a client's share, in the scaled units; with the room that rounding takes."""
        return noise_share(self._bound() * self.owed.multiplier, self.parties)

    def _bound(self) -> float:
        """The most that one unit moves the scaled sum: rounding moves each value by less than a step."""
        exact = self.owed.sensitivity * self.factor
        return exact if self.fixed is None else sensitivity(exact, self.size, self.fixed.fraction)

    def _noise(self) -> float | None:
        """The multiplier of what arrived; None where none was owed."""
        if self.owed is None:
            return None
        if self.step is None:
            return effective_noise(self.owed.multiplier, self.parties, self.parties - len(self.added))
        each = self._share() / self.step
        return discrete_sum_noise(each, len(self.added), self.size, self._bound() / self.step)
