"""The canary game: correct mechanisms are never above their promise, broken ones are caught."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from fedkit.audit.bounds import (
    Rates,
    allowed_tpr,
    clopper_pearson,
    epsilon_lower,
    estimate_rate,
    implied_noise,
    perfect_rates,
    privacy_profile,
    refutes,
)
from fedkit.audit.canary import (
    BROKEN,
    CONSISTENT,
    WEAK,
    Mechanism,
    audit_mechanism,
    choose_thresholds,
    judge_scores,
    log_likelihood_ratio,
)
from fedkit.audit.games import (
    FAULTS,
    ToyData,
    canary_budget,
    canary_clients,
    canary_projections,
    faulty_plan,
    play_rounds,
    play_training,
    private_head,
    training_plan,
)
from fedkit.core.errors import FedkitError
from fedkit.federated.local import dp_sgd
from fedkit.privacy.noise import NoiseKey

KEY = NoiseKey.from_seed(0)

ONE_STEP = Mechanism(noise=3.7307)  # epsilon 1 at delta 1e-5
SAMPLED = Mechanism(noise=1.3444, rate=0.2, steps=10)  # epsilon 3
MANY = Mechanism(noise=1.1110, rate=0.5, steps=8)  # epsilon 8
SITES = Mechanism(noise=1.9033, rate=0.5, steps=5, unit="client")  # epsilon 3


def test_clopper_pearson_is_the_exact_interval():
    assert clopper_pearson(0, 10) == (0.0, pytest.approx(1 - 0.025 ** (1 / 10)))
    assert clopper_pearson(10, 10) == (pytest.approx(0.025 ** (1 / 10)), 1.0)
    low, high = clopper_pearson(5, 10)  # from tables
    assert (low, high) == (pytest.approx(0.1871, abs=1e-4), pytest.approx(0.8129, abs=1e-4))


def test_clopper_pearson_covers_what_it_estimates():
    counts = np.random.default_rng(0).binomial(50, 0.1, 2000)
    covered = [low <= 0.1 <= high for low, high in (clopper_pearson(int(k), 50) for k in counts)]
    assert np.mean(covered) >= 0.95


def test_epsilon_lower_by_hand_in_both_directions():
    sure = lambda value: replace(estimate_rate(0, 1), low=value, high=value)  # noqa: E731
    up, down = Rates(sure(0.1), sure(0.5)), Rates(sure(0.5), sure(0.9))
    assert epsilon_lower([up], 0.0) == pytest.approx(math.log(5))
    assert epsilon_lower([down], 0.0) == pytest.approx(math.log(5))
    assert epsilon_lower([up], 0.1) == pytest.approx(math.log(4))
    assert epsilon_lower([Rates(sure(0.5), sure(0.4))], 0.0) == 0.0


def test_profile_of_a_gaussian_is_that_of_the_accountant():
    from fedkit.privacy.accounting import Releases, epsilon

    for delta_at in (1.0, 3.0):
        delta = float(privacy_profile(((1.0, 1.0, 2),))[int(10 * delta_at)])
        assert epsilon([Releases(1.0, 1.0, 2)], delta) == pytest.approx(delta_at, rel=1e-3)


@pytest.mark.slow
def test_profile_of_sampled_noise_is_that_of_the_accountant():
    from fedkit.privacy.accounting import Releases, epsilon

    delta = float(privacy_profile(((1.3444, 0.2, 10),))[20])
    assert epsilon([Releases(1.3444, 0.2, 10)], delta) == pytest.approx(2.0, rel=0.01)


def test_allowed_tpr_is_the_exact_curve_of_one_gaussian():
    from scipy.stats import norm

    for fpr in (0.01, 0.9):
        # noise multiplier 2: mu = 1/2 (Dong et al., 2022)
        exact = norm.cdf(norm.ppf(fpr) + 1 / 2.0)
        assert exact <= allowed_tpr(((2.0, 1.0, 1),), fpr) == pytest.approx(exact, rel=0.01)


def test_rates_that_noise_allows_do_not_refute_it_and_better_ones_do():
    from scipy.stats import norm

    tpr = norm.cdf(norm.ppf(0.1) + 0.5)
    fits = Rates(estimate_rate(1000, 10_000), estimate_rate(int(tpr * 10_000), 10_000))
    assert not refutes([fits], 2.0, 1.0, 1)
    assert refutes([fits], 4.0, 1.0, 1)
    assert 2.0 <= implied_noise([fits], 2.0, 1.0, 1) < 2.5


def test_what_no_sampling_could_show_leaves_no_noise_at_all():
    assert implied_noise([perfect_rates(1000, 0.01)], 1.0, 0.1, 1) == 0.0
    assert (
        implied_noise([Rates(estimate_rate(50, 100), estimate_rate(50, 100))], 1.0, 1.0, 1)
        == math.inf
    )


def test_the_table_shows_exactly_what_the_step_added():
    rows = ToyData.create(there=True)
    path, sums = play_training(rows, replace(training_plan(1e-9, 1.0, 3, 0.5), key=KEY))
    # the bias has the rest
    assert canary_projections(rows.canary, path, sums, 0.5) == pytest.approx(np.ones(3), abs=2e-3)
    path, sums = play_training(
        ToyData.create(there=False), replace(training_plan(1e-9, 1.0, 3, 0.5), key=KEY)
    )
    assert canary_projections(rows.canary, path, sums, 0.5) == pytest.approx(np.zeros(3), abs=1e-3)


@pytest.mark.slow
def test_noise_and_draws_are_those_promised():
    rows = ToyData.create(there=False)
    path, sums = play_training(rows, replace(training_plan(2.0, 0.3, 1000, 0.5), key=KEY))
    assert canary_projections(rows.canary, path, sums, 0.5).std() == pytest.approx(2.0, rel=0.07)
    rows = ToyData.create(there=True)
    path, sums = play_training(rows, replace(training_plan(1e-6, 0.3, 500, 0.5), key=KEY))
    assert (canary_projections(rows.canary, path, sums, 0.5) > 0.5).mean() == pytest.approx(
        0.3, abs=0.06
    )


@pytest.mark.slow
def test_sites_are_clipped_drawn_and_noised_as_promised():
    members = canary_clients(True, 2.0)
    seen = play_rounds(
        members, replace(canary_budget(1.0, 0.5, 2.0, 1e-5, 400), noise=1e-3), 400, KEY
    )
    assert ((abs(seen) < 0.01) | (abs(seen - 1) < 0.01)).all() and seen.mean() == pytest.approx(
        0.5, abs=0.1
    )
    away = play_rounds(
        canary_clients(False, 2.0), canary_budget(3.0, 0.5, 2.0, 1e-5, 400), 400, KEY
    )
    assert away.std() == pytest.approx(3.0, rel=0.1)


def test_ratio_by_hand():
    seen = np.array([1.0, 0.0])
    assert log_likelihood_ratio(seen, Mechanism(1.0, 1.0, 2)) == pytest.approx(0.0)
    half = math.log(0.5 + 0.5 * math.exp(0.5)) + math.log(0.5 + 0.5 * math.exp(-0.5))
    assert log_likelihood_ratio(seen, Mechanism(1.0, 0.5, 2)) == pytest.approx(half)


def test_thresholds_part_what_is_parted():
    best = choose_thresholds(np.arange(100.0) + 100, np.arange(100.0), 1e-5, 0.01)[2]
    assert 99 < best <= 101


def test_scores_of_chance_prove_nothing_and_of_certainty_all_that_can_be_shown():
    same = np.random.default_rng(0).normal(size=(2, 200))
    result = judge_scores(*same, ONE_STEP)
    assert (result.lower, result.implied, result.verdict) == (0.0, 0.0, CONSISTENT)
    sure = judge_scores(np.ones(200), np.zeros(200), ONE_STEP)
    assert sure.lower == sure.most > sure.upper and sure.verdict == BROKEN
    weak = judge_scores(np.ones(40), np.zeros(40), Mechanism(noise=0.1))
    assert weak.verdict == WEAK and weak.most < weak.upper


def test_what_chose_the_threshold_is_not_what_is_measured():
    parted, mixed = np.r_[np.ones(100), np.zeros(100)], np.zeros(200)
    assert judge_scores(parted, mixed, ONE_STEP).lower == 0.0


def test_rates_below_a_large_epsilon_can_still_be_impossible_for_the_noise():
    result = judge_scores(np.ones(200), np.zeros(200), Mechanism(noise=1.0))
    assert (
        result.lower < result.upper < result.implied and result.refuted and result.verdict == BROKEN
    )


@pytest.mark.slow
def test_a_correct_step_keeps_its_promise_and_a_broken_one_is_caught():
    right, wrong = (audit_mechanism(ONE_STEP, 150, broken=fault) for fault in (None, "no clipping"))
    assert (
        right.lower <= right.upper == pytest.approx(1.0, rel=1e-3) and right.verdict == CONSISTENT
    )
    assert wrong.lower > wrong.upper and wrong.caught


@pytest.mark.slow
@pytest.mark.parametrize(
    "setting", [ONE_STEP, SAMPLED, MANY, SITES], ids=["eps1", "eps3", "eps8", "sites"]
)
@pytest.mark.parametrize("seed", [0, 1])
def test_correct_mechanisms_are_never_above_their_promise(setting, seed):
    result = audit_mechanism(setting, 300, seed)
    assert max(result.lower, result.implied) <= result.upper and result.verdict == CONSISTENT
    assert result.lower <= result.most and not result.refuted


@pytest.mark.slow
@pytest.mark.parametrize(
    "setting", [ONE_STEP, SAMPLED, MANY, SITES], ids=["eps1", "eps3", "eps8", "sites"]
)
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_caught(setting, fault):
    result = audit_mechanism(setting, 600, broken=fault)
    assert result.caught and result.implied > result.upper


@pytest.mark.slow
def test_the_bound_of_a_known_gaussian_comes_close_to_the_promise():
    result = audit_mechanism(Mechanism(1.0), 4000)  # epsilon 4.4
    assert 0.7 * result.upper < result.implied <= result.upper


def test_same_seed_same_result():
    assert audit_mechanism(ONE_STEP, 40, 5) == audit_mechanism(ONE_STEP, 40, 5)


def test_a_fault_is_gone_after_the_game():
    kept = dp_sgd.clipped_head_sum
    with faulty_plan(training_plan(1.0, 1.0, 1, 1.0), "clip of the mean"):
        assert dp_sgd.clipped_head_sum is not kept
    assert dp_sgd.clipped_head_sum is kept


def test_private_head_learns_with_little_noise():
    vectors, labels = np.repeat(np.eye(3), 20, 0), np.repeat(np.arange(3), 20)
    plan = replace(training_plan(1e-3, 0.5, 50, 1.0), head_lr=5.0)
    logits = private_head(vectors, labels, 0, plan=plan)(vectors)
    assert (logits.argmax(1) == labels).all()
    again = private_head(vectors, labels, 0, plan=plan)(vectors)
    assert np.array_equal(logits, again) and torch.get_num_threads() > 0


@pytest.mark.parametrize(
    "bad",
    [
        {"noise": 0.0},
        {"noise": 1.0, "rate": 0.0},
        {"noise": 1.0, "steps": 0},
        {"noise": 1.0, "unit": "town"},
    ],
)
def test_settings_that_cannot_be_are_refused(bad):
    with pytest.raises(FedkitError):
        Mechanism(**bad)


def test_bad_games_are_refused():
    with pytest.raises(FedkitError, match="40 or more"):
        audit_mechanism(ONE_STEP, 10)
    with pytest.raises(FedkitError, match="noise/4"):
        audit_mechanism(ONE_STEP, 100, broken="all of it")
