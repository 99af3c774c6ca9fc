"""Masked sums: exact in whole numbers whoever drops out, noise to the server until the end, and
nothing wraps around.
"""

from __future__ import annotations

import itertools
import zlib
from collections import Counter
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fedkit.core.errors import FedkitError, PayloadError
from fedkit.core.spec import first_paragraph
from fedkit.wire.payload import HEADER
from fedkit.wire.secure_aggregation.fixed_point import (
    FixedPoint,
    TooFew,
    pack_upload,
    unpack_upload,
)
from fedkit.wire.secure_aggregation.masking_client import (
    add_pair_mask,
    decrypt_share,
    encrypt_share,
    pack_rows,
    self_mask,
    shared_key,
)
from fedkit.wire.secure_aggregation.masks import (
    MaskedSum,
    failure_bounds,
    neighbour_graph,
    safe_neighbours,
    shares_needed,
)
from fedkit.wire.secure_aggregation.registry import LOCKS, Masks, make_lock
from fedkit.wire.secure_aggregation.shamir import PRIME, join_shares, split_secret

SIZE = 50


def names(count: int) -> list[str]:
    return [f"site-{i + 1}" for i in range(count)]


def vectors(count: int, size: int = SIZE, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(0, 1, size) for name in names(count)}


def opened(
    lock: Masks | str, count: int, size: int = SIZE, seed: int = 0, round: int = 1
) -> MaskedSum:
    return (make_lock(lock) if isinstance(lock, str) else lock).open(
        names(count), size, seed, round
    )


def run(session: MaskedSum, values: dict[str, np.ndarray], uploaded: list[str]) -> np.ndarray:
    """int64: what the plain sum of the rounded numbers is."""
    for client in uploaded:
        session.add(client, session.seal(client, values[client]))
    return sum(
        (session.round_vector(c, values[c]) for c in uploaded), np.zeros(session.size, np.int64)
    )


def whole(session: MaskedSum, total: np.ndarray) -> np.ndarray:
    return np.ldexp(total, session.fixed.fraction).astype(np.int64)


# --- the sum is exact


@pytest.mark.parametrize(
    "spec",
    [
        "none",
        "masks",
        "masks:bits=29,fraction=12",
        "masks:bits=62,fraction=30",
        "masks:bits=40",
        "masks:bits=33",
    ],
)
def test_the_sum_is_that_of_the_rounded_numbers_to_the_last_bit(spec):
    session, values = opened(spec, 5), vectors(5)
    want = run(session, values, names(5))
    total, nbytes = session.result()
    assert total.dtype == np.float64 and np.array_equal(whole(session, total), want)
    assert np.abs(total - sum(values.values())).max() <= 5 * 2.0**-session.fixed.fraction
    assert set(nbytes) == (set() if spec == "none" else set(names(5)))


@pytest.mark.parametrize(
    "lock", [Masks(), Masks(neighbours=10, threshold=0.3), Masks(threshold=0.6)]
)
@pytest.mark.parametrize(
    ("before", "after"),
    [((2, 5, 8, 11), ()), ((), (0, 4, 9, 12)), ((3, 13), (0, 7))],
    ids=["before", "after", "both"],
)
def test_three_in_ten_drop_out_before_or_after_their_upload_and_the_sum_stays_exact(
    lock, before, after
):
    session, values = opened(lock, 14), vectors(14)
    uploaded = [c for i, c in enumerate(names(14)) if i not in before]
    want = run(session, values, uploaded)
    there = [c for c in uploaded if names(14).index(c) not in after]
    total, nbytes = session.result(answering=there)
    assert np.array_equal(whole(session, total), want), (
        "those who dropped out after their upload are in the sum"
    )
    assert set(nbytes) == set(there)


