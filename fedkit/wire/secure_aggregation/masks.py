"""Secure aggregation by masks that cancel: the server learns the sum and sees nothing else
(Bonawitz et al., 2017).

Two masks hide a vector. The pairwise one, agreed with each neighbour, cancels in the sum. The self
mask hides the vector of a client whose upload comes late, after its pairwise masks were uncovered.
Shares of both secrets lie with the neighbours: after the uploads those left reveal, of each client,
the self mask if its vector arrived, else its mask key.

NOT SECURE, FOR TEACHING (see member.py). It hides who sent what, and nothing of the sum: secure
aggregation is not differential privacy. No one can check what a client put into its vector.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedkit.core.errors import FedkitError, PayloadError
from fedkit.wire.secure_aggregation.fixed_point import Fixed, check_fixed, disclosed, enclosed
from fedkit.wire.secure_aggregation.masking_client import (
    KEY,
    TAG,
    MaskingClient,
    Rows,
    TooFew,
    add_pair,
    agree,
    digest,
    from_rows,
    philox,
    public,
    rows,
    self_mask,
)
from fedkit.wire.secure_aggregation.neighbours import graph, needed
from fedkit.wire.secure_aggregation.shamir import NBYTES, join

Bytes = dict[str, tuple[int, int]]  # client: (bytes sent, bytes received)


class Sum:
    """A sum of whole numbers in the clear: the same bytes and rounding as under masks, and nothing
    hidden.
    """

    def __init__(
        self, lock: object, fixed: Fixed, clients: Sequence[str], size: int, seed: int, round: int
    ):
        self.fixed, self.clients, self.size, self.seed, self.round = (
            fixed,
            tuple(clients),
            size,
            seed,
            round,
        )
        self.place = {client: i for i, client in enumerate(self.clients)}
        self.agreed = zlib.crc32(repr((lock, self.clients, seed)).encode())
        self.setup: Bytes = dict.fromkeys(self.clients, (0, 0))
        self.added: list[str] = []
        self.sealed: set[int] = set()  # by place
        self.total = np.zeros(size, fixed.kind)

    def rounded(
        self, client: str, vector: np.ndarray, noise: np.ndarray | None = None
    ) -> np.ndarray:
        """int64, in steps of 2^-fraction: what the client puts into the sum. Raises PayloadError if
        it does not fit.
        """
        rng = np.random.Generator(philox(digest("rounding", self.seed, self.round, client)))
        if np.shape(vector) != (self.size,):
            raise PayloadError(f"a vector of shape {np.shape(vector)}, expected ({self.size},)")
        whole = self.fixed.rounded(vector, len(self.clients), rng)
        return whole if noise is None else self.fixed.checked(whole + noise, len(self.clients))

    def seal(self, client: str, vector: np.ndarray, noise: np.ndarray | None = None) -> bytes:
        """The client's upload. noise: whole numbers, in steps of 2^-fraction. Raises PayloadError
        with the reason.
        """
        if self._place(client) in self.sealed:
            raise PayloadError(
                "sealed already: a mask used twice gives the difference of two vectors away"
            )
        values = self.fixed.wrapped(self.rounded(client, vector, noise)) + self._mask(client)
        self.sealed.add(self.place[client])
        return enclosed(client, self.round, self.size, self.agreed, self.fixed.pack(values))

    def add(self, client: str, body: bytes) -> None:
        """Take an upload into the sum. Raises PayloadError with the reason, and leaves the sum as
        it was.
        """
        self._place(client)
        values = self.fixed.unpack(
            disclosed(body, client, self.round, self.size, self.agreed), self.size
        )
        if client in self.added:
            raise PayloadError("has been added already")
        self.total = self.total + values
        self.added.append(client)

    def view(self) -> np.ndarray:
        """What the server sees of the sum at this moment, float64."""
        return self.fixed.real(self.fixed.signed(self.total))

    def result(self, answering: Collection[str] | None = None) -> tuple[np.ndarray, Bytes]:
        """(the sum of what was added, float64; bytes of the recovery for each client that took
        part).
        """
        return self.view(), {}

    def _mask(self, client: str) -> np.ndarray:
        return np.zeros(self.size, self.fixed.kind)

    def _place(self, client: str) -> int:
        if client not in self.place:
            raise PayloadError("is not one of the round's clients")
        return self.place[client]


class Masked(Sum):
    """A sum under masks: noise until enough clients have answered."""

    def __init__(self, lock: Masks, clients: Sequence[str], size: int, seed: int, round: int):
        super().__init__(lock, Fixed(lock.bits, lock.fraction), clients, size, seed, round)
        self.lock, self.done = lock, None
        self.needed = max(2, lock.needed(len(clients)))  # a sum of one is its vector
        circles = graph(len(clients), lock.neighbours, seed, round)
        self.members = [
            MaskingClient(i, name, seed, round, circle, lock.needed(len(circle)))
            for i, (name, circle) in enumerate(zip(self.clients, circles))
        ]
        self._exchange_keys()

    def _exchange_keys(self) -> None:
        """The messages before the first upload, all through the server, which keeps only the mask
        keys' public half.
        """
        sent = [m.advertise() for m in self.members]
        books = [rows({p: sent[p] for p in m.circle if p != m.place}) for m in self.members]
        dealt = [from_rows(m.deal(book), 2 * NBYTES + TAG) for m, book in zip(self.members, books)]
        for m, book in zip(self.members, books):
            boxes = rows({p: dealt[p][m.place] for p in m.circle if p != m.place})
            m.keep(boxes)
            self.setup[m.name] = (
                len(sent[m.place]) + len(rows(dealt[m.place])),
                len(book) + len(boxes),
            )
        self.public = [keys[KEY:] for keys in sent]

    def add(self, client: str, body: bytes) -> None:
        """As for every sum; and nothing more once the masks are gone."""
        if self.done is not None:
            raise PayloadError("comes after the masks were removed")
        super().add(client, body)

    def result(self, answering: Collection[str] | None = None) -> tuple[np.ndarray, Bytes]:
        """(the sum of what was added, float64; bytes of the recovery messages for each client that
        answered).

        answering: of those added, who is still there (None: all). Raises TooFew, and the sum stays
        noise.
        """
        if self.done is None:
            there = [c for c in self.added if answering is None or c in answering]
            if len(there) < self.needed:
                raise TooFew(
                    f"{len(there)} of {len(self.clients)} clients are left, and {self.needed} are"
                    " needed"
                )
            shares, nbytes = self._ask(there)
            self.total, self.done = self._unmasked(shares), nbytes
        return self.view(), self.done

    def _ask(self, there: list[str]) -> tuple[dict[int, Rows], Bytes]:
        """({whose: {who holds it: share}}, bytes): who uploaded goes out, one share of each comes
        back.
        """
        shares: dict[int, Rows] = {}
        nbytes, came = {}, {self.place[c] for c in self.added}
        for client in there:
            member = self.members[self.place[client]]
            flags = np.packbits([p in came for p in member.circle], bitorder="little").tobytes()
            answer = member.reveal(flags)
            nbytes[client] = (len(answer), len(flags))
            for owner, share in from_rows(answer, NBYTES).items():
                shares.setdefault(owner, {})[member.place] = share
        return shares, nbytes

    def _unmasked(self, shares: dict[int, Rows]) -> np.ndarray:
        """The sum without the self masks of those who uploaded and the pairwise masks of those who
        did not.
        """
        total, came = self.total.copy(), {self.place[c] for c in self.added}
        for place in range(len(self.members)):
            beside = [p for p in self.members[place].circle if p in came]  # the graph is public
            if place in came:
                total -= self_mask(self._secret(place, shares), self.fixed, self.size)
            elif beside:
                key = self._secret(place, shares)
                if public(key) != self.public[place]:
                    raise PayloadError(f"wrong shares of the mask key of {self.clients[place]}")
                for p in beside:
                    add_pair(total, agree(key, self.public[p], place, p), place, p)
        return total

    def _secret(self, owner: int, shares: dict[int, Rows]) -> int:
        found, needed = shares.get(owner, {}), self.members[owner].needed
        if len(found) < needed:
            raise TooFew(
                f"{len(found)} of the {len(self.members[owner].circle)} shares for"
                f" {self.clients[owner]} came, and {needed} are needed"
            )
        return join({p + 1: int.from_bytes(found[p], "little") for p in sorted(found)[:needed]})

    def _mask(self, client: str) -> np.ndarray:
        return self.members[self.place[client]].mask(self.fixed, self.size)


@dataclass(frozen=True)
class Masks:
    """Masks that cancel in the sum; drop-outs are mended by shares. Not secure, for teaching
    (Bonawitz et al., 2017).

    bits: of a value that travels. fraction: of them after the point. threshold: a secret needs more
    than this share of those who hold it; below 0.5 a server that tells clients different stories
    can uncover both secrets of a client. neighbours: of each client, rounded up to an even number;
    0: everyone with everyone. neighbours.py says how many.
    """

    bits: int = 32
    fraction: int = 16
    threshold: float = 0.5
    neighbours: int = 0

    needs: ClassVar[str] = "a rule and a wire that work on the sum alone; not secure, for teaching"

    def __post_init__(self) -> None:
        check_fixed("masks", self.bits, self.fraction)
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
        """How many of the holders of a secret must answer."""
        return needed(holders, self.threshold)

    def open(self, clients: Sequence[str], size: int, seed: int, round: int) -> Masked:
        """A round's sum of vectors of `size` values, its keys exchanged. Raises FedkitError for
        fewer than two clients.
        """
        if len(clients) < 2:
            raise FedkitError(
                f"secure 'masks' given and {len(clients)} client(s) in the round; a sum that hides"
                " needs two"
            )
        return Masked(self, clients, size, seed, round)
