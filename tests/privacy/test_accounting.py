"""Epsilon against published numbers, closed forms and the laws it must keep; and what is said
beside it.
"""

from __future__ import annotations

import logging
import math
import time
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedkit.core.errors import FedkitError
from fedkit.privacy import accounting
from fedkit.privacy.accounting import (
    ACCOUNTANTS,
    Releases,
    compare_accountants,
    epsilon,
    explain_epsilon,
    noise_for_epsilon,
)
from fedkit.privacy.noise import discrete_sum_noise

PUBLISHED = [  # rate, noise, steps, delta, epsilon, by which accountant; in whose tests
    (0.04, 1.5, 2250, 1e-5, 7.3291, "rdp"),  # Opacus
    (150 / 60000, 1.3, 6000, 1e-5, 0.72422, "rdp"),  # TensorFlow Privacy
    (0.05, 0.8, 100, 1e-6, 6.7411, "prv"),  # Opacus
    (0.2, 2.0, 100, 1e-6, 5.6721, "prv"),  # Opacus
    (1.0, 4.530877117, 1, 1e-6, 1.000, "rdp"),  # TensorFlow Privacy
]
# of the same, as measured: it may only move within its grid
PLD = [6.7688, 0.64011, 6.7306, 5.6618, 0.92739]


@pytest.fixture(scope="module", autouse=True)
def libraries():
    """Loaded once, so that no test is charged for it."""
    epsilon([Releases(1.0, 0.5)], 1e-5)
    epsilon([Releases(1.0, 0.5)], 1e-5, "prv")


@pytest.fixture
def fresh():
    """No answer from an earlier test."""
    for value in vars(accounting).values():
        if hasattr(value, "cache_clear"):
            value.cache_clear()


def train(noise: float = 1.0, rate: float = 0.01, steps: int = 100) -> list[Releases]:
    return [Releases(noise, rate, steps)]


# ---- the yardsticks


@pytest.mark.parametrize("row", PUBLISHED)
def test_published_epsilons_within_a_thousandth(row):
    rate, noise, steps, delta, expected, accountant = row
    assert epsilon([Releases(noise, rate, steps)], delta, accountant) == pytest.approx(
        expected, rel=1e-3
    )


@pytest.mark.slow
@pytest.mark.parametrize(("row", "expected"), list(zip(PUBLISHED, PLD)))
def test_pld_beside_the_published_epsilons(row, expected):
    """Below RDP; and PRV is the same estimate plus 0.01, which alone is more than 1.5 % of an
    epsilon below 0.7.
    """
    rate, noise, steps, delta, *_ = row
    pld, rdp, prv = (
        epsilon([Releases(noise, rate, steps)], delta, name) for name in ("pld", "rdp", "prv")
    )
    assert pld == pytest.approx(expected, rel=2e-4)
    assert pld <= prv and pld <= rdp
    assert prv - 0.01 == pytest.approx(pld, rel=1e-3)
    assert pld < 0.7 or prv == pytest.approx(pld, rel=0.015)


# ---- closed forms


@pytest.mark.parametrize("rate", [1.0, 0.1, 1e-3])
@pytest.mark.parametrize("noise", [pytest.param(0.7, marks=pytest.mark.slow), 1.5, 4.0])
def test_one_sampled_step_has_a_closed_form(rate, noise):
    """delta_q(eps) = q delta_1(log(1 + (e^eps - 1) / q)): the larger of the two directions,
    removal.
    """
    delta = 1e-5
    whole = epsilon([Releases(noise)], delta / rate)
    exact = math.log1p(rate * math.expm1(whole))
    assert exact <= epsilon([Releases(noise, rate)], delta) + 1e-9  # never below the truth
    assert epsilon([Releases(noise, rate)], delta) == pytest.approx(exact, rel=2e-3, abs=1e-5)


