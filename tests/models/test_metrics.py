"""Scores by hand: accuracy, loss, worst client, macro F1, and the intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fedkit.core.stats import mean_accuracy_interval, wilson_interval
from fedkit.data.corpus import ClientData, Examples
from fedkit.models.metrics import macro_f1, own_accuracies, score_logits


def worst_client_accuracy(*given) -> float:
    return min(own_accuracies(*given).values())


def examples(labels, clients=None) -> Examples:
    return Examples(("x",) * len(labels), np.array(labels), clients)


def client(name: str, labels) -> ClientData:
    return ClientData(name, examples(labels), examples([]))


# --- intervals


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [
        (8, 10, 0.4902, 0.9433),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (50, 100, 0.4038, 0.5962),
        (1, 1, 0.2065, 1.0),
    ],
)
def test_wilson_at_known_values(right, n, low, high):
    assert wilson_interval(right, n) == pytest.approx((low, high), abs=1e-4)


def test_wilson_stays_within_0_and_1_and_narrows():
    for n in (1, 7, 40, 10_000):
        for right in (0, n // 3, n):
            low, high = wilson_interval(right, n)
            assert 0 <= low <= right / n <= high <= 1
    assert (
        np.diff(wilson_interval(800, 1000))
        < np.diff(wilson_interval(80, 100))
        < np.diff(wilson_interval(8, 10))
    )


def test_the_interval_of_a_mean_by_hand():
    """0.4, 0.5, 0.6: mean 0.5, standard deviation 0.1, t = 4.3027 with 2 degrees of freedom."""
    half = 4.302653 * 0.1 / math.sqrt(3)
    assert mean_accuracy_interval([0.4, 0.5, 0.6]) == pytest.approx(
        (0.5 - half, 0.5 + half), abs=1e-6
    )
    assert mean_accuracy_interval([0.0, 1.0]) == (0.0, 1.0), "cut to what an accuracy can be"
    assert mean_accuracy_interval([0.3]) == (0.3, 0.3) and mean_accuracy_interval([0.5, 0.5]) == (
        0.5,
        0.5,
    )


# --- scores


def test_accuracy_and_loss_by_hand():
    logits = np.log(np.array([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1], [0.6, 0.2, 0.2]], np.float32))
    result = score_logits(logits, examples([0, 1, 2]), [client("a", [0, 1, 2])])
    assert result.correct.tolist() == [True, True, False]
    assert result.accuracy == pytest.approx(2 / 3)
    assert result.loss == pytest.approx(
        -(math.log(0.5) + math.log(0.8) + math.log(0.2)) / 3, abs=1e-6
    )


def test_the_loss_of_huge_logits_is_finite():
    result = score_logits(
        np.array([[1e30, -1e30], [1e30, 0.0]], np.float32), examples([0, 0]), [client("a", [0])]
    )
    assert result.loss == 0.0 and result.accuracy == 1.0


def test_the_worst_client_on_its_own_test_rows():
    correct = np.array([True, True, True, False, False, True])
    test = examples([0, 0, 0, 1, 1, 1], ("a", "a", "a", "b", "b", "b"))
    clients = [client("a", [1]), client("b", [0])]  # whose label shares are not asked
    assert worst_client_accuracy(correct, test, clients) == pytest.approx(1 / 3)
    assert worst_client_accuracy(correct, test, [client("a", [1])]) == 1.0
    assert worst_client_accuracy(
        correct, test, [*clients, client("not in the test set", [0])]
    ) == pytest.approx(1 / 3)


def test_the_worst_client_by_its_label_mix():
    """Label 0 is right 3 of 4 times, label 1 once in 2. Three quarters of client a is label 0, all
    of b is label 1.
    """
    correct, test = np.array([True, True, True, False, True, False]), examples([0, 0, 0, 0, 1, 1])
    a, b = client("a", [0, 0, 0, 1]), client("b", [1, 1])
    assert worst_client_accuracy(correct, test, [a]) == pytest.approx(0.75 * 0.75 + 0.25 * 0.5)
    assert worst_client_accuracy(correct, test, [a, b]) == pytest.approx(0.5)


def test_test_rows_that_name_nobody_here_count_by_label_mix():
    test = examples([0, 1], ("x", "y"))
    assert (
        worst_client_accuracy(np.array([True, False]), test, [client("a", [0]), client("b", [1])])
        == 0.0
    )


def test_a_label_without_test_rows_is_left_out_of_the_mix():
    correct, test = np.array([True, False]), examples([0, 0])
    assert worst_client_accuracy(correct, test, [client("a", [0, 2, 2, 2])]) == pytest.approx(0.5)


def test_a_client_that_the_test_set_says_nothing_about_is_left_out():
    correct, test = np.array([True, False, True]), examples([0, 0, 0])
    strange = client("b", [1, 2])
    assert own_accuracies(correct, test, [client("a", [0]), strange]) == pytest.approx({"a": 2 / 3})
    assert own_accuracies(correct, test, [strange]) == pytest.approx({"all": 2 / 3}), (
        "nobody is known: everything counts"
    )


def test_the_mean_over_clients_beside_the_worst():
    logits = np.eye(2)[[0, 0, 0, 1]]  # right, right, right, wrong
    test = examples([0, 0, 0, 0], ("a", "a", "b", "b"))
    result = score_logits(logits, test, [client("a", [0]), client("b", [0])])
    assert result.own == {"a": 1.0, "b": 0.5} and (
        result.own_mix_accuracy,
        result.worst_client_accuracy,
    ) == (0.75, 0.5)
    by_mix = score_logits(
        logits, examples([0, 0, 1, 0]), [client("a", [0]), client("b", [1, 1, 0, 0])]
    )
    # label 0: two of three right; label 1: none
    assert list(by_mix.own.values()) == pytest.approx([2 / 3, 1 / 3])


def test_macro_f1_by_hand():
    """Label 0: precision 2/3, recall 1, F1 0.8. Label 1: precision 1, recall 1/2, F1 2/3. Label 2:
    never right, 0.
    """
    predicted, labels = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])
    assert macro_f1(predicted, labels) == pytest.approx((0.8 + 2 / 3) / 2)
    assert macro_f1(np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 2])) == pytest.approx(
        (0.8 + 0.5 + 0.0) / 3
    )
