"""Strategies and weights: each by hand with two clients, against Flower's where it has one, and
what every entry keeps to.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fedkit.core.errors import FedkitError
from fedkit.federated.aggregation.robust import make_robust
from fedkit.federated.aggregation.weighting import WEIGHTS, make_weights, screen_and_weight
from fedkit.federated.interfaces import UpdateSummary
from fedkit.federated.local.train import ClientUpdate
from fedkit.federated.strategies import STRATEGIES, FedAvg, make_strategy

SHARED = {"w": torch.tensor([1.0, 2.0, 3.0]), "head.bias": torch.tensor([0.0])}
DELTA = {"w": torch.tensor([1.0, 0.0, -3.0]), "head.bias": torch.tensor([2.0])}
ONE = [UpdateSummary(1.0, 1.0, 1.0, 0, 1.0, 1.0)]
A = ClientUpdate(
    "a", {"w": torch.tensor([1.0, -2.0])}, 30, {"steps": 2.0, "loss": 4.0, "validation": 0.5}
)
B = ClientUpdate(
    "b", {"w": torch.tensor([5.0, 2.0])}, 10, {"steps": 6.0, "loss": 1.0, "validation": 2.0}
)
START = {"w": torch.tensor([10.0, 20.0])}


def mean_of(updates, strategy, weights="examples"):
    """(the mean as the server makes it, what it knows of each update)."""
    arrived: list[UpdateSummary] = []
    weighed = list(
        screen_and_weight(
            updates, make_robust("none"), make_weights(weights), strategy, [], arrived
        )
    )
    whole = sum(u.mean_weight for u in weighed)
    return {
        n: sum(u.mean_weight * u.delta[n] for u in weighed) / whole for n in weighed[0].delta
    }, arrived


def one_step(spec, updates=(A, B), state=None, weights="examples", shared=START):
    strategy = make_strategy(spec)
    state = strategy.init(shared, len(updates)) if state is None else state
    return strategy.step(shared, state, *mean_of(updates, strategy, weights))


# --- by hand, two clients


def test_fedavg_by_hand():
    """(30 (1, -2) + 10 (5, 2)) / 40 = (2, -1)."""
    assert one_step("fedavg")[0]["w"].tolist() == [12.0, 19.0]
    assert FedAvg().step(SHARED, {}, DELTA)[0]["w"].tolist() == [2.0, 2.0, 0.0]


def test_weights_by_hand():
    assert one_step("fedavg", weights="uniform")[0]["w"].tolist() == [13.0, 20.0]
    # 30 / 0.5 = 60 and 10 / 2 = 5: (60 (1, -2) + 5 (5, 2)) / 65
    assert one_step("fedavg", weights="validation")[0]["w"].tolist() == pytest.approx(
        [10 + 85 / 65, 20 - 110 / 65]
    )
    with_power = one_step("fedavg", weights="validation:power=2")[0]["w"].tolist()
    assert with_power == pytest.approx([10 + (120 + 12.5) / 122.5, 20 + (-240 + 5) / 122.5])


def test_fedavgm_by_hand():
    """v1 = (2, -1), v2 = 0.5 v1 + (2, -1) = (3, -1.5)."""
    first, state = one_step("fedavgm:momentum=0.5,lr=2")
    assert first["w"].tolist() == [14.0, 18.0]
    second, _ = one_step("fedavgm:momentum=0.5,lr=2", state=state, shared=first)
    assert second["w"].tolist() == [20.0, 15.0]


@pytest.mark.parametrize(
    ("name", "second"),
    [
        ("fedadagrad", lambda v, square: v + square),
        ("fedadam", lambda v, square: 0.9 * v + 0.1 * square),
        ("fedyogi", lambda v, square: v - 0.1 * square * math.copysign(1, v - square)),
    ],
)
def test_the_adaptive_server_optimizers_by_hand(name, second):
    spec = f"{name}:lr=0.1,beta1=0.5,beta2=0.9,tau=0.01"
    shared, state, m, v, w = START, None, [0.0, 0.0], [1e-4, 1e-4], [10.0, 20.0]
    for _ in range(3):
        shared, state = one_step(spec, state=state, shared=shared)
        for i, delta in enumerate((2.0, -1.0)):
            m[i] = 0.5 * m[i] + 0.5 * delta
            v[i] = second(v[i], delta**2)
            w[i] += 0.1 * m[i] / (math.sqrt(v[i]) + 0.01)
        assert shared["w"].tolist() == pytest.approx(w, rel=1e-6)


def test_fednova_by_hand():
    """p = 3/4, 1/4; tau = 2, 6; tau_eff = 3; 3 (3/4 (1, -2) / 2 + 1/4 (5, 2) / 6)."""
    w = one_step("fednova")[0]["w"].tolist()
    assert w == pytest.approx([10 + 3 * (0.375 + 5 / 24), 20 + 3 * (-0.75 + 2 / 24)])
    alike = [ClientUpdate(u.client_id, u.delta, u.num_examples, {"steps": 4.0}) for u in (A, B)]
    assert one_step("fednova", alike)[0]["w"].tolist() == pytest.approx([12.0, 19.0]), (
        "as FedAvg for equal steps"
    )


def test_q_fedavg_by_hand():
    """q = 1, L = 2: (4 x 2 (1, -2) + 1 x 2 (5, 2)) / (4 x 5 + 2 x 4 + 4 x 29 + 2 x 1)."""
    w = one_step("qfedavg:q=1,lr=0.5")[0]["w"].tolist()
    assert w == pytest.approx([10 + 18 / 146, 20 - 12 / 146], rel=1e-6)
    assert one_step("qfedavg:q=0,lr=1")[0]["w"].tolist() == pytest.approx([13.0, 20.0]), (
        "q = 0 is the plain mean"
    )


def test_scaffold_by_hand():
    """c = (0, 0); c_i move by (2, 2) and (4, 0); one of four clients is missing, so c moves by half
    of their mean.
    """
    moved = [
        ClientUpdate("a", {**A.delta, "w.control": torch.tensor([2.0, 2.0])}, 10),
        ClientUpdate("b", {**B.delta, "w.control": torch.tensor([4.0, 0.0])}, 10),
    ]
    strategy = make_strategy("scaffold")
    shared, state = strategy.step(START, strategy.init(START, 4), *mean_of(moved, strategy))
    assert shared.keys() == START.keys() and shared["w"].tolist() == [13.0, 20.0]
    assert strategy.broadcast(state)["w.control"].tolist() == [1.5, 0.5]
    assert make_strategy("scaffold:lr=0.5").step(START, state, *mean_of(moved, strategy))[0][
        "w"
    ].tolist() == [11.5, 20]


def test_fedbuff_by_hand():
    """(30 (1, -2) + 10 / 2 (5, 2)) / 40: what is three steps old counts half, and the step is
    smaller for it.
    """
    old = ClientUpdate("b", B.delta, 10, {}, None, 3)
    assert one_step("fedbuff", [A, old])[0]["w"].tolist() == pytest.approx(
        [10 + 55 / 40, 20 - 50 / 40]
    )
    assert one_step("fedbuff:power=0,lr=2", [A, old])[0]["w"].tolist() == pytest.approx(
        [14.0, 18.0]
    )
    assert [make_strategy(f"fedbuff:buffer={n}").buffer_size(7) for n in (0, 3, 50)] == [4, 3, 7]


def test_an_update_carried_over_counts_less():
    old = ClientUpdate("b", B.delta, 10, {}, None, 1)
    weight = 10 / math.sqrt(2)
    assert one_step("fedavg", [A, old])[0]["w"].tolist() == pytest.approx(
        [10 + (30 + 5 * weight) / (30 + weight), 20 + (-60 + 2 * weight) / (30 + weight)]
    )


def test_fedlc_by_hand():
    """16 examples: -16^(-1/4) = -1/2; one: -1; none: out of the loss."""
    margin = make_strategy("fedlc:tau=2").logit_margin(np.array([16, 1, 0]))
    assert margin.tolist() == pytest.approx([-1.0, -2.0, -30.0])
    assert make_strategy("fedavg").logit_margin(np.array([1])) is None


# --- against Flower


def flower(name, rounds, **options):
    """Flower's parameters after each of `rounds`: [[(delta of a client, examples, loss)]]."""
    pytest.importorskip("flwr", reason="the optional extra 'flower' is not installed")
    import flwr.server.strategy as theirs
    from flwr.common import Code, FitRes, Status, ndarrays_to_parameters, parameters_to_ndarrays

    start = SHARED["w"].double().numpy()
    made = getattr(theirs, name)(initial_parameters=ndarrays_to_parameters([start]), **options)
    if name == "QFedAvg":
        made.pre_weights = [start]
    out, now = [], start
    for number, clients in enumerate(rounds, 1):
        results = [
            (None, FitRes(Status(Code.OK, ""), ndarrays_to_parameters([now + delta]), n, {}))
            for delta, n in clients
        ]
        new, _ = made.aggregate_fit(number, results, [])
        now = parameters_to_ndarrays(new)[0]
        out.append(now)
    return out


