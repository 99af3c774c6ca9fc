"""One client's side of a masked sum: its keys, the shares it deals and holds, its masks, what it
reveals.

NOT SECURE, FOR TEACHING. The messages and the order of their exchange are those of Bonawitz et al.
(2017); but all secrets come from one seed, Diffie-Hellman runs in a field where logarithms can be
computed, and the masks come from Philox, which is no cipher. Sizes are as in the real thing: keys
of 32 bytes, seeds and shares of 16.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fedkit.core.errors import PayloadError
from fedkit.wire.secure_aggregation.fixed_point import Fixed
from fedkit.wire.secure_aggregation.shamir import NBYTES, PRIME, split

# toy Diffie-Hellman: whole numbers modulo a prime, not the curve of that name
FIELD, BASE = 2**255 - 19, 2
KEY, TAG = 32, 16
ROW = struct.Struct("<I")
Rows = dict[int, bytes]


class TooFew(PayloadError):
    """Too few clients are left to remove the masks: the sum stays noise."""


@dataclass(frozen=True)
class MaskingClient:
    """A client in one round. place: its number among the round's clients; circle: its neighbours
    and itself, sorted.

    What leaves it: two public keys, encrypted shares, a masked vector, and for each member of its
    circle one share: of the self mask of one that uploaded, or of the mask key of one that did not,
    never both.
    """

    place: int
    name: str
    seed: int
    round: int
    circle: Sequence[int]
    needed: int  # shares that give a secret back
    keys: Rows = field(default_factory=dict)  # place: public keys of the circle
    boxes: Rows = field(default_factory=dict)  # place: its encrypted shares for this client
    # place: the key under which the two send each other shares
    agreed: Rows = field(default_factory=dict)
    told: list[bytes] = field(default_factory=list)  # who uploaded, as the server said

    def advertise(self) -> bytes:
        """Public keys: for the encryption of shares, and for the pairwise masks."""
        return public(self._secret("box key")) + public(self._secret("mask key"))

    def deal(self, book: bytes) -> bytes:
        """Each neighbour's two shares, encrypted for it. book: the circle's public keys."""
        self.keys.update(from_rows(book, 2 * KEY))
        places = [place + 1 for place in self.circle]
        both = [
            split(self._secret(w), places, self.needed, self._draws(w))
            for w in ("self mask", "mask key")
        ]
        plain = {
            p: b"".join(shares[p + 1].to_bytes(NBYTES, "little") for shares in both)
            for p in self.circle
        }
        self.boxes[self.place] = plain[self.place]  # its own stay with it
        return rows(
            {
                p: box(self._box_key(p), self.place, data)
                for p, data in plain.items()
                if p != self.place
            }
        )

    def keep(self, boxes: bytes) -> None:
        """What the neighbours dealt to this client."""
        self.boxes.update(from_rows(boxes, 2 * NBYTES + TAG))

    def mask(self, fixed: Fixed, size: int) -> np.ndarray:
        """Its self mask and its pairwise masks, which cancel in the sum of all, as unsigned
        numbers.
        """
        total = self_mask(self._secret("self mask"), fixed, size)
        for other in self.circle:
            if other != self.place:
                key = agree(self._secret("mask key"), self.keys[other][KEY:], self.place, other)
                add_pair(total, key, self.place, other)
        return total

    def reveal(self, uploaded: bytes) -> bytes:
        """One share of each member of its circle. uploaded: a bit for each, whether its masked
        vector arrived.

        Raises TooFew, and PayloadError for a second list: two lists could uncover both secrets of a
        client.
        """
        if self.told and self.told != [uploaded]:
            raise PayloadError(
                "asked twice with different lists: both secrets of a client could be uncovered"
            )
        flags = np.unpackbits(
            np.frombuffer(uploaded, np.uint8), count=len(self.circle), bitorder="little"
        ).tolist()
        if sum(flags) < self.needed:
            raise TooFew(
                f"{sum(flags)} of {len(self.circle)} uploaded around {self.name}, and {self.needed}"
                " are needed"
            )
        self.told[:] = [uploaded]
        return rows(
            {p: self._share(p, came) for p, came in zip(self.circle, flags) if p in self.boxes}
        )

    def _share(self, owner: int, came: bool) -> bytes:
        both = self.boxes[owner]
        if owner != self.place:
            both = unbox(self._box_key(owner), owner, both)
        return both[:NBYTES] if came else both[NBYTES:]

    def _box_key(self, other: int) -> bytes:
        if other not in self.agreed:
            key = agree(self._secret("box key"), self.keys[other][:KEY], self.place, other)
            self.agreed[other] = key
        return self.agreed[other]

    def _secret(self, what: str) -> int:
        """Below PRIME. A real client would take it from its operating system's random numbers."""
        return int.from_bytes(digest(what, self.seed, self.round, self.name), "little") % PRIME

    def _draws(self, what: str):
        numbers = np.random.Generator(
            philox(digest("shares", what, self.seed, self.round, self.name))
        )
        return lambda limit: int.from_bytes(numbers.bytes(NBYTES + 8), "little") % limit


