"""Who takes part: as many as asked for, nobody twice, the same for the same seed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from fedkit.core.config import parse_cohort
from fedkit.core.errors import FedkitError
from fedkit.data.corpus import ClientData, Examples
from fedkit.federated.rounds.sampling import cohort_size, sample_clients

NOTHING = Examples((), np.zeros(0, np.int64))
CLIENTS = [ClientData(f"site-{i}", NOTHING, NOTHING) for i in range(10)]


def chosen(wanted, seed=0, round_number=1) -> list[str]:
    return [c.client_id for c in sample_clients(CLIENTS, wanted, seed, round_number)]


@pytest.mark.parametrize(
    ("wanted", "size"),
    [
        (None, 10),
        (10, 10),
        (1, 1),
        (1.0, 1),
        (3, 3),
        (3.0, 3),
        (0.5, 5),
        (0.31, 3),
        (0.99, 10),
        (0.01, 1),
    ],
)
def test_how_many(wanted, size):
    assert cohort_size(10, wanted) == size == len(set(chosen(wanted)))


@pytest.mark.parametrize(
    "wanted", [0, 0.0, -1, -0.2, 11, 1.5, 2.999, float("nan"), float("inf"), float("-inf")]
)
def test_an_impossible_wish_is_refused(wanted):
    with pytest.raises(FedkitError, match=r"clients-per-round .* from 1 to 10"):
        cohort_size(10, wanted)


@pytest.mark.parametrize(
    ("text", "size"), [(None, 10), ("1.0", 10), ("1", 1), ("7", 7), ("0.2", 2), ("1e1", 10)]
)
def test_how_many_as_written_on_the_command_line(text, size):
    assert cohort_size(10, parse_cohort(text)) == size


def test_everyone_in_their_own_order():
    assert chosen(None) == [c.client_id for c in CLIENTS]
    assert chosen(6) == sorted(chosen(6))


def test_seed_and_round_decide_and_nothing_else():
    np.random.seed(1)
    first = [chosen(4, 0, r) for r in range(1, 9)]
    np.random.seed(2)
    assert first == [chosen(4, 0, r) for r in range(1, 9)]
    assert first != [chosen(4, 1, r) for r in range(1, 9)]
    assert len({tuple(c) for c in first}) > 4, "the rounds should not all take the same clients"


def test_everyone_has_the_same_chance():
    counts = Counter(c for r in range(1, 2_001) for c in chosen(0.3, 5, r))
    # 600 each, 3 standard deviations
    assert len(counts) == 10 and all(540 < n < 660 for n in counts.values())
