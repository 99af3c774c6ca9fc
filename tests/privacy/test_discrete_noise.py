"""Noise on whole numbers has the distribution it says, and falls as it should when shares of it are
missing.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fedkit.core.errors import FedkitError
from fedkit.privacy.noise import (
    NoiseKey,
    discrete_gaussian,
    discrete_laplace,
    discrete_sum_gap,
    discrete_sum_noise,
    noise_share,
    planned_share,
    rounded_sensitivity,
)

TRIES = 100_000


def draws(std: float, seed: int = 0, size: int = TRIES) -> np.ndarray:
    return discrete_gaussian(std, size, NoiseKey.from_seed(seed).stream("test"))


def fits(drawn: np.ndarray, weight: np.ndarray, reach: int) -> float:
    """p-value of a chi-square test; cells from -reach to reach, what lies beyond in the
    outermost.
    """
    seen = np.bincount(np.clip(drawn, -reach, reach) + reach, minlength=2 * reach + 1)
    middle, extra = len(weight) // 2, len(weight) // 2 - reach
    cells = weight[extra : len(weight) - extra].copy()
    cells[0] += weight[:extra].sum()
    cells[-1] += weight[len(weight) - extra :].sum()
    assert middle - extra == reach
    return stats.chisquare(seen, cells / cells.sum() * len(drawn)).pvalue


@pytest.mark.parametrize(("std", "reach"), [(0.4, 1), (0.8, 3), (1.0, 3), (2.5, 8), (10.3, 30)])
def test_frequencies_are_those_of_the_formula(std, reach):
    x = np.arange(-200, 201)
    assert fits(draws(std), np.exp(-(x**2) / (2 * std**2)), reach) > 1e-4


@pytest.mark.parametrize("scale", [1, 3, 10])
def test_the_proposal_is_a_discrete_laplace(scale):
    x = np.arange(-400, 401)
    drawn = discrete_laplace(scale, TRIES, NoiseKey.from_seed(0).stream("test"))
    assert fits(drawn, np.exp(-np.abs(x) / scale), 3 * scale) > 1e-4


@pytest.mark.parametrize("std", [0.3, 1.0, 7.7, 5_000.0, 2.0**33])
def test_mean_and_variance(std):
    drawn, x = draws(std, seed=1), np.arange(-50, 51)
    assert drawn.dtype == np.int64 and len(drawn) == TRIES
    weight = np.exp(-(x**2) / (2 * std**2))
    variance = std**2 if std > 5 else (weight * x**2).sum() / weight.sum()
    assert abs(drawn.mean()) < 4 * (variance / TRIES) ** 0.5
    assert drawn.astype(float).var() == pytest.approx(
        variance, rel=4 * (2 / TRIES) ** 0.5 + 0.03 * (std < 0.5)
    )


def test_nothing_is_nothing_and_the_same_seed_is_the_same_noise():
    assert draws(0).tolist() == [0] * TRIES and draws(3, size=0).shape == (0,)
    assert np.array_equal(draws(3, 5), draws(3, 5)) and not np.array_equal(draws(3, 5), draws(3, 6))
    for bad in (-1, float("nan"), float("inf")):
        with pytest.raises(FedkitError, match="standard deviation"):
            draws(bad)


def test_shares_of_noise_add_up_to_the_whole():
    assert noise_share(6.0, 9) == 2.0
    assert noise_share(6.0, 12, missing=3) == 2.0, "enough without three of them"
    total = sum(draws(noise_share(20.0, 4), seed) for seed in range(4))
    assert total.std() == pytest.approx(20, rel=0.02)
    with pytest.raises(FedkitError, match="3 of 3"):
        noise_share(1.0, 3, 3)


def test_missing_shares_leave_as_much_noise_as_they_were_planned_for():
    there = sum(draws(noise_share(20.0, 4, missing=1), seed) for seed in range(3))
    assert there.std() == pytest.approx(20.0, rel=0.02)


@pytest.mark.parametrize("sensitivity", [0.05, 0.3, 1.0, 4.0, 1e4])
@pytest.mark.parametrize("dim", [1, 1000, 10**6])
def test_planned_shares_keep_the_multiplier_for_every_number_of_arrivals(dim, sensitivity):
    """Also where steps of the grid are coarse beside the noise, and a sum of discrete Gaussians is
    not one.
    """
    for multiplier in (0.3, 1.0, 7.0):
        share = planned_share(multiplier, sensitivity, dim, 5, 9)
        left = [discrete_sum_noise(share, n, dim, sensitivity) for n in range(5, 10)]
        assert min(left) >= multiplier
        if multiplier * sensitivity > 10:
            assert left[0] == pytest.approx(multiplier, rel=1e-9), "more than is needed"


def test_a_sum_of_discrete_gaussians_is_nearly_one_where_each_is_wide_enough():
    assert discrete_sum_gap(1.0, 1) == 0.0, "one is one"
    assert discrete_sum_gap(1.0, 2) == pytest.approx(
        10 * np.exp(-(np.pi**2))
    )  # k = 1: exp(-2 pi^2 / 2)
    assert (
        discrete_sum_gap(1.4, 1000) < 1e-7 < discrete_sum_gap(1.0, 1000)
        and discrete_sum_gap(0, 5) == np.inf
    )


def test_rounding_lengthens_a_vector_by_less_than_its_bound():
    rng = np.random.default_rng(0)
    vector = rng.normal(size=1000)
    vector /= np.linalg.norm(vector)
    scaled = vector * 2.0**6
    rounded = np.floor(scaled) + (rng.random(1000) < scaled - np.floor(scaled))
    assert (
        1
        < np.linalg.norm(rounded) / 2.0**6
        < rounded_sensitivity(1.0, 1000, 6)
        == 1 + 1000**0.5 / 64
    )
