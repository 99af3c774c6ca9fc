"""Secure aggregation in a round: clients seal their uploads, the server opens only their sum."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from fedkit.core.config import RunConfig
from fedkit.core.record import ClientRecord
from fedkit.privacy.noise import (
    NoiseKey,
    add_discrete_noise,
    discrete_gaussian,
    discrete_sum_noise,
    noise_share,
    planned_share,
    rounded_sensitivity,
)
from fedkit.wire.secure_aggregation.masks import shares_needed
from fedkit.wire.secure_aggregation.registry import TooFew

SUM_SENDER = "the sum of all"  # sender of an update that nobody can tell apart
NOISE_ROOM = 10  # standard deviations of a share of noise that always fit


def may_lose_uploads(config: RunConfig) -> bool:
    """Return whether uploads may fail to arrive, so that the noise has to be planned for less."""
    return (config.faults, config.attack, config.deadline) != ("none", "none", None)


def mark_lost(records: list[ClientRecord], reason: str) -> None:
    """Record that no upload of the round counts."""
    for i, record in enumerate(records):
        if record.status == "ok":
            records[i] = replace(record, status="lost", reason=reason)


def add_lock_bytes(records: list[ClientRecord], *costs: Mapping[str, tuple[int, int]]) -> None:
    """Add the bytes that a lock made each client send and receive, in addition to its upload."""
    for i, record in enumerate(records):
        sent, received = (sum(cost.get(record.id, (0, 0))[way] for cost in costs) for way in (0, 1))
        up, down = record.uplink_bytes + sent, record.downlink_bytes + received
        records[i] = replace(record, uplink_bytes=up, downlink_bytes=down)


@dataclass(frozen=True)
class RequiredNoise:
    """Noise that a sum must carry.

    sensitivity: the most that one unit (example or client) moves the sum. multiplier: noise
    multiplier z, in units of that. units: the most that one client may hold, so that its vector is
    at most `units` times the sensitivity long.
    """

    sensitivity: float
    multiplier: float
    units: int = 1


@dataclass(frozen=True)
class OpenedSum:
    """What the server reads of a sum.

    mean: weighted. weight: of all clients together. noise: noise multiplier of the sum, None if it
    carries none. costs: {client: (bytes sent, bytes received)} of the recovery.
    """

    mean: np.ndarray
    weight: float
    noise: float | None
    costs: dict[str, tuple[int, int]]


class SecureSum:
    """Sum of one round's sealed vectors of `size` values.

    most: the largest weight of a client, known to all. noise: what the clients add in shares, large
    enough for the fewest that may arrive: all; if `lossy`, as many as the lock needs (ckks: more
    than half). A sum of fewer is never opened.
    """

    def __init__(
        self,
        lock: Any,
        clients: Sequence[str],
        size: int,
        key: NoiseKey,
        number: int,
        most: float,
        noise: RequiredNoise | None = None,
        lossy: bool = False,
    ):
        self.key = key.child("sum", number)
        self.session = lock.open(list(clients), size + 1, self.key.child("session").key, number)
        self.size, self.most, self.noise = size, most, noise
        self.parties, self.added, self.fewest = len(clients), 0, len(clients)
        if lossy:
            least = max(2, shares_needed(self.parties, 0.5))
            self.fewest = getattr(self.session, "needed", least)
        self.fixed = getattr(self.session, "fixed", None)  # fixed-point format; None: floats
        self.step = 2.0**-self.fixed.fraction if self.fixed else None
        self.factor = 1.0
        # as large as fits: the rounding must be small compared to what a unit can move
        if self.fixed and noise:
            room = NOISE_ROOM * noise.multiplier / math.sqrt(self.fewest)
            largest = noise.sensitivity * (noise.units + room)
            self.factor = 0.9 * self.fixed.limit(self.parties) * self.step / largest
        self.unit = 1 / most if self.step is None else self.step

    @property
    def setup(self) -> dict[str, tuple[int, int]]:
        """Bytes that each client sent and received before its upload."""
        return self.session.setup

    def seal(self, client: str, vector: np.ndarray, weight: float) -> bytes:
        """Return a client's upload. Raises PayloadError for what does not fit."""
        scaled = vector.astype(np.float64) * (weight / self.most * self.factor)
        noise = None
        if self.noise:
            share, stream = self._noise_share(self.noise), self.key.stream("noise", client)
            if self.step is None:
                moved = self.scaled_sensitivity(self.noise)
                scaled = add_discrete_noise(torch.from_numpy(scaled), share, moved, stream).numpy()
            else:
                noise = np.append(discrete_gaussian(share / self.step, self.size, stream), 0)
        return self.session.seal(client, np.append(scaled, weight * self.unit), noise)

    def add(self, client: str, body: bytes) -> None:
        """Add an upload. Raises PayloadError with the reason if it cannot be added."""
        self.session.add(client, body)
        self.added += 1

    def result(self) -> OpenedSum:
        """Open the sum. Raises TooFew where it cannot be read, or carries too little noise."""
        if self.noise and self.added < self.fewest:
            raise TooFew(
                f"{self.added} of {self.parties} clients are left, and the noise is planned for"
                f" {self.fewest}"
            )
        total, costs = self.session.result()
        weight = round(float(total[-1]) / self.unit, 6)
        mean = total[:-1] * (self.most / self.factor / weight)
        return OpenedSum(mean, weight, self._arrived_noise(), costs)

    def _noise_share(self, noise: RequiredNoise) -> float:
        """Return the standard deviation of a client's share, in scaled units."""
        unit = self.scaled_sensitivity(noise)
        if self.step is None:
            return noise_share(unit * noise.multiplier, self.fewest)
        unit /= self.step
        planned = planned_share(noise.multiplier, unit, self.size, self.fewest, self.parties)
        return planned * self.step

    def scaled_sensitivity(self, noise: RequiredNoise) -> float:
        """Return the most that one unit moves the scaled sum.

        Rounding, which moves each value by less than a step, is included.
        """
        exact = noise.sensitivity * self.factor
        if self.fixed is None:
            return exact
        return rounded_sensitivity(exact, self.size, self.fixed.fraction)

    def _arrived_noise(self) -> float | None:
        """Return the noise multiplier of the shares that arrived; None if no noise is required."""
        if self.noise is None:
            return None
        if self.step is None:
            return self.noise.multiplier * math.sqrt(self.added / self.fewest)
        each = self._noise_share(self.noise) / self.step
        unit = self.scaled_sensitivity(self.noise) / self.step
        return discrete_sum_noise(each, self.added, self.size, unit)
