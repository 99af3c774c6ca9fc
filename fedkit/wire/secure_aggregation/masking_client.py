"""One client's side of a masked sum: its keys, shares, masks and answers.

NOT SECURE, FOR TEACHING. The messages and the order of their exchange are those of Bonawitz et al.
(2017); but Diffie-Hellman runs in a field where logarithms can be computed, and the masks come from
Philox, which is no cipher. The secrets are the operating system's, new in every round of every run:
masks that repeat would give the difference of two vectors away. Sizes are as in the protocol: keys
of 32 bytes, seeds and shares of 16.
"""

from __future__ import annotations

import hmac
import secrets
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fedkit.core.errors import PayloadError
from fedkit.wire.secure_aggregation.fixed_point import FixedPoint, TooFew, digest, philox
from fedkit.wire.secure_aggregation.shamir import NBYTES, PRIME, split_secret

# toy Diffie-Hellman: whole numbers modulo the prime of Curve25519, not the curve
FIELD_PRIME, GENERATOR = 2**255 - 19, 2
KEY_BYTES, TAG_BYTES = 32, 16  # bytes
ROW = struct.Struct("<I")
BytesByPlace = dict[int, bytes]


@dataclass(frozen=True)
class MaskingClient:
    """A client in one round.

    place: its number among the round's clients. neighbourhood: places of its neighbours and itself,
    sorted. It sends two public keys, encrypted shares, a masked vector, and one share for each
    client of its neighbourhood: of the self mask if that client uploaded, else of its mask key.
    """

    place: int
    name: str
    neighbourhood: Sequence[int]
    needed: int  # shares that give a secret back
    # what all its secrets of the round are derived from
    own: bytes = field(default_factory=lambda: secrets.token_bytes(KEY_BYTES), repr=False)
    keys: BytesByPlace = field(default_factory=dict)  # public keys of the neighbourhood
    # of each neighbour, for this client; its own in the clear
    encrypted_shares: BytesByPlace = field(default_factory=dict)
    share_keys: BytesByPlace = field(default_factory=dict)  # a key that encrypts shares, per pair
    upload_lists: list[bytes] = field(default_factory=list)  # who uploaded, as the server said

    def advertise_keys(self) -> bytes:
        """Return its public keys: for the encryption of shares, and for the pairwise masks."""
        return public_key(self.secret("box key")) + public_key(self.secret("mask key"))

    def share_secrets(self, book: bytes) -> bytes:
        """Return each neighbour's two shares, encrypted for it. book: the neighbours' keys."""
        self.keys.update(unpack_rows(book, 2 * KEY_BYTES))
        places = [place + 1 for place in self.neighbourhood]
        both = [
            split_secret(self.secret(w), places, self.needed, self._draws(w))
            for w in ("self mask", "mask key")
        ]
        plain = {
            p: b"".join(shares[p + 1].to_bytes(NBYTES, "little") for shares in both)
            for p in self.neighbourhood
        }
        self.encrypted_shares[self.place] = plain[self.place]  # its own stay with it
        others = (p for p in plain if p != self.place)
        return pack_rows(
            {p: encrypt_share(self.share_key(p), self.place, plain[p]) for p in others}
        )

    def receive_shares(self, rows: bytes) -> None:
        """Store the encrypted shares that the neighbours sent to this client."""
        self.encrypted_shares.update(unpack_rows(rows, 2 * NBYTES + TAG_BYTES))

    def total_mask(self, fixed: FixedPoint, size: int) -> np.ndarray:
        """Return its self mask plus its pairwise masks, shape (size,), unsigned."""
        total = self_mask(self.secret("self mask"), fixed, size)
        for other in self.neighbourhood:
            if other != self.place:
                public = self.keys[other][KEY_BYTES:]
                key = shared_key(self.secret("mask key"), public, self.place, other)
                add_pair_mask(total, key, self.place, other)
        return total

    def reveal_shares(self, uploaded: bytes) -> bytes:
        """Return one share for each client of its neighbourhood.

        uploaded: a bit per client, set if its masked vector arrived. Raises TooFew, and
        PayloadError for a second list: two lists could uncover both secrets of a client.
        """
        if self.upload_lists and self.upload_lists != [uploaded]:
            raise PayloadError(
                "asked twice with different lists: both secrets of a client could be uncovered"
            )
        flags = np.unpackbits(
            np.frombuffer(uploaded, np.uint8), count=len(self.neighbourhood), bitorder="little"
        ).tolist()
        if sum(flags) < self.needed:
            raise TooFew(
                f"{sum(flags)} of {len(self.neighbourhood)} uploaded around {self.name},"
                f" and {self.needed} are needed"
            )
        self.upload_lists[:] = [uploaded]
        came = dict(zip(self.neighbourhood, flags))
        held = [p for p in self.neighbourhood if p in self.encrypted_shares]
        return pack_rows({p: self._share(p, bool(came[p])) for p in held})

    def _share(self, owner: int, came: bool) -> bytes:
        both = self.encrypted_shares[owner]
        if owner != self.place:
            both = decrypt_share(self.share_key(owner), owner, both)
        return both[:NBYTES] if came else both[NBYTES:]

    def share_key(self, other: int) -> bytes:
        if other not in self.share_keys:
            public = self.keys[other][:KEY_BYTES]
            key = shared_key(self.secret("box key"), public, self.place, other)
            self.share_keys[other] = key
        return self.share_keys[other]

    def secret(self, what: str) -> int:
        """Return a secret below PRIME."""
        return int.from_bytes(digest(what, self.own), "little") % PRIME

    def _draws(self, what: str):
        numbers = np.random.Generator(philox(digest("shares", what, self.own)))
        return lambda limit: int.from_bytes(numbers.bytes(NBYTES + 8), "little") % limit