FLOWER = {  # ours: Flower's name, its options
    "fedavg": ("FedAvg", {}),
    "fedavgm:momentum=0.8,lr=0.7": (
        "FedAvgM",
        {"server_momentum": 0.8, "server_learning_rate": 0.7},
    ),
    "fedadagrad:lr=0.1,beta1=0,tau=0.01": ("FedAdagrad", {"eta": 0.1, "tau": 0.01}),
    "fedyogi:lr=0.1,beta1=0.9,beta2=0.99,tau=0.01": ("FedYogi", {"eta": 0.1, "tau": 0.01}),
    "fedadam:lr=0.1,beta1=0.9,beta2=0.99,tau=0.01": ("FedAdam", {"eta": 0.1, "tau": 0.01}),
}


@pytest.mark.parametrize("spec", FLOWER)
def test_agrees_with_flower_on_random_tensors(spec):
    """Flower starts v at 0 where the paper has tau^2, and its FedAdam corrects a bias that the
    paper leaves: allowed for.
    """
    rng = np.random.default_rng(0)
    rounds = [[(rng.normal(size=3), int(rng.integers(1, 50))) for _ in range(4)] for _ in range(3)]
    name, options = FLOWER[spec]
    theirs = flower(name, rounds, **options)
    shared, state = (
        {"w": SHARED["w"].double()},
        {"v/w": torch.zeros(3).double()} if "fedada" in spec or "yogi" in spec else {},
    )
    for number, (clients, wanted) in enumerate(zip(rounds, theirs), 1):
        updates = [
            ClientUpdate(str(i), {"w": torch.from_numpy(d)}, n) for i, (d, n) in enumerate(clients)
        ]
        strategy = make_strategy(spec)
        before = shared
        shared, state = strategy.step(shared, state, *mean_of(updates, strategy))
        if name == "FedAdam":
            corrected = math.sqrt(1 - 0.99 ** (number + 1)) / (1 - 0.9 ** (number + 1))
            shared = {"w": before["w"] + corrected * (shared["w"] - before["w"])}
        assert shared["w"].numpy() == pytest.approx(wanted, rel=1e-5)


