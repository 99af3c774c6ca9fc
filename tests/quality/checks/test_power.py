"""Test the smallest difference that a test set can show, by hand and by simulated pairs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from fedkit.core.stats import examples_needed, smallest_difference


def test_examples_needed_is_the_formula_by_hand():
    # (1.959964 * sqrt(0.2) + 0.841621 * sqrt(0.2 - 0.0025))**2 / 0.0025 = (0.876523 + 0.374024)**2
    # / 0.0025 = 625.5
    assert examples_needed(0.05, discordance=0.2, power=0.8) == 626
    # with every discordant pair on one side: (0.876523 + 0.841621 * sqrt(0.2 - 0.04))**2 / 0.04 =
    # 36.8
    assert examples_needed(0.2, discordance=0.2, power=0.8) == 37


def test_smallest_difference_is_the_inverse():
    for number in (37, 100, 626, 5_000):
        found = smallest_difference(number)
        assert examples_needed(found) <= number < examples_needed(found - 1e-4)
    assert smallest_difference(36) is None and smallest_difference(0) is None


@pytest.mark.parametrize("number", [200, 1_000])
def test_mcnemar_finds_it_four_times_in_five(number):
    """Exact two-sided tests on drawn pairs have slightly less power than the approximation."""
    d, rng = smallest_difference(number), np.random.default_rng(0)
    draws = rng.multinomial(number, [(0.2 + d) / 2, (0.2 - d) / 2, 0.8], 400)
    found = np.mean([binomtest(int(b), int(b + c)).pvalue < 0.05 for b, c, _ in draws])
    assert 0.72 < found < 0.86
