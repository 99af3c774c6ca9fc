"""Intervals of proportions and means, and how many test examples show a difference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean, stdev

ALPHA = 0.05  # significance level, two-sided
POWER = 0.8  # probability that a true difference is found
DISCORDANCE = 0.2  # assumed share of test examples on which just one of two models is right


def wilson_interval(right: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a proportion (Wilson, 1927)."""
    z = 1.959964
    share, scale = right / n, 1 + z * z / n
    middle = (share + z * z / (2 * n)) / scale
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / scale
    return max(0.0, middle - half), min(1.0, middle + half)


def clopper_pearson(count: int, trials: int, miss: float = 0.025) -> tuple[float, float]:
    """Return the exact interval of a proportion (Clopper & Pearson, 1934).

    miss: the probability, at each end, that the true value lies outside.
    """
    from scipy.stats import beta

    low = float(beta.ppf(miss, count, trials - count + 1)) if count else 0.0
    high = float(beta.ppf(1 - miss, count + 1, trials - count)) if count < trials else 1.0
    return low, high


def t_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % t interval of a mean: mean -+ t(n - 1) s / sqrt(n).

    NaN for fewer than two values, or if one of them is NaN.
    """
    from scipy.stats import t

    if len(values) < 2 or any(math.isnan(v) for v in values):
        return math.nan, math.nan
    half = float(t.ppf(0.975, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
    return fmean(values) - half, fmean(values) + half


def mean_accuracy_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return `t_interval` of a mean of accuracies, clipped to 0 to 1; for one value that value."""
    if len(values) < 2:
        return float(values[0]), float(values[0])
    low, high = t_interval(values)
    return max(0.0, low), min(1.0, high)


def examples_needed(
    difference: float, discordance: float = DISCORDANCE, power: float = POWER
) -> int:
    """Return how many test examples show a difference with probability `power`.

    difference: of two accuracies, a share from 0 to `discordance`. discordance: share of examples
    on which just one of the two models is right.
    """
    z_alpha, z_power = NormalDist().inv_cdf(1 - ALPHA / 2), NormalDist().inv_cdf(power)
    root = z_alpha * math.sqrt(discordance) + z_power * math.sqrt(
        max(0.0, discordance - difference**2)
    )
    return math.ceil(root**2 / difference**2)


def smallest_difference(num_test: int) -> float | None:
    """Return the smallest difference of two accuracies (a share) that `num_test` examples show.

    None if they do not even show DISCORDANCE itself. Found by bisection, exact to 1e-6.
    """
    low, high = 0.0, DISCORDANCE
    if num_test < examples_needed(high):
        return None
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (low, middle) if examples_needed(middle) <= num_test else (middle, high)
    return high