def test_q_fedavg_agrees_with_flower():
    pytest.importorskip("flwr", reason="the optional extra 'flower' is not installed")
    from flwr.serverapp.strategy.qfedavg import compute_delta_and_h

    rng = np.random.default_rng(1)
    start = rng.normal(size=5)
    clients = [(rng.normal(size=5), loss) for loss in (0.3, 2.0, 1.0)]
    parts = [
        compute_delta_and_h([start.copy()], [start + d], 0.4, 1 / 0.2, loss) for d, loss in clients
    ]
    wanted = start - sum(delta[0] for delta, _ in parts) / sum(h for _, h in parts)
    updates = [
        ClientUpdate(str(i), {"w": torch.from_numpy(d)}, 1 + i, {"loss": loss})
        for i, (d, loss) in enumerate(clients)
    ]
    strategy = make_strategy("qfedavg:q=0.4,lr=0.2")
    shared, _ = strategy.step({"w": torch.from_numpy(start)}, {}, *mean_of(updates, strategy))
    assert shared["w"].numpy() == pytest.approx(wanted, rel=1e-9)


# --- every entry


@pytest.mark.parametrize("name", STRATEGIES)
def test_without_an_update_nothing_changes(name):
    strategy = make_strategy(name)
    new, _ = strategy.step(SHARED, strategy.init(SHARED, 3), None)
    assert new.keys() == SHARED.keys() and all(torch.equal(new[n], t) for n, t in SHARED.items())


@pytest.mark.parametrize("name", STRATEGIES)
def test_what_did_not_travel_stays_as_it_is(name):
    strategy = make_strategy(name)
    new, _ = strategy.step(SHARED, strategy.init(SHARED, 1), {"head.bias": DELTA["head.bias"]}, ONE)
    assert torch.equal(new["w"], SHARED["w"]) and not torch.equal(
        new["head.bias"], SHARED["head.bias"]
    )


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_step_keeps_names_shapes_and_what_it_was_given(name):
    strategy, before = make_strategy(name), {n: t.clone() for n, t in SHARED.items()}
    state = strategy.init(SHARED, 1)
    for _ in range(2):
        new, state = strategy.step(SHARED, state, DELTA, ONE)
    assert {n: (t.shape, t.dtype) for n, t in new.items()} == {
        n: (t.shape, t.dtype) for n, t in SHARED.items()
    }
    assert all(torch.isfinite(t).all() for t in new.values()) and not torch.equal(
        new["w"], SHARED["w"]
    )
    assert all(torch.equal(SHARED[n], t) for n, t in before.items()), (
        "the shared parameters were changed in place"
    )
    assert all(isinstance(t, torch.Tensor) for t in state.values()), "the state is kept as tensors"


@pytest.mark.parametrize("name", STRATEGIES)
def test_one_client_goes_where_it_went_under_rules_that_only_weigh(name):
    """With one client, no weighting can matter; only a server optimizer may make another step of
    it.
    """
    strategy = make_strategy(name)
    alone, _ = one_step(name, [A])
    moved = torch.equal(alone["w"], START["w"] + A.delta["w"])
    assert moved != name.startswith(("fedad", "fedyogi", "qfed")), strategy


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_are_above_nought_and_say_what_they_need(name):
    weights = make_weights(name)
    assert (
        weights.weight(A) > 0 and weights.weight(B) > 0 and set(weights.reports) <= {"validation"}
    )


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("", "''"),
        ("fedsgd", "fedavg"),
        ("fedavg:lr=1", "'lr'"),
        ("fedavg:lr", "key=value"),
        ("fedprox:mu=-1", "from 0"),
        ("fedavgm:momentum=1", "momentum is 1"),
        ("fedadam:lr=nan", "lr is nan"),
        ("fedbuff:buffer=-2", "buffer is -2"),
        ("fedadam:tau=0", "tau"),
    ],
)
def test_an_unknown_strategy_or_parameter_is_refused(spec, said):
    with pytest.raises(FedkitError, match=said):
        make_strategy(spec)
