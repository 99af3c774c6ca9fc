"""What error rates of an attack prove about epsilon, and what a promised mechanism allows any
attack.

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

# epsilons at which a mechanism's whole privacy profile is compared
GRID = np.linspace(0.0, 12.0, 121)
# (noise multiplier, Poisson sampling rate, steps) of releases
Blocks = tuple[tuple[float, float, int], ...]
REACH = 16  # times the promised noise: farther off is not told apart


@dataclass(frozen=True)
class Rate:
    """`count` of `trials`, with the interval [low, high] for what it estimates."""

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


def clopper_pearson(count: int, trials: int, miss: float = 0.025) -> tuple[float, float]:
    """Exact interval of a proportion (Clopper & Pearson, 1934). miss: the chance, at each end, to
    be wrong.
    """
    from scipy.stats import beta

    low = float(beta.ppf(miss, count, trials - count + 1)) if count else 0.0
    high = float(beta.ppf(1 - miss, count + 1, trials - count)) if count < trials else 1.0
    return low, high


def rate(count: int, trials: int, miss: float = 0.025) -> Rate:
    """`count` of `trials` with its Clopper-Pearson interval, 95 % as it stands."""
    return Rate(count, trials, *clopper_pearson(count, trials, miss))


def epsilon_lower(rates: Sequence[Rates], delta: float) -> float:
    """The largest epsilon that the pessimistic ends of the rates prove at `delta`, whatever the
    mechanism; 0 for none.
    """
    proven = [0.0]
    for r in rates:
        for hit, miss in ((r.tpr.low, r.fpr.high), (1 - r.fpr.high, 1 - r.tpr.low)):
            if hit - delta > miss:
                proven.append(math.log((hit - delta) / miss))
    return max(proven)


def perfect(trials: int, miss: float) -> Rates:
    """The rates of an attack that was never wrong in `trials` of each world."""
    return Rates(rate(0, trials, miss), rate(trials, trials, miss))


def refutes(rates: Sequence[Rates], noise: float, sampling: float, steps: int) -> bool:
    """Whether the rates are impossible, within their intervals, for `steps` Poisson-sampled
    Gaussian releases.

    The whole privacy profile delta(epsilon) is compared, not one point of it: a correct mechanism
    satisfies TPR <= e^epsilon FPR + delta(epsilon) for all epsilons at once, so this costs no
    further chance of error.
    """
    allowed = profile(((noise, sampling, steps),))
    for r in rates:
        for hit, miss in ((r.tpr.low, r.fpr.high), (1 - r.fpr.high, 1 - r.tpr.low)):
            if (hit > np.exp(GRID) * miss + allowed).any():
                return True
    return False


def noise_left(rates: Sequence[Rates], noise: float, sampling: float, steps: int) -> float:
    """A noise multiplier from which on the rates refute every larger one, to 5 %, looked for around
    `noise`.

    Its epsilon is a lower bound for a mechanism known to add Gaussian noise of unknown size (Nasr
    et al., 2023). inf: they refute none; 0: they refute all of them, since not even the sampling
    promised was done.
    """
    if any(_without_noise(r.fpr.high, r.tpr.low, sampling, steps) for r in rates):
        return 0.0
    low = high = noise
    while refutes(rates, low, sampling, steps):
        low, high = low / 2, low
        if low < noise / REACH:
            return high
    while not refutes(rates, high, sampling, steps):
        low, high = high, 2 * high
        if high > noise * REACH:
            return math.inf
    while high > 1.05 * low:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if refutes(rates, middle, sampling, steps) else (middle, high)
    return high


def _without_noise(fpr: float, tpr: float, sampling: float, steps: int) -> bool:
    """Whether a test is better than knowing the samples: the unit is in one of them with chance 1 -
    (1 - q)^T.
    """
    drawn = 1 - (1 - sampling) ** steps
    return tpr > drawn + (1 - drawn) * fpr


def allowed_tpr(blocks: Blocks, fpr: float) -> float:
    """The largest true-positive rate of any attack on these releases, from their whole privacy
    profile on `GRID`.
    """
    deltas = profile(blocks)
    most = np.minimum(np.exp(GRID) * fpr + deltas, 1 - np.exp(-GRID) * (1 - fpr - deltas))
    return float(min(1.0, most.min()))


@lru_cache(maxsize=256)
def profile(blocks: Blocks) -> np.ndarray:
    """delta at every epsilon of `GRID` of all releases together, the larger of both directions;
    never too small.
    """
    from scipy.special import log_ndtr, ndtr

    # exactly that of one Gaussian release (Balle & Wang, 2018)
    if all(rate == 1 for _, rate, _ in blocks):
        mu = math.sqrt(sum(steps / noise**2 for noise, _, steps in blocks))
        return ndtr(mu / 2 - GRID / mu) - np.exp(GRID + log_ndtr(-mu / 2 - GRID / mu))
    from dp_accounting.pld.privacy_loss_distribution import from_gaussian_mechanism

    first, *rest = [
        from_gaussian_mechanism(
            noise, value_discretization_interval=1e-2, sampling_prob=rate
        ).self_compose(steps)
        for noise, rate, steps in blocks
    ]
    for other in rest:
        first = first.compose(other)
    return np.asarray(first.get_delta_for_epsilon(list(GRID)))
