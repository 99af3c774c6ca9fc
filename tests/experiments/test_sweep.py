"""Plans and sweeps on a tiny model: what is run, what is kept, what is refused, and going on after
a stop.
"""

from __future__ import annotations

import json
import re
import shlex
import signal
import threading

import pytest

from fedkit.cli import console
from fedkit.core.config import RunConfig
from fedkit.core.errors import Cancelled, FedkitError
from fedkit.core.progress import Progress
from fedkit.core.record import Run
from fedkit.experiments.estimate import Estimate
from fedkit.experiments.plan import Plan, describe_change, parse_vary, read_plan
from fedkit.experiments.sweep import RemainingTime, SweepProgress, sweep


@pytest.fixture(scope="module")
def settings(tiny_model, tiny_data) -> dict:
    return {
        "data": tiny_data,
        "model": tiny_model,
        "client": "site",
        "rounds": 2,
        "local_epochs": 1,
    }


def numbers(run: Run) -> list:
    """What has to be equal however a sweep was cut: everything but seconds and memory."""
    return [
        (
            r.round,
            r.accuracy,
            r.loss,
            [(c.id, c.uplink_bytes, c.downlink_bytes, c.steps) for c in r.clients],
        )
        for r in (*([run.start] if run.start else []), *run.rounds)
    ]


# ---- plans


def test_every_combination_for_every_seed_and_baselines_once():
    plan = Plan(
        {"rounds": 3},
        {"tune": ["head", "full"], "lr": [0.001, 0.002]},
        [{"tune": "head", "wire": "int8"}],
        (0, 1),
    )
    entries = plan.entries()
    runs = [e for e in entries if not e.baseline]
    assert len(runs) == 2 * (2 * 2 + 1) and len(entries) - len(runs) == 2 * 5
    assert [e.folder for e in runs[:5]] == [
        "head_lr=0.001-s0",
        "head_lr=0.002-s0",
        "full_lr=0.001-s0",
        "full_lr=0.002-s0",
        "head_int8-s0",
    ]
    assert runs[5].config == RunConfig(rounds=3, tune="head", lr=0.001, seed=1)
    assert [e.folder for e in entries[:5]] == [f"baselines-s0/{b}" for b in plan.baselines]
    assert str(runs[0]) == "head, lr 0.001, seed 0"


def test_one_run_without_anything_to_vary_and_none_twice():
    assert [e.folder for e in Plan(baselines=()).entries()] == ["run-s0"]
    twice = Plan({}, {"tune": ["head", "full"]}, [{"tune": "head"}], baselines=())
    assert [e.folder for e in twice.entries()] == ["head-s0", "full-s0"]


def test_folders_are_safe_and_differ():
    plan = Plan({}, {"tune": ["lora:r=8", "lora r=8", "LORA:r=8", "head/../x"]}, baselines=())
    folders = [e.folder for e in plan.entries()]
    assert len({f.lower() for f in folders}) == 4 and folders[0] == "lora-r=8-s0"
    assert all(
        re.fullmatch(r"[A-Za-z0-9.+=_-]{1,64}", f) and not f.startswith(".") for f in folders
    )


def test_unlike_data_have_baselines_of_their_own():
    plan = Plan(
        {}, {"partition": ["iid", "dirichlet:0.3"], "tune": ["head", "full"]}, baselines=("local",)
    )
    assert [(e.folder, e.config.partition) for e in plan.entries() if e.baseline] == [
        ("baselines-iid-s0/local", "iid"),
        ("baselines-dirichlet-0.3-s0/local", "dirichlet:0.3"),
    ]


def test_a_plan_in_a_file(tmp_path):
    path = tmp_path / "tuners.toml"
    path.write_text(
        '[settings]\nclients = 10\nclients_per_round = 0.5\n[vary]\ntune = ["head"]\nseed = [3,'
        ' 4]\n[[also]]\ntune = "lora:r=4"\nwire = "int4+ans"\n'
    )
    plan = read_plan(path)
    assert (plan.name, plan.seeds, plan.vary) == ("tuners", (3, 4), {"tune": ["head"]})
    assert Plan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan
    assert plan.entries()[-1].config == RunConfig(
        clients=10, clients_per_round=0.5, tune="lora:r=4", wire="int4+ans", seed=4
    )


