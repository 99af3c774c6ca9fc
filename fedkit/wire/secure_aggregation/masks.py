"""Secure aggregation by masks that cancel in the sum (Bonawitz et al., 2017).

Two masks hide a vector. The pairwise one, agreed with each neighbour, cancels in the sum. The self
mask hides the vector of a client whose upload comes late, after its pairwise masks were uncovered.
The neighbours hold shares of both secrets: after the uploads those left reveal, for each client,
the self mask if its vector arrived, else its mask key.

Each client shares masks with all others or with k neighbours (Bell et al., 2020): its work then
grows with k instead of n, but only k + 1 clients hold shares of a secret, and a small neighbourhood
fails more often than a large one.

NOT SECURE, FOR TEACHING (see masking_client.py). It hides who sent what, and nothing of the sum:
secure aggregation is not differential privacy. Nobody can check what a client put into its vector.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedkit.core.errors import FedkitError, PayloadError
from fedkit.wire.secure_aggregation.fixed_point import (
    BytesByClient,
    FixedPoint,
    FixedPointSum,
    Seed,
    TooFew,
    digest,
    philox,
)
from fedkit.wire.secure_aggregation.masking_client import (
    KEY_BYTES,
    TAG_BYTES,
    BytesByPlace,
    MaskingClient,
    add_pair_mask,
    pack_rows,
    public_key,
    self_mask,
    shared_key,
    unpack_rows,
)
from fedkit.wire.secure_aggregation.shamir import NBYTES, join_shares


class MaskedSum(FixedPointSum):
    """A sum under masks, which is noise until enough clients have answered."""

    def __init__(self, lock: Masks, clients: Sequence[str], size: int, seed: Seed, round: int):
        super().__init__(lock, FixedPoint(lock.bits, lock.fraction), clients, size, seed, round)
        self.lock = lock
        self.recovery_bytes: BytesByClient | None = None
        self.needed = max(2, lock.needed(len(clients)))  # a sum of one is its vector
        neighbourhoods = neighbour_graph(len(clients), lock.neighbours, seed, round)
        self.masking_clients = [
            MaskingClient(i, name, neighbourhood, lock.needed(len(neighbourhood)))
            for i, (name, neighbourhood) in enumerate(zip(self.clients, neighbourhoods))
        ]
        self._exchange_keys()

    def _exchange_keys(self) -> None:
        """Exchange keys and shares through the server, which keeps only the public mask keys."""
        sent = [m.advertise_keys() for m in self.masking_clients]
        books = [
            pack_rows({p: sent[p] for p in m.neighbourhood if p != m.place})
            for m in self.masking_clients
        ]
        dealt = [
            unpack_rows(m.share_secrets(book), 2 * NBYTES + TAG_BYTES)
            for m, book in zip(self.masking_clients, books)
        ]
        for m, book in zip(self.masking_clients, books):
            received = pack_rows({p: dealt[p][m.place] for p in m.neighbourhood if p != m.place})
            m.receive_shares(received)
            self.setup[m.name] = (
                len(sent[m.place]) + len(pack_rows(dealt[m.place])),
                len(book) + len(received),
            )
        self.public = [keys[KEY_BYTES:] for keys in sent]

    def add(self, client: str, body: bytes) -> None:
        """Add an upload to the sum. Raises PayloadError too once the masks were removed."""
        if self.recovery_bytes is not None:
            raise PayloadError("comes after the masks were removed")
        super().add(client, body)

    def result(self, answering: Collection[str] | None = None) -> tuple[np.ndarray, BytesByClient]:
        """Return the sum of what was added, float64, and the bytes of the recovery per client.

        answering: which of the added clients still answer (None: all). Raises TooFew if they are
        too few; the sum then stays noise.
        """
        if self.recovery_bytes is None:
            there = [c for c in self.added if answering is None or c in answering]
            if len(there) < self.needed:
                raise TooFew(
                    f"{len(there)} of {len(self.clients)} clients are left, and {self.needed} are"
                    " needed"
                )
            shares, nbytes = self.collect_shares(there)
            self.total, self.recovery_bytes = self._unmasked(shares), nbytes
        return self.view(), self.recovery_bytes

    def collect_shares(self, there: list[str]) -> tuple[dict[int, BytesByPlace], BytesByClient]:
        """Send the list of uploads; return the shares, {owner: {holder: share}}, and the bytes."""
        shares: dict[int, BytesByPlace] = {}
        nbytes, came = {}, {self.place[c] for c in self.added}
        for client in there:
            one = self.masking_clients[self.place[client]]
            uploaded = [p in came for p in one.neighbourhood]
            flags = np.packbits(uploaded, bitorder="little").tobytes()
            answer = one.reveal_shares(flags)
            nbytes[client] = (len(answer), len(flags))
            for owner, share in unpack_rows(answer, NBYTES).items():
                shares.setdefault(owner, {})[one.place] = share
        return shares, nbytes

    def _unmasked(self, shares: dict[int, BytesByPlace]) -> np.ndarray:
        """Return the sum without self masks of uploaders and pairwise masks of the others."""
        total, came = self.total.copy(), {self.place[c] for c in self.added}
        for place in range(len(self.masking_clients)):
            # the graph is public
            masked = [p for p in self.masking_clients[place].neighbourhood if p in came]
            if place in came:
                total -= self_mask(self.join_secret(place, shares), self.fixed, self.size)
            elif masked:
                key = self.join_secret(place, shares)
                if public_key(key) != self.public[place]:
                    raise PayloadError(f"wrong shares of the mask key of {self.clients[place]}")
                for p in masked:
                    add_pair_mask(total, shared_key(key, self.public[p], place, p), place, p)
        return total

    def join_secret(self, owner: int, shares: dict[int, BytesByPlace]) -> int:
        found, needed = shares.get(owner, {}), self.masking_clients[owner].needed
        if len(found) < needed:
            raise TooFew(
                f"{len(found)} of the {len(self.masking_clients[owner].neighbourhood)} shares for"
                f" {self.clients[owner]} came, and {needed} are needed"
            )
        return join_shares(
            {p + 1: int.from_bytes(found[p], "little") for p in sorted(found)[:needed]}
        )

    def client_mask(self, client: str) -> np.ndarray:
        return self.masking_clients[self.place[client]].total_mask(self.fixed, self.size)


@dataclass(frozen=True)
class Masks:
    """Masks that cancel in the sum; drop-outs are mended by shares. Not secure, for teaching
    (Bonawitz et al., 2017).

    bits: of a value that is sent. fraction: how many of them are after the point. threshold: a
    secret needs more than this share of its holders; below 0.5 a server that sends clients
    different lists can uncover both secrets of a client. neighbours: of each client, rounded up to
    an even number, 0 for all clients; `safe_neighbours` finds how many are enough.
    """

    bits: int = 32
    fraction: int = 16
    threshold: float = 0.5
    neighbours: int = 0

    needs: ClassVar[str] = "a rule and a wire that work on the sum alone; not secure, for teaching"

    def __post_init__(self) -> None:
        if not 4 <= self.bits <= 62:
            raise FedkitError(
                f"secure 'masks:bits={self.bits}' given; bits, of a value that travels, is from 4"
                " to 62"
            )
        if not 0 <= self.fraction <= self.bits - 2:
            raise FedkitError(
                f"secure 'masks:fraction={self.fraction}' given; fraction, bits after the point, is"
                f" from 0 to bits - 2 = {self.bits - 2}"
            )
        if not 0 < self.threshold < 1:
            raise FedkitError(
                f"secure 'masks:threshold={self.threshold:g}' given; it must be above 0 and below"
                " 1, for example 0.5"
            )
        if self.neighbours < 0:
            raise FedkitError(
                f"secure 'masks:neighbours={self.neighbours}' given; it is a number of clients, or"
                " 0 for everyone"
            )

    def needed(self, holders: int) -> int:
        """Return how many of the holders of a secret must answer."""
        return shares_needed(holders, self.threshold)

    def open(self, clients: Sequence[str], size: int, seed: Seed, round: int) -> MaskedSum:
        """Return the session of a round that sums vectors of `size` values, its keys exchanged.

        Raises FedkitError for fewer than two clients.
        """
        if len(clients) < 2:
            raise FedkitError(
                f"secure 'masks' given and {len(clients)} client(s) in the round; a sum that hides"
                " needs two"
            )
        return MaskedSum(self, clients, size, seed, round)


def shares_needed(holders: int, threshold: float) -> int:
    """Return how many holders of a secret must answer: more than the share `threshold` of them."""
    return min(holders, int(threshold * holders + 1e-9) + 1)


def neighbour_graph(count: int, neighbours: int, seed: Seed, round: int) -> list[list[int]]:
    """Return each client's neighbourhood: its neighbours and itself, by place, sorted.

    neighbours: k, rounded up to an even number: a ring in random order with k/2 neighbours on each
    side; 0: everyone.
    """
    half = -(-neighbours // 2)
    if not neighbours or 2 * half >= count - 1:
        return [list(range(count))] * count
    order = np.random.Generator(philox(digest("graph", seed, round))).permutation(count).tolist()
    neighbourhoods = [
        sorted(order[(i + step) % count] for step in range(-half, half + 1)) for i in range(count)
    ]
    return [found for _, found in sorted(zip(order, neighbourhoods))]


def failure_bounds(
    count: int, neighbours: int, drop: float, hostile: float = 0.0, threshold: float = 0.5
) -> dict[str, float]:
    """Return upper bounds on the chances of three failures of a round.

    drop, hostile: chance that a client drops out or is hostile, independently of the others.
    fails: some secret lacks shares, and the sum stays noise. opened: hostile clients hold enough
    shares of a client's secrets to uncover its vector together with the server. parted: the ring
    falls apart, and the server sees the sums of its pieces. Union bounds over the clients, after
    sections 3 and 4 of the paper.
    """
    k = min(neighbours or count - 1, count - 1)
    least = shares_needed(k + 1, threshold)
    everyone = k == count - 1  # one neighbourhood for all
    hoods, holders = (1, count) if everyone else (count, k)
    fails = hoods * _binomial_probability(0, least - 1, holders, 1 - drop)
    opened = hoods * _binomial_probability(least, k, k, hostile)
    parted = 0.0 if everyone else count * (drop + hostile) ** (k // 2)
    return {"fails": min(1.0, fails), "opened": min(1.0, opened), "parted": min(1.0, parted)}


def safe_neighbours(
    count: int, drop: float, hostile: float = 0.0, threshold: float = 0.5, chance: float = 1e-6
) -> int:
    """Return the smallest even number of neighbours with all failure bounds at most `chance`.

    0 (everyone) if there is no such number.
    """
    for k in range(2, count - 1, 2):
        if max(failure_bounds(count, k, drop, hostile, threshold).values()) <= chance:
            return k
    return 0


def _binomial_probability(least: int, most: int, count: int, p: float) -> float:
    """Return the chance of `least` to `most` successes in `count` tries."""
    from scipy.stats import binom

    return float(binom.pmf(np.arange(least, most + 1), count, p).sum())
