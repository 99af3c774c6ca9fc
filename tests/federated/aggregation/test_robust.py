"""Robust rules: by hand, against the honest mean under attack, against brute force, and against
Flower's own.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fedkit.core.errors import FedkitError
from fedkit.federated.aggregation import distances as module
from fedkit.federated.aggregation.distances import gram_matrix, pairwise_distances
from fedkit.federated.aggregation.robust import ROBUST, make_robust
from fedkit.federated.local.train import ClientUpdate
from fedkit.federated.rounds.attacks import make_attack

SHAPES = {"a": (8, 5), "b": (7,), "c": ()}
RULES = [name for name in ROBUST if name != "none"]


def ones(*values: float, examples: int = 1) -> list[ClientUpdate]:
    """Updates of one number each."""
    return [
        ClientUpdate(f"c{i}", {"x": torch.tensor([float(v)])}, examples)
        for i, v in enumerate(values)
    ]


def points(*rows: tuple[float, ...]) -> list[ClientUpdate]:
    return [
        ClientUpdate(f"c{i}", {"x": torch.tensor(row, dtype=torch.float32)}, 1)
        for i, row in enumerate(rows)
    ]


def centre(updates: list[ClientUpdate]) -> dict[str, torch.Tensor]:
    """The mean that the server takes of what a rule hands on, float64."""
    weights = [u.num_examples if u.weight is None else u.weight for u in updates]
    return {
        n: sum(w * u.delta[n].double() for w, u in zip(weights, updates)) / sum(weights)
        for n in updates[0].delta
    }


def robust(spec: str, updates: list[ClientUpdate]) -> dict[str, torch.Tensor]:
    return centre(make_robust(spec).screen(updates)[0])


def crowd(n: int = 10, spread: float = 0.3, seed: int = 0) -> list[ClientUpdate]:
    """Updates around one point, the spread being a share of its size."""
    draw = torch.Generator().manual_seed(seed)
    base = {name: torch.randn(shape, generator=draw) for name, shape in SHAPES.items()}
    return [
        ClientUpdate(
            f"c{i}",
            {k: t + spread * torch.randn(t.shape, generator=draw) for k, t in base.items()},
            5 + i,
        )
        for i in range(n)
    ]


def apart(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """Euclidean distance over all tensors."""
    return sum((one[n].double() - other[n].double()).square().sum().item() for n in one) ** 0.5


def size(delta: dict[str, torch.Tensor]) -> float:
    return apart(delta, {n: torch.zeros_like(t) for n, t in delta.items()})


# --- by hand


def test_none_hands_on_what_it_was_given():
    updates = ones(1, 2)
    assert make_robust("none").screen(updates) == (updates, {})
    assert not make_robust("none").individual and all(
        make_robust(name).individual for name in RULES
    )


def test_median_of_odd_and_even_numbers():
    (only,), out = make_robust("median").screen(ones(5, -1, 100, examples=7))
    assert (
        only.client_id == "robust"
        and only.delta["x"].tolist() == [5]
        and only.num_examples == 21
        and out == {}
    )
    assert robust("median", ones(1, 2, 4, 1000))["x"].item() == 3


def test_trimmed_leaves_out_the_ends():
    assert robust("trimmed:0.25", ones(1, 2, 4, 1000))["x"].item() == 3
    assert robust("trimmed:share=0.2", ones(-50, 1, 2, 3, 90))["x"].item() == 2
    # 2 of 10 at each end: mean of 2..7
    assert robust("trimmed:0.2", ones(*range(9), 1000))["x"].item() == 4.5
    assert robust("trimmed:0.1", ones(0, 1, 1000))["x"].item() == 1, (
        "rounded up: one of three at each end"
    )
    assert robust("trimmed:0.4", ones(3, 5))["x"].item() == 4


def test_clip_shortens_what_is_too_long():
    updates = points((3.0, 4.0), (0.3, 0.4), (0.0, 0.0))
    clipped, out = make_robust("clip:norm=1").screen(updates)
    assert (
        torch.allclose(clipped[0].delta["x"], torch.tensor([0.6, 0.8]))
        and clipped[1:] == updates[1:]
        and not out
    )
    to_median, _ = make_robust("clip").screen(updates)
    assert to_median[0].delta["x"].norm().item() == pytest.approx(0.5)
    to_lower, _ = make_robust("clip").screen(ones(1, 1e30))
    assert to_lower[1].delta["x"].item() == 1, "of two norms the lower one"


def test_clip_measures_all_tensors_together():
    update = ClientUpdate("c", {"x": torch.tensor([3.0]), "y": torch.tensor([4.0])}, 1)
    (clipped,), _ = make_robust("clip:2.5").screen([update])
    assert [clipped.delta[n].item() for n in "xy"] == [1.5, 2]


def test_krum_picks_the_one_in_the_crowd():
    """n = 5, f = 1: two nearest others. Squares: 0 -> 1 + 4, 1 -> 1 + 1, 2 -> 1 + 4, 9 -> 49 + 64,
    50 -> large.
    """
    chosen, out = make_robust("krum:1").screen(ones(0, 1, 2, 9, 50))
    assert [u.client_id for u in chosen] == ["c1"] and set(out) == {"c0", "c2", "c3", "c4"}
    assert out["c4"].startswith("krum: ")


def test_multikrum_keeps_all_but_f_and_they_count_the_same():
    chosen, out = make_robust("multikrum:1").screen(ones(0, 1, 2, 4, 50))
    assert [u.client_id for u in chosen] == ["c0", "c1", "c2", "c3"] and set(out) == {"c4"}
    claims = [ClientUpdate("liar", {"x": torch.tensor([1.2])}, 10**8), *ones(0, 1, 2, 4)]
    assert robust("multikrum:f=1", claims)["x"].item() == pytest.approx((1.2 + 0 + 1 + 2) / 4)


def test_geometric_median_by_hand():
    """On a line it is the median; of a square's corners the centre; of a triangle with a wide angle
    that corner.
    """
    assert robust("geomedian", ones(0, 1, 1000))["x"].item() == pytest.approx(1, abs=1e-2)
    square = points((0, 0), (0, 2), (2, 0), (2, 2))
    assert torch.allclose(robust("geomedian", square)["x"], torch.tensor([1.0, 1.0]).double())
    wide = points((0, 0), (10, 1), (-10, 1))
    assert torch.allclose(robust("geomedian", wide)["x"], torch.zeros(2).double(), atol=1e-2)


def test_geometric_median_of_a_fermat_point():
    """Of an equilateral triangle: its middle, even where a claim of examples says otherwise."""
    corners = [(1.0, 0.0), (-0.5, 3**0.5 / 2), (-0.5, -(3**0.5) / 2)]
    updates = [
        ClientUpdate(f"c{i}", {"x": torch.tensor(c)}, 10 ** (3 * i)) for i, c in enumerate(corners)
    ]
    assert torch.allclose(robust("geomedian", updates)["x"], torch.zeros(2).double(), atol=1e-6)


# --- against brute force


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [3, 4, 9])
def test_geometric_median_is_where_the_sum_of_distances_is_least(seed, n):
    minimize = pytest.importorskip("scipy.optimize").minimize
    rows = np.random.default_rng([seed, n]).normal(size=(n, 4)) * 10.0 ** (seed - 2)
    found = robust("geomedian", points(*map(tuple, rows.tolist())))["x"].numpy()

    def total(at):
        return np.linalg.norm(rows - at, axis=1).sum()

    best = minimize(
        total,
        rows.mean(0),
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 9000},
    )
    assert total(found) <= best.fun * (1 + 1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_krum_and_multikrum_by_brute_force(seed):
    updates = crowd(9, seed=seed)
    rows = torch.stack(
        [torch.cat([u.delta[n].flatten() for n in SHAPES]) for u in updates]
    ).double()
    square = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist").square()
    scores = [sum(sorted(square[i].tolist())[1 : 1 + 9 - 2 - 2]) for i in range(9)]
    order = sorted(range(9), key=scores.__getitem__)
    assert [u.client_id for u in make_robust("krum:2").screen(updates)[0]] == [f"c{order[0]}"]
    kept = {u.client_id for u in make_robust("multikrum:2").screen(updates)[0]}
    assert kept == {f"c{i}" for i in order[:7]}
    assert torch.allclose(pairwise_distances(gram_matrix(updates)), square.sqrt(), atol=1e-6)


# --- under attack


@pytest.mark.parametrize(
    "attack",
    ["sign-flip:2", "sign-flip:n=2,by=10", "scale:2", "noise:n=2,by=30", "scale:n=2,by=1e30"],
)
@pytest.mark.parametrize("spec", RULES)
@pytest.mark.parametrize("seed", range(3))
def test_two_hostile_of_ten_do_not_move_the_rules_far_and_move_the_mean(spec, attack, seed):
    """Within 0.6 of the honest mean's own length (a single client is 0.3 off); clipping bounds and
    does not undo.
    """
    updates, hostile = crowd(seed=seed), make_attack(attack)
    who = hostile.draw_attackers(10, seed)
    honest = centre([u for i, u in enumerate(updates) if i not in who])
    rng = np.random.default_rng(seed)
    mixed = [
        ClientUpdate(u.client_id, hostile.poison_delta(u.delta, rng), 10**6) if i in who else u
        for i, u in enumerate(updates)
    ]
    equal = [ClientUpdate(u.client_id, u.delta, 1) for u in mixed]
    off = apart(robust(spec, equal if spec == "clip" else mixed), honest) / size(honest)
    assert off < (0.6 if spec != "clip" else 0.75)
    plain = apart(centre(mixed), honest) / size(honest)
    assert plain > 1.9


@pytest.mark.parametrize("seed", range(10))
def test_krum_picks_an_honest_one(seed):
    updates, hostile = crowd(seed=seed), make_attack("sign-flip:2")
    who = hostile.draw_attackers(10, seed)
    mixed = [
        (
            ClientUpdate(u.client_id, hostile.poison_delta(u.delta, np.random.default_rng(0)), 1)
            if i in who
            else u
        )
        for i, u in enumerate(updates)
    ]
    (one,), _ = make_robust("krum:2").screen(mixed)
    kept, out = make_robust("multikrum:2").screen(mixed)
    assert one.client_id not in {f"c{i}" for i in who}
    assert set(out) == {f"c{i}" for i in who} and len(kept) == 8


# --- whatever arrives


@pytest.mark.parametrize(
    "spec", [*RULES, "krum:f=9", "multikrum:9", "trimmed:0.49", "clip:norm=1e-9"]
)
@pytest.mark.parametrize("n", range(7))
def test_few_alike_and_huge_updates_give_something_finite(spec, n):
    rule = make_robust(spec)
    assert rule.screen([]) == ([], {})
    huge = [
        ClientUpdate(f"h{i}", {k: torch.full(s, 3e38) for k, s in SHAPES.items()}, 1)
        for i in range(n)
    ]
    alike = [
        ClientUpdate(f"c{i}", {k: torch.ones(s) for k, s in SHAPES.items()}, 1) for i in range(n)
    ]
    for updates in (alike, huge, crowd(n), alike + huge, [*crowd(n), *huge[:1]]):
        if not updates:
            continue
        kept, out = rule.screen(updates)
        middle = centre(kept)
        assert kept and all(torch.isfinite(t).all() for t in middle.values())
        assert len(kept) == 1 or len(kept) + len(out) == len(updates)
        assert all(
            u.delta[k].shape == s and u.delta[k].dtype == torch.float32
            for u in kept
            for k, s in SHAPES.items()
        )
    if n and not spec.startswith("clip"):
        assert all(
            torch.allclose(t, torch.ones(()).double())
            for t in centre(rule.screen(alike)[0]).values()
        )


@pytest.mark.parametrize("spec", RULES)
def test_pieces_change_nothing(spec, monkeypatch):
    updates = crowd(7)
    before = robust(spec, updates)
    monkeypatch.setattr(module, "BLOCK_VALUES", 21)  # three values of seven clients at a time
    assert apart(robust(spec, updates), before) < 1e-9


def test_order_of_arrival_changes_nothing():
    updates = crowd(9)
    for spec in RULES:
        assert apart(robust(spec, updates), robust(spec, updates[::-1])) < 1e-6, spec


def test_krum_says_how_many_clients_it_needs():
    make_robust("krum:2").check(7)
    for spec, clients, way in (
        ("krum:2", 6, "use f=1"),
        ("multikrum:3", 8, "use f=2"),
        ("krum:0", 2, "median"),
    ):
        with pytest.raises(FedkitError, match=way) as error:
            make_robust(spec).check(clients)
        assert "\n" not in str(error.value)
    for spec in ("median", "trimmed", "clip", "geomedian", "none"):
        make_robust(spec).check(1)


@pytest.mark.parametrize(
    "spec",
    ["krum:-1", "trimmed:0", "trimmed:0.5", "trimmed:nan", "clip:-1", "clip:inf", "clip:nan"],
)
def test_impossible_values_are_refused(spec):
    with pytest.raises(FedkitError) as error:
        make_robust(spec)
    assert "\n" not in str(error.value)


# --- against Flower


@pytest.mark.parametrize("n", [5, 8, 10])
@pytest.mark.slow
def test_as_flower_does_it(n):
    flower = pytest.importorskip("flwr.server.strategy.aggregate")
    updates = crowd(n, spread=1.0, seed=n)
    results = [([u.delta[k].numpy() for k in SHAPES], 1) for u in updates]
    f = (n - 3) // 2
    pairs = {
        "median": flower.aggregate_median(results),
        # Flower rounds down, we up
        "trimmed:0.2": flower.aggregate_trimmed_avg(results, 0.2 if n != 8 else 0.25),
        f"krum:{f}": flower.aggregate_krum(results, f, 0),
        f"multikrum:{f}": flower.aggregate_krum(results, f, n - f),
    }
    for spec, theirs in pairs.items():
        ours = robust(spec, updates)
        for name, tensor in zip(SHAPES, theirs):
            np.testing.assert_allclose(
                ours[name].numpy(), tensor, rtol=1e-5, atol=1e-6, err_msg=spec
            )