@settings(deadline=None, max_examples=60)
@given(
    count=st.integers(2, 7),
    size=st.integers(0, 4),
    bits=st.integers(24, 62),
    seed=st.integers(0, 99),
    threshold=st.sampled_from([0.2, 0.5, 0.7]),
    neighbours=st.integers(0, 6),
    here=st.lists(st.integers(0, 2), min_size=7, max_size=7),
)
def test_whoever_uploads_and_answers_the_sum_is_exact_or_refused(
    count, size, bits, seed, threshold, neighbours, here
):
    """here: of each client, 0: nothing came, 1: only the upload, 2: upload and answer."""
    session = opened(Masks(bits, 12, threshold, neighbours), count, size, seed)
    came, answers = ([i for i in range(count) if here[i] >= least] for least in (1, 2))
    values = {c: 50 * v for c, v in vectors(count, size, seed).items()}
    want = run(session, values, [names(count)[i] for i in came])
    circles = [m.neighbourhood for m in session.masking_clients]
    possible = len(answers) >= max(2, shares_needed(count, threshold)) and all(
        len(set(circle) & set(answers)) >= shares_needed(len(circle), threshold)
        for i, circle in enumerate(circles)
        if i in came or set(circle) & set(came)
    )
    if possible:
        assert np.array_equal(
            whole(session, session.result([names(count)[i] for i in answers])[0]), want
        )
    else:
        with pytest.raises(TooFew):
            session.result([names(count)[i] for i in answers])


def test_noise_of_whole_numbers_goes_into_the_sum_as_it_is():
    session, values = opened("masks", 3), vectors(3)
    noise = {c: np.arange(SIZE) - i for i, c in enumerate(names(3))}
    for c in names(3):
        session.add(c, session.seal(c, values[c], noise[c]))
    plain = sum(session.round_vector(c, values[c]) for c in names(3))
    assert np.array_equal(whole(session, session.result()[0]), plain + 3 * np.arange(SIZE) - 3)


# --- fixed point


def test_rounding_is_right_on_average_and_off_by_less_than_one_step():
    fixed, rng, tries = FixedPoint(32, 2), np.random.default_rng(0), 40_000
    for value in (0.3, -0.3, 1.0625, -2.0):
        got = fixed.round_values(np.full(tries, value), 1, rng) / 4
        assert np.abs(got - value).max() < 0.25
        assert abs(got.mean() - value) < 4 * 0.125 / tries**0.5
    assert fixed.round_values(np.array([-2.0, 0.25]), 1, rng).tolist() == [-8, 1], (
        "what is on a step stays there"
    )


def test_what_does_not_fit_is_refused_and_never_wraps():
    session = opened(Masks(bits=8, fraction=2), 3, size=1)  # 127 // 3 = 42 steps each: 10.5
    for value in (10.5, -10.5):
        session.round_vector("site-1", np.array([value]))
    for value in (10.6, -10.6, 1e300, np.inf, np.nan):
        with pytest.raises(
            PayloadError, match=r"at most 10\.5 from each of 3 clients|NaN or infinity"
        ):
            session.seal("site-1", np.array([value]))
    with pytest.raises(PayloadError, match=r"at most 10\.5"):
        session.seal("site-1", np.array([10.5]), np.array([1]))
    with pytest.raises(PayloadError, match="shape"):
        session.seal("site-1", np.zeros(2))
    for client in names(3):
        session.add(client, session.seal(client, np.array([-10.5])))
    assert session.result()[0].tolist() == [-31.5], "the largest sum that is allowed is there"


