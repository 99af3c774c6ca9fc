"""Where all private randomness comes from: one key of 256 bits, stretched by a stream cipher.

A `NoiseKey` is drawn from the operating system, so that nobody can draw the noise again, or made
from a run's seed, for teaching. Each use has its own `CipherStream` under the whole name of what it
is for (purpose, round, client, tensor): no two names share numbers. ChaCha20 (RFC 8439) cannot be
told from chance without the key, in contrast to generators for simulations, whose few bits of seed
can be tried out.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

KEY_BYTES = 32


@dataclass(frozen=True)
class NoiseKey:
    """A key of 256 bits, all of which count; never printed."""

    key: bytes = field(repr=False)

    @classmethod
    def fresh(cls) -> NoiseKey:
        """Return a key from the operating system's randomness."""
        return cls(secrets.token_bytes(KEY_BYTES))

    @classmethod
    def from_seed(cls, seed: int | tuple[int, ...]) -> NoiseKey:
        """Return the key of a seed: whoever knows the seed can draw the noise again."""
        return cls(hashlib.sha256(b"fedkit noise " + ascii(seed).encode()).digest())

    def child(self, *name: str | int) -> NoiseKey:
        """Return the key of one purpose: HMAC-SHA256 of its whole name, which no other name has."""
        return NoiseKey(hmac.digest(self.key, ascii(name).encode(), "sha256"))

    def stream(self, *name: str | int) -> CipherStream:
        """Return the random numbers of one purpose, the same for the same key and name."""
        return CipherStream(self.child(*name).key)


class CipherStream:
    """Random numbers from the key stream of ChaCha20, in the manner of `numpy.random.Generator`.

    The 32-bit counter of blocks lasts for 256 GiB, more than any release takes.
    """

    def __init__(self, key: bytes):
        # the nonce may be zero: no key is used twice
        self.cipher = Cipher(algorithms.ChaCha20(key, bytes(16)), mode=None).encryptor()

    def words(self, n: int) -> np.ndarray:
        """Return the next `n` words of 64 bits, uint64."""
        return np.frombuffer(self.cipher.update(bytes(8 * n)), "<u8")

    def random(self, n: int) -> np.ndarray:
        """Return multiples of 2^-53 in [0, 1), shape (n,)."""
        return (self.words(n) >> np.uint64(11)) * 2.0**-53

    def integers(self, low: int, high: int, n: int) -> np.ndarray:
        """Return whole numbers from `low` to below `high`, all equally likely, int64."""
        span = high - low
        last = np.uint64(2**64 - 1 - 2**64 % span)  # above it, small numbers would come too often
        words = self.words(n)
        while (over := words > last).any():
            words = np.concatenate([words[~over], self.words(int(over.sum()))])
        return (words % np.uint64(span)).astype(np.int64) + low

    def geometric(self, p: float, n: int) -> np.ndarray:
        """Return how many tries of chance `p` the first success takes, int64, by inversion."""
        return np.floor(np.log(1.0 - self.random(n)) / np.log1p(-p)).astype(np.int64) + 1
