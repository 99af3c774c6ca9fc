"""How updates become one: the weighted mean, and for LoRA pairs what each rule promises, on
matrices worked by hand.
"""

from __future__ import annotations

import itertools
import weakref

import pytest
import torch

from fedkit.core.errors import FedkitError
from fedkit.federated.aggregation.aggregators import (
    AGGREGATORS,
    Mean,
    combine_updates,
    make_aggregator,
)
from fedkit.federated.aggregation.lora_pairs import PairProducts, cut_rank, lora_pairs, pad_rank
from fedkit.federated.local.train import ClientUpdate


def weighted_mean(updates) -> dict[str, torch.Tensor] | None:
    return combine_updates(Mean(), {}, updates).delta


def update(values: list[float], num_examples: int) -> ClientUpdate:
    return ClientUpdate("site", {"a": torch.tensor(values)}, num_examples)


def test_the_weighted_mean_by_hand():
    mean = weighted_mean([update([1.0, 2.0, -4.0], 1), update([5.0, 2.0, 0.0], 3)])
    # (1 x 1 + 3 x 5) / 4, (1 x 2 + 3 x 2) / 4, (1 x -4 + 3 x 0) / 4
    assert mean["a"].tolist() == [4.0, 2.0, -1.0]
    assert mean["a"].dtype == torch.float32


def test_every_name_is_averaged_on_its_own():
    updates = [
        ClientUpdate(c, {"a": torch.full((2,), x), "b": torch.tensor(-x)}, 1)
        for c, x in (("p", 1.0), ("q", 3.0))
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
    updates = [
        ClientUpdate("s", {"a": torch.randn(500, generator=rng) * 10**i}, 3 + i) for i in range(4)
    ]
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


# --- LoRA pairs

A, B, MERGED = "q.lora_A.weight", "q.lora_B.weight", "q.merged"
BEGIN = {A: torch.tensor([[1.0, 0.0]]), B: torch.zeros(2, 1), "head.bias": torch.zeros(1)}


def client(
    a: list[float], b: list[float], examples: int, bias: float = 0.0, begin=BEGIN
) -> ClientUpdate:
    """A client whose pair of rank 1 ended at A = a, B = b'."""
    delta = {
        A: torch.tensor([a]) - begin[A],
        B: torch.tensor(b)[:, None] - begin[B],
        "head.bias": torch.tensor([bias]),
    }
    return ClientUpdate(f"site-{examples}", delta, examples)


# two clients of weights 1/4 and 3/4:   B1 A1 = [[1, 2], [0, 0]],   B2 A2 = [[0, 0], [4, -4]]
TWO = [client([1.0, 2.0], [1.0, 0.0], 1, 4.0), client([1.0, -1.0], [0.0, 4.0], 3, 8.0)]
EXACT = torch.tensor([[0.25, 0.5], [3.0, -3.0]])  # 1/4 B1 A1 + 3/4 B2 A2
MEAN_A, MEAN_B = torch.tensor([[1.0, -0.25]]), torch.tensor([[0.25], [3.0]])


def achieved(begin, done, scale: float = 1.0) -> torch.Tensor:
    """What the model adds to the frozen matrix after the round, over scale."""
    a, b = (begin[n] + done.delta.get(n, 0) for n in (A, B))
    return b @ a + done.merged.get(MERGED, 0) / scale


def test_averaging_the_two_apart_is_off_by_what_the_formula_says():
    done = combine_updates(Mean(), BEGIN, TWO)
    assert torch.allclose(BEGIN[A] + done.delta[A], MEAN_A) and torch.allclose(
        done.delta[B], MEAN_B
    )
    a, b = (
        [torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, -1.0]])],
        [torch.tensor([[1.0], [0]]), torch.tensor([[0.0], [4]])],
    )
    off = sum(p * (b[i] - MEAN_B) @ (a[i] - MEAN_A) for i, p in enumerate((0.25, 0.75)))
    assert torch.allclose(achieved(BEGIN, done), EXACT - off)
    assert (
        done.error == pytest.approx((off.norm() / EXACT.norm()).item(), rel=1e-5)
        and done.error > 0.1
    )