def test_gaussians_without_sampling_add_in_one_over_noise_squared():
    """Balle and Wang: delta = Phi(1/2z - eps z) - e^eps Phi(-1/2z - eps z), at z = 1 for 4 steps at
    noise 2.
    """

    def phi(x: float) -> float:
        return math.erfc(-x / math.sqrt(2)) / 2

    spent = epsilon([Releases(2.0, steps=4)], 1e-5)
    assert phi(0.5 - spent) - math.exp(spent) * phi(-0.5 - spent) == pytest.approx(1e-5, rel=1e-6)
    for name in ACCOUNTANTS:
        assert epsilon([Releases(1.0)], 1e-5, name) == pytest.approx(
            epsilon([Releases(2.0, steps=4)], 1e-5, name), rel=1e-9
        )


# ---- the laws


@pytest.mark.parametrize("accountant", ["pld", "rdp"])
@pytest.mark.slow
@given(
    noise=st.floats(0.6, 8),
    rate=st.floats(1e-3, 0.6),
    steps=st.integers(1, 400),
    more=st.floats(1.05, 2),
)
@settings(max_examples=12, deadline=None)
def test_epsilon_falls_with_noise_and_grows_with_steps_and_rate(
    accountant, noise, rate, steps, more
):
    """Up to the grid's rounding (2e-3 of the value, PLD only): steps of 5 % and more are told
    apart.
    """
    slack = 2e-3 if accountant == "pld" else 1e-9
    now = epsilon([Releases(noise, rate, steps)], 1e-5, accountant)
    assert now >= 0

    def at_most(less: float, greater: float) -> bool:
        return less <= greater * (1 + slack) + 1e-9

    assert at_most(epsilon([Releases(noise * more, rate, steps)], 1e-5, accountant), now)
    assert at_most(now, epsilon([Releases(noise, rate, math.ceil(steps * more))], 1e-5, accountant))
    assert at_most(now, epsilon([Releases(noise, min(1.0, rate * more), steps)], 1e-5, accountant))
    assert at_most(now, epsilon([Releases(noise, rate, steps)], 1e-6, accountant))


@pytest.mark.parametrize(
    "accountant", ["rdp", *(pytest.param(name, marks=pytest.mark.slow) for name in ("pld", "prv"))]
)
def test_clearly_more_noise_steps_rate_or_less_delta(accountant):
    middle = epsilon(train(), 1e-5, accountant)
    assert epsilon(train(noise=1.5), 1e-5, accountant) < 0.9 * middle
    assert epsilon(train(steps=300), 1e-5, accountant) > 1.1 * middle
    assert epsilon(train(rate=0.02), 1e-5, accountant) > 1.1 * middle
    assert epsilon(train(), 1e-7, accountant) > 1.1 * middle


@pytest.mark.parametrize("accountant", ACCOUNTANTS)
def test_unequal_blocks_compose(accountant):
    """More than either, less than their sum; order and splitting change nothing; no release costs
    nothing.
    """
    head, rest = Releases(5.0), Releases(2.0, 0.02, 200)
    both = epsilon([head, rest], 1e-5, accountant)
    apart = [epsilon([b], 1e-5, accountant) for b in (head, rest)]
    assert max(apart) < both < sum(apart)
    assert (
        epsilon([Releases(2.0, 0.02, 150), head, Releases(2.0, 0.02, 50)], 1e-5, accountant) == both
    )
    assert (
        epsilon([head, rest, Releases(0.1, 0.5, 0), Releases(math.inf)], 1e-5, accountant) == both
    )


def test_the_ends():
    assert epsilon([], 1e-5) == 0
    assert epsilon([Releases(1.0, 0.1, 0)], 1e-5) == 0
    assert math.isinf(epsilon([Releases(5.0), Releases(0.0, 0.01, 1)], 1e-5))
    assert epsilon([Releases(0.0, 0.01, 0), Releases(5.0)], 1e-5) == epsilon([Releases(5.0)], 1e-5)
    assert epsilon([Releases(1e8, 0.5, 10)], 1e-5) < 1e-3
    assert epsilon([Releases(1e-3)], 1e-5) > 1e5
    assert epsilon([Releases(9.0, 0.1, 5)], 0.5) == 0


