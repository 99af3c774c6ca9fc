"""Test `fedkit epsilon`: the number, its inverse, and one line for bad input."""

from __future__ import annotations

import json

import pytest
from factories.refusals import assert_one_line

from fedkit.cli.privacy import compute_epsilon
from fedkit.privacy.accounting import Releases, epsilon


def test_the_number_as_json(fed):
    code, out, err = fed(
        "epsilon",
        "--rate",
        "0.1",
        "--noise",
        "5",
        "--steps",
        "20",
        "--delta",
        "1e-6",
        "--accountant",
        "prv",
        "--json",
    )
    values = json.loads(out)
    assert (code, err) == (0, "")
    assert (
        values["epsilon"]
        == epsilon([Releases(5.0, 0.1, 20)], 1e-6, "prv")
        == values["beside"]["prv"]
    )
    assert {k: values[k] for k in ("noise", "rate", "steps", "delta", "accountant", "target")} == {
        "noise": 5,
        "rate": 0.1,
        "steps": 20,
        "delta": 1e-6,
        "accountant": "prv",
        "target": None,
    }
    assert set(values["beside"]) == set(values["unamplified"]) == {"pld", "rdp", "prv"}
    assert values["unamplified"]["pld"] > 5 * values["beside"]["pld"]
    assert values["adjacency"] == "add or remove one" and values["sampling"].startswith("Poisson")
    assert any("not covered" in note for note in values["notes"])


def test_the_number_for_people(fed):
    code, out, _ = fed(
        "epsilon",
        "--noise",
        "4.530877117",
        "--steps",
        "1",
        "--delta",
        "1e-6",
        "--accountant",
        "rdp",
    )
    assert code == 0
    assert out.startswith("epsilon 1.0000 (RDP; noise 4.5309, rate 1, 1 steps, delta 1e-06)\n")
    assert "by each accountant:    PLD 0.9274, RDP 1.0000, PRV 0.9374" in out
    assert "without amplification: PLD 0.9274" in out
    for word in (
        "everyone takes part in every step",
        "add or remove one",
        "n was not given",
        "not covered",
    ):
        assert word in out, word


def test_noise_for_a_target(fed):
    code, out, _ = fed(
        "epsilon",
        "--target",
        "1",
        "--steps",
        "4",
        "--delta",
        "1e-6",
        "--accountant",
        "rdp",
        "--json",
    )
    values = json.loads(out)
    assert code == 0 and values["target"] == 1
    assert values["noise"] == pytest.approx(2 * 4.530877117, rel=2e-4)
    assert 0.999 < values["epsilon"] <= 1
    _, out, _ = fed(
        "epsilon", "--target", "1", "--steps", "4", "--delta", "1e-6", "--accountant", "rdp"
    )
    assert (
        out.startswith("noise 9.06")
        and "is the smallest for epsilon 1\nepsilon 1.0000 (RDP;" in out
    )


@pytest.mark.parametrize("accountant", ["pld", "rdp", "prv"])
@pytest.mark.parametrize("target", [0.5, 1, 3, 8])
def test_the_noise_that_is_printed_is_enough(target, accountant):
    """To five digits it was rounded to the nearest: 3 gave 6.2189, whose epsilon is 3.00001."""
    values = compute_epsilon(1.0, None, 20, 1e-5, target, accountant=accountant)
    assert float(f"{values['noise']:.5g}") == values["noise"]
    assert values["epsilon"] == epsilon([Releases(values["noise"], 1.0, 20)], 1e-5, accountant)
    assert 0.999 * target < values["epsilon"] <= target


def test_rate_and_steps_from_batches_and_epochs(fed):
    _, out, _ = fed(
        "epsilon", "--n", "1000", "--batch", "200", "--epochs", "4", "--noise", "6", "--json"
    )
    values = json.loads(out)
    assert (values["rate"], values["steps"]) == (0.2, 20)
    assert values["notes"][0].startswith("rate 0.2 = batch 200 / n 1,000")
    assert values["notes"][1] == "steps 20 = epochs 4 / rate 0.2"
    assert any("not above 1 / (10 n) = 0.0001 for n = 1,000" in note for note in values["notes"])


def test_no_noise_and_no_steps(fed):
    code, out, _ = fed("epsilon", "--noise", "0", "--steps", "3")
    assert code == 0 and out.startswith("epsilon without bound (no noise)")
    _, out, _ = fed("epsilon", "--noise", "0", "--steps", "3", "--json")
    values = json.loads(out)
    assert (
        values["epsilon"] is None
        and "epsilon is without bound: no noise is added" in values["notes"]
    )
    _, out, _ = fed("epsilon", "--noise", "1", "--steps", "0", "--json")
    assert json.loads(out)["epsilon"] == 0


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("--steps 3", "neither of --noise and --target"),
        ("--noise 1 --target 2 --steps 3", "both of --noise and --target"),
        ("--noise 1", "neither of --steps and --epochs"),
        ("--noise 1 --steps 3 --epochs 1", "both of --steps and --epochs"),
        ("--noise 1 --steps 3 --rate 0.1 --batch 4 --n 40", "both of --rate and --batch"),
        ("--noise 1 --steps 3 --batch 4", "--batch given without --n"),
        ("--noise 1 --steps 3 --batch 41 --n 40", "--batch 41 given"),
        ("--noise 1 --steps 3 --n 0", "--n 0 given"),
        ("--noise -1 --steps 3", "noise -1"),
        ("--noise nan --steps 3", "--noise 'nan' given"),
        ("--noise 1 --steps -3", "steps -3"),
        ("--noise 1 --steps 3.5", "--steps '3.5' given"),
        ("--noise 1 --steps 3 --rate 1.5", "rate 1.5"),
        ("--noise 1 --epochs 3 --rate 0", "rate 0"),
        ("--noise 1 --epochs 0", "--epochs 0 given"),
        ("--noise 1 --steps 3 --delta 1", "delta 1"),
        ("--noise 1 --steps 3 --accountant gdp", "choose one of: pld, rdp, prv"),
        ("--target 0 --steps 3", "target epsilon 0"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(fed, words, reason):
    code, out, err = fed("epsilon", *words.split())
    assert (code, out) == (2, "")
    assert reason in err, err
    assert_one_line(err)


def test_help_has_examples(fed):
    _, out, _ = fed("epsilon", "--help")
    assert "fedkit epsilon --n 10003 --batch 256 --epochs 20 --target 8" in out
    assert "--accountant" in out and "pld (close to exact), rdp or prv" in out
