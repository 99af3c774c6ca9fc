"""The price of privacy: what is read out of runs, what is interpolated, what is never compared; on
numbers by hand.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from factories.records import ACCURACY, DATA, federated, private, private_runs

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import round_up_epsilon
from fedkit.core.stats import t_interval
from fedkit.results.privacy_curve import Curve, Point, mean_level


@pytest.fixture
def curve() -> Curve:
    return Curve.from_runs(private_runs())


def test_levels_by_hand(curve):
    assert [(x.epsilon, x.over) for x in curve.levels()] == [
        (1.0, "3 seeds"),
        (4.0, "3 seeds"),
        (16.0, "3 seeds"),
    ]
    first = curve.levels()[0]
    low, high = t_interval(ACCURACY[1.0])
    half = math.hypot((high - low) / 2, 0.05)  # over seeds, and 0.05 over test examples
    assert first.mean == pytest.approx(0.52) and (first.low, first.high) == (
        pytest.approx(0.52 - half),
        pytest.approx(0.52 + half),
    )
    assert [p.accuracy for p in first.points] == [0.50, 0.52, 0.54] and [
        p.seed for p in first.points
    ] == [0, 1, 2]
    assert mean_level(curve.none).mean == pytest.approx(0.91) and mean_level(
        curve.local
    ).mean == pytest.approx(0.61)
    assert (curve.unit, curve.delta, curve.trust) == ("example", 1e-5, "nobody")


def test_between_two_measured_points_it_is_a_line_in_log_epsilon(curve):
    assert curve.at(4.0) == (pytest.approx(0.72), True)
    value, measured = curve.at(2.0)  # halfway from 1 to 4 in log
    assert value == pytest.approx(0.62) and not measured
    for outside in (0.5, 17.0):
        with pytest.raises(FedkitError, match="measured were 1 to 16"):
            curve.at(outside)


def test_a_single_seed_has_the_interval_of_its_run():
    one = Curve.from_runs([private(8, 0.8)]).levels()[0]
    assert (one.low, one.high) == (0.75, pytest.approx(0.85)) and "one seed" in one.over


def test_an_epsilon_is_never_rounded_down():
    assert [round_up_epsilon(e) for e in (7.9994, 3.0, 3.0012, 0.9931, 123.4, 1e-3)] == [
        8.0,
        3.0,
        3.01,
        0.994,
        124.0,
        1e-3,
    ]
    lost = [private(8, 0.8, 0), private(8, 0.8, 1)]
    lost[0] = replace(lost[0], result=lost[0].result | {"epsilon": 5.0})  # fewer uploads arrived
    assert {p.epsilon for p in Curve.from_runs(lost).points} == {8.0}, "what holds for all seeds"


def test_different_promises_are_never_on_one_curve():
    with pytest.raises(
        FedkitError, match="example and client given; such epsilons are never compared"
    ):
        Curve.from_runs([private(8, 0.8), private(8, 0.7, unit="client")])
    other = private(3, 0.8)
    with pytest.raises(FedkitError, match="delta 1e-05 and 0"):
        Curve.from_runs([private(8, 0.8), replace(other, result=other.result | {"delta": 1e-3})])
    with pytest.raises(FedkitError, match="differ in tune too"):
        Curve.from_runs([private(8, 0.8), private(3, 0.8, tune="head")])
    with pytest.raises(FedkitError, match="privacy or secure too"):
        Curve.from_runs(
            [private(8, 0.8), private(3, 0.8, privacy="example:eps=3,delta=1e-5,clip=3")]
        )
    with pytest.raises(FedkitError, match="no finished run with privacy"):
        Curve.from_runs([federated(), replace(private(8, 0.8), result={})])


def test_other_data_other_settings_and_unfinished_runs_are_left_out():
    extra = [
        federated(0.1, seed=0, tune="head"),
        replace(federated(0.2, seed=7), data=DATA | {"sha256": "other"}),
        replace(private(4, 0.99, 5), result={}),
        private(4, 0.99, 0),
    ]
    assert Curve.from_runs(private_runs() + extra) == Curve.from_runs(private_runs())


def test_a_budget_that_ran_out_is_said():
    run = private(8, 0.8)
    told = run.result["privacy"] | {"stopped": "the budget was spent after round 6 of 10"}
    assert (
        "after round 6 of 10"
        in Curve.from_runs([replace(run, result=run.result | {"privacy": told})]).notes[0]
    )


def test_saved_and_read_again(curve, tmp_path):
    assert Curve.load(curve.save(tmp_path).parent) == curve
    for place, run in enumerate(private_runs()):
        (folder := tmp_path / "sweep" / f"run-{place:02d}").mkdir(parents=True)
        run.save(folder)
    assert Curve.load(tmp_path / "sweep") == curve
    with pytest.raises(FedkitError, match="and no run record"):
        Curve.load(tmp_path / "nothing")


@pytest.mark.parametrize(
    "damage",
    [
        {"schema": "other"},
        {"points": []},
        {"points": [{"epsilon": 1}]},
        {"delta": 2},
        {"notes": None},
        {"unit": 3},
        {"points": [{"epsilon": -1, "seed": 0, "accuracy": 0.5, "worst": 0, "low": 0, "high": 1}]},
        {"none": [{"epsilon": None, "seed": 0, "accuracy": 5, "worst": 0, "low": 0, "high": 1}]},
    ],
)
def test_a_damaged_file_is_one_line(curve, tmp_path, damage):
    values = json.loads(json.dumps(curve.to_dict())) | damage
    (tmp_path / "curve.json").write_text(json.dumps(values))
    with pytest.raises(FedkitError, match="not a privacy curve") as error:
        Curve.load(tmp_path)
    assert "\n" not in str(error.value)


def test_points_hold_shares():
    with pytest.raises(FedkitError, match="damaged run record: accuracy"):
        Curve.from_runs([replace(r := private(8, 0.8), result=r.result | {"accuracy": math.nan})])
    assert Point(None, 0, 0.5, 0.4, 0.6).epsilon is None


def test_a_large_epsilon_keeps_its_thousands_in_the_terminal():
    from fedkit.results.scoreboard import narrow_privacy

    assert narrow_privacy("\u03b5 1,000 per example, \u03b4 1e-5") == "1,000 per\nexample"
