"""The weighted mean: by hand, in any order, and one update at a time."""

from __future__ import annotations

import itertools
import weakref

import pytest
import torch

from fedkit.client.train import ClientUpdate
from fedkit.server.aggregate import weighted_mean


def update(values: list[float], num_examples: int) -> ClientUpdate:
    return ClientUpdate("site", {"a": torch.tensor(values)}, num_examples)


def test_the_weighted_mean_by_hand():
    mean = weighted_mean([update([1.0, 2.0, -4.0], 1), update([5.0, 2.0, 0.0], 3)])
    assert mean["a"].tolist() == [4.0, 2.0, -1.0]  # (1 x 1 + 3 x 5) / 4, (1 x 2 + 3 x 2) / 4, (1 x -4 + 3 x 0) / 4
    assert mean["a"].dtype == torch.float32


def test_every_name_is_averaged_on_its_own():
    updates = [
        ClientUpdate(c, {"a": torch.full((2,), x), "b": torch.tensor(-x)}, 1) for c, x in (("p", 1.0), ("q", 3.0))
    ]
    mean = weighted_mean(updates)
    assert mean["a"].tolist() == [2.0, 2.0] and mean["b"].item() == -2.0


def test_one_update_is_its_own_mean():
    values = [0.1, -1e-30, 3e30]
    assert torch.equal(weighted_mean([update(values, 7)])["a"], torch.tensor(values))


def test_no_update_has_no_mean():
    assert weighted_mean([]) is None


def test_the_order_of_arrival_changes_nothing():
    rng = torch.Generator().manual_seed(0)
    updates = [ClientUpdate("s", {"a": torch.randn(500, generator=rng) * 10**i}, 3 + i) for i in range(4)]
    means = [weighted_mean(order)["a"] for order in itertools.permutations(updates)]
    assert all(torch.equal(means[0], m) for m in means)


def test_a_small_update_beside_a_large_one_is_not_lost():
    mean = weighted_mean([update([1e8], 1), update([1.0], 1), update([-1e8], 1)])
    assert mean["a"].item() == pytest.approx(1 / 3)  # summed in float32, the 1.0 would vanish


def test_the_updates_that_came_are_left_as_they_were():
    first, second = update([1.0], 1), update([3.0], 1)
    weighted_mean([first, second])
    assert first.delta["a"].item() == 1.0 and second.delta["a"].item() == 3.0


def test_updates_are_taken_one_at_a_time():
    """While a client is working, nothing is left of any update but the one that came last."""
    alive: list[weakref.ref] = []

    def arriving():
        for i in range(6):
            assert sum(r() is not None for r in alive) <= 1, "updates pile up in memory"
            tensor = torch.full((3,), float(i))
            alive.append(weakref.ref(tensor))
            yield ClientUpdate(f"site-{i}", {"a": tensor}, 1)
            del tensor

    assert weighted_mean(arriving())["a"].tolist() == [2.5, 2.5, 2.5]
    assert len(alive) == 6
