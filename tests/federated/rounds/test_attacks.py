"""Each attack does what it says, to as many clients as it says, and to no tensor it was given."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fedkit.core.errors import FedkitError
from fedkit.federated.rounds.attacks import ATTACKS, make_attack
from fedkit.federated.rounds.messages import decode_update
from fedkit.wire.payload import Payload
from fedkit.wire.pipeline import Context, make_wire

DELTA = {"a": torch.tensor([[3.0, -4.0], [0.0, 12.0]]), "b": torch.tensor([1.0])}
CHANGES = {"sign-flip", "scale", "noise", "nan", "inf", "shape", "name"}  # the update
NAMES = [name for name in ATTACKS if name != "none"]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def sent(name: str, seed: int = 0) -> dict:
    return make_attack(name).poison_delta(DELTA, rng(seed))


# --- who


@pytest.mark.parametrize("name", NAMES)
def test_as_many_attack_as_it_says_always_the_same(name):
    assert make_attack(f"{name}:2") == make_attack(f"{name}:n=2")
    who = make_attack(f"{name}:2").draw_attackers(10, 7)
    assert (
        len(who) == 2
        and who <= set(range(10))
        and who == make_attack(f"{name}:2").draw_attackers(10, 7)
    )
    assert make_attack(f"{name}:10").draw_attackers(10, 7) == frozenset(range(10))
    assert who < make_attack(f"{name}:3").draw_attackers(10, 7)


def test_the_seed_draws_who():
    assert len({make_attack("nan:2").draw_attackers(10, seed) for seed in range(40)}) > 15
    counts = np.bincount(
        [p for seed in range(500) for p in make_attack("nan:2").draw_attackers(10, seed)],
        minlength=10,
    )
    assert counts.min() > 60 and counts.max() < 140  # 100 each on average


def test_none_is_nobody_and_changes_nothing():
    nobody = make_attack("none")
    assert (
        nobody.draw_attackers(3, 0) == frozenset()
        and nobody.poison_delta(DELTA, rng()) is DELTA
        and nobody.corrupt_body(b"ab", rng()) == b"ab"
    )
    labels = np.array([0, 2])
    assert nobody.poison_labels(labels, 3, rng()) is labels


@pytest.mark.parametrize(
    "spec",
    [
        "nan:0",
        "nan:-1",
        "scale:by=0",
        "scale:by=nan",
        "noise:by=inf",
        "scale:by=1e31",
        "sign-flip:by=-1",
    ],
)
def test_impossible_values_are_refused(spec):
    with pytest.raises(FedkitError) as error:
        make_attack(spec)
    assert "\n" not in str(error.value)


def test_more_attackers_than_clients_are_refused():
    with pytest.raises(FedkitError, match="n may be at most 3"):
        make_attack("sign-flip:4").draw_attackers(3, 0)


# --- what


@pytest.mark.parametrize("name", NAMES)
def test_changes_what_it_says_and_nothing_else(name):
    before = {n: t.clone() for n, t in DELTA.items()}
    attack, labels, body = make_attack(name), np.array([0, 1, 4], np.int64), bytes(range(50))
    changed = attack.poison_delta(DELTA, rng())
    assert (changed is not DELTA) == (name in CHANGES)
    assert (attack.corrupt_body(body, rng()) != body) == (name in {"truncate", "bit-flip"})
    assert (attack.poison_labels(labels, 5, rng()).tolist() != [0, 1, 4]) == (name == "label-flip")
    assert all(torch.equal(DELTA[n], before[n]) for n in before), "the update given is not changed"
    assert all(t.dtype == torch.float32 for t in changed.values())


def test_sign_flip_and_scale():
    assert sent("sign-flip")["a"].tolist() == [[-3, 4], [0, -12]]
    assert sent("sign-flip:n=1,by=2")["b"].tolist() == [-2]
    assert sent("scale")["a"].tolist() == [[300, -400], [0, 1200]]
    assert sent("scale:n=1,by=0.5")["b"].tolist() == [0.5]
    assert torch.isfinite(
        make_attack("scale:n=1,by=1e30").poison_delta({"a": torch.tensor([1e30])}, rng())["a"]
    ).all()


def test_noise_is_as_large_as_it_says_and_new_each_time():
    many = {"a": torch.full((100, 100), 2.0), "b": torch.full((1000,), -2.0)}
    noise = make_attack("noise:n=1,by=3").poison_delta(many, rng())
    assert noise["a"].shape == (100, 100) and noise["a"].std().item() == pytest.approx(6, rel=0.05)
    assert noise["a"].mean().item() == pytest.approx(0, abs=0.2)
    assert not torch.equal(
        noise["a"], make_attack("noise:n=1,by=3").poison_delta(many, rng(1))["a"]
    )
    assert torch.equal(noise["a"], make_attack("noise:n=1,by=3").poison_delta(many, rng())["a"])


def test_flipped_labels_mirror_those_there_are():
    flip = make_attack("label-flip")
    labels = np.array([0, 1, 2, 4], np.int64)
    assert (
        flip.poison_labels(labels, 5, rng()).tolist() == [4, 3, 2, 0]
        and flip.poison_labels(labels, 5, rng()).dtype == np.int64
    )


@pytest.mark.parametrize(("name", "kind"), [("nan", math.isnan), ("inf", math.isinf)])
def test_one_value_is_not_finite(name, kind):
    for seed in range(10):
        values = torch.cat([t.flatten() for t in sent(name, seed).values()])
        assert sum(kind(v) for v in values.tolist()) == 1 and torch.isfinite(values).sum() == 4


def test_one_tensor_has_a_row_too_many_or_another_name():
    for seed in range(5):
        shapes = {n: tuple(t.shape) for n, t in sent("shape", seed).items()}
        assert shapes in ({"a": (3, 2), "b": (1,)}, {"a": (2, 2), "b": (2,)})
        assert set(sent("name", seed)) in ({"a.old", "b"}, {"a", "b.old"})
    assert tuple(make_attack("shape").poison_delta({"s": torch.tensor(1.0)}, rng())["s"].shape) == (
        2,
    )


def test_bytes_are_cut_or_one_bit_is_turned():
    body = bytes(range(256))
    for seed in range(20):
        cut, flipped = (
            make_attack("truncate").corrupt_body(body, rng(seed)),
            make_attack("bit-flip").corrupt_body(body, rng(seed)),
        )
        assert len(cut) < 256 and body.startswith(cut)
        assert len(flipped) == 256 and sum((a ^ b).bit_count() for a, b in zip(body, flipped)) == 1
    assert (
        make_attack("truncate").corrupt_body(b"", rng())
        == b""
        == make_attack("bit-flip").corrupt_body(b"", rng())
    )


@pytest.mark.parametrize("spec", ["none", "int8+ans", "zstd", "ef+sign+ans"])
@pytest.mark.parametrize("name", ["nan", "inf", "shape", "name", "truncate", "bit-flip"])
def test_what_is_broken_is_refused_on_arrival_by_every_wire(name, spec):
    wire, context, attack = make_wire(spec), Context("c", 1, 0, {}), make_attack(name)
    for seed in range(5):
        payload, _ = wire.encode(
            attack.poison_delta(DELTA, rng(seed)), context, {"client": "c", "examples": 3}
        )
        update, reason = decode_update(
            wire, Payload(attack.corrupt_body(payload.body, rng(seed))), DELTA, context
        )
        assert update is None and reason and "\n" not in reason
