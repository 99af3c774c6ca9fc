"""Test `fedkit attack`: a demo, a recorded run, and one line for bad input."""

from __future__ import annotations

import json

import pytest

from fedkit.audit import recorded_run
from fedkit.cli import console
from fedkit.core.record import Run


@pytest.fixture(scope="module")
def config(tiny_config):
    return tiny_config(
        tune="full", clients=3, partition="iid", rounds=1, max_tokens=24, batch_size=2
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give either a run's folder"),
        (("somewhere", "--demo"), "give either a run's folder"),
        (("nowhere",), "no run record at nowhere"),
        (("nowhere", "--data", "banking77"), "no run record at nowhere"),
        (("--demo", "--batches", "0"), "--batches 0 given; write a whole number from 1"),
        (("--demo", "--data", "nosuch"), "unknown data set"),
    ],
)
def test_bad_input_is_one_line_and_code_2(fed, words, said):
    code, out, err = fed("attack", *words)
    assert code == console.USER_ERROR
    assert said in err and err.count("\n") == 1 and not out


@pytest.mark.slow
def test_a_run_is_attacked_as_it_was_set(whole, fed):
    before = sorted(p.name for p in whole.rglob("*"))
    code, out, _ = fed("attack", whole, "--batches", "1", "--json")
    assert code == 0
    values = json.loads(out)
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
def test_people_read_what_was_known_and_one_text(whole, fed):
    code, said, _ = fed("attack", whole, "--batches", "1")
    assert code == 0
    for words in (
        "It knew: the base model",
        "It did not know",
        "A text as the site holds it: the ",
        "not a proof",
    ):
        assert words in said


@pytest.mark.slow
def test_a_run_on_other_data_is_refused(whole, tmp_path, fed):
    run = Run.load(whole)
    run.data["sha256"] = "0" * 64
    run.save(tmp_path)
    code, _, err = fed("attack", tmp_path)
    assert code == console.USER_ERROR and "is not what" in err


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

    found = recorded_run.run_defences(replace(job, config=replace(job.config, **changes)))
    local = sorted(len(c.train) for c in job.clients)[1]
    wanted = {
        n: (t if n == "one step" and t else local, s if n == "one step" else -(-local // 2), k, w)
        for n, (t, s, k, w) in wanted.items()
    }
    assert {n: (d.texts, d.steps, d.clients, d.wire) for n, d in found.items()} == wanted