def digest(*words: object) -> bytes:
    """SHA-256 of words and numbers, unlike for unlike words."""
    return hashlib.sha256(repr(words).encode()).digest()


def public(secret: int) -> bytes:
    return pow(BASE, secret, FIELD).to_bytes(KEY, "little")


def agree(secret: int, other: bytes, *places: int) -> bytes:
    """The key that two clients have in common (Diffie & Hellman, 1976); a round has keys of its
    own.
    """
    return digest(pow(int.from_bytes(other, "little"), secret, FIELD), sorted(places))


def philox(key: bytes) -> np.random.Philox:
    """Random numbers by counting under a key (Salmon et al., 2011); good numbers, but not
    a cipher.
    """
    return np.random.Philox(key=np.frombuffer(key[:16], np.uint64))


def stream(key: bytes, kind: type, size: int) -> np.ndarray:
    """`size` uniform unsigned numbers of a width of 32 or 64 bits."""
    wide = philox(key).random_raw(size if kind is np.uint64 else -(-size // 2))
    return wide.astype("<u8", copy=False).view(kind)[:size]


def self_mask(secret: int, fixed: Fixed, size: int) -> np.ndarray:
    return stream(digest("self", secret), fixed.kind, size)


def add_pair(total: np.ndarray, key: bytes, place: int, other: int) -> None:
    """Add the pair's mask, in place: plus for the first of the two, minus for the second."""
    mask = stream(key, total.dtype.type, len(total))
    np.add(total, mask, out=total) if place < other else np.subtract(total, mask, out=total)


def box(key: bytes, sender: int, data: bytes) -> bytes:
    """Encrypted (a one-time pad from SHA-256, up to 32 bytes) and signed."""
    pad = digest("pad", key, sender)
    hidden = bytes(a ^ b for a, b in zip(data, pad))
    return hidden + hmac.digest(key, b"%d|" % sender + hidden, "sha256")[:TAG]


def unbox(key: bytes, sender: int, data: bytes) -> bytes:
    """Raises PayloadError for a box that was not made by that sender with this key."""
    hidden = data[:-TAG]
    if not hmac.compare_digest(
        box(key, sender, bytes(a ^ b for a, b in zip(hidden, digest("pad", key, sender)))), data
    ):
        raise PayloadError("a share was changed on its way")
    return bytes(a ^ b for a, b in zip(hidden, digest("pad", key, sender)))


def rows(parts: Mapping[int, bytes]) -> bytes:
    """Parts of one length, each after its client's place."""
    return b"".join(ROW.pack(place) + part for place, part in parts.items())


def from_rows(data: bytes, width: int) -> Rows:
    """{place: part}. Raises PayloadError for a wrong length."""
    step = ROW.size + width
    if len(data) % step:
        raise PayloadError(f"{len(data)} bytes where rows of {step} are expected")
    return {
        ROW.unpack_from(data, i)[0]: data[i + ROW.size : i + step]
        for i in range(0, len(data), step)
    }
