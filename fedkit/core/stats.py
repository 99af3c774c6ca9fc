"""TODO"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean, stdev

# share of test examples on which just one of two models is right: what is assumed before a run
DISCORDANCE = 0.2


POWER = 0.8


ALPHA = 0.05


def examples_needed(
    difference: float, discordance: float = DISCORDANCE, power: float = POWER
) -> int:
    """Test examples that show `difference` (0 to `discordance`, a share) with probability
    `power`.
    """
    z_alpha, z_power = NormalDist().inv_cdf(1 - ALPHA / 2), NormalDist().inv_cdf(power)
    root = z_alpha * math.sqrt(discordance) + z_power * math.sqrt(
        max(0.0, discordance - difference**2)
    )
    return math.ceil(root**2 / difference**2)


def smallest_difference(
    num_test: int, discordance: float = DISCORDANCE, power: float = POWER
) -> float | None:
    """The smallest difference (a share) that `num_test` examples show; None where not even
    `discordance` itself is.

    `examples_needed` falls as the difference grows, so halving finds the place; exact to 1e-6.
    """
    low, high = 0.0, discordance
    if num_test < examples_needed(high, discordance, power):
        return None
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (
            (low, middle)
            if examples_needed(middle, discordance, power) <= num_test
            else (middle, high)
        )
    return high


def wilson(right: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson, 1927)."""
    share, scale = right / n, 1 + z * z / n
    middle = (share + z * z / (2 * n)) / scale
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / scale
    return max(0.0, middle - half), min(1.0, middle + half)


def t_interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % t interval of a mean: value -+ t(n - 1) s / sqrt(n). NaN with fewer than two values."""
    from scipy.stats import t

    if len(values) < 2 or any(math.isnan(v) for v in values):
        return math.nan, math.nan
    half = float(t.ppf(0.975, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
    return fmean(values) - half, fmean(values) + half


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """`t_interval` of a mean over clients, within what an accuracy can be; the value itself twice
    when there is only one.
    """
    if len(values) < 2:
        return float(values[0]), float(values[0])
    low, high = t_interval(values)
    return max(0.0, low), min(1.0, high)
