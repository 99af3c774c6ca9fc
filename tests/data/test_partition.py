"""Who has what: no example twice, the same seed the same deal, the minimum kept, and skew that is
there.
"""

from __future__ import annotations

import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedkit.core.errors import FedkitError
from fedkit.data.corpus import Corpus, Examples
from fedkit.data.partition import (
    PARTITIONS,
    client_column,
    count_client_labels,
    deal,
    left_out_clients,
)
from fedkit.data.sampling import (
    draw_by_label,
    holdout_size,
    power_law_sizes,
    smallest_share,
    validation_sizes,
)

SPECS = {  # one way to write each entry of PARTITIONS
    "auto": "auto",
    "iid": "iid",
    "dirichlet": "dirichlet:0.3",
    "quantity": "quantity:1.5",
    "column": "column",
}


def examples(
    n: int, num_labels: int = 4, clients: int | None = None, prefix: str = "t"
) -> Examples:
    """n different texts; label i % num_labels; client i % clients, or none."""
    names = None if clients is None else tuple(f"site {i % clients}" for i in range(n))
    return Examples(tuple(f"{prefix}{i}" for i in range(n)), np.arange(n) % num_labels, names)


def corpus_of(train: Examples, validation: Examples | None = None, num_labels: int = 4) -> Corpus:
    labels = tuple(f"label {k}" for k in range(num_labels))
    return Corpus(
        "toy", labels, train, examples(8, num_labels, prefix="test"), validation, "toy", "0" * 64
    )


def texts(dealt) -> list[str]:
    return [
        text
        for client in dealt
        for part in (client.train, client.validation)
        for text in part.texts
    ]


def sizes(dealt) -> list[tuple[int, int]]:
    return [(len(client.train), len(client.validation)) for client in dealt]


def test_every_partition_is_tried_here():
    assert SPECS.keys() == PARTITIONS.keys()


# --- what holds for every partition


@pytest.mark.parametrize("spec", SPECS.values())
@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(120, 400),
    num_labels=st.integers(2, 7),
    clients=st.integers(1, 8),
    each=st.none() | st.integers(10, 30),
    held_out=st.none() | st.integers(1, 80),
    minimum=st.integers(1, 10),
    seed=st.integers(0, 2**32 - 1),
)
def test_disjoint_deterministic_and_never_below_the_minimum(
    spec, n, num_labels, clients, each, held_out, minimum, seed
):
    split = None if held_out is None else examples(held_out, num_labels, 5, prefix="v")
    corpus = corpus_of(examples(n, num_labels, 5), split, num_labels)
    try:
        dealt = deal(corpus, spec, clients, each, seed, minimum)
    except FedkitError as error:
        assert (each is not None and clients * each > n) or "would get" in str(error)
        return
    again = deal(corpus, spec, clients, each, seed, minimum)
    assert len(set(texts(dealt))) == len(texts(dealt)), "an example was dealt twice"
    assert texts(dealt) == texts(again), "the same seed dealt something else"
    assert all(len(c.train) >= minimum and len(c.validation) >= 1 for c in dealt)
    assert len(dealt) == (5 if spec in ("auto", "column") else clients)
    assert len({c.client_id for c in dealt}) == len(dealt)
    assert all(c.train.labels.dtype == np.int64 for c in dealt)


@pytest.mark.parametrize("spec", SPECS.values())
def test_every_row_keeps_its_label_and_another_seed_deals_otherwise(spec):
    corpus = corpus_of(examples(200, clients=5), examples(60, clients=5, prefix="v"))
    dealt = deal(corpus, spec, 5, 20, seed=1)
    for client in dealt:
        for part in (client.train, client.validation):
            assert [int(text[1:]) % 4 for text in part.texts] == part.labels.tolist()
    assert texts(dealt) != texts(deal(corpus, spec, 5, 20, seed=2))


@pytest.mark.parametrize("spec", SPECS.values())
def test_validation_comes_from_the_validation_split_when_there_is_one(spec):
    corpus = corpus_of(examples(300, clients=5), examples(100, clients=5, prefix="v"))
    for client in deal(corpus, spec, 5, 20):
        assert all(text.startswith("v") for text in client.validation.texts)
        assert all(text.startswith("t") for text in client.train.texts)


