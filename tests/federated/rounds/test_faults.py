"""Fates are drawn, each client's own: rates are met, nothing else moves them, leaving is
for good.
"""

from __future__ import annotations

import math

import pytest

from fedkit.core.errors import FedkitError
from fedkit.federated.rounds.faults import ARRIVALS, Fate, Faults, draw_fate, parse_faults

CLIENTS = [f"site-{i}" for i in range(400)]


def share(faults: Faults, kind: str, rounds: range = range(1, 26), seed: int = 0) -> float:
    """How much of all clients and rounds has this fate: of 10,000 draws."""
    hits = [
        draw_fate(faults, seed, number, client).kind == kind
        for number in rounds
        for client in CLIENTS
    ]
    return sum(hits) / len(hits)


# --- what is written


def test_rates_are_read_and_none_is_nothing():
    assert parse_faults("none") == Faults() == parse_faults("lost=0")
    assert parse_faults(" lost=0.1, crash = 0.05") == Faults(lost=0.1, crash=0.05)
    assert parse_faults("away=1,leave=1e-2,join=0.5,twice=0.1,late=0.2").leave == 0.01


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("", "not understood"),
        ("lost", "not understood"),
        ("lots=0.1", "lost, crash"),
        ("lost=0.1,lost=0.2", "twice given"),
        ("lost=0.1,,", "not understood"),
        ("lost=1.5", "from 0 to 1"),
        ("lost=-0.1", "from 0 to 1"),
        ("lost=nan", "from 0 to 1"),
        ("lost=some", "from 0 to 1"),
        ("lost=", "from 0 to 1"),
        ("none,lost=0.1", "not understood"),
    ],
)
def test_what_cannot_be_read_is_answered_in_one_line(spec, said):
    with pytest.raises(FedkitError, match=said) as error:
        parse_faults(spec)
    assert "\n" not in str(error.value)


# --- what is drawn


@pytest.mark.parametrize("kind", ["lost", "crash", "late", "away", "twice"])
@pytest.mark.parametrize("rate", [0.05, 0.5])
@pytest.mark.slow
def test_rates_are_met(kind, rate):
    spread = math.sqrt(rate * (1 - rate) / 10_000)
    assert share(Faults(**{kind: rate}), kind) == pytest.approx(rate, abs=4 * spread)


def test_no_rate_and_a_full_rate():
    assert share(Faults(), "", range(1, 4)) == 1
    for kind in ("lost", "crash", "late", "away", "twice"):
        assert share(Faults(**{kind: 1.0}), kind, range(1, 4)) == 1


@pytest.mark.slow
def test_what_happens_first_hides_what_would_come_after():
    faults = Faults(away=0.5, crash=0.5, lost=0.5)
    assert share(faults, "away") == pytest.approx(0.5, abs=0.02)
    assert share(faults, "crash") == pytest.approx(0.25, abs=0.02)
    assert share(faults, "lost") == pytest.approx(0.125, abs=0.02)


def test_the_same_again_and_otherwise_with_another_seed_round_or_client():
    faults = Faults(lost=0.5, crash=0.2)
    assert all(draw_fate(faults, 1, 2, c) == draw_fate(faults, 1, 2, c) for c in CLIENTS)
    first = [draw_fate(faults, 1, 2, c) for c in CLIENTS]
    for other in (
        [draw_fate(faults, 2, 2, c) for c in CLIENTS],
        [draw_fate(faults, 1, 3, c) for c in CLIENTS],
    ):
        alike = sum(a.kind == b.kind for a, b in zip(first, other)) / len(CLIENTS)
        assert 0.2 < alike < 0.6  # 0.2^2 + 0.4^2 + 0.4^2 = 0.36 by chance
    assert len(set(first)) > 2


def test_a_higher_rate_hits_all_that_a_lower_one_hits():
    for client in CLIENTS:
        if draw_fate(Faults(lost=0.3), 0, 1, client).kind:
            assert draw_fate(Faults(lost=0.5), 0, 1, client).kind == "lost"


def test_one_rate_does_not_move_another():
    for client in CLIENTS:
        alone, with_more = (
            draw_fate(Faults(lost=0.3), 0, 1, client).kind,
            draw_fate(Faults(lost=0.3, late=0.3), 0, 1, client).kind,
        )
        assert (alone == "lost") == (with_more == "lost")


def test_a_crash_comes_somewhere_in_the_training():
    parts = [
        f.part for c in CLIENTS if (f := draw_fate(Faults(crash=0.9), 0, 1, c)).kind == "crash"
    ]
    assert len(parts) > 300 and 0 <= min(parts) < 0.05 and 0.95 < max(parts) <= 1
    assert sum(parts) / len(parts) == pytest.approx(0.5, abs=0.06)
    assert all(draw_fate(Faults(lost=0.5), 0, 1, c).part == 1 for c in CLIENTS)


def test_leaving_is_for_good_and_at_its_rate():
    faults, stayed = Faults(leave=0.1, lost=0.2), []
    for client in CLIENTS:
        left = [draw_fate(faults, 0, number, client).kind == "left" for number in range(1, 41)]
        assert left == sorted(left), "who has left does not come back"
        stayed.append(left.index(True) if any(left) else 40)
    assert sum(s == 0 for s in stayed) / 400 == pytest.approx(0.1, abs=0.06)
    assert sum(s >= 7 for s in stayed) / 400 == pytest.approx(0.9**7, abs=0.1)
    assert sum(s >= 30 for s in stayed) < 40
    assert draw_fate(Faults(leave=1.0), 0, 1, "a") == Fate("left", 0.0)


def test_who_joins_later_arrives_and_stays():
    faults, arrivals = Faults(join=0.5), []
    for client in CLIENTS:
        missing = [
            draw_fate(faults, 3, number, client).kind == "not yet here" for number in range(1, 10)
        ]
        assert missing == sorted(missing, reverse=True)
        arrivals.append(1 + sum(missing))
    assert sum(a > 1 for a in arrivals) / 400 == pytest.approx(0.5, abs=0.1)
    assert set(arrivals) == {1, *range(ARRIVALS[0], ARRIVALS[1] + 1)}
    assert all(arrivals.count(r) > 25 for r in range(2, 6)), "each round of arrival as likely"


def test_who_is_not_there_yet_cannot_leave():
    both = Faults(join=1.0, leave=0.5)
    for client in CLIENTS:
        kinds = [draw_fate(both, 0, number, client).kind for number in range(1, 30)]
        assert kinds[0] == "not yet here" and kinds[-1] == "left"
        assert kinds == sorted(kinds, key=["not yet here", "", "left"].index)
    assert (
        len({k for c in CLIENTS for n in range(2, 8) for k in [draw_fate(both, 0, n, c).kind]}) == 3
    )
