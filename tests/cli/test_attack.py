"""The attack command: a demo, a recorded run, and one line for what cannot be."""

from __future__ import annotations

import json

import pytest
import typer

from fedkit.audit import run_attack
from fedkit.cli import console
from fedkit.cli.attack import attack
from fedkit.cli.flags import Command
from fedkit.core.config import RunConfig
from fedkit.core.record import Run


@pytest.fixture(scope="module")
def config(tiny_model, tiny_data):
    return RunConfig(
        data=tiny_data,
        model=tiny_model,
        tune="full",
        clients=3,
        partition="iid",
        dtype="float32",
        rounds=1,
        max_tokens=24,
        batch_size=2,
    )


def call(*words: str) -> int:
    app = typer.Typer()
    app.command(cls=Command)(attack)
    command = typer.main.get_command(app)
    return console.call(
        lambda: command.main(
            list(map(str, words)), prog_name="fedkit attack", standalone_mode=False
        )
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give either a run's folder"),
        (("somewhere", "--demo"), "give either a run's folder"),
        (("nowhere",), "no run record at nowhere"),
        (("nowhere", "--data", "banking77"), "leave --data out"),
        (("--demo", "--batches", "0"), "--batches 0 given; write a whole number from 1"),
        (("--demo", "--data", "nosuch"), "unknown data set"),
    ],
)
def test_bad_input_is_one_line_and_code_2(capsys, words, said):
    assert call(*words) == console.USER_ERROR
    out = capsys.readouterr()
    assert said in out.err and out.err.count("\n") == 1 and not out.out


@pytest.mark.slow
def test_a_run_is_attacked_as_it_was_set(whole, capsys):
    before = sorted(p.name for p in whole.rglob("*"))
    assert call(whole, "--batches", "1", "--json") == 0
    values = json.loads(capsys.readouterr().out)
    names = list(dict.fromkeys(r["defence"] for r in values["rows"]))
    assert names == [
        "one step, round 1",
        "a visit, round 1",
        "one step, at the end",
        "a visit, at the end",
    ]
    first = {r["attack"]: r for r in values["rows"] if r["defence"] == names[0]}
    assert (
        first["words"]["tokens_recall"] == first["words"]["tokens_precision"] == 1
        and first["words"]["texts"] == 2
    )
    assert "not a proof" in values["note"] and sorted(p.name for p in whole.rglob("*")) == before


@pytest.mark.slow
def test_people_read_what_was_known_and_one_text(whole, capsys):
    assert call(whole, "--batches", "1") == 0
    said = capsys.readouterr().out
    for words in (
        "It knew: the base model",
        "It did not know",
        "A text as the site holds it: the ",
        "not a proof",
    ):
        assert words in said


@pytest.mark.slow
def test_a_run_on_other_data_is_refused(whole, tmp_path, capsys):
    run = Run.load(whole)
    run.data["sha256"] = "0" * 64
    run.save(tmp_path)
    assert call(tmp_path) == console.USER_ERROR
    assert "is not what" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, {"one step": (2, 1, 1, "none"), "a visit": (26, 13, 1, "none")}),
        ({"privacy": "example:eps=8"}, {"one step": (None, 1, 1, "none")}),
        (
            {"wire": "ef21+topk:0.05+int4+ans"},
            {
                "one step": (2, 1, 1, "topk:0.05+int4+ans"),
                "a visit": (26, 13, 1, "topk:0.05+int4+ans"),
            },
        ),
        (
            {"secure": "masks", "clients_per_round": 2.0},
            {"one step": (2, 1, 2, "none"), "a visit": (26, 13, 2, "none")},
        ),
    ],
)
def test_settings_become_what_is_attacked(job, changes, wanted):
    from dataclasses import replace

    found = run_attack.defences_of(replace(job, config=replace(job.config, **changes)))
    local = sorted(len(c.train) for c in job.clients)[1]
    wanted = {
        n: (t if n == "one step" and t else local, s if n == "one step" else -(-local // 2), k, w)
        for n, (t, s, k, w) in wanted.items()
    }
    assert {n: (d.texts, d.steps, d.sites, d.wire) for n, d in found.items()} == wanted
