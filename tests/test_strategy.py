"""The server's optimizer: FedAvg by hand, and what every entry of STRATEGIES keeps to."""

from __future__ import annotations

import pytest
import torch

from fedkit.errors import FedkitError
from fedkit.server.strategy import STRATEGIES, FedAvg, make_strategy

SHARED = {"w": torch.tensor([1.0, 2.0, 3.0]), "head.bias": torch.tensor([0.0])}
DELTA = {"w": torch.tensor([1.0, 0.0, -3.0]), "head.bias": torch.tensor([2.0])}


def test_a_fedavg_step_by_hand():
    new, state = FedAvg().step(SHARED, {}, DELTA)
    assert new["w"].tolist() == [2.0, 2.0, 0.0] and new["head.bias"].tolist() == [2.0]
    assert state == {}


@pytest.mark.parametrize("name", STRATEGIES)
def test_without_an_update_nothing_changes(name):
    strategy = make_strategy(name)
    new, _ = strategy.step(SHARED, strategy.init(SHARED), None)
    assert new.keys() == SHARED.keys() and all(torch.equal(new[n], t) for n, t in SHARED.items())


@pytest.mark.parametrize("name", STRATEGIES)
def test_what_did_not_travel_stays_as_it_is(name):
    strategy = make_strategy(name)
    new, _ = strategy.step(SHARED, strategy.init(SHARED), {"head.bias": DELTA["head.bias"]})
    assert torch.equal(new["w"], SHARED["w"]) and not torch.equal(new["head.bias"], SHARED["head.bias"])


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_step_keeps_names_shapes_and_what_it_was_given(name):
    strategy, before = make_strategy(name), {n: t.clone() for n, t in SHARED.items()}
    state = strategy.init(SHARED)
    for _ in range(2):
        new, state = strategy.step(SHARED, state, DELTA)
    assert {n: (t.shape, t.dtype) for n, t in new.items()} == {n: (t.shape, t.dtype) for n, t in SHARED.items()}
    assert all(torch.isfinite(t).all() for t in new.values()) and not torch.equal(new["w"], SHARED["w"])
    assert all(torch.equal(SHARED[n], t) for n, t in before.items()), "the shared parameters were changed in place"
    assert all(isinstance(t, torch.Tensor) for t in state.values()), "the state is kept as tensors"


@pytest.mark.parametrize(
    ("spec", "said"), [("", "''"), ("fedsgd", "fedavg"), ("fedavg:lr=1", "'lr'"), ("fedavg:lr", "key=value")]
)
def test_an_unknown_strategy_or_parameter_is_refused(spec, said):
    with pytest.raises(FedkitError, match=said):
        make_strategy(spec)
