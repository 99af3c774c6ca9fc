"""Test `fedkit audit`: runs with and without privacy, broken mechanisms and bad input."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fedkit.audit import recorded_run
from fedkit.audit.canary import Mechanism, audit_mechanism
from fedkit.audit.recorded_run import AuditedPromise, recorded_promise
from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.record import Run

SAID = {
    "noise": 3.7307,
    "rate": 1.0,
    "steps": 1,
    "clip": 0.5,
    "start": 0.0,
    "visits": 1,
    "turns": 0,
    "blocks": [[3.7307, 1.0, 1]],
}


def record(said: dict | None = SAID, **result) -> Run:
    """A finished record whose data nobody has any more."""
    config = RunConfig(
        data="/nowhere", privacy="none" if said is None else "example:eps=1"
    ).to_dict()
    result = {
        "accuracy": 0.5,
        "epsilon": 1.0,
        "delta": 1e-5,
        "privacy_unit": "example",
        "privacy": said,
        **result,
    }
    return Run("federated", config, {}, {"sha256": "a"}, {"sha256": "b"}, result=result)


@pytest.fixture
def folder(tmp_path):
    def write(run: Run) -> str:
        run.save(tmp_path)
        return str(tmp_path)

    return write


def test_the_promise_is_read_from_the_record():
    promise = recorded_promise(record(), 100)
    assert promise == AuditedPromise(
        1.0, 1e-5, "example", Mechanism(3.7307, 1.0, 1, 0.5), "", ((3.7307, 1.0, 1),)
    )
    assert (
        replace(promise, epsilon=8.0).allowed(0.01)
        < 0.0272
        < replace(promise, epsilon=8.0, blocks=()).allowed(0.01)
    )


def test_a_long_run_is_played_in_part_and_that_is_said():
    promise = recorded_promise(record(SAID | {"steps": 10, "visits": 100, "start": 1.0}), 500)
    assert promise.setting.steps == 100
    assert promise.why == "100 of its 1000 steps are played; the head start's share is not played"


def test_a_run_without_privacy_promises_nothing():
    assert recorded_promise(record(None), 100) is None


def test_noise_over_rounds_is_said_not_to_be_played():
    promise = recorded_promise(record(SAID | {"turns": 4}), 100)
    assert promise.setting is None and "ftrl" in promise.why


@pytest.mark.parametrize(
    "bad",
    [
        replace(record(), result={}),
        record({}),
        record(SAID | {"noise": "much"}),
        record(SAID | {"noise": 0}),
        record(SAID | {"rate": 7}),
        record([]),
        record(epsilon=None),
        record(privacy_unit="town"),
    ],
)
def test_records_that_do_not_hold_together_are_one_line(bad, folder, fed):
    with pytest.raises(FedkitError):
        recorded_promise(bad, 100)
    code, out, err = fed("audit", folder(bad), "--trials", "40")
    assert code == 2 and not out and err.startswith("fedkit: ") and err.count("\n") == 1


@pytest.mark.parametrize(
    "argv",
    [(), ("--demo", "x"), ("--demo", "--trials", "3"), ("/nowhere",), ("x", "--trials", "a")],
)
def test_bad_input_is_one_line(argv, fed):
    code, _, err = fed("audit", *argv)
    assert code == 2 and err.count("\n") == 1


def test_a_run_whose_data_is_gone_still_plays_the_game(folder, fed):
    code, out, _ = fed("audit", folder(record()), "--trials", "80")
    assert code == 0
    assert (
        "promised: epsilon 1 " in out
        and "consistent" in out
        and "left out" in out
        and "proves nothing" in out
    )


def test_json_holds_the_game(folder, fed):
    code, out, _ = fed("audit", folder(record()), "--trials", "80", "--json")
    values = json.loads(out)
    assert code == 0
    assert (
        values["game"]["upper"] == pytest.approx(1.0, rel=1e-3) and values["game"]["trials"] == 80
    )
    assert values["promise"]["unit"] == "example" and values["membership"] == []


def test_a_broken_mechanism_is_exit_code_1(folder, fed, monkeypatch):
    broken = audit_mechanism(Mechanism(3.7307), 100, broken="no clipping")
    monkeypatch.setattr("fedkit.audit.canary.audit_mechanism", lambda *_: broken)
    code, out, _ = fed("audit", folder(record()), "--trials", "80")
    assert code == 1 and "BROKEN" in out


def test_nothing_to_do_is_an_error(folder, fed):
    code, _, err = fed("audit", folder(record(None)))
    assert code == 2 and "/nowhere" in err


def test_the_demo_shows_promises_kept_and_faults_caught(monkeypatch, fed):
    name = "eps 1: one step, all rows"
    monkeypatch.setattr(recorded_run, "DEMO_MECHANISMS", {name: (Mechanism(3.7307), 100)})
    monkeypatch.setattr(recorded_run, "DEMO_FAULTS", {name: "no clipping"})
    code, out, _ = fed("audit", "--demo")
    assert code == 0
    assert out.count("consistent") == 1 and out.count("BROKEN:") == 1


def test_a_fault_that_is_not_caught_is_exit_code_1(monkeypatch, fed):
    monkeypatch.setattr(recorded_run, "DEMO_MECHANISMS", {"hardly any noise": (Mechanism(0.1), 40)})
    monkeypatch.setattr(recorded_run, "DEMO_FAULTS", {"hardly any noise": "noise/4"})
    code, out, _ = fed("audit", "--demo")
    assert code == 1 and "weak test" in out


@pytest.mark.slow
def test_the_whole_demo(fed):
    code, out, _ = fed("audit", "--demo", "--json", "--trials", "400")
    values = json.loads(out)
    assert code == 0
    assert values["as_expected"] and len(values["settings"]) == 8


@pytest.mark.slow
def test_a_run_and_its_own_model(tiny_config, tmp_path, fed):
    from fedkit.experiments.runner import run

    config = tiny_config(rounds=1, tune="head", privacy="example:eps=3", partition="auto")
    run(config, tmp_path / "run")
    code, out, _ = fed("audit", str(tmp_path / "run"), "--trials", "60")
    assert code == 0
    assert "training rows of the sites against 40 test rows" in out and "likelihood ratio" in out
    other = Run.load(tmp_path / "run")
    replace(other, data=other.data | {"sha256": "0"}).save(tmp_path / "run")
    code, out, _ = fed("audit", str(tmp_path / "run"), "--trials", "60")
    assert code == 0 and "has changed since; if you mean it, add --data" in " ".join(out.split())