def test_tiny_rates_are_not_rounded_up_to_nothing_learned():
    """On a grid of 1e-4 this would be 0.0835, a third too much: RDP itself would say less."""
    assert (
        epsilon([Releases(20.0, 1e-3, 100_000)], 1e-7)
        < 0.065
        < epsilon([Releases(20.0, 1e-3, 100_000)], 1e-7, "rdp")
    )


@pytest.mark.slow
def test_what_cannot_be_said_is_said_so():
    with pytest.raises(FedkitError, match=r"^accountant prv cannot say epsilon.*try pld or rdp$"):
        epsilon(
            [Releases(0.0277)], 1e-5, "prv"
        )  # it would say 710, and 805 is true: e^loss overflows
    with pytest.raises(FedkitError, match=r"accountant pld .* rounds"):
        epsilon(train(), 1e-15)
    assert epsilon(train(), 1e-15, "rdp") > epsilon(train(), 1e-10)


def test_side_by_side():
    both = compare_accountants(train(noise=6.0, rate=0.1, steps=20), 1e-5)
    assert set(both) == {"amplified", "unamplified"}
    assert both["unamplified"]["pld"] == pytest.approx(epsilon([Releases(6.0, steps=20)], 1e-5))
    assert all(both["unamplified"][name] > 5 * both["amplified"][name] for name in ACCOUNTANTS)
    assert compare_accountants([Releases(0.01)], 1e-5)["amplified"]["prv"] is None


# ---- the inverse


@pytest.mark.parametrize("target", [0.8, 3.0])
def test_calibrated_noise_spends_the_target_and_no_more(target):
    def blocks(noise: float) -> list[Releases]:
        return [Releases(12.0), Releases(noise, steps=20)]

    noise = noise_for_epsilon(target, 1e-5, blocks, "rdp")
    assert 0.999 * target < epsilon(blocks(noise), 1e-5, "rdp") <= target


@pytest.mark.slow
@pytest.mark.parametrize("accountant", ACCOUNTANTS)
def test_calibrated_noise_by_every_accountant(accountant):
    for target in (0.3, 1.0, 8.0):
        noise = noise_for_epsilon(target, 1e-5, lambda z: train(z, 0.02, 300), accountant)
        assert 0.999 * target < epsilon(train(noise, 0.02, 300), 1e-5, accountant) <= target
        assert epsilon(train(noise / 1.0005, 0.02, 300), 1e-5, accountant) > target


def test_one_gaussian_calibrated():
    assert noise_for_epsilon(1.0, 1e-6, lambda z: [Releases(z)], "rdp") == pytest.approx(
        4.530877117, rel=2e-4
    )
    assert noise_for_epsilon(1.0, 1e-6, lambda z: [Releases(z)]) == pytest.approx(4.22468, rel=2e-4)


def test_a_target_out_of_reach_is_refused_and_a_generous_one_costs_little():
    with pytest.raises(FedkitError, match=r"target epsilon 0\.1 cannot be reached"):
        noise_for_epsilon(0.1, 1e-5, lambda z: [Releases(5.0), Releases(z)])
    with pytest.raises(FedkitError, match="target epsilon 0 "):
        noise_for_epsilon(0, 1e-5, lambda z: [Releases(z)])
    assert noise_for_epsilon(1e6, 1e-5, lambda z: [Releases(z)]) < 0.05


# ---- discrete noise


def test_two_parties_discrete_noise_by_hand():
    """tau = 10 exp(-2 pi^2 s^2 / 2): at s = 0.5, 0.848; at s = 1, 5.17e-4."""
    tau = 10 * math.exp(-(math.pi**2))
    assert discrete_sum_noise(1.0, 2, 6, 3.0) == pytest.approx(1 / math.sqrt(9 / 2 + tau * 3))
    wide = 10 * math.exp(-(math.pi**2) / 4)  # so much that the second bound is the smaller
    assert discrete_sum_noise(0.5, 2, 4, 30.0) == pytest.approx(1 / math.sqrt(900 / 0.5 + wide * 2))
    assert discrete_sum_noise(1.0, 2, 10_000, 0.1) == pytest.approx(
        1 / (0.1 / math.sqrt(2) + tau * 100)
    )


