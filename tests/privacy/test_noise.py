"""Private randomness: every bit of the key counts, no two purposes share numbers, and nobody who
tries keys finds the one that was used.
"""

from __future__ import annotations

import secrets
import zlib
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from fedkit.experiments.job import prepare
from fedkit.experiments.runner import run
from fedkit.federated.rounds.client_dp import ClientDP
from fedkit.federated.rounds.head_start import privacy_budget
from fedkit.federated.rounds.private_statistics import add_client_noise
from fedkit.privacy.noise import GRID, CipherStream, NoiseKey, add_discrete_noise, discrete_gaussian

KEY = NoiseKey.from_seed(0)
TWINS = "branch-92586", "cwmbdewe"  # two names with one crc32
TRIES = 100_000
STD = 2.0**20


def noise_of(key: bytes, size: int = 12) -> np.ndarray:
    return discrete_gaussian(STD, size, NoiseKey(key).stream("noise", 1, "site-1"))


def unlike(vectors: list[np.ndarray]) -> bool:
    """Whether no two of the vectors are correlated more than chance makes them."""
    size, found = len(vectors[0]), np.corrcoef(vectors)
    np.fill_diagonal(found, 0)
    return np.abs(found).max() < 6 / size**0.5


# --- the key


def test_the_stream_is_that_of_the_published_cipher():
    """RFC 8439, appendix A.1, test vector 1."""
    first = CipherStream(bytes(32)).words(4).tobytes()
    assert first.hex() == "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"


def test_each_of_the_256_bits_of_a_key_counts():
    key = secrets.token_bytes(32)
    whole = int.from_bytes(key, "little")
    flipped = [(whole ^ (1 << bit)).to_bytes(32, "little") for bit in range(256)]
    assert unlike([noise_of(k, 400) for k in (key, *flipped)])
    assert np.array_equal(noise_of(key), noise_of(bytes(key)))


@pytest.mark.parametrize("shared", [32, 64, 128])
@pytest.mark.parametrize("end", ["little", "big"])
def test_keys_that_share_some_of_their_bits_give_unlike_noise(shared, end):
    common = secrets.randbits(shared)
    keys = [
        ((secrets.randbits(256 - shared) << shared) | common).to_bytes(32, end) for _ in range(20)
    ]
    assert unlike([noise_of(k, 400) for k in keys])


def test_a_seed_is_kept_whole():
    seeds = [5, 5 + 2**32, 5 + 2**64, 5 + 2**200, -5]
    assert unlike([noise_of(NoiseKey.from_seed(s).key, 400) for s in seeds])


def test_a_fresh_key_has_32_bytes_of_its_own_and_is_not_printed():
    one, two = NoiseKey.fresh(), NoiseKey.fresh()
    assert len(one.key) == 32 and one.key != two.key
    assert one.key.hex() not in repr(one) and repr(one.key) not in repr(one)
    ones = np.unpackbits(
        np.frombuffer(b"".join(NoiseKey.fresh().key for _ in range(400)), np.uint8)
    )
    assert abs(ones.mean() - 0.5) < 5 * 0.5 / len(ones) ** 0.5


def guess_counts(released: np.ndarray, keys: range) -> list[int]:
    """The keys under which what was released is a site's small whole counts plus noise."""
    found = []
    for number in keys:
        rest = released - noise_of(number.to_bytes(32, "little"))
        if (rest >= 0).all() and rest.sum() < 1000:
            found.append(number)
    return found


def test_whoever_tries_keys_reads_counts_only_if_the_key_is_among_them():
    counts = np.array([31, 0, 7, 22, 5, 90, 14, 3, 8, 1, 44, 6])
    known = counts + noise_of((1234).to_bytes(32, "little"))
    assert guess_counts(known, range(2**11)) == [1234], "the search itself does not work"
    secret = int.from_bytes(NoiseKey.fresh().key, "little")
    released = counts + noise_of(secret.to_bytes(32, "little"))
    low = secret & 0xFFFFFFFF  # the attacker even knows the low 32 bits
    assert guess_counts(released, range(2**11)) == []
    assert guess_counts(released, range(low, low + 2**10)) == []


