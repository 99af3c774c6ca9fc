"""Discrete Gaussian noise, which every private release adds (Canonne, Kamath & Steinke, 2020).

The discrete Gaussian has probability proportional to exp(-x^2 / (2 std^2)) at every whole number x.
Noise in floating point would be another distribution, and its bits can give the hidden value away
(Mironov, 2012): so values are rounded to a fine grid, and noise is added in whole steps of it.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from fedkit.core.errors import FedkitError
from fedkit.privacy.noise import CipherStream

MAX_STD = 2.0**40  # of a std: the arithmetic stays within 64 bits
GRID = 2.0**-20  # of the sensitivity: what rounding adds to it
BLOCK = 2**14  # proposals at a time, at most: they stay in the processor's cache


def add_discrete_noise(
    values: Tensor, std: float, sensitivity: float, stream: CipherStream
) -> Tensor:
    """Return values plus noise of standard deviation `std`, both in whole steps of a grid.

    sensitivity: the most that one unit moves `values` (L2). Rounding to the nearest step takes two
    values apart by at most a step more, so it raises the sensitivity by sqrt(size) steps: the grid
    keeps that near a share of 2^-20, and the std grows by it. The steps then go back to floats,
    whose bits tell nothing more. Not covered: what float arithmetic did to `values` before.
    """
    size = max(values.numel(), 1)
    step = min(std, sensitivity) * GRID / math.sqrt(size)
    step = max(step, sensitivity * GRID**2, 2 * std / MAX_STD)  # the steps of values fit 64 bits
    grown = std / step * (1 + step * math.sqrt(size) / sensitivity)
    whole = np.rint(values.detach().cpu().double().numpy() / step)
    whole = np.nan_to_num(whole).clip(-(2.0**62), 2.0**62).astype(np.int64)
    whole = whole + discrete_gaussian(grown, values.numel(), stream).reshape(whole.shape)
    return torch.as_tensor(whole * step).to(values)


def discrete_gaussian(std: float, size: int, rng: CipherStream) -> np.ndarray:
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
        drawn = discrete_laplace(width, min(3 * (size - count) // 2 + 16, BLOCK), rng)
        distance = (np.abs(drawn) - std**2 / width) / std
        good = drawn[rng.random(len(drawn)) < np.exp(-(distance**2) / 2)]
        kept.append(good)
        count += len(good)
    return np.concatenate([np.zeros(0, np.int64), *kept])[:size]


def discrete_laplace(scale: int, size: int, rng: CipherStream) -> np.ndarray:
    """Return numbers x with probability proportional to exp(-|x| / scale), int64, shape (size,).

    Algorithm 2 of the paper: |x| = low + scale * high, where low < scale is kept with probability
    exp(-low / scale) and high is geometric.
    """
    kept, count = [], 0
    while count < size:
        tries = 5 * (size - count) // 3 + 16
        low = rng.integers(0, scale, tries)
        low = low[rng.random(tries) < np.exp(-low / scale)]
        high = rng.geometric(-math.expm1(-1), len(low)) - 1
        magnitude, negative = low + scale * high, rng.integers(0, 2, len(low)).astype(bool)
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
