"""How a sum is made without its terms being seen: one session a round, the clients' and the
server's sides in one process.

session = make_lock("masks").open(clients, size, seed, round); session.setup: bytes before the
uploads; session.seal(client, vector, noise) -> body, at the client; session.add(client, body),
session.view() and session.result() -> (sum, bytes of the recovery), at the server. Whatever would
cross a network is real bytes.

NOT SECURE, FOR TEACHING. Secure aggregation is not differential privacy: what the sum says of one
client is not hidden.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fedkit.core.spec import build
from fedkit.wire.secure_aggregation.ckks import Ckks
from fedkit.wire.secure_aggregation.fixed_point import Fixed
from fedkit.wire.secure_aggregation.masking_client import TooFew
from fedkit.wire.secure_aggregation.masks import Masks, Sum

__all__ = ["LOCKS", "Ckks", "Clear", "Masks", "Sum", "TooFew", "make_lock"]


@dataclass(frozen=True)
class Clear:
    """Every upload is seen by the server."""

    def open(self, clients: Sequence[str], size: int, seed: int, round: int) -> Sum:
        """A round's sum of vectors of `size` values."""
        return Sum(self, Fixed(Masks.bits, Masks.fraction), clients, size, seed, round)


def make_lock(spec: str):
    """The lock that 'name:key=value,...' describes. Raises FedkitError naming what is allowed."""
    return build("secure", LOCKS, spec)


LOCKS: dict[str, type] = {"none": Clear, "masks": Masks, "ckks": Ckks}