# --- sizes


@pytest.mark.parametrize(
    ("n", "held_out", "each", "expected"),
    [
        (103, None, None, (21, 4)),  # 103 // 4 = 25, 15 % of it kept back
        (200, None, 20, (20, 4)),  # max(4, 20 // 5) more from train
        (400, None, 50, (50, 10)),
        (100, None, 24, (20, 4)),  # 4 * (24 + 4) > 100, so 15 % of the 24
        (200, 100, 20, (20, 4)),
        (103, 100, None, (25, 5)),
        (400, 20, 80, (80, 5)),  # 16 each would be right, 20 are there for four
        (400, 15, 80, (80, 16)),  # not even 4 for everyone: from train
    ],
)
@pytest.mark.parametrize("spec", ["iid", "dirichlet:0.3"])
def test_even_partitions_have_the_sizes_asked_for(spec, n, held_out, each, expected):
    corpus = corpus_of(examples(n), held_out and examples(held_out, prefix="v"))
    assert set(sizes(deal(corpus, spec, 4, each))) == {expected}


def test_quantity_is_a_power_law_over_all_there_is():
    corpus = corpus_of(examples(1_000), examples(100, prefix="v"))
    dealt = [len(c.train) for c in deal(corpus, "quantity:1", 5)]
    assert sum(dealt) == 1_000 and dealt == sorted(dealt, reverse=True) and min(dealt) >= 8
    spare = [size - 8 for size in dealt]  # in proportion to 1, 1/2, 1/3 ...
    assert all(abs(spare[i] * (i + 1) - spare[0]) <= i + 1 for i in range(5))
    assert sum(len(c.train) for c in deal(corpus, "quantity:1", 5, 100)) == 500  # mean 100


def test_power_law_by_hand():
    assert power_law_sizes(20, 3, 1.0, 3).tolist() == [9, 6, 5]  # spare 11 as 6, 3, 2
    assert power_law_sizes(9, 3, 5.0, 3).tolist() == [3, 3, 3]
    assert power_law_sizes(1_000, 3, 400.0, 1).tolist() == [998, 1, 1]


def test_sizes_of_what_is_kept_back_by_hand():
    assert [holdout_size(n, None) for n in (1, 9, 10, 20, 100)] == [1, 1, 2, 3, 15]
    assert [holdout_size(n, 20) for n in (24, 23, 25)] == [4, 3, 4]
    assert [smallest_share(n) for n in (1, 8, 17)] == [2, 9, 20]
    assert validation_sizes(np.array([100, 50, 10]), 100).tolist() == [20, 10, 4]
    # 4 each, 11 spare as 16 to 6
    assert validation_sizes(np.array([100, 50, 10]), 23).tolist() == [12, 7, 4]
    assert validation_sizes(np.array([100, 50, 10]), 12).tolist() == [4, 4, 4]


def test_one_client_gets_everything_it_may():
    assert sizes(deal(corpus_of(examples(100)), "iid", 1)) == [(85, 15)]


def test_client_names_sort_as_numbers():
    ids = [c.client_id for c in deal(corpus_of(examples(12_000)), "iid", 1_001)]
    assert ids == sorted(ids) and ids[0] == "client-0000" and ids[-1] == "client-1000"
    assert deal(corpus_of(examples(100)), "iid", 4)[3].client_id == "client-003"


# --- labels


def spread(spec: str) -> float:
    """Mean number of labels per client, out of 10."""
    corpus = corpus_of(examples(2_000, 10), num_labels=10)
    return float((count_client_labels(corpus, deal(corpus, spec, 10, 50)) > 0).sum(axis=1).mean())


def test_the_smaller_a_the_more_unlike_the_clients():
    assert spread("dirichlet:0.01") < 2.5 < spread("dirichlet:0.3") < 7.5 < spread("dirichlet:100")
    assert spread("iid") > 9.5