@pytest.mark.parametrize("bits", [4, 7, 8, 20, 31, 32, 33, 48, 61, 62])
def test_packed_values_take_their_bits_and_come_back(bits):
    fixed = FixedPoint(bits, 0)
    edge = 2 ** (bits - 1)
    values = np.array([0, 1, -1, edge - 1, -edge, 5], np.int64)
    data = fixed.pack(fixed.to_unsigned(values))
    assert len(data) == -(-6 * bits // 8)
    assert fixed.to_signed(fixed.unpack(data, 6)).tolist() == values.tolist()
    over = fixed.to_unsigned(np.array([edge - 1])) + fixed.to_unsigned(np.array([1]))
    assert fixed.to_signed(over).tolist() == [-edge], (
        "half of the numbers are negative: the next one wraps around"
    )
    with pytest.raises(PayloadError, match="6 values"):
        fixed.unpack(data + b"\0", 6)


def test_long_vectors_are_packed_in_blocks():
    fixed, values = (
        FixedPoint(29, 0),
        np.random.default_rng(0).integers(0, 2**29, 200_003).astype(np.uint32),
    )
    data = fixed.pack(values)
    assert len(data) == -(-200_003 * 29 // 8) and np.array_equal(
        fixed.unpack(data, len(values)), values
    )


# --- what the server sees


def test_the_server_sees_noise_until_the_last_share():
    size = 40_000
    session, values = opened("masks", 6, size), vectors(6, size)
    want = run(session, values, names(6)[:5])
    plain, seen = np.ldexp(want, -16), session.view()
    high = np.bincount((session.total >> np.uint32(24)).astype(np.int64), minlength=256)
    assert stats.chisquare(high).pvalue > 1e-4, "the highest bits are uniform"
    assert abs(np.corrcoef(seen, plain)[0, 1]) < 4 / size**0.5, "and say nothing of the sum"
    with pytest.raises(TooFew):
        session.result(answering=names(3))
    assert np.array_equal(session.view(), seen)
    assert np.array_equal(session.result()[0], plain) and np.array_equal(session.view(), plain)


def test_every_single_upload_is_noise_and_another_round_has_other_masks():
    size = 20_000
    bodies = []
    for round in (1, 2):
        session = opened("masks", 3, size, round=round)
        body = session.seal("site-1", np.zeros(size))
        bodies.append(
            session.fixed.unpack(unpack_upload(body, "site-1", round, size, session.agreed), size)
        )
    for values in (*bodies, bodies[1] - bodies[0]):
        assert stats.chisquare(np.bincount(values >> np.uint32(24), minlength=256)).pvalue > 1e-4


def test_an_upload_that_comes_late_stays_hidden_by_its_self_mask():
    size = 20_000
    session, values = opened("masks", 4, size), vectors(4, size)
    run(session, values, names(4)[:3])
    late = session.seal("site-4", values["site-4"])
    # the server takes site-4 for lost and uncovers its pairwise masks
    shares, _ = session.collect_shares(names(4)[:3])
    key, seen = session.join_secret(3, shares), session.fixed.unpack(late[-4 * size :], size)
    for p in range(3):
        # plus and minus the other way round
        add_pair_mask(seen, shared_key(key, session.public[p], 3, p), p, 3)
    assert stats.chisquare(np.bincount(seen >> np.uint32(24), minlength=256)).pvalue > 1e-4
    own = self_mask(session.masking_clients[3].secret("self mask"), session.fixed, size)
    assert np.array_equal(
        session.fixed.to_signed(seen - own), session.round_vector("site-4", values["site-4"])
    )


def test_in_the_clear_the_server_sees_it_all():
    session, values = opened("none", 3), vectors(3)
    want = run(session, values, names(2))
    assert np.array_equal(whole(session, session.view()), want)


def test_masks_of_two_runs_with_one_seed_are_unlike_and_their_sums_the_same():
    """The difference of two uploads under one mask is the difference of their vectors."""
    size, sessions = 20_000, [opened("masks", 3, 20_000) for _ in range(2)]
    totals, uploads = [], []
    for session, value in zip(sessions, (1.0, 1.0)):
        for client in names(3):
            body = session.seal(client, np.full(size, value))
            session.add(client, body)
        uploads.append(session.fixed.unpack(body[-4 * size :], size))
        totals.append(session.result()[0])
    between = uploads[1] - uploads[0]
    assert stats.chisquare(np.bincount(between >> np.uint32(24), minlength=256)).pvalue > 1e-4
    assert np.array_equal(*totals), "what is rounded follows the seed, and masks cancel"


# --- what is refused


def test_an_upload_is_refused_with_its_reason_and_leaves_the_sum_as_it_was():
    session, values = opened("masks", 4), vectors(4)
    body = session.seal("site-1", values["site-1"])
    foreign = session.seal("site-2", values["site-2"])
    replayed = opened("masks", 4, round=2).seal("site-1", values["site-1"])
    long = pack_upload("site-1", 1, SIZE + 1, session.agreed, bytes(4 * SIZE + 4))
    cut = pack_upload("site-1", 1, SIZE, session.agreed, bytes(4 * SIZE - 1))
    rest = bytearray(body[HEADER.size :])
    rest[9] = 255  # the first letter of the id: not text
    rest = bytes(rest)
    no_text = HEADER.pack(b"FEDS", 1, zlib.crc32(rest, session.agreed)) + rest
    for bad, reason in [
        (body[:-1] + bytes([body[-1] ^ 1]), "checksum"),
        (body[:-1], "checksum"),
        (foreign, "another client"),
        (replayed, "round 2, and this is round 1"),
        (opened("masks", 5).seal("site-1", values["site-1"]), "other clients"),
        (opened("masks", 4, seed=9).seal("site-1", values["site-1"]), "other clients or settings"),
        (long, "51 values"),
        (cut, "199 bytes"),
        (b"", "0 bytes"),
        (b"FEDK" + body[4:], "format"),
        (no_text, "readable"),
    ]:
        with pytest.raises(PayloadError, match=reason):
            session.add("site-1", bad)
    assert not session.added and not session.total.any()
    session.add("site-1", body)
    with pytest.raises(PayloadError, match="already"):
        session.add("site-1", body)
    with pytest.raises(PayloadError, match="sealed already"):
        session.seal("site-1", values["site-1"])
    for call in (session.seal, session.add):
        with pytest.raises(PayloadError, match="not one of"):
            call("site-9", body)


def test_too_few_are_named_with_the_number_that_is_needed():
    session, values = opened("masks", 5), vectors(5)
    run(session, values, names(5)[:2])
    with pytest.raises(TooFew, match="2 of 5 clients are left, and 3 are needed"):
        session.result()
    session.add("site-3", session.seal("site-3", values["site-3"]))
    with pytest.raises(TooFew, match="2 of 5 clients"):
        session.result(answering=["site-1", "site-3", "site-4"])
    late = session.seal("site-4", values["site-4"])
    session.result()
    with pytest.raises(PayloadError, match="after the masks were removed"):
        session.add("site-4", late)
    assert issubclass(TooFew, PayloadError)


def test_a_sum_of_one_is_never_opened():
    session, values = opened(Masks(threshold=0.1), 5), vectors(5)
    run(session, values, names(5)[:1])
    with pytest.raises(TooFew, match="1 of 5 clients are left, and 2 are needed"):
        session.result()


def test_a_small_circle_can_fail_where_all_together_are_enough():
    session, values = opened(Masks(neighbours=2), 12), vectors(12)
    alone = session.masking_clients[0].neighbourhood
    lost = [p for p in alone if p != 0]
    run(session, values, [c for i, c in enumerate(names(12)) if i not in lost])
    with pytest.raises(TooFew, match="1 of 3"):
        session.result()


@pytest.mark.parametrize(
    "spec",
    [
        "masks:bits=3",
        "masks:bits=63",
        "masks:fraction=31",
        "masks:fraction=-1",
        "masks:threshold=0",
        "masks:threshold=1",
        "masks:threshold=nan",
        "masks:neighbours=-1",
        "masks:colour=1",
        "mask",
    ],
)
def test_settings_that_cannot_be_are_refused(spec):
    with pytest.raises(FedkitError) as error:
        make_lock(spec)
    assert "\n" not in str(error.value)


def test_one_client_is_no_crowd():
    with pytest.raises(FedkitError, match="needs two"):
        Masks().open(["site-1"], 3, 0, 1)


@pytest.mark.parametrize("name", LOCKS)
def test_every_lock_is_described_and_built_by_its_name(name):
    about = first_paragraph(LOCKS[name])
    assert about.endswith((".", ")")) and len(about) <= 140
    assert make_lock(name) == LOCKS[name](), [f.name for f in fields(LOCKS[name])]


# --- secrets


def test_any_t_shares_give_the_secret_and_one_less_says_nothing():
    rng = np.random.default_rng(0)
    draw = lambda limit: int.from_bytes(rng.bytes(24), "little") % limit  # noqa: E731
    shares = split_secret(123456789, range(1, 7), 4, draw)
    for some in itertools.combinations(shares, 4):
        assert join_shares({x: shares[x] for x in some}) == 123456789
    assert join_shares(shares) == 123456789
    for some in itertools.combinations(shares, 3):
        assert join_shares({x: shares[x] for x in some}) != 123456789
    # to every other secret there is a fourth share that fits
    three = {x: shares[x] for x in (1, 2, 3)}
    for secret in (0, 5, PRIME - 1):
        fourth = next(y for y in [_fits(three, secret)] if join_shares(three | {4: y}) == secret)
        assert 0 <= fourth < PRIME


def _fits(shares: dict[int, int], secret: int) -> int:
    """The share at 4 of the polynomial through `shares` and the secret at 0, with Lagrange's
    weights by hand.
    """
    base = join_shares(shares | {4: 0})
    return (secret - base) * pow(join_shares({1: 0, 2: 0, 3: 0, 4: 1}), -1, PRIME) % PRIME


def test_shares_alone_look_uniform():
    rng = np.random.default_rng(1)
    draw = lambda limit: int.from_bytes(rng.bytes(24), "little") % limit  # noqa: E731
    top = Counter(split_secret(7, [1, 2, 3], 2, draw)[2] >> 123 for _ in range(3200))
    assert stats.chisquare([top[i] for i in range(16)]).pvalue > 1e-4


def test_of_no_client_are_both_secrets_revealed():
    session, values = opened("masks", 8), vectors(8)
    run(session, values, names(8)[:6])
    revealed: dict[int, set[bool]] = {}
    real = session.collect_shares

    def watched(there):
        shares, nbytes = real(there)
        for owner, held in shares.items():
            for holder, share in held.items():
                both = session.masking_clients[holder].encrypted_shares[owner]
                if owner != holder:
                    both = decrypt_share(
                        session.masking_clients[holder].share_key(owner), owner, both
                    )
                assert share in (both[:16], both[16:])
                revealed.setdefault(owner, set()).add(share == both[:16])
        return shares, nbytes

    session.collect_shares = watched
    session.result()
    assert revealed == {i: {i < 6} for i in range(8)}, (
        "self masks of those who uploaded, mask keys of the others"
    )


def test_a_client_that_is_asked_with_two_lists_answers_once():
    session = opened("masks", 5)
    all_came, one_less = (
        np.packbits(flags, bitorder="little").tobytes() for flags in ([1] * 5, [1, 1, 1, 1, 0])
    )
    answer = session.masking_clients[0].reveal_shares(all_came)
    assert session.masking_clients[0].reveal_shares(all_came) == answer
    with pytest.raises(PayloadError, match="different lists"):
        session.masking_clients[0].reveal_shares(one_less)
    with pytest.raises(TooFew, match="2 of 5 uploaded"):
        session.masking_clients[1].reveal_shares(
            np.packbits([1, 1, 0, 0, 0], bitorder="little").tobytes()
        )


def test_a_changed_share_is_noticed():
    key, data = b"k" * 32, bytes(range(32))
    sent = encrypt_share(key, 3, data)
    assert decrypt_share(key, 3, sent) == data and data not in sent
    for bad in (bytes([sent[0] ^ 1]) + sent[1:], sent[:-1] + bytes([sent[-1] ^ 1])):
        with pytest.raises(PayloadError, match="changed"):
            decrypt_share(key, 3, bad)
    with pytest.raises(PayloadError):
        decrypt_share(key, 4, sent)
    with pytest.raises(PayloadError):
        decrypt_share(b"x" * 32, 3, sent)


def test_wrong_shares_of_a_mask_key_are_noticed():
    session, values = opened("masks", 5), vectors(5)
    run(session, values, names(5)[:4])
    real = session.collect_shares

    def lying(there):
        shares, nbytes = real(there)
        shares[4][0] = bytes(16)
        return shares, nbytes

    session.collect_shares = lying
    with pytest.raises(PayloadError, match="wrong shares of the mask key of site-5"):
        session.result()


# --- bytes and neighbours


def test_bytes_are_those_of_the_messages():
    session, values = opened("masks", 5), vectors(5)
    run(session, values, names(5))
    keys, one_key, one_box = 64, 4 + 64, 4 + 32 + 16
    assert session.setup == dict.fromkeys(names(5), (keys + 4 * one_box, 4 * (one_key + one_box)))
    assert session.result()[1] == dict.fromkeys(names(5), (5 * (4 + 16), 1))
    fresh = opened("masks", 5)
    assert len(fresh.seal("site-1", np.zeros(SIZE))) == HEADER.size + 9 + len("site-1") + 4 * SIZE
    assert len(pack_rows({1: b"ab", 2: b"cd"})) == 12


@pytest.mark.parametrize(("count", "k"), [(12, 4), (11, 6), (30, 5)])
def test_the_graph_is_regular_mutual_and_in_one_piece(count, k):
    circles = neighbour_graph(count, k, 0, 1)
    assert {len(circle) for circle in circles} == {k + k % 2 + 1}
    assert all(
        i in circle and all(i in circles[j] for j in circle) for i, circle in enumerate(circles)
    )
    seen, todo = {0}, [0]
    while todo:
        new = set(circles[todo.pop()]) - seen
        seen |= new
        todo += new
    assert len(seen) == count
    assert circles != neighbour_graph(count, k, 0, 2) and circles == neighbour_graph(count, k, 0, 1)


def test_too_many_neighbours_are_everyone():
    assert (
        neighbour_graph(5, 4, 0, 1)
        == neighbour_graph(5, 9, 0, 1)
        == neighbour_graph(5, 0, 0, 1)
        == [list(range(5))] * 5
    )


def test_more_than_the_share_must_answer():
    assert [shares_needed(n, 0.5) for n in (2, 3, 4, 5, 10)] == [2, 2, 3, 3, 6]
    assert shares_needed(10, 0.3) == 4 and shares_needed(3, 0.9) == 3


def test_the_risks_are_those_of_a_coin_where_one_can_do_it_by_hand():
    whole = failure_bounds(3, 0, 0.5)
    # 0 or 1 of 3 left
    assert whole["fails"] == pytest.approx(0.5) and whole["opened"] == whole["parted"] == 0
    small = failure_bounds(100, 2, 0.1, 0.2)
    assert small["fails"] == 1.0 and small["opened"] == 1.0 and small["parted"] == 1.0
    assert failure_bounds(10, 2, 0.001)["fails"] == pytest.approx(10 * (1 - 0.999**2))
    assert failure_bounds(100, 0, 0.0)["fails"] == 0 and failure_bounds(100, 0, 1.0)["fails"] == 1
    assert failure_bounds(3, 0, 0.0, 0.5)["opened"] == pytest.approx(0.25), (
        "both others, who are two of three"
    )
    assert failure_bounds(100, 2, 0.0, 1e-3)["opened"] == pytest.approx(100 * 1e-6)
    assert failure_bounds(100, 4, 0.01, 0.01)["parted"] == pytest.approx(100 * 0.02**2), (
        "two in a row are gone"
    )
    rng = np.random.default_rng(0)
    fails = np.mean(rng.binomial(40, 0.7, 200_000) < shares_needed(41, 0.5))
    assert (
        failure_bounds(1000, 40, 0.3)["fails"] == pytest.approx(min(1, 1000 * fails), rel=0.05)
        or fails > 1e-3
    )


def test_enough_neighbours_are_the_fewest_that_keep_every_risk_small():
    k = safe_neighbours(1000, 0.3, 0.05, 0.33)
    assert (
        max(failure_bounds(1000, k, 0.3, 0.05, 0.33).values())
        <= 1e-6
        < max(failure_bounds(1000, k - 2, 0.3, 0.05, 0.33).values())
    )
    assert safe_neighbours(10, 0.3) == 0, "among ten, only everyone"
