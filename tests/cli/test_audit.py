"""`fedkit audit`: what it says of runs with and without privacy, of broken mechanisms and of bad
input.
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import typer

from fedkit.audit import run_audit
from fedkit.audit.canary import Mechanism, audit_mechanism
from fedkit.audit.run_audit import AuditedPromise, promise_of
from fedkit.cli import audit, console
from fedkit.cli.flags import Command
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


def command(*argv: str) -> int:
    """The exit code of `fedkit audit ARGV`."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(cls=Command)(audit.audit)
    parser = typer.main.get_command(app)
    return console.call(
        lambda: parser.main([*argv], prog_name="fedkit audit", standalone_mode=False)
    )


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
    promise = promise_of(record(), 100)
    assert promise == AuditedPromise(
        1.0, 1e-5, "example", Mechanism(3.7307, 1.0, 1, 0.5), "", ((3.7307, 1.0, 1),)
    )
    assert (
        replace(promise, epsilon=8.0).allowed(0.01)
        < 0.0272
        < replace(promise, epsilon=8.0, blocks=()).allowed(0.01)
    )


def test_a_long_run_is_played_in_part_and_that_is_said():
    promise = promise_of(record(SAID | {"steps": 10, "visits": 100, "start": 1.0}), 500)
    assert promise.setting.steps == 100
    assert promise.why == "100 of its 1000 steps are played; the head start's share is not played"


def test_a_run_without_privacy_promises_nothing():
    assert promise_of(record(None), 100) is None


def test_noise_over_rounds_is_said_not_to_be_played():
    promise = promise_of(record(SAID | {"turns": 4}), 100)
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
def test_records_that_do_not_hold_together_are_one_line(bad, folder, capsys):
    with pytest.raises(FedkitError):
        promise_of(bad, 100)
    assert command(folder(bad), "--trials", "40") == 2
    out, err = capsys.readouterr()
    assert not out and err.startswith("fedkit: ") and err.count("\n") == 1


@pytest.mark.parametrize(
    "argv",
    [(), ("--demo", "x"), ("--demo", "--trials", "3"), ("/nowhere",), ("x", "--trials", "a")],
)
def test_bad_input_is_one_line(argv, capsys):
    assert command(*argv) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_run_whose_data_is_gone_still_plays_the_game(folder, capsys):
    assert command(folder(record()), "--trials", "80") == 0
    out, _ = capsys.readouterr()
    assert (
        "promised: epsilon 1 " in out
        and "consistent" in out
        and "left out" in out
        and "proves nothing" in out
    )


def test_json_holds_the_game(folder, capsys):
    assert command(folder(record()), "--trials", "80", "--json") == 0
    values = json.loads(capsys.readouterr().out)
    assert (
        values["game"]["upper"] == pytest.approx(1.0, rel=1e-3) and values["game"]["trials"] == 80
    )
    assert values["promise"]["unit"] == "example" and values["membership"] == []


def test_a_broken_mechanism_is_exit_code_1(folder, capsys, monkeypatch):
    broken = audit_mechanism(Mechanism(3.7307), 100, broken="no clipping")
    monkeypatch.setattr("fedkit.audit.canary.audit_mechanism", lambda *_: broken)
    assert command(folder(record()), "--trials", "80") == 1
    assert "BROKEN" in capsys.readouterr().out


def test_nothing_to_do_is_an_error(folder, capsys):
    assert command(folder(record(None))) == 2
    assert "/nowhere" in capsys.readouterr().err


def test_the_demo_shows_promises_kept_and_faults_caught(monkeypatch, capsys):
    name = "eps 1: one step, all rows"
    monkeypatch.setattr(run_audit, "SHOWN", {name: (Mechanism(3.7307), 100)})
    monkeypatch.setattr(
        run_audit.demonstrate, "__defaults__", (None, 0, lambda _: None, {name: "no clipping"})
    )
    assert command("--demo") == 0
    out, _ = capsys.readouterr()
    assert out.count("consistent") == 1 and out.count("BROKEN:") == 1


def test_a_fault_that_is_not_caught_is_exit_code_1(monkeypatch, capsys):
    monkeypatch.setattr(run_audit, "SHOWN", {"hardly any noise": (Mechanism(0.1), 40)})
    monkeypatch.setattr(
        run_audit.demonstrate,
        "__defaults__",
        (None, 0, lambda _: None, {"hardly any noise": "noise/4"}),
    )
    assert command("--demo") == 1
    assert "weak test" in capsys.readouterr().out


@pytest.mark.slow
def test_the_whole_demo(capsys):
    assert command("--demo", "--json", "--trials", "400") == 0
    values = json.loads(capsys.readouterr().out)
    assert values["as_expected"] and len(values["settings"]) == 8


@pytest.mark.slow
def test_a_run_and_its_own_model(tiny_model, tiny_data, tmp_path, capsys):
    from fedkit.experiments.runner import run

    config = RunConfig(
        data=tiny_data, model=tiny_model, rounds=1, tune="head", privacy="example:eps=3"
    )
    run(config, tmp_path / "run")
    assert command(str(tmp_path / "run"), "--trials", "60") == 0
    out, _ = capsys.readouterr()
    assert "training rows of the sites against 40 test rows" in out and "likelihood ratio" in out
    other = Run.load(tmp_path / "run")
    replace(other, data=other.data | {"sha256": "0"}).save(tmp_path / "run")
    assert command(str(tmp_path / "run"), "--trials", "60") == 0
    assert "has changed since the run" in capsys.readouterr().out