@pytest.mark.slow
def test_a_million_keys_find_nothing():
    """All keys below 2^20, against the first 64 bits of streams: two that are among them (so the
    search works), and a fresh one.
    """
    first = lambda key: NoiseKey(key).stream("noise", 1, "site-1").words(1)[0]  # noqa: E731
    fresh, tried = NoiseKey.fresh().key, [n.to_bytes(32, "little") for n in range(2**20)]
    wanted = {first(k): k for k in (tried[77], tried[2**20 - 1], fresh)}
    found = {wanted[w] for w in map(first, tried) if w in wanted}
    assert found == {tried[77], tried[2**20 - 1]}


# --- the names


def test_names_are_taken_whole():
    names = [("a", "b"), ("ab",), ("a", "b", ""), ("('a', 'b')",), ("a", 1), ("a", "1"), ("a", 11)]
    names += [("a", 1, 1), ("é",), ("e\u0301",), ("\ud800",), ("\udfff",), (), ("",)]
    assert len({KEY.child(*name).key for name in names}) == len(names)
    assert KEY.child("a").child("b").key != KEY.child("a", "b").key
    assert KEY.child("a", 1) == NoiseKey.from_seed(0).child("a", 1)


def test_sites_with_one_checksum_get_unlike_noise(tiny_config):
    assert len({zlib.crc32(name.encode()) for name in TWINS}) == 1
    budget = privacy_budget(tiny_config(privacy="example:eps=8", clients=4), 4)
    zeros = {"feature_sums": torch.zeros(3, 400)}
    noise = [add_client_noise(zeros, budget, name, KEY)["feature_sums"] for name in TWINS]
    assert unlike([t.flatten().numpy() for t in noise])


def test_noise_is_unlike_over_rounds_clients_and_tensors():
    names = [
        (what, number, client, tensor)
        for what in ("noise", "rows")
        for number in (0, 1, 10)
        for client in (*TWINS, "site-1", "site-11")
        for tensor in ("head.weight", "head.bias")
    ]
    assert unlike([discrete_gaussian(STD, 1000, KEY.stream(*name)) for name in names])
    budget = privacy_budget_of_clients()
    guard = ClientDP(budget, KEY, {})
    zeros = {"a": torch.zeros(1000), "b": torch.zeros(1000)}
    rounds = [guard.finish_mean(zeros, 0.0, number) for number in range(1, 9)]
    assert unlike([r[n].numpy() for r in rounds for n in "ab"])


def privacy_budget_of_clients():
    from fedkit.privacy.mechanisms import Budget, Client

    return Budget(Client(), 1.0, 1.0, 1, 0.0, 8.0, 10)


# --- the numbers


def test_numbers_between_0_and_1_are_uniform_and_below_1():
    drawn = KEY.stream("uniform").random(TRIES)
    assert drawn.min() >= 0 and drawn.max() < 1
    assert stats.kstest(drawn, "uniform").pvalue > 1e-4
    assert (drawn * 2**53 == np.floor(drawn * 2**53)).all()


@pytest.mark.parametrize("span", [1, 2, 3, 7, 1000])
def test_whole_numbers_are_equally_likely(span):
    drawn = KEY.stream("whole", span).integers(-2, span - 2, TRIES)
    assert drawn.dtype == np.int64 and drawn.min() >= -2 and drawn.max() < span - 2
    seen = np.bincount(drawn + 2, minlength=span)
    assert span == 1 or stats.chisquare(seen).pvalue > 1e-4


def test_a_span_that_does_not_divide_2_to_the_64_is_not_biased():
    """Of 3 x 2^61 numbers two thirds are below 2^62; a remainder alone would say three quarters."""
    drawn = KEY.stream("wide").integers(0, 3 * 2**61, TRIES)
    assert (drawn < 2**62).mean() == pytest.approx(2 / 3, abs=5 * (2 / 9 / TRIES) ** 0.5)


def test_tries_until_success_are_geometric():
    drawn = KEY.stream("tries").geometric(0.3, TRIES)
    cells = [0.3 * 0.7**k for k in range(12)]
    seen = np.bincount(np.minimum(drawn - 1, 12), minlength=13)
    expected = np.array([*cells, 1 - sum(cells)]) * TRIES
    assert drawn.min() == 1 and stats.chisquare(seen, expected).pvalue > 1e-4


# --- noise on values


