"""Secure aggregation by masks that cancel in the sum (Bonawitz et al., 2017).

Two masks hide a vector. The pairwise one, agreed with each neighbour, cancels in the sum. The self
mask hides the vector of a client whose upload comes late, after its pairwise masks were uncovered.
The neighbours hold shares of both secrets: after the uploads those left reveal, for each client,
the self mask if its vector arrived, else its mask key.

NOT SECURE, FOR TEACHING (see masking_client.py). It hides who sent what, and nothing of the sum:
secure aggregation is not differential privacy. Nobody can check what a client put into its vector.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedkit.core.errors import FedkitError, PayloadError
from fedkit.wire.secure_aggregation.fixed_point import (
    FixedPoint,
    check_fixed_point,
    pack_upload,
    unpack_upload,
)
from fedkit.wire.secure_aggregation.masking_client import (
    KEY_BYTES,
    TAG_BYTES,
    BytesByPlace,
    MaskingClient,
    Seed,
    TooFew,
    add_pair_mask,
    digest,
    pack_rows,
    philox,
    public_key,
    self_mask,
    shared_key,
    unpack_rows,
)
from fedkit.wire.secure_aggregation.neighbours import neighbour_graph, shares_needed
from fedkit.wire.secure_aggregation.shamir import NBYTES, join_shares

BytesByClient = dict[str, tuple[int, int]]  # client: (bytes sent, bytes received)


class FixedPointSum:
    """A sum in fixed point without masks: the same bytes and rounding as with them."""

    def __init__(
        self,
        lock: object,
        fixed: FixedPoint,
        clients: Sequence[str],
        size: int,
        seed: Seed,
        round: int,
    ):
        self.fixed, self.clients = fixed, tuple(clients)
        self.size, self.seed, self.round = size, seed, round
        self.place = {client: i for i, client in enumerate(self.clients)}
        self.agreed = zlib.crc32(digest("agreed", lock, self.clients, seed))
        self.setup: BytesByClient = dict.fromkeys(self.clients, (0, 0))
        self.added: list[str] = []
        self.sealed: set[int] = set()  # by place
        self.total: np.ndarray = np.zeros(size, fixed.dtype)

    def round_vector(
        self, client: str, vector: np.ndarray, noise: np.ndarray | None = None
    ) -> np.ndarray:
        """Return what the client adds to the sum, int64, in steps of 2^-fraction.

        Raises PayloadError if it does not fit.
        """
        rng = np.random.Generator(philox(digest("rounding", self.seed, self.round, client)))
        if np.shape(vector) != (self.size,):
            raise PayloadError(f"a vector of shape {np.shape(vector)}, expected ({self.size},)")
        whole = self.fixed.round_values(vector, len(self.clients), rng)
        return whole if noise is None else self.fixed.check_range(whole + noise, len(self.clients))

    def seal(self, client: str, vector: np.ndarray, noise: np.ndarray | None = None) -> bytes:
        """Return the client's upload. noise: whole numbers, in steps of 2^-fraction.

        Raises PayloadError with the reason if the vector cannot be sent.
        """
        if self._place(client) in self.sealed:
            raise PayloadError(
                "sealed already: a mask used twice gives the difference of two vectors away"
            )
        whole = self.round_vector(client, vector, noise)
        values = self.fixed.to_unsigned(whole) + self._mask(client)
        self.sealed.add(self.place[client])
        return pack_upload(client, self.round, self.size, self.agreed, self.fixed.pack(values))

    def add(self, client: str, body: bytes) -> None:
        """Add an upload to the sum. On PayloadError, with the reason, the sum stays as it was."""
        self._place(client)
        values = self.fixed.unpack(
            unpack_upload(body, client, self.round, self.size, self.agreed), self.size
        )
        if client in self.added:
            raise PayloadError("has been added already")
        self.total = self.total + values
        self.added.append(client)

    def view(self) -> np.ndarray:
        """Return what the server sees of the sum at this moment, shape (size,), float64."""
        return self.fixed.to_float(self.fixed.to_signed(self.total))

    def result(self, answering: Collection[str] | None = None) -> tuple[np.ndarray, BytesByClient]:
        """Return the sum of what was added, float64, and the bytes of the recovery per client."""
        return self.view(), {}

    def _mask(self, client: str) -> np.ndarray:
        return np.zeros(self.size, self.fixed.dtype)

    def _place(self, client: str) -> int:
        if client not in self.place:
            raise PayloadError("is not one of the round's clients")
        return self.place[client]


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

    def _mask(self, client: str) -> np.ndarray:
        return self.masking_clients[self.place[client]].total_mask(self.fixed, self.size)


@dataclass(frozen=True)
class Masks:
    """Masks that cancel in the sum; drop-outs are mended by shares. Not secure, for teaching
    (Bonawitz et al., 2017).

    bits: of a value that is sent. fraction: how many of them are after the point. threshold: a
    secret needs more than this share of its holders; below 0.5 a server that sends clients
    different lists can uncover both secrets of a client. neighbours: of each client, rounded up to
    an even number, 0 for all clients; neighbours.py says how many are enough.
    """

    bits: int = 32
    fraction: int = 16
    threshold: float = 0.5
    neighbours: int = 0

    needs: ClassVar[str] = "a rule and a wire that work on the sum alone; not secure, for teaching"

    def __post_init__(self) -> None:
        check_fixed_point("masks", self.bits, self.fraction)
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
