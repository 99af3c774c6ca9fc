"""A run's folder: nothing overwritten, nothing half-written, and an error for people when the disk
says no.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from factories.records import forget_digests
from factories.refusals import refusal
from safetensors.torch import load_file, save_file

from fedkit.core.config import MACHINE_SETTINGS, RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.files import LOCK
from fedkit.core.record import Run
from fedkit.experiments.job import Job
from fedkit.experiments.runner import resume, run, run_rounds
from fedkit.experiments.store import Store, write_tensors


@pytest.fixture(scope="module")
def config(tiny_config) -> RunConfig:
    return tiny_config(rounds=3, loss="calibrated")


def interrupted(config: RunConfig, job: Job, out: Path, after: int = 1) -> Path:
    """A run stopped after the start and `after` rounds, and never heard of again."""
    going = run_rounds(config, out, job=job)
    for _ in range(after + 1):
        next(going)
    going.close()
    return out


def files(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


# --- what lies where


def test_after_every_round_there_is_one_record_and_one_state(config, job, tmp_path):
    seen = [files(tmp_path / "run") - {LOCK} for _ in run_rounds(config, tmp_path / "run", job=job)]
    assert seen[:3] == [{"run.json", f"state/round-000{n}.safetensors"} for n in (0, 1, 2)]
    assert seen[3] == {
        "run.json",
        "labels.json",
        "head.safetensors",
        "adapter_config.json",
        "adapter_model.safetensors",
    }
    assert not (tmp_path / "run" / "state").exists(), "a finished run needs no state"


def test_a_run_without_a_folder_writes_nothing(config, job, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(replace(config, rounds=1), job=replace(job, config=replace(config, rounds=1)))
    assert not any(tmp_path.iterdir())


def test_the_state_holds_what_the_record_says(config, job, tmp_path):
    out = interrupted(config, job, tmp_path / "run", 2)
    record = Run.load(out)
    shared, state, prior, _ = Store(out).read_state(record, job.start)
    assert len(record.rounds) == 2 and not record.finished
    assert (
        shared.keys() == job.start.keys()
        and {n.split("/")[0] for n in state} == {"exchange"}
        and prior.sum().item() == pytest.approx(1)
    )


def test_leftovers_of_a_kill_are_swept_up_and_other_files_are_not(config, job, tmp_path):
    out = interrupted(config, job, tmp_path / "run")
    for leftover in (
        "round-0000.safetensors",
        "round-0002.safetensors",
        ".round-0002.safetensors.7-0123abcd.tmp",
    ):
        (out / "state" / leftover).write_bytes(b"half")
    (out / ".run.json.7-0123abcd.tmp").write_text("{")
    (out / "state" / "round-best.safetensors").write_text("mine")
    (out / "notes.txt").write_text("mine")
    assert run(config, out, resume=True, job=job).finished
    assert files(out / "state") == {"round-best.safetensors"}
    assert (out / "notes.txt").read_text() == "mine"
    assert not any(name.endswith(".tmp") for name in files(out))


def test_a_file_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "x.safetensors"
    write_tensors(path, {"a": torch.ones(3)})

    def no(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", no)
    with pytest.raises(FedkitError, match="make room"):
        write_tensors(path, {"a": torch.zeros(3)})
    assert load_file(path)["a"].tolist() == [1, 1, 1]


# --- where a run may begin


def test_a_run_is_never_overwritten(config, job, tmp_path):
    out = interrupted(config, job, tmp_path / "run")
    before = (out / "run.json").read_bytes()
    assert "--resume" in refusal(run, config, out, job=job)
    assert (out / "run.json").read_bytes() == before


def test_out_may_exist_and_be_empty_and_may_be_deep(config, tmp_path):
    (tmp_path / "empty").mkdir()
    for out in (tmp_path / "empty", tmp_path / "a" / "b" / "c"):
        assert (
            Store(out).previous_record(config, False) is None
            and Store(out).previous_record(config, True) is None
        )
    assert files(tmp_path) == set() and not (tmp_path / "a").exists(), "looking makes nothing"


def test_out_that_is_a_file_is_refused(config, tmp_path):
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        for resumed in (False, True):
            assert "is a file" in refusal(run, config, out, resume=resumed)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.fixture
def locked():
    """A folder that may not be written to, seen by a user without privileges."""
    folder = Path(tempfile.mkdtemp())
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    folder.chmod(0o555)
    if root:
        os.seteuid(65534)
    yield folder
    if root:
        os.seteuid(0)
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="folders on Windows have other permissions")
def test_out_without_permission_is_refused_before_any_work(config, locked):
    for out in (locked, locked / "run", locked / "a" / "b"):
        assert str(out) in refusal(Store(out).previous_record, config, False)
        assert str(out) in refusal(run, replace(config, data="no/such/data.csv"), out), (
            "the folder is looked at first"
        )


@pytest.mark.skipif(
    not Path("/proc/self").exists(), reason="needs a file system where root cannot write"
)
def test_out_where_nobody_can_write_is_refused(config):
    assert "/proc" in refusal(run, config, "/proc/fedkit")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file size")
def test_a_full_disk_is_one_line_and_the_run_goes_on_when_there_is_room(config, job, tmp_path):
    import resource

    out, going = tmp_path / "run", run_rounds(config, tmp_path / "run", job=job)
    next(going), next(going)
    before = Run.load(out)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, limits[1]))  # the state is larger
    try:
        message = refusal(next, going)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "cannot write" in message and "--resume" in message
    assert Run.load(out) == before and len(before.rounds) == 1
    assert run(config, out, resume=True, job=job).finished


def test_a_baseline_is_kept_without_state(tmp_path):
    record = Run("majority", {}, {}, {}, {}, None, (), {"accuracy": 0.5})
    Store(tmp_path / "a" / "b").write_record(record)
    Store(None).write_record(record)
    assert files(tmp_path) == {"a/b/run.json"}
    (tmp_path / "file").write_text("")
    assert "cannot write" in refusal(Store(tmp_path / "file" / "x").write_record, record)


# --- where a run may go on


CHANGES = {
    "privacy": "example:eps=3",
    "secure": "masks",
    "data": "other.csv",
    "text": "body",
    "label": "kind",
    "client": "team",
    "encoding": "cp932",
    "clients": 7,
    "examples_per_client": 50,
    "partition": "iid",
    "model": "minilm",
    "tune": "head",
    "head_start": "zero",
    "max_tokens": 8,
    "rounds": 9,
    "clients_per_round": 2,
    "local_epochs": 2,
    "batch_size": 4,
    "lr": 0.5,
    "head_lr": 0.5,
    "aggregate": "ffa",
    "share": "head",
    "wire": "int8",
    "wire_down": "int8",
    "clip_norm": 0.5,
    "loss": "plain",
    "strategy": "other",
    "link": "dsl",
    "devices": "half-speed",
    "seed": 1,
    "optimizer": "sgd",
    "weights": "uniform",
    "robust": "median",
    "faults": "lost=0.1",
    "attack": "nan:1",
    "deadline": 5.0,
    "late": "carry",
    "server_link": "100mbps",
    "pace": 0.1,
    "device": "cpu",
    "dtype": "bfloat16",
    "engine": "plain",
}


def test_every_setting_is_tried_here():
    assert set(CHANGES) >= set(RunConfig().to_dict()), (
        "a new setting: may it change when a run is resumed?"
    )


@pytest.mark.parametrize("name", RunConfig().to_dict())
def test_a_run_goes_on_with_the_settings_it_began_with(config, tmp_path, name):
    environment = {"dtype": "float32", "attention": "eager"}
    Run(
        "federated", config.to_dict(), environment, {"sha256": "0", "labels": []}, {"sha256": "0"}
    ).save(tmp_path)
    assert Store(tmp_path).previous_record(config, True) == Run.load(tmp_path)
    changed = replace(config, **{name: CHANGES[name]})
    if name in MACHINE_SETTINGS:
        assert Store(tmp_path).previous_record(changed, True) == Run.load(tmp_path)
    else:
        assert name in refusal(Store(tmp_path).previous_record, changed, True)


def tampered_state(out: Path, change) -> None:
    [path] = (out / "state").iterdir()
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


def truncated(out: Path) -> None:
    [path] = (out / "state").iterdir()
    path.write_bytes(path.read_bytes()[:-10])


DAMAGE = {
    "cut short": truncated,
    "emptied": lambda out: [p.write_bytes(b"") for p in (out / "state").iterdir()],
    "removed": lambda out: shutil.rmtree(out / "state"),
    "a folder": lambda out: [(p.unlink(), p.mkdir()) for p in list((out / "state").iterdir())],
    "not safetensors": lambda out: [
        p.write_bytes(b"\x80\x04pickle" * 100) for p in (out / "state").iterdir()
    ],
    "a tensor missing": lambda out: tampered_state(out, lambda t: t.pop("shared/head.bias")),
    "a tensor too many": lambda out: tampered_state(
        out, lambda t: t.update({"shared/x": torch.zeros(1)})
    ),
    "another shape": lambda out: tampered_state(
        out, lambda t: t.update({"shared/head.bias": torch.zeros(9)})
    ),
    "another dtype": lambda out: tampered_state(
        out, lambda t: t.update({"shared/head.bias": torch.zeros(3).half()})
    ),
    "NaN": lambda out: tampered_state(out, lambda t: t["shared/head.bias"].fill_(float("nan"))),
    "no label shares": lambda out: tampered_state(out, lambda t: t.pop("extra/prior")),
    "too many label shares": lambda out: tampered_state(
        out, lambda t: t.update({"extra/prior": torch.ones(9) / 9})
    ),
}


@pytest.mark.parametrize("case", DAMAGE)
@pytest.mark.slow
def test_a_damaged_state_is_refused_and_left_alone(config, job, tmp_path, case):
    out = interrupted(config, job, tmp_path / "run")
    DAMAGE[case](out)
    assert "missing or damaged" in refusal(run, config, out, resume=True, job=job)
    forget_digests(out)
    before = (out / "run.json").read_bytes()
    assert "cannot resume" in refusal(run, config, out, resume=True, job=job)
    assert (out / "run.json").read_bytes() == before


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "fedkit.run/1"}', "[" * 50_000])
def test_a_damaged_record_is_refused_and_left_alone(config, job, tmp_path, text):
    out = interrupted(config, job, tmp_path / "run")
    (out / "run.json").write_text(text)
    refusal(run, config, out, resume=True, job=job)
    refusal(resume, out)
    assert (out / "run.json").read_text() == text


@pytest.mark.parametrize(
    ("block", "key"),
    [
        ("environment", "dtype"),
        ("environment", "attention"),
        ("data", "sha256"),
        ("data", "labels"),
        ("model", "sha256"),
    ],
)
def test_a_record_that_lacks_what_is_needed_is_refused(config, job, tmp_path, block, key):
    out = interrupted(config, job, tmp_path / "run")
    forget_digests(out)
    values = json.loads((out / "run.json").read_text())
    del values[block][key]
    (out / "run.json").write_text(json.dumps(values))
    assert repr(key) in refusal(run, config, out, resume=True, job=job)