def on_grid(values: torch.Tensor, step: float) -> bool:
    whole = values.double() / step
    return bool((whole - whole.round()).abs().max() < 0.02)


@pytest.mark.parametrize(("std", "sensitivity"), [(3.0, 0.5), (0.02, 1.0), (1e-4, 1e-5)])
def test_noise_has_its_mean_and_spread_and_lies_on_a_grid(std, sensitivity):
    values = torch.linspace(-1, 1, TRIES, dtype=torch.float64)
    noisy = add_discrete_noise(values, std, sensitivity, KEY.stream("values"))
    noise = (noisy - values).numpy()
    assert abs(noise.mean()) < 5 * std / TRIES**0.5
    assert noise.std() == pytest.approx(std, rel=5 / (2 * TRIES) ** 0.5)
    assert stats.kstest(noise / std, "norm").pvalue > 1e-4
    assert abs(np.corrcoef(noise, values)[0, 1]) < 5 / TRIES**0.5
    step = min(std, sensitivity) * GRID / TRIES**0.5
    assert on_grid(noisy, max(step, sensitivity * GRID**2))


def test_two_neighbours_stay_as_near_after_rounding_as_the_accounting_says():
    """What the grid adds to the distance is within the share that the std grew by."""
    rng, size = np.random.default_rng(0), 10_000
    step = GRID / size**0.5
    far = 0.0
    for _ in range(20):
        move = rng.normal(size=size)
        a = rng.normal(size=size)
        b = a + move / np.linalg.norm(move)
        far = max(far, np.linalg.norm(np.rint(a / step) - np.rint(b / step)) * step)
    assert 1 - 1e-6 < far <= 1 + step * size**0.5


def test_shape_kind_and_absurd_values_are_taken_as_they_come():
    for like in (torch.tensor(2.0), torch.zeros(0), torch.zeros(2, 3, dtype=torch.float64)):
        noisy = add_discrete_noise(like, 1.0, 1.0, KEY.stream("shape"))
        assert noisy.shape == like.shape and noisy.dtype == like.dtype
    bad = torch.tensor([torch.nan, torch.inf, -torch.inf, 1e300], dtype=torch.float64)
    noisy = add_discrete_noise(bad, 1.0, 1.0, KEY.stream("bad"))
    assert noisy.isfinite().all() and noisy[0].abs() < 10, "what is no number counts as 0"
    exact = add_discrete_noise(torch.tensor([0.25]), 0.0, 1.0, KEY.stream("none"))
    assert exact.item() == pytest.approx(0.25, abs=1e-11)


# --- runs


@pytest.fixture(scope="module")
def config(tiny_config):
    return tiny_config(
        clients=4, partition="iid", tune="head", rounds=2, privacy="example:eps=8", device="cpu"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"privacy": "client:eps=8,quantile=0.5", "weights": "uniform", "clients_per_round": 0.5},
        {"privacy": "example:eps=8,trust=sum", "secure": "masks"},
    ],
    ids=["example", "client", "sum"],
)
def test_no_two_releases_of_a_run_share_a_stream(config, changes, monkeypatch):
    """But the counts that a site released once, which its loss asks for in every round, and the
    draw of clients, which the number of steps is counted from beforehand.
    """
    used: Counter = Counter()
    begin = CipherStream.__init__

    def watched(self, key):
        used[key] += 1
        begin(self, key)

    monkeypatch.setattr(CipherStream, "__init__", watched)
    mine = replace(config, **changes)
    job, key = prepare(mine), NoiseKey.from_seed(mine.seed)
    run(mine, job=job)
    names = [c.client_id for c in job.clients]
    alike = {key.child("statistics", name).child("label_counts").key for name in names}
    alike |= {key.child("clients", number).key for number in (1, 2)}
    again = {key for key, times in used.items() if times > 1}
    assert len(used) > 4 and again <= alike


@pytest.mark.slow
def test_a_seeded_run_is_the_same_again_though_its_masks_are_not(config):
    mine = replace(config, privacy="example:eps=8,trust=sum", secure="masks")
    one, two = (run(mine, job=prepare(mine)) for _ in range(2))
    assert [r.loss for r in one.rounds] == [r.loss for r in two.rounds]
    other = replace(mine, seed=1)
    assert [r.loss for r in run(other, job=prepare(other)).rounds] != [r.loss for r in one.rounds]
