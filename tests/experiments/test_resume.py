"""A run that is killed and resumed ends with the same numbers as one that was not, wherever it was
killed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from factories.interruptions import (
    RESUMED,
    assert_same_end,
    differences,
    flags,
    run_until_killed,
    run_until_stopped,
)
from factories.tiny import write_cut_model, write_small_desk, write_tiny_data, write_tiny_model
from safetensors.torch import load_file, save_file

from fedkit.cli.main import main
from fedkit.core.config import RunConfig
from fedkit.core.errors import Cancelled, FedkitError
from fedkit.core.record import Run
from fedkit.experiments.job import prepare
from fedkit.experiments.runner import resume, run, run_rounds
from fedkit.models import loading
from fedkit.models.fast.encoder import FeatureCache

ROUNDS = 3


@pytest.fixture(scope="module")
def config(tiny_config) -> RunConfig:
    """Half the clients in each round, so that sampling must go on where it stopped."""
    return tiny_config(
        rounds=ROUNDS, batch_size=8, clients_per_round=2, loss="calibrated", tune="lora:r=2,alpha=4"
    )


# --- stopped politely


@pytest.mark.parametrize("finished", range(ROUNDS))
@pytest.mark.slow
def test_left_between_two_rounds(config, job, whole, tmp_path, finished):
    going = run_rounds(config, tmp_path / "run", job=job)
    for _ in range(finished + 1):
        next(going)
    going.close()
    assert len(Run.load(tmp_path / "run").rounds) == finished
    run(config, tmp_path / "run", resume=True, job=job)
    assert_same_end(tmp_path / "run", whole)


class After:
    """An event that sets itself when it has been asked so many times: before one
    particular step.
    """

    def __init__(self, steps: int):
        self.left = steps

    def is_set(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize(("steps", "finished"), [(0, 0), (5, 0), (8, 1), (11, 1), (23, 2)])
@pytest.mark.slow
def test_cancelled_between_two_steps_keeps_the_finished_rounds(
    config, job, whole, tmp_path, steps, finished
):
    """Two clients of 26 examples take 4 steps each: 8 in a round."""
    with pytest.raises(Cancelled, match=f"round {finished + 1}"):
        run(config, tmp_path / "run", job=job, cancel=After(steps))
    assert len(Run.load(tmp_path / "run").rounds) == finished
    run(config, tmp_path / "run", resume=True, job=job)
    assert_same_end(tmp_path / "run", whole)


def test_cancelled_by_who_watches(config, job, whole, tmp_path):
    cancel = After(10**9)

    def watch(now):
        cancel.left = 0 if now.round == 2 else cancel.left

    with pytest.raises(Cancelled):
        run(config, tmp_path / "run", job=job, cancel=cancel, progress=watch)
    resume(tmp_path / "run")
    assert_same_end(tmp_path / "run", whole)


def test_interrupted_again_and_again(config, job, whole, tmp_path):
    for _ in range(2):
        with pytest.raises(Cancelled):
            run(config, tmp_path / "run", resume=True, job=job, cancel=After(12))
    run(config, tmp_path / "run", resume=True, job=job)
    assert_same_end(tmp_path / "run", whole)


class Killed(BaseException):
    """No handler of ours may catch it."""


def replacements(monkeypatch, stop: int | None = None, after: bool = False) -> list[str]:
    """Count the renames that put files into place; raise Killed before (or after) number `stop`."""
    seen, really = [], os.replace

    def replace_(source, target):
        seen.append(Path(target).name)
        if len(seen) - 1 == stop and not after:
            raise Killed
        really(source, target)
        if len(seen) - 1 == stop:
            raise Killed

    monkeypatch.setattr(os, "replace", replace_)
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True])
def test_stopped_at_every_single_file_that_is_put_into_place(
    config, job, tmp_path, monkeypatch, after
):
    short = replace(config, rounds=1)
    own = replace(job, config=short)
    with monkeypatch.context() as patch:
        seen = replacements(patch)
        run(short, tmp_path / "whole", job=own)
    assert seen.count("run.json") == 2 and {"round-0000.safetensors", "head.safetensors"} < set(
        seen
    )
    for stop in range(len(seen)):
        out = tmp_path / str(stop)
        with monkeypatch.context() as patch, pytest.raises(Killed):
            replacements(patch, stop, after)
            run(short, out, job=own)
        assert not (out / "run.json").exists() or len(Run.load(out).rounds) in (0, 1)
        run(short, out, resume=True, job=own)
        if (out / "state").exists():  # killed when all was written but not yet swept
            assert after and seen[stop] == "run.json"
            shutil.rmtree(out / "state")
        assert_same_end(out, tmp_path / "whole")


# --- going on


def test_resume_needs_no_settings(config, job, whole, tmp_path):
    going = run_rounds(config, tmp_path / "run", job=job)
    next(going), next(going), going.close()
    told = []
    resume(tmp_path / "run", told.append)
    assert_same_end(tmp_path / "run", whole)
    assert told[0].done > 1 / 3 and told[-1].done == 1.0, "the bar goes on where it stood"


def test_resuming_what_never_began_begins(config, job, whole, tmp_path):
    run(config, tmp_path / "run", resume=True, job=job)
    assert_same_end(tmp_path / "run", whole)


def test_a_finished_run_is_read_and_nothing_is_done(config, whole):
    before = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in whole.iterdir()}
    told = []
    assert run(config, whole, resume=True, progress=told.append) == Run.load(whole)
    assert told == [] and before == {
        p: (p.stat().st_mtime_ns, p.read_bytes()) for p in whole.iterdir()
    }


def test_what_says_how_to_compute_may_change_and_the_numbers_do_not(config, job, whole, tmp_path):
    going = run_rounds(config, tmp_path / "run", job=job)
    next(going), next(going), going.close()
    run(
        replace(config, dtype="bfloat16", device="cpu", engine="plain"),
        tmp_path / "run",
        resume=True,
    )
    assert_same_end(tmp_path / "run", whole)


@pytest.mark.slow
def test_the_attention_of_the_record_is_used_whatever_the_probe_says_today(
    config, tmp_path, monkeypatch
):
    monkeypatch.setenv("FEDKIT_CACHE", str(tmp_path / "cache"))
    prepare(config)
    [(key, seconds)] = json.loads(loading.cache_file().read_text()).items()

    def fastest(name: str) -> None:
        loading.cache_file().write_text(
            json.dumps({key: {k: 1.0 if k.endswith(name) else 2.0 for k in seconds}})
        )

    fastest("sdpa")
    assert run(config, tmp_path / "whole").environment["attention"] == "sdpa"
    going = run_rounds(config, tmp_path / "run")
    next(going), next(going), going.close()
    fastest("eager")
    run(config, tmp_path / "run", resume=True)
    assert_same_end(tmp_path / "run", tmp_path / "whole")


def test_changed_data_is_refused(config, tmp_path):
    config = replace(config, data=str(write_tiny_data(tmp_path / "data")))
    going = run_rounds(config, tmp_path / "run")
    next(going), next(going), going.close()
    before = (tmp_path / "run" / "run.json").read_bytes()
    with open(tmp_path / "data" / "train.csv", "a") as file:
        file.write("one more text about toner,printing,site-0\n")
    with pytest.raises(FedkitError, match="data has changed"):
        run(config, tmp_path / "run", resume=True)
    assert (tmp_path / "run" / "run.json").read_bytes() == before


def test_a_changed_model_is_refused(config, tiny_model, tmp_path):
    config = replace(config, model=str(shutil.copytree(tiny_model, tmp_path / "model")))
    going = run_rounds(config, tmp_path / "run")
    next(going), next(going), going.close()
    weights = load_file(tmp_path / "model" / "model.safetensors")
    save_file(
        {n: t + 0.01 for n, t in weights.items()},
        tmp_path / "model" / "model.safetensors",
        {"format": "pt"},
    )
    with pytest.raises(FedkitError, match="model has changed"):
        run(config, tmp_path / "run", resume=True)


# --- from another folder


def as_a_person_started(config: RunConfig, home: Path, out: Path) -> RunConfig:
    """Data and model below `home`, named as seen from there; a run in `out` after one round."""
    write_tiny_data(home / "data")
    write_tiny_model(home / "deep" / "model")
    config = replace(config, data="data", model="deep/model")
    going = run_rounds(config, out)
    next(going), next(going), going.close()
    return config


@pytest.mark.parametrize("out", ["r", "deep/er/r", "../beside/r", "{tmp}/far/r"])
@pytest.mark.parametrize("here", ["other", "home/deep"])
def test_relative_paths_lead_on_from_any_folder(config, tmp_path, monkeypatch, out, here):
    home, elsewhere = tmp_path / "home", tmp_path / here
    home.mkdir(), elsewhere.mkdir(parents=True)
    monkeypatch.chdir(home)
    out = Path(out.format(tmp=tmp_path))
    config = as_a_person_started(config, home, out)
    place = os.path.relpath(home / out, elsewhere)
    monkeypatch.chdir(elsewhere)
    assert main(["run", "--resume", "--out", place]) == 0
    record = Run.load(home / out)
    assert record.finished
    assert (record.config["data"], record.config["model"]) == ("data", "deep/model")
    monkeypatch.chdir(home)
    run(config, out.with_name("whole"))
    assert_same_end(out, out.with_name("whole"))


def test_a_project_that_moved_as_a_whole_goes_on(config, tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    as_a_person_started(config, home, Path("runs/r"))
    monkeypatch.chdir(tmp_path)
    home.rename(tmp_path / "moved")
    assert main(["run", "--resume", "--out", "moved/runs/r"]) == 0


def test_a_run_that_moved_alone_is_told_and_named_data_of_the_same_bytes_go_on(
    config, tmp_path, monkeypatch, capsys
):
    home, away = tmp_path / "home", tmp_path / "a" / "way"
    home.mkdir(), away.mkdir(parents=True)
    monkeypatch.chdir(home)
    as_a_person_started(config, home, Path("runs/r"))
    (home / "runs" / "r").rename(away / "r")
    monkeypatch.chdir(away)
    assert main(["run", "--resume", "--out", "r"]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "'data', which is not here" in said and "has moved" in said
    write_tiny_data(away / "data", rows=90)
    named = ["--data", "data", "--model", "../../home/deep/model"]
    assert main(["run", "--resume", "--out", "r", *named]) == 2, "other data under the same name"
    named[1] = str(home / "data")
    assert main(["run", "--resume", "--out", "r", *named]) == 0
    assert Run.load(away / "r").config["data"] == "data"


# --- killed: SIGKILL, nothing is cleaned up


@pytest.fixture(scope="module")
def fedkit(forked):
    """Run the command in a process, and kill it (see run_until_killed); its exit code."""

    def call(*argv: str, kill: tuple[str, str, int] | None = None) -> int:
        return forked(run_until_killed, list(argv), kill)

    return call


MOMENTS = {
    "in the middle of a client's training": ("after", "step", 6, 1),
    "in the first step of all": ("before", "step", 1, 0),
    "before a state is put into place": ("before", "round-0002.safetensors", 1, 1),
    "between the state and the record": ("after", "round-0002.safetensors", 1, 1),
    "before the record is put into place": ("before", "run.json", 3, 1),
    "between two rounds": ("after", "run.json", 3, 2),
    "before the very first record": ("before", "run.json", 1, None),
    "while the adapter is written": ("after", "adapter_model.safetensors", 1, 2),
    "before the last record": ("before", "run.json", 4, 2),
    "when all is written": ("after", "run.json", 4, 3),
}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_killed_at_any_moment_and_resumed(fedkit, config, tmp_path):
    whole = tmp_path / "whole"
    assert fedkit(*flags(config, whole)) == 0
    for number, (moment, (*kill, finished)) in enumerate(MOMENTS.items()):
        out = tmp_path / f"run-{number}"
        assert fedkit(*flags(config, out), kill=tuple(kill)) == -signal.SIGKILL, moment
        if finished is None:
            assert not (out / "run.json").exists(), moment
        else:
            assert len(Run.load(out).rounds) == finished, moment
        assert fedkit(*flags(config, out), "--resume") == 0, moment
        shutil.rmtree(out / "state", ignore_errors=finished != ROUNDS)
        assert_same_end(out, whole)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_killed_from_outside_and_resumed_with_the_plain_command(config, tmp_path, monkeypatch):
    """The command as a person types it, killed whenever its third record has appeared; the rest is
    resumed.
    """
    monkeypatch.setenv("FEDKIT_CACHE", str(tmp_path / "cache"))
    fedkit_run = [sys.executable, "-m", "fedkit.cli.main", *flags(config, tmp_path / "run")]
    fedkit_run[fedkit_run.index("--rounds") + 1] = "15"
    process = subprocess.Popen(fedkit_run, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if (tmp_path / "run" / "run.json").exists() and len(
            Run.load(tmp_path / "run").rounds
        ) >= 2:  # never half a file
            process.kill()
    assert process.wait(10) == -signal.SIGKILL and not Run.load(tmp_path / "run").finished
    done = subprocess.run([*fedkit_run, "--resume"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    fedkit_run[fedkit_run.index("--out") + 1] = str(tmp_path / "whole")
    subprocess.run(fedkit_run, capture_output=True, check=True)
    assert_same_end(tmp_path / "run", tmp_path / "whole")


# --- where the last bits of a text's vector depend on the batch that it is computed in


@pytest.fixture
def told_by_batch(monkeypatch):
    """On every machine, and more than on any: what is kept of a text tells its batch's size."""
    plain = FeatureCache.__init__

    def init(self, compute, *rest):
        plain(self, lambda texts: compute(texts) * (1 + len(texts) / 256), *rest)

    monkeypatch.setattr(FeatureCache, "__init__", init)


