"""Private randomness: one key of 256 bits, stretched by a stream cipher, and the noise made of it.

A `NoiseKey` is drawn from the operating system, so that nobody can draw the noise again, or made
from a run's seed, for teaching. Each use has its own `CipherStream` under the whole name of what it
is for (purpose, round, client, tensor): no two names share numbers. ChaCha20 (RFC 8439) cannot be
told from chance without the key, in contrast to generators for simulations, whose few bits of seed
can be tried out.

Every private release adds discrete Gaussian noise (Canonne, Kamath & Steinke, 2020): probability
proportional to exp(-x^2 / (2 std^2)) at every whole number x. Noise in floating point would be
another distribution, and its bits can give the hidden value away (Mironov, 2012): so values are
rounded to a fine grid, and noise is added in whole steps of it.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

from fedkit.core.errors import FedkitError

if TYPE_CHECKING:
    from torch import Tensor

KEY_BYTES = 32
MAX_STD = 2.0**40  # of a std: the arithmetic stays within 64 bits
GRID = 2.0**-20  # of the sensitivity: what rounding adds to it
BLOCK = 2**14  # proposals at a time, at most: they stay in the processor's cache


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


def add_discrete_noise(
    values: Tensor, std: float, sensitivity: float, stream: CipherStream
) -> Tensor:
    """Return values plus noise of standard deviation `std`, both in whole steps of a grid.

    sensitivity: the most that one unit moves `values` (L2). Rounding to the nearest step takes two
    values apart by at most a step more, so it raises the sensitivity by sqrt(size) steps: the grid
    keeps that near a share of 2^-20, and the std grows by it. The steps then go back to floats,
    whose bits tell nothing more. Not covered: what float arithmetic did to `values` before.
    """
    import torch

    size = max(values.numel(), 1)
    step = min(std, sensitivity) * GRID / math.sqrt(size)
    step = max(step, sensitivity * GRID**2, 2 * std / MAX_STD)  # the steps of values fit 64 bits
    grown = std / step * (1 + step * math.sqrt(size) / sensitivity)
    whole = np.rint(values.detach().cpu().double().numpy() / step)
    whole = np.nan_to_num(whole).clip(-(2.0**62), 2.0**62).astype(np.int64)
    whole = whole + discrete_gaussian(grown, values.numel(), stream).reshape(whole.shape)
    return torch.as_tensor(whole * step).to(values)


def discrete_gaussian(std: float, size: int, stream: CipherStream) -> np.ndarray:
    """Return discrete Gaussian numbers of mean 0 and parameter `std`, int64, shape (size,).

    Rejection from the discrete Laplace distribution, algorithm 3 of the paper. float64 rounds its
    probabilities by about 2^-53, so each value has the paper's distribution up to that. The
    variance is at most std^2, and almost equal to it from std = 1 on. Raises FedkitError for a std
    outside 0 to MAX_STD.
    """
    if not 0 <= std <= MAX_STD:
        raise FedkitError(
            f"a standard deviation of {std:g} given; it must be from 0 to {MAX_STD:g}"
        )
    if std == 0:
        return np.zeros(size, np.int64)
    kept, count, width = [], 0, math.floor(std) + 1
    while count < size:
        drawn = discrete_laplace(width, min(3 * (size - count) // 2 + 16, BLOCK), stream)
        distance = (np.abs(drawn) - std**2 / width) / std
        good = drawn[stream.random(len(drawn)) < np.exp(-(distance**2) / 2)]
        kept.append(good)
        count += len(good)
    return np.concatenate([np.zeros(0, np.int64), *kept])[:size]


def discrete_laplace(scale: int, size: int, stream: CipherStream) -> np.ndarray:
    """Return numbers x with probability proportional to exp(-|x| / scale), int64, shape (size,).

    Algorithm 2 of the paper: |x| = low + scale * high, where low < scale is kept with probability
    exp(-low / scale) and high is geometric.
    """
    kept, count = [], 0
    while count < size:
        tries = 5 * (size - count) // 3 + 16
        low = stream.integers(0, scale, tries)
        low = low[stream.random(tries) < np.exp(-low / scale)]
        high = stream.geometric(-math.expm1(-1), len(low)) - 1
        magnitude, negative = low + scale * high, stream.integers(0, 2, len(low)).astype(bool)
        once = ~(negative & (magnitude == 0))  # or zero would come twice as often
        kept.append(np.where(negative, -magnitude, magnitude)[once])
        count += len(kept[-1])
    return np.concatenate([np.zeros(0, np.int64), *kept])[:size]


def noise_share(total_std: float, parties: int, missing: int = 0) -> float:
    """Return each party's std, so that the sum has total_std although `missing` do not arrive.

    A sum of discrete Gaussians is not quite a discrete Gaussian: see `discrete_sum_gap`. Raises
    FedkitError if no party is left.
    """
    if not 0 <= missing < parties:
        raise FedkitError(
            f"{missing} of {parties} shares of noise may be missing; at least one must arrive"
        )
    return total_std / math.sqrt(parties - missing)


def planned_share(
    multiplier: float, sensitivity: float, dim: int, fewest: int, parties: int
) -> float:
    """Return each party's std, so that `discrete_sum_noise` of `fewest` to `parties` shares is
    `multiplier` or more.

    Units are whole numbers: the sensitivity and the std count steps of the grid.
    """
    share = max(multiplier * sensitivity / math.sqrt(fewest), 0.5)
    while (gap := discrete_sum_gap(share, parties) * dim / 2 * multiplier**2) > 0.1:
        share *= 1.05
    return share / math.sqrt(1 - gap) * (1 + 1e-12)


def rounded_sensitivity(clip: float, size: int, fraction: int) -> float:
    """Return the largest L2 norm of a vector of norm `clip` and `size` values after rounding.

    Stochastic rounding to steps of 2^-fraction moves each value by less than a step. The noise
    multiplier is the sum's std divided by this norm, not by `clip`.
    """
    return clip + math.sqrt(size) * 2.0**-fraction


def discrete_sum_gap(std: float, parties: int) -> float:
    """Return how far a sum of `parties` discrete Gaussians is from a discrete Gaussian, per value.

    tau of Kairouz, Liu & Steinke (2021): the sum with sensitivity s in d values satisfies (1/2)
    e^2-concentrated privacy with e = s / sqrt(n std^2) + tau sqrt(d), at worst. tau is below 1e-7
    from std = 1.4 on (each party's, in whole numbers).
    """
    if std <= 0:
        return math.inf
    return 10 * sum(math.exp(-2 * (math.pi * std) ** 2 * k / (k + 1)) for k in range(1, parties))


def discrete_sum_noise(sigma_each: float, parties: int, dim: int, sensitivity: float) -> float:
    """Return the noise multiplier of the Gaussian mechanism with the zCDP bound of a discrete sum.

    Each of `parties` adds integer noise of standard deviation about `sigma_each` to each of `dim`
    numbers; one unit moves the sum by `sensitivity` in L2 (both in integer units, rounding
    included). Kairouz, Liu and Steinke, "The distributed discrete Gaussian mechanism" (2021): the
    sum is eps^2/2-zCDP with
        eps = min(sqrt(D^2 / (n s^2) + tau d / 2), D / (sqrt(n) s) + tau sqrt(d)),
        tau = `discrete_sum_gap`(s, n),
    and a Gaussian of noise z is 1/(2 z^2)-zCDP, so z = 1 / eps. The theorem needs s >= 1/2. Without
    sampling, epsilon of the accountant rdp at z is a proven bound for the discrete sum. With pld or
    prv, or with sampling, it is that of the continuous Gaussian which the sum is within tau of.
    """
    if not sigma_each >= 0.5 or parties < 1 or dim < 1 or not sensitivity > 0:
        raise FedkitError(
            f"discrete noise {sigma_each} of {parties} parties on {dim} numbers, sensitivity"
            f" {sensitivity}, given; noise is 0.5 or more (scale the numbers up), parties and"
            " numbers are 1 or more, the sensitivity is above 0"
        )
    tau = discrete_sum_gap(sigma_each, parties)
    central = sensitivity / (math.sqrt(parties) * sigma_each)
    return 1 / min(math.sqrt(central**2 + tau * dim / 2), central + tau * math.sqrt(dim))
