"""Membership inference: rates by hand, heads that learn by heart, and what noise takes from the
attacker.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from fedkit.audit.games import private_head, training_plan
from fedkit.audit.membership import (
    MAX_POINTS,
    attack_training,
    likelihood_ratio_attack,
    logit_confidence,
    loss_attack,
    overfit_head,
    random_halves,
    roc_of_scores,
    roc_points,
    shadow_confidences,
    softmax_heads,
    tpr_limit,
)
from fedkit.core.errors import FedkitError


def test_curve_and_area_by_hand():
    fpr, tpr = roc_points(np.array([3.0, 1.0]), np.array([2.0, 0.0]))
    assert fpr.tolist() == [0, 0, 0.5, 0.5, 1] and tpr.tolist() == [0, 0.5, 0.5, 1, 1]
    found = roc_of_scores(np.array([3.0, 1.0]), np.array([2.0, 0.0]))
    assert found.auc == 0.75 and found.advantage == 0.5 and found.at[0.01].value == 0.5


def test_equal_scores_are_chance():
    found = roc_of_scores(np.zeros(10), np.zeros(20))
    assert found.auc == 0.5 and found.advantage == 0.0 and found.at[0.01].count == 0


def test_area_is_the_chance_that_a_member_scores_higher():
    rng = np.random.default_rng(0)
    members, others = rng.normal(0.5, 1, 300).round(1), rng.normal(0, 1, 200).round(1)
    higher, equal = members[:, None] > others, members[:, None] == others
    assert roc_of_scores(members, others).auc == pytest.approx((higher + 0.5 * equal).mean())


def test_a_curve_is_thin_enough_to_draw_and_keeps_its_ends():
    rng = np.random.default_rng(0)
    found = roc_of_scores(rng.normal(1, 1, 5000), rng.normal(0, 1, 5000))
    assert len(found.fpr) == len(found.tpr) <= MAX_POINTS and (np.diff(found.fpr) >= 0).all()
    assert (found.fpr[0], found.tpr[0], found.fpr[-1], found.tpr[-1]) == (0, 0, 1, 1)
    assert ((found.fpr > 0) & (found.fpr < 0.01)).sum() >= 5
    assert np.trapezoid(found.tpr, found.fpr) == pytest.approx(found.auc, abs=2e-3)


@pytest.mark.parametrize("scores", [([], [1.0]), ([1.0], []), ([math.nan], [1.0])])
def test_scores_that_are_none_are_refused(scores):
    with pytest.raises(FedkitError, match="both need some"):
        roc_of_scores(*map(np.array, scores))


def test_allowed_by_hand():
    assert tpr_limit(math.log(2), 0.01, 0.1) == pytest.approx(0.21)
    assert tpr_limit(math.log(2), 0.0, 0.9) == pytest.approx(0.95)  # from the opposite test
    assert tpr_limit(0.0, 0.0, 0.3) == pytest.approx(0.3) and tpr_limit(1000.0, 0.0, 0.01) == 1.0


def test_confidence_is_the_logit_of_the_true_label():
    logits = np.log(np.array([[0.7, 0.2, 0.1], [0.7, 0.2, 0.1]]))
    assert logit_confidence(logits, np.array([0, 2])) == pytest.approx(
        [math.log(0.7 / 0.3), math.log(0.1 / 0.9)]
    )
    assert logit_confidence(np.stack([logits, logits + 5]), np.array([0, 2])).shape == (2, 2)
    assert np.isfinite(logit_confidence(np.array([[5000.0, 0.0]]), np.array([0]))).all()


def test_loss_threshold_finds_smaller_losses():
    found = loss_attack(
        np.array([2.0, 3.0, 0.0, 1.0]),
        np.array([True, True, False, False]),
        partial(tpr_limit, 1.0, 0.0),
    )
    assert found.roc.auc == 1.0 and found.allowed[0.01] == pytest.approx(math.e * 0.01)
    assert found.to_dict()["tpr_at_fpr"]["0.01"]["tpr"] == 1.0 and found.to_dict()["members"] == 2


def test_likelihood_ratio_knows_that_examples_differ():
    """Two kinds of examples, easy and hard: one threshold on the loss sees nothing, one beside
    shadow models all.
    """
    rng, n, shadows = np.random.default_rng(0), 200, 16
    level, member = np.where(np.arange(n) % 2, 100.0, 0.0), np.arange(n) < n // 2
    chosen = random_halves(n, shadows, 0)
    beside = level + chosen * 5.0 + rng.normal(size=(shadows, n))
    own = level + member * 5.0 + rng.normal(size=n)
    assert loss_attack(own, member).roc.auc < 0.8
    for online in (True, False):
        assert likelihood_ratio_attack(own, beside, chosen, member, online=online).roc.auc > 0.98


def test_likelihood_ratio_of_nothing_is_chance():
    rng = np.random.default_rng(0)
    chosen, member = random_halves(1000, 16, 0), np.arange(1000) < 500
    found = likelihood_ratio_attack(
        rng.normal(size=1000), rng.normal(size=(16, 1000)), chosen, member
    )
    assert found.roc.auc == pytest.approx(0.5, abs=0.05)


def test_likelihood_ratio_grows_with_confidence():
    """Of Gaussians with means 0 and 5 and one spread, a confidence of 20 speaks for membership more
    than one of 5.
    """
    rng, chosen, member = np.random.default_rng(0), random_halves(100, 16, 0), np.arange(100) < 50
    beside = 5.0 * chosen + rng.normal(size=(16, 100))
    assert (
        likelihood_ratio_attack(np.where(member, 20.0, 5.0), beside, chosen, member).roc.auc == 1.0
    )


def test_halves_are_halves_and_everybody_is_in_half_of_them():
    chosen = random_halves(10, 6, 0)
    assert (
        (chosen.sum(1) == 5).all() and (chosen.sum(0) == 3).all() and (chosen[0] != chosen[2]).any()
    )


def test_an_example_without_a_shadow_is_refused():
    with pytest.raises(FedkitError, match="none or in all"):
        likelihood_ratio_attack(
            np.zeros(4),
            np.zeros((1, 4)),
            np.ones((1, 4), bool),
            np.array([True, True, False, False]),
        )


def made_up(
    seed: int = 0, per_label: int = 8, labels: int = 5, width: int = 40
) -> tuple[np.ndarray, ...]:
    """(unit vectors, labels, member): much noise about few centres, so that only learning by heart
    tells them apart.
    """
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(labels), per_label)
    vectors = rng.normal(size=(labels, width))[truth] + 2.0 * rng.normal(size=(len(truth), width))
    member = np.arange(len(truth)) % 2 == 0
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), truth, member


def test_heads_together_are_the_heads_alone():
    vectors, labels, member = made_up()
    chosen = np.stack([member, ~member])
    together = softmax_heads(vectors, labels, chosen, 5, steps=20)
    for rows, logits in zip(chosen, together):
        alone = overfit_head(vectors[rows], labels[rows], num_labels=5, steps=20)(vectors)
        assert logits == pytest.approx(alone, abs=1e-3)


def test_shadows_one_by_one_and_together_are_the_same():
    vectors, labels, member = made_up()
    train = partial(overfit_head, num_labels=5, steps=20)
    one_by_one = shadow_confidences(train, vectors, labels, np.stack([member, ~member]))
    together = logit_confidence(
        softmax_heads(vectors, labels, np.stack([member, ~member]), 5, steps=20), labels
    )
    assert one_by_one == pytest.approx(together, abs=1e-3)


def test_learning_by_heart_shows_and_noise_hides_it():
    vectors, labels, member = made_up(per_label=20, width=200)
    many = partial(softmax_heads, num_labels=5, steps=60)
    strong = attack_training(
        partial(overfit_head, num_labels=5, steps=60), vectors, labels, member, 8, train_many=many
    )
    plan = replace(training_plan(20.0, 0.5, 10, 1.0), head_lr=2.0)
    train = partial(private_head, plan=plan, num_labels=5)
    quiet = attack_training(
        train, vectors, labels, member, 8, promise=partial(tpr_limit, 1.0, 1e-5)
    )
    assert (
        strong[0].roc.auc > 0.9 and strong[1].roc.auc > 0.9 and strong[1].roc.at[0.01].value > 0.3
    )
    assert all(abs(q.roc.auc - 0.5) < 0.12 for q in quiet)
    assert all(q.roc.at[level].low <= q.allowed[level] for q in quiet for level in (0.01, 0.001))