def test_label_shares_follow_the_dirichlet_draw_and_validation_follows_the_client():
    corpus = corpus_of(examples(4_000), examples(800, prefix="v"))
    for client in deal(corpus, "dirichlet:0.1", 6, 200, seed=3):
        train, validation = (
            np.bincount(p.labels, minlength=4) / len(p) for p in (client.train, client.validation)
        )
        assert np.abs(train - validation).max() < 0.2
    # Dir(0.5) over 4 labels: the mean of a share is 1/4, its variance (1/4)(3/4)/(4 * 0.5 + 1) =
    # 1/16
    counts = (
        count_client_labels(
            corpus, deal(corpus_of(examples(80_000)), "dirichlet:0.5", 400, 100)
        ).to_numpy()
        / 100
    )
    assert counts.mean() == pytest.approx(0.25)
    assert counts[:200].var() == pytest.approx(1 / 16, abs=0.012)


def test_a_dry_pool_is_left_out_and_its_share_goes_to_the_others():
    labels = np.array([0] * 3 + [1] * 10 + [2] * 10)
    shares = [np.array([0.9, 0.1, 0.0]), np.array([1.0, 0.0, 0.0])]
    first, second = draw_by_label(labels, 3, np.array([8, 10]), shares, np.random.default_rng(0))
    assert Counter(labels[first].tolist()) == {0: 3, 1: 5}
    # label 0 is gone: it takes what there is
    assert len(second) == 10 and not set(first) & set(second)


@pytest.mark.parametrize("a", ["1e-300", "1e300", "0.001"])
def test_extreme_parameters_still_deal(a):
    for name in ("dirichlet", "quantity"):
        assert len(deal(corpus_of(examples(200)), f"{name}:{a}", 5, 20)) == 5


# --- by column


def by_site(counts: dict[str, int], prefix: str = "t") -> Examples:
    names = tuple(name for name, n in counts.items() for _ in range(n))
    return Examples(
        tuple(f"{prefix}{i}" for i in range(len(names))), np.arange(len(names)) % 4, names
    )


def test_a_column_makes_one_client_of_each_value_and_says_who_is_left_out():
    corpus = corpus_of(by_site({"Naha": 40, "Akita": 20, "Otaru": 3, "Kobe": 8}))
    dealt = deal(corpus, "column:office")
    assert [c.client_id for c in dealt] == ["Akita", "Naha"]
    assert sizes(dealt) == [(17, 3), (34, 6)]
    # Kobe's 8 leave 7 after one is kept back
    assert left_out_clients(corpus, dealt) == {"Kobe": 8, "Otaru": 3}
    assert left_out_clients(corpus, deal(corpus, "iid", 3)) == {}


def test_each_site_gets_its_own_validation_rows_and_keeps_back_its_own_if_it_has_none():
    corpus = corpus_of(
        by_site({"a": 40, "b": 20, "c": 8}), by_site({"a": 5, "c": 2, "strange": 9}, prefix="v")
    )
    dealt = deal(corpus)
    assert sizes(dealt) == [(40, 5), (17, 3), (8, 2)] and left_out_clients(corpus, dealt) == {}
    assert set(dealt[1].validation.texts) <= set(corpus.train.texts)


def test_a_column_is_cut_to_the_examples_asked_for():
    assert sizes(
        deal(corpus_of(by_site({"a": 60, "b": 24, "c": 22})), "column", examples_per_client=20)
    ) == [(20, 4), (20, 4), (19, 3)]
    corpus = corpus_of(by_site({"a": 60, "b": 24, "c": 30}), by_site({"a": 5, "b": 6}, prefix="v"))
    assert sizes(deal(corpus, "column", examples_per_client=20)) == [(20, 5), (20, 6), (20, 4)]


def test_a_validation_split_without_clients_is_not_dealt_by_column():
    assert sizes(deal(corpus_of(by_site({"a": 20, "b": 20}), examples(50, prefix="v")))) == [
        (17, 3),
        (17, 3),
    ]


def test_auto_is_column_with_clients_and_iid_without():
    assert [c.client_id for c in deal(corpus_of(examples(100, clients=2)))] == ["site 0", "site 1"]
    assert [c.client_id for c in deal(corpus_of(examples(100)), clients=2)] == [
        "client-000",
        "client-001",
    ]