def test_values_have_the_type_of_their_setting():
    vary = parse_vary(
        ["rounds=2", "rounds=3", "lr=0.01", "examples-per-client=none", "tune=lora:r=8,alpha=16"]
    )
    assert vary == {
        "rounds": [2, 3],
        "lr": [0.01],
        "examples_per_client": [None],
        "tune": ["lora:r=8,alpha=16"],
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[settings]\nround = 3\n", "unknown setting 'round'"),
        ("[settings]\nrounds = 'x'\n", "setting rounds is 'x', and int is expected"),
        ("[settings]\nseed = 3\n", "list the seeds"),
        ("[vary]\ntune = 'head'\n", "vary tune: write a list"),
        ("[vary]\ntune = []\n", "vary tune: write a list"),
        ("[vary]\nseed = ['a']\n", "write whole numbers from 0 on"),
        ("[also]\ntune = 'head'\n", "also of a plan has to be a list"),
        ("vari = 3\n", "no part 'vari'"),
        ("[vary\n", "cannot read the plan"),
        ("baselines = ['locol']\n", "baseline 'locol' is not known"),
        ("[vary]\nrounds = [" + "1," * 10_001 + "]\n", "at most 10,000"),
    ],
)
def test_what_is_wrong_with_a_plan_is_one_line(fed, tmp_path, text, said):
    (tmp_path / "p.toml").write_text(text)
    code, out, err = fed("sweep", "p.toml", "--out", "s")
    assert (code, out, err.count("\n")) == (2, "", 1) and said in err
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--vary", "tune"], "write SETTING=VALUE"),
        (["--vary", "rounds=two"], "int is expected"),
        (["--seeds", "0,x"], "--seeds 0,x"),
        (["no.toml"], "cannot read the plan no.toml"),
        (["--tune", "head", "--baselines", "none"], "nothing to vary given"),
        (["--resume"], "--resume given without --out"),
        (["--resume", "--out", "s"], "no sweep in s"),
        (["--resume", "--out", "s", "--rounds", "3"], "--resume goes on with the plan"),
        (
            ["--tune", "lorra", "--data", "no.csv", "--vary", "rounds=2"],
            "no run of this plan could be made",
        ),
    ],
)
@pytest.mark.slow
def test_what_is_wrong_with_the_flags_is_one_line(fed, words, said):
    code, out, err = fed("sweep", *words)
    assert code == 2 and out == "" and said.removeprefix("--seeds 0,x") in err.splitlines()[-1]


def test_only_additions_go_on():
    old = Plan({"rounds": 2}, {"tune": ["head", "full"]})
    assert (
        describe_change(
            old,
            Plan(
                {"rounds": 2},
                {"tune": ["lora", "head", "full"]},
                [{"tune": "head", "wire": "int8"}],
                (0, 1),
            ),
        )
        == ""
    )
    assert (
        describe_change(old, Plan({"rounds": 2, "engine": "plain"}, {"tune": ["head", "full"]}))
        == ""
    )
    assert (
        describe_change(old, Plan({"rounds": 3}, {"tune": ["head", "full"]}))
        == "rounds was 2 and is now 3"
    )
    assert (
        describe_change(old, Plan({"rounds": 2}, {"tune": ["head"]}))
        == "it no longer has full, seed 0"
    )
    assert "no longer has majority" in describe_change(
        old, Plan({"rounds": 2}, old.vary, baselines=("local",))
    )


# ---- sweeps


@pytest.mark.slow
def test_a_stopped_sweep_ends_with_the_numbers_of_an_unbroken_one(settings, tmp_path):
    """Cut within the second run, after its first round; some runs share a job and some do not."""
    vary, also = {"tune": ["lora:r=2"], "head_lr": [0.01, 0.02]}, [{"tune": "head"}]
    plan = Plan(settings, vary, also, seeds=(0,), baselines=("local",))
    whole = sweep(plan, tmp_path / "whole")
    cancel, heard = threading.Event(), []

    def listen(now: Progress) -> None:
        heard.append(str(now))
        if now.stage.startswith("run 3/4") and now.accuracy is not None:  # round 1 has ended
            cancel.set()

    with pytest.raises(Cancelled):
        sweep(plan, tmp_path / "cut", listen, cancel)
    ledger = json.loads((tmp_path / "cut" / "sweep.json").read_text())
    states = [run["status"] for run in ledger["runs"]]
    assert states == ["finished", "finished", "running", "waiting"]
    assert len(Run.load(tmp_path / "cut" / ledger["runs"][2]["folder"]).rounds) == 1
    kept = (tmp_path / "cut" / ledger["runs"][1]["folder"] / "run.json").stat().st_mtime_ns

    again = sweep(plan, tmp_path / "cut")
    assert [numbers(r) for r in again] == [numbers(r) for r in whole] and len(again) == 4
    assert (tmp_path / "cut" / ledger["runs"][1]["folder"] / "run.json").stat().st_mtime_ns == kept
    alone = Run.load(tmp_path / "whole" / "lora-r=2_head-lr=0.02-s0")
    from fedkit.experiments.runner import run

    assert numbers(run(RunConfig.from_dict(alone.config))) == numbers(alone)  # as if run by itself
    assert any(
        re.match(r"run 2/4 lora:r=2, head lr 0.01, seed 0: round 1/2", line) for line in heard
    )


