"""What a run has written stays what it was: one writer at a time, no link followed, no byte changed
in silence, and nothing half-written on a full disk.
"""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from factories.interruptions import flags, read_record
from factories.records import unmeasured
from factories.refusals import refusal

from fedkit.core import files
from fedkit.core.config import RunConfig
from fedkit.core.errors import Cancelled, FedkitError
from fedkit.core.record import Run
from fedkit.experiments import baselines
from fedkit.experiments.baselines import run_baselines
from fedkit.experiments.plan import Plan
from fedkit.experiments.runner import run, run_rounds
from fedkit.experiments.sweep import sweep
from fedkit.models.adapter_io import load_adapter

SETTINGS = {"batch_size": 8, "clients_per_round": 2, "tune": "lora:r=2,alpha=4"}


@pytest.fixture(scope="module")
def config(tiny_config) -> RunConfig:
    return tiny_config(rounds=2, **SETTINGS)


@pytest.fixture(scope="module")
def stopped(config, job, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("stopped") / "run"
    going = run_rounds(config, out, job=job)
    next(going), next(going)
    going.close()
    return out


@pytest.fixture(scope="module")
def finished(config, job, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("finished") / "run"
    run(config, out, job=job)
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


# --- flipped bytes


@pytest.mark.parametrize("kind", ["stopped", "finished"])
def test_every_flipped_byte_is_noticed(config, job, tmp_path, request, kind):
    out = shutil.copytree(request.getfixturevalue(kind), tmp_path / "run")
    draw, paths = random.Random(1), sorted(p for p in out.rglob("*") if p.is_file())
    assert len(paths) == (2 if kind == "stopped" else 5)
    for number in range(60):
        path = paths[number % len(paths)]
        whole = path.read_bytes()
        place = draw.randrange(len(whole))
        # not bit 5, which only turns 1e-05 into 1E-05
        flipped = bytes([whole[place] ^ 1 << draw.choice([0, 1, 2, 3, 4, 6, 7])])
        path.write_bytes(whole[:place] + flipped + whole[place + 1 :])
        said = refusal(run, config, out, resume=True, job=job)
        assert said, (path.name, place)
        if kind == "finished":
            refusal(load_adapter, out, job.model)
        path.write_bytes(whole)
    assert run(config, out, resume=True, job=job).finished


def test_a_missing_file_is_noticed_and_an_older_record_is_read(config, job, finished, tmp_path):
    out = shutil.copytree(finished, tmp_path / "run")
    values = read_record(out)
    assert set(values["files"]) == set(contents(out)) - {"run.json"} and values["digest"]
    older = {k: v for k, v in values.items() if k not in ("files", "digest")}
    (out / "adapter_model.safetensors").unlink()
    assert "adapter_model.safetensors is missing" in refusal(load_adapter, out, job.model)
    (out / "run.json").write_text(json.dumps(older))
    assert Run.load(out).result == values["result"]
    reordered = dict(reversed(values.items()))
    (out / "run.json").write_text(json.dumps(reordered, ensure_ascii=True))
    assert Run.load(out).files == values["files"], "only the values count"


# --- links


def linked_state(config, job, out: Path, elsewhere: Path) -> None:
    out.mkdir()
    (out / "state").symlink_to(elsewhere)
    assert "is a link" in refusal(run, config, out, job=job)


def linked_state_in_the_middle(config, job, out: Path, elsewhere: Path) -> None:
    going = run_rounds(config, out, job=job)
    next(going)
    shutil.rmtree(out / "state")
    (out / "state").symlink_to(elsewhere)
    assert "is a link" in refusal(next, going)


def linked_files_in_the_middle(config, job, out: Path, elsewhere: Path) -> None:
    going = run_rounds(config, out, job=job)
    next(going)
    (out / "run.json").unlink()
    for name in ("run.json", "labels.json", "adapter_config.json", "head.safetensors"):
        (out / name).symlink_to(elsewhere / "theirs.txt")
    assert [r.finished for r in going][-1] and not any(p.is_symlink() for p in out.iterdir())


def linked_baseline(config, job, out: Path, elsewhere: Path) -> None:
    out.mkdir()
    (out / "majority").symlink_to(elsewhere)
    assert "is a link" in refusal(run_baselines, config, out, ["majority"])


def linked_run_of_a_sweep(config, job, out: Path, elsewhere: Path) -> None:
    usual = RunConfig().to_dict()
    given = {k: v for k, v in config.to_dict().items() if v != usual[k]}
    plan = Plan(given | {"tune": "head"}, seeds=(0,), baselines=())
    out.mkdir()
    (out / plan.entries()[0].folder).symlink_to(elsewhere)
    assert "is a link" in refusal(sweep, plan, out)


def linked_demo(config, job, out: Path, elsewhere: Path) -> None:
    from fedkit.cli.demo import run_demo

    out.mkdir()
    (out / "demo.json").write_text('{"schema": "fedkit.demo/1"}')
    (out / "federated").symlink_to(elsewhere)
    assert "is a link" in refusal(run_demo, out, config)


def linked_pages(config, job, out: Path, elsewhere: Path) -> None:
    from fedkit.cli.main import main

    out.mkdir()
    for name in ("who.html", "check.html", "check.json"):
        (out / name).symlink_to(elsewhere / "theirs.txt")
    assert (
        main(["data", config.data, "--partition", "column:site", "--html", f"{out}/who.html"]) == 0
    )
    assert main(["check", config.data, "--model", config.model, "--out", str(out)]) < 2
    assert not any(p.is_symlink() for p in out.iterdir())


def linked_uploads(config, job, out: Path, elsewhere: Path) -> None:
    from fedkit.widgets.data_session import DataSession

    out.mkdir()
    (out / "uploads").symlink_to(elsewhere)
    assert "is a link" in refusal(DataSession(out=out).keep_upload, "a.csv", b"text,label\na,b\n")


LINKS: list[Callable] = [
    linked_state,
    linked_state_in_the_middle,
    linked_files_in_the_middle,
    linked_baseline,
    linked_run_of_a_sweep,
    linked_demo,
    linked_pages,
    linked_uploads,
]


@pytest.mark.parametrize("case", LINKS, ids=lambda case: case.__name__)
def test_nothing_behind_a_link_is_written_or_deleted(config, job, tmp_path, case):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("theirs.txt", "round-0000.safetensors", "round-0001.safetensors", "run.json.tmp"):
        (elsewhere / name).write_text("theirs")
    before = contents(elsewhere)
    case(config, job, tmp_path / "out", elsewhere)
    assert contents(elsewhere) == before


def test_out_itself_may_be_a_link(config, job, tmp_path):
    (tmp_path / "big disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "big disk")
    assert run(config, tmp_path / "out", job=job).finished
    assert (tmp_path / "big disk" / "run.json").exists()


# --- two processes


def second(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "fedkit", *words], capture_output=True, text=True, timeout=300
    )


@pytest.mark.slow
def test_the_second_process_is_sent_away_and_the_first_is_whole(
    config, job, finished, tmp_path, monkeypatch
):
    out, stop, torn = tmp_path / "run", threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            try:
                json.loads((out / "run.json").read_bytes())
            except FileNotFoundError:
                pass
            except ValueError as error:
                torn.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    going = run_rounds(config, out, job=job)
    next(going)
    for words in (flags(config, out), [*flags(config, out), "--resume"]):
        other = second(*words)
        assert other.returncode == 2 and other.stderr.count("\n") == 1
        assert f"in use by process {os.getpid()}" in other.stderr
    assert [record.finished for record in going][-1]
    stop.set()
    reader.join(60)
    assert not torn and unmeasured(read_record(out)) == unmeasured(read_record(finished))
    assert contents(out).keys() == contents(finished).keys()
    Run.load(out).check_files(out)


def test_baselines_sweep_and_demo_want_the_folder_for_themselves(config, tmp_path):
    from fedkit.cli.demo import run_demo

    with files.hold_lock(tmp_path / files.LOCK):  # as another process would
        for call in (
            lambda: run_baselines(config, tmp_path, ["majority"]),
            lambda: sweep(Plan({"data": config.data}, baselines=()), tmp_path),
            lambda: run_demo(tmp_path, config),
        ):
            assert "in use by process" in refusal(call)


# --- baselines that go on


def test_baselines_go_on_where_they_stopped(config, tmp_path, monkeypatch):
    names, made = ["majority", "frozen-local", "frozen-pooled"], []
    original = baselines.baseline

    def make(name, *rest):
        made.append(name)
        if len(made) == 2:
            raise Cancelled
        return original(name, *rest)

    monkeypatch.setattr(baselines, "baseline", make)
    with pytest.raises(Cancelled):
        run_baselines(config, tmp_path, names)
    kept = (tmp_path / "majority" / "run.json").read_bytes()
    assert "--resume" in refusal(run_baselines, config, tmp_path, names)
    changed = replace(config, seed=1)
    assert "seed was 0" in refusal(run_baselines, changed, tmp_path, names, resume=True)
    runs = run_baselines(config, tmp_path, names, resume=True)
    assert list(runs) == names and all(r.finished for r in runs.values())
    assert made == ["majority", "frozen-local", "frozen-local", "frozen-pooled"]
    assert (tmp_path / "majority" / "run.json").read_bytes() == kept
    assert run_baselines(config, tmp_path, names, resume=True).keys() == runs.keys()
    assert len(made) == 4, "nothing is made twice"


def test_a_kept_baseline_of_other_data_or_another_method_is_refused(config, tmp_path):
    run_baselines(config, tmp_path, ["majority"])
    record = Run.load(tmp_path / "majority")
    replace(record, data=record.data | {"sha256": "ab"}).save(tmp_path / "majority")
    said = refusal(run_baselines, config, tmp_path, ["majority", "frozen-local"], resume=True)
    assert "the data has changed" in said
    replace(record, method="local").save(tmp_path / "majority")
    assert "no finished baseline majority" in refusal(
        run_baselines, config, tmp_path, ["majority"], resume=True
    )


def test_baselines_resume_by_the_folder_alone(config, fed, tmp_path):
    run_baselines(config, tmp_path / "b", ["majority"])
    code, _, err = fed("baselines", "--resume", "--which", "majority", "--out", "b")
    assert code == 0, err
    assert fed("baselines", "--resume", "--out", "nothing")[0] == 2


# --- a full disk


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_no_command_leaves_half_a_file_on_a_full_disk(config, finished, fed, tmp_path, monkeypatch):
    """At each file that each command writes: one line, exit code 2, whole files only."""
    run_baselines(config, tmp_path / "base")
    site = ["--partition", "column:site"]
    commands = {
        "data": ["data", config.data, *site, "--html", "{}/who.html"],
        "check": ["check", config.data, "--model", config.model, "--out", "{}"],
        "compare": ["compare", finished, "--html", "{}/page.html"],
        "replay": ["replay", finished, "--html", "{}/page.html"],
        "brief": ["brief", finished, tmp_path / "base", "--lang", "en", "--out", "{}"],
        "baselines": ["baselines", *flags(config, Path("{}"))[1:], "--which", "majority"],
        "run": flags(config, Path("{}"), rounds=1),
    }
    real, tried = os.fsync, 0
    for name, words in commands.items():
        number = 0
        while True:
            out, seen = tmp_path / f"{name}-{number}", 0

            def fsync(handle, out=out, full=number):
                nonlocal seen
                if str(out) in os.readlink(f"/proc/self/fd/{handle}"):
                    seen += 1
                    if seen > full:
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return real(handle)

            monkeypatch.setattr(files.os, "fsync", fsync)
            code, _, err = fed(*(str(word).replace("{}", str(out)) for word in words))
            monkeypatch.setattr(files.os, "fsync", real)
            if seen <= number:  # it has written all
                assert code < 2 and number, (name, err)
                break
            line = [x for x in err.splitlines() if x.startswith("fedkit: ")]
            assert code == 2 and len(line) == 1 and "No space left" in line[0], (name, number, err)
            assert "make room" in line[0]
            assert not list(out.rglob("*.tmp")) and not list(out.rglob(".*")), (name, number)
            assert len(contents(out)) == number or name == "run", (name, number)
            number, tried = number + (1 if number < 3 else 6), tried + 1
    assert tried > 15


def test_an_empty_name_is_refused(fed, tmp_path):
    for words in (
        ["run", "--out", ""],
        ["baselines", "--out", ""],
        ["sweep", "--out", " "],
        ["demo", "--out", ""],
        ["check", "x.csv", "--out", ""],
        ["brief", "x", "--out", ""],
        ["doctor", "--out", ""],
        ["compare", "x", "--html", ""],
    ):
        code, _, err = fed(*words)
        assert code == 2 and "is empty" in err and err.count("\n") == 1, words
    assert not list(tmp_path.iterdir())


def test_a_later_run_of_the_same_process_takes_the_folder_over(tiny_config, tmp_path):
    config = tiny_config(tune="head", rounds=3)
    left = run_rounds(config, tmp_path / "run")
    next(left)
    assert run(config, tmp_path / "run", resume=True).finished
    before = (tmp_path / "run" / "run.json").read_bytes()
    with pytest.raises(FedkitError, match="belongs to a run that was started later"):
        next(left)
    assert (tmp_path / "run" / "run.json").read_bytes() == before
    assert not (tmp_path / "run" / "fedkit.lock").exists()
