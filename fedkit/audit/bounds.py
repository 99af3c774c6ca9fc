"""Bounds between an attack's error rates and epsilon, in both directions.

(epsilon, delta)-differential privacy of worlds P (with the example) and Q (without) means, for
every test, TPR <= e^epsilon FPR + delta and TNR <= e^epsilon FNR + delta (Wasserman & Zhou, 2010;
Kairouz et al., 2015). Rates that break it, after their statistical error, prove that epsilon is
larger (Jagielski et al., 2020; Nasr et al., 2021).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fedkit.core.stats import clopper_pearson

EPSILON_GRID = np.linspace(0.0, 12.0, 121)  # where privacy profiles are compared
# (noise multiplier, Poisson sampling rate, steps) of releases
ReleaseBlocks = tuple[tuple[float, float, int], ...]
MAX_NOISE_FACTOR = 16  # times the promised noise: limit of the search, both ways


@dataclass(frozen=True)
class Rate:
    """A proportion `count` / `trials` with its confidence interval [low, high]."""

    count: int
    trials: int
    low: float
    high: float

    @property
    def value(self) -> float:
        return self.count / self.trials


@dataclass(frozen=True)
class Rates:
    """A test's rates at one threshold, each with its interval."""

    fpr: Rate
    tpr: Rate

    @property
    def pessimistic(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """(least TPR, largest FPR) and, of the opposite test, (least TNR, largest FNR)."""
        return (self.tpr.low, self.fpr.high), (1 - self.fpr.high, 1 - self.tpr.low)


def estimate_rate(count: int, trials: int, miss: float = 0.025) -> Rate:
    """Return `count` / `trials` with its Clopper-Pearson interval, 95 % by default."""
    return Rate(count, trials, *clopper_pearson(count, trials, miss))


def epsilon_lower(rates: Sequence[Rates], delta: float) -> float:
    """Return the largest epsilon that the rates prove at `delta` for any mechanism; 0 for none.

    The pessimistic ends of the intervals are used.
    """
    proven = [0.0]
    for r in rates:
        for hit, miss in r.pessimistic:
            if hit - delta > miss:
                proven.append(math.log((hit - delta) / miss))
    return max(proven)


def perfect_rates(trials: int, miss: float) -> Rates:
    """Return the rates of an attack that was never wrong in `trials` trials of each world."""
    return Rates(estimate_rate(0, trials, miss), estimate_rate(trials, trials, miss))


def refutes(rates: Sequence[Rates], noise: float, sampling: float, steps: int) -> bool:
    """Return whether the rates are impossible for `steps` Poisson-sampled Gaussian releases.

    noise: multiplier. The whole privacy profile delta(epsilon) is compared: a correct mechanism
    satisfies TPR <= e^epsilon FPR + delta(epsilon) for all epsilons at once, so this does not
    increase the probability of error.
    """
    allowed = privacy_profile(((noise, sampling, steps),))
    return any(
        bool((hit > np.exp(EPSILON_GRID) * miss + allowed).any())
        for r in rates
        for hit, miss in r.pessimistic
    )


def implied_noise(rates: Sequence[Rates], noise: float, sampling: float, steps: int) -> float:
    """Return the noise multiplier above which the rates refute all others, to within 5 %.

    Its epsilon is a lower bound for a mechanism known to add Gaussian noise of unknown size (Nasr
    et al., 2023). noise: start of the search. inf: the rates refute none; 0: they refute all, since
    not even the sampling was done as promised.
    """
    if any(_exceeds_sampling(r.fpr.high, r.tpr.low, sampling, steps) for r in rates):
        return 0.0
    low = high = noise
    while refutes(rates, low, sampling, steps):
        low, high = low / 2, low
        if low < noise / MAX_NOISE_FACTOR:
            return high
    while not refutes(rates, high, sampling, steps):
        low, high = high, 2 * high
        if high > noise * MAX_NOISE_FACTOR:
            return math.inf
    while high > 1.05 * low:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if refutes(rates, middle, sampling, steps) else (middle, high)
    return high


def _exceeds_sampling(fpr: float, tpr: float, sampling: float, steps: int) -> bool:
    """Return whether a test beats knowing the samples; P(drawn at least once) = 1 - (1 - q)^T."""
    drawn = 1 - (1 - sampling) ** steps
    return tpr > drawn + (1 - drawn) * fpr


def allowed_tpr(blocks: ReleaseBlocks, fpr: float) -> float:
    """Return the largest true-positive rate of any attack on these releases, from their profile."""
    deltas = privacy_profile(blocks)
    most = np.minimum(
        np.exp(EPSILON_GRID) * fpr + deltas, 1 - np.exp(-EPSILON_GRID) * (1 - fpr - deltas)
    )
    return float(min(1.0, most.min()))


@lru_cache(maxsize=256)
def privacy_profile(blocks: ReleaseBlocks) -> np.ndarray:
    """Return delta of all releases together at each epsilon of EPSILON_GRID.

    The larger of both directions (adding, removing); an upper bound.
    """
    from scipy.special import log_ndtr, ndtr

    # without sampling, exactly one Gaussian release (Balle & Wang, 2018)
    if all(rate == 1 for _, rate, _ in blocks):
        mu = math.sqrt(sum(steps / noise**2 for noise, _, steps in blocks))
        return ndtr(mu / 2 - EPSILON_GRID / mu) - np.exp(
            EPSILON_GRID + log_ndtr(-mu / 2 - EPSILON_GRID / mu)
        )
    from dp_accounting.pld.privacy_loss_distribution import from_gaussian_mechanism

    first, *rest = [
        from_gaussian_mechanism(
            noise, value_discretization_interval=1e-2, sampling_prob=rate
        ).self_compose(steps)
        for noise, rate, steps in blocks
    ]
    for other in rest:
        first = first.compose(other)
    return np.asarray(first.get_delta_for_epsilon(list(EPSILON_GRID)))