@pytest.mark.slow
def test_a_refused_combination_is_said_kept_and_left_out(fed, settings, tmp_path):
    words = [w for k, v in settings.items() for w in (f"--{k.replace('_', '-')}", str(v))]
    words += [
        "--vary",
        "tune=head",
        "--vary",
        "tune=lorra",
        "--baselines",
        "majority",
        "--out",
        "s",
    ]
    code, out, err = fed("sweep", *words)
    assert code == 1 and "refused: lorra, seed 0: tune 'lorra' is not known" in err
    assert re.search(
        r"2 runs and 1 baseline to make, about .* of memory at the peak \(an estimate from 1 short"
        r" test\)",
        err,
    )
    assert "records: s" in out and "next: fedkit compare s --html s/compare.html" in out
    runs = json.loads((tmp_path / "s" / "sweep.json").read_text())["runs"]
    assert [(r["status"], bool(r["reason"])) for r in runs] == [
        ("finished", False),
        ("finished", False),
        ("refused", True),
    ]
    code, out, _ = fed(*shlex.split(out.splitlines()[-1].removeprefix("next: fedkit ")))
    assert code == 0 and "Majority class" in out and (tmp_path / "s" / "compare.html").exists()
    code, _, err = fed("sweep", *words[:-2], "--rounds", "3", "--out", "s")
    assert code == 2 and "s holds another plan: rounds was 2 and is now 3" in err
    code, out, _ = fed("sweep", "--resume", "--out", "s", "--json")
    assert code == 1 and json.loads(out)["refused"][0]["settings"] == {"tune": "lorra"}


@pytest.mark.slow
def test_the_estimate_writes_nothing(fed, settings, tmp_path):
    words = [w for k, v in settings.items() for w in (f"--{k.replace('_', '-')}", str(v))]
    words += [
        "--vary",
        "tune=head",
        "--vary",
        "tune=full",
        "--seeds",
        "0,1",
        "--out",
        "s",
        "--estimate",
    ]
    code, out, err = fed("sweep", *words, "--json")
    values = json.loads(out)
    assert (
        (code, err) == (0, "")
        and (values["runs"], values["baselines"]) == (4, 10)
        and values["seconds"] > 0
    )
    assert not (tmp_path / "s").exists()
    said = str(Estimate(36, 15, 3, {"a": 2460.0}, 812_000_000))
    assert (
        said
        == "36 runs and 15 baselines to make, about 41.0 min and 812 MB of memory at the peak (an"
        " estimate from 3 short tests)"
    )


@pytest.mark.slow
def test_ctrl_c_in_a_sweep_says_how_to_go_on(fed, settings, tmp_path, monkeypatch):
    class Stopping(console.ProgressLine):
        def __call__(self, now):
            if now.stage.startswith("run 2/2"):
                signal.raise_signal(signal.SIGINT)

    words = [w for k, v in settings.items() for w in (f"--{k.replace('_', '-')}", str(v))]
    with monkeypatch.context() as patch:
        patch.setattr(console, "ProgressLine", Stopping)
        code, out, err = fed(
            "sweep", *words, "--tune", "head", "--seeds", "0,1", "--baselines", "none", "--out", "s"
        )
    last = err.splitlines()[-1]
    assert (code, out) == (130, "") and last.startswith(
        "fedkit: stopped; 1 of 2 runs are finished and kept in s; go on"
    )
    code, out, _ = fed(*shlex.split(last.partition("go on with: fedkit ")[2]))
    assert code == 0 and re.search(r"\* head +\S+ +\S+ +2 ", out)


def test_the_remaining_time_is_over_all_runs():
    entries = Plan({}, {"tune": ["head", "full"]}, baselines=()).entries()
    clock, heard = RemainingTime(entries, entries, {"head-s0": 10.0, "full-s0": 30.0}), []
    clock.started -= 5.0  # five seconds ago
    clock.start_run(1, entries[0])
    clock.listener(heard.append)(Progress("federated", 1, 2, "", None, 0, 0.5, 9.0))
    assert heard[0].left == pytest.approx(35.0, rel=0.01)  # half of 10 took 5 s; 5 + 30 are left
    assert (
        isinstance(heard[0], SweepProgress)
        and str(heard[0]) == "run 1/2 head, seed 0: round 1/2  35.0 s left for all"
    )


def test_an_unreadable_sweep_json_is_an_error_for_people(tmp_path):
    (tmp_path / "sweep.json").write_text('{"schema": "x"}')
    with pytest.raises(FedkitError, match="cannot read"):
        sweep(Plan(), tmp_path)


@pytest.mark.slow
def test_runs_that_differ_in_their_promise_share_model_and_vectors(tiny_config):
    from fedkit.core.config import RunConfig
    from fedkit.experiments.sweep import JobCache

    bench, config = (JobCache(), tiny_config(tune="head", rounds=2, partition="auto"))
    plain, private = (
        bench.job(config),
        bench.job(RunConfig(**{**vars(config), "privacy": "example:eps=8"})),
    )
    assert private.model is plain.model and private.budget.eps == 8 and plain.budget is None
    assert any("batch-size" in note for note in private.notes) and not any(
        "batch-size" in note for note in plain.notes
    )