def test_the_column_in_the_partition_is_the_one_to_read():
    assert client_column("column:office") == client_column("column:office", "office") == "office"
    assert client_column("column", "site") == client_column("iid", "site") == "site"
    assert client_column("iid") is None
    with pytest.raises(FedkitError, match="'column:office' and --client 'site'"):
        client_column("column:office", "site")


# --- who has what


def test_describe_counts_training_examples():
    corpus = corpus_of(by_site({"a": 20, "b": 40}))
    table = count_client_labels(corpus, deal(corpus))
    assert table.index.tolist() == ["a", "b"] and table.columns.tolist() == list(corpus.labels)
    assert table.sum(axis=1).tolist() == [17, 34] and (table.to_numpy() >= 0).all()
    assert count_client_labels(corpus, []).shape == (0, 4)


# --- what is refused

BAD = {
    "unknown partition": ({"partition": "by-hand"}, ["'by-hand'", "dirichlet:A"]),
    "no partition": ({"partition": ""}, ["''", "dirichlet:A"]),
    "argument for iid": ({"partition": "iid:3"}, ["'iid:3'"]),
    "argument missing": ({"partition": "dirichlet:"}, ["'dirichlet:'"]),
    "no colon": ({"partition": "dirichlet"}, ["'dirichlet'", "above 0"]),
    "A is no number": ({"partition": "dirichlet:few"}, ["'dirichlet:few'", "above 0"]),
    "A is zero": ({"partition": "quantity:0"}, ["'quantity:0'", "above 0"]),
    "A is negative": ({"partition": "dirichlet:-1"}, ["'dirichlet:-1'", "above 0"]),
    "A is nan": ({"partition": "dirichlet:nan"}, ["'dirichlet:nan'", "above 0"]),
    "A is infinite": ({"partition": "quantity:inf"}, ["'quantity:inf'", "above 0"]),
    "no client column": ({"partition": "column:office"}, ["'column:office'", "'toy'", "--client"]),
    "no clients": ({"clients": 0}, ["clients", "'0'", "at least 1"]),
    "half a client": ({"clients": 2.5}, ["clients", "'2.5'"]),
    "examples below the minimum": (
        {"examples_per_client": 3},
        ["examples per client", "'3'", "at least 8"],
    ),
    "minimum of nothing": ({"minimum": 0}, ["minimum", "'0'"]),
    "more clients than examples": ({"clients": 500}, ["500 clients", "100 to train on"]),
    "a billion clients": ({"clients": 10**9}, ["1,000,000,000 clients", "100 to train on"]),
    "too many examples asked for": (
        {"clients": 6, "examples_per_client": 20},
        ["6 clients", "20", "120", "100"],
    ),
    "too few after validation": (
        {"clients": 12, "examples_per_client": 8},
        ["12 clients", "8 examples each", "9 are"],
    ),
    "too few by quantity": (
        {"partition": "quantity:1", "clients": 12},
        ["12 clients", "100 to train on"],
    ),
    "seed below zero": ({"seed": -1}, ["'-1'", "seed"]),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_dealt_is_refused_in_one_line_that_names_it(case):
    options, expected = BAD[case]
    with pytest.raises(FedkitError) as error:
        deal(corpus_of(examples(100)), **({"partition": "iid"} | options))
    message = str(error.value)
    assert "\n" not in message
    for part in expected:
        assert part in message, message


def test_a_column_with_one_large_client_is_refused():
    with pytest.raises(
        FedkitError, match="1 client of 3 in the client column with 8 training examples"
    ):
        deal(corpus_of(by_site({"a": 50, "b": 3, "c": 5})), "column")


# --- many clients


@pytest.mark.parametrize("spec", ["iid", "dirichlet:0.3", "quantity:1.2"])
@pytest.mark.slow
def test_ten_thousand_clients_are_dealt_in_seconds(spec):
    corpus = corpus_of(examples(160_000, 77), num_labels=77)
    start = time.perf_counter()
    dealt = deal(corpus, spec, 10_000)
    assert time.perf_counter() - start < 5
    assert len(dealt) == 10_000 and len(set(texts(dealt))) == len(texts(dealt)) == 160_000