def public_key(secret: int) -> bytes:
    return pow(GENERATOR, secret, FIELD_PRIME).to_bytes(KEY_BYTES, "little")


def shared_key(secret: int, other: bytes, *places: int) -> bytes:
    """Return the key that two clients have in common in a round (Diffie & Hellman, 1976)."""
    return digest(pow(int.from_bytes(other, "little"), secret, FIELD_PRIME), sorted(places))


def mask_stream(key: bytes, kind: type, size: int) -> np.ndarray:
    """Return `size` uniform numbers of `kind`, np.uint32 or np.uint64."""
    wide = philox(key).random_raw(size if kind is np.uint64 else -(-size // 2))
    return wide.astype("<u8", copy=False).view(kind)[:size]


def self_mask(secret: int, fixed: FixedPoint, size: int) -> np.ndarray:
    return mask_stream(digest("self", secret), fixed.dtype, size)


def add_pair_mask(total: np.ndarray, key: bytes, place: int, other: int) -> None:
    """Add the pair's mask, in place: plus for the first of the two, minus for the second."""
    mask = mask_stream(key, total.dtype.type, len(total))
    np.add(total, mask, out=total) if place < other else np.subtract(total, mask, out=total)


def encrypt_share(key: bytes, sender: int, data: bytes) -> bytes:
    """Encrypt up to 32 bytes, by a one-time pad from SHA-256, and append an HMAC tag."""
    pad = digest("pad", key, sender)
    hidden = bytes(a ^ b for a, b in zip(data, pad))
    return hidden + hmac.digest(key, b"%d|" % sender + hidden, "sha256")[:TAG_BYTES]


def decrypt_share(key: bytes, sender: int, data: bytes) -> bytes:
    """Decrypt what `encrypt_share` returned. Raises PayloadError for another sender or key."""
    plain = bytes(a ^ b for a, b in zip(data[:-TAG_BYTES], digest("pad", key, sender)))
    if not hmac.compare_digest(encrypt_share(key, sender, plain), data):
        raise PayloadError("a share was changed on its way")
    return plain


def pack_rows(parts: Mapping[int, bytes]) -> bytes:
    """Return parts of equal length in one piece, each after its client's place."""
    return b"".join(ROW.pack(place) + part for place, part in parts.items())


def unpack_rows(data: bytes, width: int) -> BytesByPlace:
    """Return the {place: part} that `pack_rows` packed. Raises PayloadError for a wrong length."""
    step = ROW.size + width
    if len(data) % step:
        raise PayloadError(f"{len(data)} bytes where rows of {step} are expected")
    return {
        ROW.unpack_from(data, i)[0]: data[i + ROW.size : i + step]
        for i in range(0, len(data), step)
    }