def test_wide_discrete_noise_is_gaussian():
    assert discrete_sum_noise(20.0, 10, 10**6, 5.0) == pytest.approx(
        math.sqrt(10) * 20 / 5, rel=1e-12
    )
    assert discrete_sum_noise(2.0, 1, 10, 4.0) == 0.5  # alone: tau is 0
    # narrow: worse than Gaussian
    assert discrete_sum_noise(0.6, 50, 1000, 5.0) < 0.9 * math.sqrt(50) * 0.6 / 5


def test_discrete_noise_too_small_for_the_theorem_is_refused():
    for given_ in [
        (0.4, 2, 3, 1.0),
        (1.0, 0, 3, 1.0),
        (1.0, 2, 0, 1.0),
        (1.0, 2, 3, 0.0),
        (math.nan, 2, 3, 1.0),
    ]:
        with pytest.raises(FedkitError, match="discrete noise"):
            discrete_sum_noise(*given_)


# ---- bad input, quiet, quick


@pytest.mark.parametrize(
    "values",
    [
        (-1.0,),
        (math.nan,),
        (1.0, 0.0),
        (1.0, 1.1),
        (1.0, math.nan),
        (1.0, 0.1, -1),
        (1.0, 0.1, 1.5),
    ],
)
def test_a_block_that_cannot_be(values):
    with pytest.raises(FedkitError, match="given;"):
        Releases(*values)


def test_a_question_that_cannot_be():
    for delta in (0, 1, -1e-5, math.nan):
        with pytest.raises(FedkitError, match="delta"):
            epsilon([], delta)
    with pytest.raises(FedkitError, match="choose one of: pld, rdp, prv"):
        epsilon([], 1e-5, "moments")


def test_the_libraries_stay_quiet_and_change_no_logging(fresh, capfd, caplog):
    before = (list(logging.root.handlers), logging.root.level, logging.root.manager.disable)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        epsilon([Releases(100.0, 0.3, 2)], 1e-5, "rdp")  # its best order is the largest
        epsilon([Releases(0.3)], 1e-5, "rdp")  # its best order is the smallest
        epsilon([Releases(3.0, 0.9, 3)], 1e-5, "prv")
        epsilon([Releases(9.0, 0.1, 3)], 1e-5)
    assert (list(logging.root.handlers), logging.root.level, logging.root.manager.disable) == before
    assert not caplog.records and capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_epsilon_after_each_round_is_quick():
    """A head start and T steps, T growing: one step's losses are kept, so an answer takes far below
    a second.
    """
    epsilon([Releases(5.0), Releases(0.8, 0.05, 400)], 1e-5)
    begun = time.process_time()
    for steps in (100, 200, 300):
        epsilon([Releases(5.0), Releases(0.8, 0.05, steps)], 1e-5)
    assert time.process_time() - begun < 3 * 0.3


# ---- the words


def test_what_belongs_beside_an_epsilon():
    lines = explain_epsilon(
        1e-5,
        [Releases(5.0), Releases(1.0, 0.01, 10)],
        unit="client",
        num_units=100,
        accountant="rdp",
    )
    said = "\n".join(lines)
    for word in (
        "one client",
        "add or remove one",
        "Poisson",
        "0.01",
        "1e-05",
        "rdp. Renyi",
        "not covered",
        "seed",
    ):
        assert word in said, word
    assert (
        "fixed group" in said
        and "same data" in said
        and "validation" in said
        and "label names" in said
    )
    assert all("\n" not in line and line == line.strip() for line in lines)
    assert "nothing is amplified" in "\n".join(explain_epsilon(1e-5, [Releases(1.0)]))
    assert "cyclic" in "\n".join(explain_epsilon(1e-5, sampling="cyclic: every tenth round"))


def test_delta_is_held_against_the_number_of_units():
    assert "as it should be" in accounting.describe_delta(1e-5, 10_003)
    assert "rather large" in accounting.describe_delta(2e-5, 10_003)
    assert "TOO LARGE" in accounting.describe_delta(1e-4, 10_000)
    assert "n was not given" in accounting.describe_delta(1e-5)