@pytest.mark.slow
@pytest.mark.parametrize("name", RESUMED)
def test_resumed_to_the_same_bytes_in_bfloat16(tiny_config, tmp_path, told_by_batch, name):
    model = str(write_tiny_model(tmp_path / "model", layers=3))
    config = tiny_config(model=model, dtype="bfloat16", rounds=2, batch_size=8)
    config = replace(config, **RESUMED[name])
    run(config, tmp_path / "whole")
    for stop in (0, 19):  # in round 1, and in round 2 of 16 steps each
        with pytest.raises(Cancelled):
            run(config, tmp_path / str(stop), cancel=After(stop))
        resume(tmp_path / str(stop))
        assert differences(tmp_path / str(stop), tmp_path / "whole") == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_killed_and_resumed_to_the_same_bytes_in_a_new_process(tmp_path, forked):
    data = write_small_desk(tmp_path / "data", held=40)
    model = write_cut_model(tmp_path / "model", layers=2)
    small = {"examples_per_client": 8, "batch_size": 8, "rounds": 2, "max_tokens": 24}
    config = RunConfig(str(data), "text", "label", "company", model=str(model), tune="head")
    config = replace(config, dtype="bfloat16", **small)
    assert forked(run_until_stopped, config, tmp_path / "whole", None, "") == 0
    assert forked(run_until_stopped, config, tmp_path / "run", 8, "kill") == -signal.SIGKILL
    assert forked(run_until_stopped, config, tmp_path / "run", None, "") == 0
    assert differences(tmp_path / "run", tmp_path / "whole") == []
