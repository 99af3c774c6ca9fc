"""The secure aggregation methods: one session per round, clients and server in one process.

session = make_lock("masks").open(clients, size, seed, round); session.setup: bytes before the
uploads; session.seal(client, vector, noise) -> body, at the client; session.add(client, body),
session.view() and session.result() -> (sum, bytes of the recovery), at the server. All messages
are real bytes.

NOT SECURE, FOR TEACHING. Secure aggregation is not differential privacy: what the sum says of one
client is not hidden.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fedkit.core.spec import build_entry
from fedkit.wire.secure_aggregation.ckks import Ckks
from fedkit.wire.secure_aggregation.fixed_point import FixedPoint, FixedPointSum, Seed, TooFew
from fedkit.wire.secure_aggregation.masks import Masks

__all__ = ["LOCKS", "Ckks", "Clear", "FixedPointSum", "Masks", "TooFew", "make_lock"]


@dataclass(frozen=True)
class Clear:
    """Every upload is seen by the server."""

    def open(self, clients: Sequence[str], size: int, seed: Seed, round: int) -> FixedPointSum:
        """Return the session of a round that sums vectors of `size` values."""
        return FixedPointSum(
            self, FixedPoint(Masks.bits, Masks.fraction), clients, size, seed, round
        )


def make_lock(spec: str) -> Any:
    """Return the method that 'name:key=value,...' describes. Raises FedkitError otherwise."""
    return build_entry("secure", LOCKS, spec)


LOCKS: dict[str, type] = {"none": Clear, "masks": Masks, "ckks": Ckks}