@pytest.mark.parametrize("scale", [1.0, 2.0])
@pytest.mark.parametrize("name", ["flora", "fedex"])
def test_flora_and_fedex_are_exact_and_their_message_says_all(name, scale):
    rule = make_aggregator(name)
    begin = rule.round_start(BEGIN, 1, 0)
    updates = [
        client(u[0], u[1], u[2], u[3], begin)
        for u in (([1.0, 2.0], [1.0, 0.0], 1, 4.0), ([1.0, -1.0], [0.0, 4.0], 3, 8.0))
    ]
    done = combine_updates(rule, begin, updates, scale)
    now = BEGIN if name == "flora" else begin  # FLoRA forgets the pair of the round
    assert torch.allclose(achieved(now, done, scale), EXACT, atol=1e-6) and done.error < 1e-6
    assert done.delta["head.bias"].item() == pytest.approx(7.0)
    stacked = (
        done.message["q.stack_B"] @ done.message["q.stack_A"]
        if "q.stack_B" in done.message
        else done.message[MERGED]
    )
    assert torch.allclose(stacked, done.merged[MERGED], atol=1e-6), (
        "a client can make the same change from the message"
    )


def test_flora_draws_a_new_a_that_everyone_can_draw_and_starts_b_at_zero():
    rule = make_aggregator("flora")
    one, again, two = (
        rule.round_start(BEGIN, 1, 0),
        rule.round_start(BEGIN, 1, 0),
        rule.round_start(BEGIN, 2, 0),
    )
    assert torch.equal(one[A], again[A]) and not torch.equal(one[A], two[A]) and not one[B].any()
    assert one[A].abs().max() <= 2**-0.5


def test_the_download_of_exact_rules_grows_with_the_clients_until_the_whole_matrix_is_shorter():
    begin = {A: torch.randn(2, 40), B: torch.randn(40, 2), "head.bias": torch.zeros(1)}

    def size(clients: int, name: str = "fedex") -> int:
        rng = torch.Generator().manual_seed(1)
        updates = [
            ClientUpdate(
                str(i), {n: torch.randn(t.shape, generator=rng) for n, t in begin.items()}, 1
            )
            for i in range(clients)
        ]
        return sum(
            t.numel()
            for t in combine_updates(make_aggregator(name), begin, updates).message.values()
        )

    assert [size(n) for n in (1, 2, 9)] == [160, 320, 1440] and size(11) == size(50) == 1600
    assert size(5, "mean") == 0


@pytest.mark.parametrize(("name", "still"), [("ffa", A), ("rolora", A)])
def test_with_one_matrix_frozen_averaging_is_exact(name, still):
    rule = make_aggregator(name)
    assert rule.frozen_names([A, B, "head.bias"], 1) == {still}
    updates = [
        ClientUpdate(u.client_id, {n: t for n, t in u.delta.items() if n != still}, u.num_examples)
        for u in TWO
    ]
    done = combine_updates(rule, BEGIN, updates)
    exact = (0.25 * TWO[0].delta[B] + 0.75 * TWO[1].delta[B]) @ BEGIN[A]
    assert torch.allclose(achieved(BEGIN, done), exact) and done.error == pytest.approx(
        0.0, abs=1e-6
    )
    assert still not in done.delta


def test_rolora_takes_turns():
    rule = make_aggregator("rolora")
    assert [rule.frozen_names([A, B, "head.bias"], number) for number in (1, 2, 3)] == [
        {A},
        {B},
        {A},
    ]


def test_flexlora_keeps_the_mean_product_when_the_rank_is_enough():
    begin = {A: torch.zeros(2, 2), B: torch.zeros(2, 2), "head.bias": torch.zeros(1)}
    updates = [
        ClientUpdate(
            u.client_id, pad_rank({A: u.delta[A] + BEGIN[A], B: u.delta[B]}, begin), u.num_examples
        )
        for u in TWO
    ]
    done = combine_updates(make_aggregator("flexlora"), begin, updates)
    assert torch.allclose(done.delta[B] @ done.delta[A], EXACT, atol=1e-5) and done.error < 1e-5
    one = {n: t[:1] if n == A else t[:, :1] if n == B else t for n, t in begin.items()}
    best = combine_updates(
        make_aggregator("flexlora"),
        one,
        [
            ClientUpdate(u.client_id, {A: u.delta[A] + BEGIN[A], B: u.delta[B]}, u.num_examples)
            for u in TWO
        ],
    )
    left = torch.linalg.svdvals(EXACT)[1]
    assert best.error == pytest.approx((left / EXACT.norm()).item(), rel=1e-4), (
        "the best that rank 1 can do (Eckart and Young)"
    )


def test_flexlora_ranks_its_columns_so_that_a_smaller_client_gets_the_best_part():
    begin = {A: torch.zeros(2, 2), B: torch.zeros(2, 2)}
    updates = [
        ClientUpdate(
            u.client_id, pad_rank({A: u.delta[A] + BEGIN[A], B: u.delta[B]}, begin), u.num_examples
        )
        for u in TWO
    ]
    delta = combine_updates(make_aggregator("flexlora"), begin, updates).delta
    small = cut_rank(delta, 1)
    assert (EXACT - small[B] @ small[A]).norm() == pytest.approx(
        torch.linalg.svdvals(EXACT)[1].item(), rel=1e-4
    )


