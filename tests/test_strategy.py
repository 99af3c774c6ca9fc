"""The server's rule: FedAvg by hand, and what every entry of STRATEGIES keeps to."""

from __future__ import annotations

import pytest
import torch

from fedkit.client.train import ClientUpdate
from fedkit.errors import FedkitError
from fedkit.server.strategy import STRATEGIES, FedAvg, make_strategy

SHARED = {"w": torch.tensor([1.0, 2.0, 3.0]), "head.bias": torch.tensor([0.0])}


def update(w: list[float], bias: float, num_examples: int) -> ClientUpdate:
    return ClientUpdate("site", {"w": torch.tensor(w), "head.bias": torch.tensor([bias])}, num_examples)


def test_a_fedavg_step_by_hand():
    new, state = FedAvg().step(SHARED, {}, [update([1.0, 0.0, -3.0], 2.0, 1), update([-1.0, 4.0, 1.0], 0.0, 3)])
    assert new["w"].tolist() == [0.5, 5.0, 3.0]  # 1 + (1 - 3) / 4, 2 + 12 / 4, 3 + (-3 + 3) / 4
    assert new["head.bias"].tolist() == [0.5]
    assert state == {}


@pytest.mark.parametrize("name", STRATEGIES)
def test_without_an_update_nothing_changes(name):
    strategy = make_strategy(name)
    new, _ = strategy.step(SHARED, strategy.init(SHARED), iter(()))
    assert new.keys() == SHARED.keys() and all(torch.equal(new[n], t) for n, t in SHARED.items())


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_step_keeps_names_shapes_and_what_it_was_given(name):
    strategy, before = make_strategy(name), {n: t.clone() for n, t in SHARED.items()}
    state = strategy.init(SHARED)
    for _ in range(2):
        new, state = strategy.step(SHARED, state, (u for u in [update([1.0, 1.0, 1.0], 1.0, 5)]))
    assert {n: (t.shape, t.dtype) for n, t in new.items()} == {n: (t.shape, t.dtype) for n, t in SHARED.items()}
    assert all(torch.isfinite(t).all() for t in new.values()) and not torch.equal(new["w"], SHARED["w"])
    assert all(torch.equal(SHARED[n], t) for n, t in before.items()), "the shared parameters were changed in place"
    assert all(isinstance(t, torch.Tensor) for t in state.values()), "the state is kept as tensors"


@pytest.mark.parametrize("name", STRATEGIES)
def test_updates_are_asked_for_one_by_one_and_to_the_end(name):
    asked = []

    def arriving():
        for i in range(3):
            asked.append(i)
            yield update([1.0, 1.0, 1.0], 0.0, 1)
        asked.append("end")

    strategy = make_strategy(name)
    state = strategy.init(SHARED)
    assert asked == []
    strategy.step(SHARED, state, arriving())
    assert asked == [0, 1, 2, "end"]


@pytest.mark.parametrize(
    ("spec", "said"), [("", "''"), ("fedsgd", "fedavg"), ("fedavg:lr=1", "'lr'"), ("fedavg:lr", "key=value")]
)
def test_an_unknown_strategy_or_parameter_is_refused(spec, said):
    with pytest.raises(FedkitError, match=said):
        make_strategy(spec)