def test_hetlora_weighs_by_the_size_of_the_change_and_fills_up_with_zeros():
    begin = {A: torch.zeros(2, 2), B: torch.zeros(2, 2)}
    small = ClientUpdate(
        "small",
        pad_rank({A: torch.tensor([[3.0, 0.0]]), B: torch.tensor([[1.0], [0.0]])}, begin),
        100,
    )
    large = ClientUpdate("large", {A: torch.eye(2), B: torch.diag(torch.tensor([0.0, 1.0]))}, 1)
    done = combine_updates(make_aggregator("hetlora"), begin, [small, large])
    # norms of the products: 3 and 1, so weights 3/4 and 1/4, whatever the number of examples
    assert torch.allclose(
        done.delta[A], 0.75 * torch.tensor([[3.0, 0.0], [0.0, 0.0]]) + 0.25 * torch.eye(2)
    )
    assert torch.allclose(done.delta[B], torch.tensor([[0.75, 0.0], [0.0, 0.25]]))


@pytest.mark.parametrize("name", ["flexlora", "hetlora"])
def test_ranks_are_dealt_out_in_turn_and_never_above_the_tuners(name):
    rule = make_aggregator(f"{name}:ranks=2|4|8")
    assert [rule.client_rank(i, 4) for i in range(5)] == [2, 4, 4, 2, 4]
    with pytest.raises(FedkitError, match=r"'ranks=2\|x'.*joined by"):
        make_aggregator(f"{name}:ranks=2|x")


def test_fedsa_keeps_b_at_home_and_measures_no_error_for_a_model_that_is_not_there():
    rule = make_aggregator("fedsa")
    assert rule.local_names([A, B, "head.bias"]) == {B}
    updates = [
        ClientUpdate(
            u.client_id, {A: u.delta[A], "head.bias": u.delta["head.bias"]}, u.num_examples
        )
        for u in TWO
    ]
    done = combine_updates(rule, BEGIN, updates, home=frozenset({B}))
    assert done.error is None and done.delta.keys() == {A, "head.bias"}


def test_cut_and_padded_are_inverse_for_a_rank():
    whole = {A: torch.randn(4, 6), B: torch.randn(5, 4), "head.bias": torch.randn(3)}
    small = cut_rank(whole, 3)
    assert small[A].shape == (3, 6) and small[B].shape == (5, 3)
    back = pad_rank(small, whole)
    assert (
        torch.equal(back[A][:3], whole[A][:3])
        and not back[A][3:].any()
        and not back[B][:, 3:].any()
    )
    assert torch.equal(back["head.bias"], whole["head.bias"])


def test_a_pair_with_a_magnitude_is_none():
    assert [p.layer for p in lora_pairs([A, B])] == ["q"]
    assert (
        lora_pairs([A, B, "q.lora_magnitude_vector.weight"]) == []
        and lora_pairs([A, "other"]) == []
    )


def test_products_are_the_same_in_one_go_and_in_chunks():
    rng = torch.Generator().manual_seed(0)
    factors = [
        (float(i), torch.randn(7, 100, generator=rng), torch.randn(100, 9, generator=rng))
        for i in range(1, 8)
    ]
    products = PairProducts(torch.zeros(7, 9))
    for factor in factors:
        products.add(*factor)
        assert sum(len(a) for *_, a in products.waiting) < 256 and products.kept is None
    assert torch.allclose(
        products.sum(), sum(w * b @ a for w, b, a in factors), rtol=1e-4, atol=1e-3
    )


@pytest.mark.parametrize("name", AGGREGATORS)
def test_every_rule_takes_a_round_without_updates(name):
    done = combine_updates(make_aggregator(name), BEGIN, [])
    assert (done.delta, done.merged, done.message, done.error) == (None, {}, {}, None)


@pytest.mark.parametrize("name", AGGREGATORS)
def test_every_rule_leaves_one_client_alone_as_it_is(name):
    """With one client there is nothing to average: the model is the client's own."""
    rule = make_aggregator(name)
    begin = rule.round_start(BEGIN, 1, 0)
    frozen, home = rule.frozen_names(list(begin), 1), rule.local_names(list(begin))
    mine = client([1.0, 2.0], [3.0, 1.0], 5, 2.0, begin)
    kept = {n: t for n, t in mine.delta.items() if n not in frozen | home}
    done = combine_updates(rule, begin, [ClientUpdate("one", kept, 5)], 2.0, home=home)
    now = BEGIN if name == "flora" else begin
    a, b = ((begin[n] + kept[n] if n in kept else begin[n]) for n in (A, B))
    assert torch.allclose(achieved(now, done, 2.0), b @ a, atol=1e-5)
