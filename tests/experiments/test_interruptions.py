"""A full disk, a folder that turns read-only, an interrupted notebook, kills with error memory:
resume, or one clear line.
"""

from __future__ import annotations

import errno
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from factories.interruptions import assert_same_end, flags, halve, real_name, run_until_half_written

from fedkit.core import files
from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.files import LOCK
from fedkit.core.record import Run
from fedkit.experiments.job import Job
from fedkit.experiments.runner import resume, run, run_rounds

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="needs signals and limits that Windows does not have"
)
ROUNDS = 2


@pytest.fixture(scope="module")
def config(tiny_config) -> RunConfig:
    """With a memory of errors at each client, which has to survive too."""
    return tiny_config(
        rounds=ROUNDS,
        batch_size=8,
        clients_per_round=2,
        tune="lora:r=2,alpha=4",
        wire="ef+sign+ans",
    )


def refused(action, *args, **options) -> str:
    """The one line with which it ends."""
    with pytest.raises(FedkitError) as error:
        action(*args, **options)
    assert "\n" not in str(error.value) and any(
        word in str(error.value) for word in ("cannot write", "cannot create")
    )
    return str(error.value)


def assert_goes_on(out: Path, config: RunConfig, job: Job, whole: Path) -> None:
    """The record can be read, if there is one, and going on ends as the undisturbed run."""
    if (out / "run.json").exists():
        assert len(Run.load(out).rounds) <= ROUNDS
    assert run(config, out, resume=True, job=job).finished
    # stopped when all was written and not yet swept
    shutil.rmtree(out / "state", ignore_errors=True)
    assert_same_end(out, whole)


# --- a full disk


def filling(monkeypatch, out: Path, full: int | None = None) -> list[str]:
    """Count the calls that change a disk below `out`; from number `full` on there is no room. Half
    a file is written.
    """
    seen: list[str] = []

    def no_room(what: str) -> bool:
        if what in (f"unlink {LOCK}", f"rmdir {out.name}"):  # tidying up, which may fail
            return False
        seen.append(what)
        return full is not None and len(seen) > full

    def wrapped(function, what, where):
        def call(*args, **options):
            if where(args).startswith(str(out)) and no_room(f"{what} {real_name(where(args))}"):
                if what == "fsync":
                    halve(args[0])
                raise OSError(errno.ENOSPC, "No space left on device")
            return function(*args, **options)

        return call

    for name in ("mkdir", "unlink", "rmdir"):
        monkeypatch.setattr(os, name, wrapped(getattr(os, name), name, lambda args: str(args[0])))
    monkeypatch.setattr(os, "replace", wrapped(os.replace, "replace", lambda args: str(args[1])))
    monkeypatch.setattr(
        os,
        "fsync",
        wrapped(os.fsync, "fsync", lambda args: os.readlink(f"/proc/self/fd/{args[0]}")),
    )
    return seen


def fill_at(moments: slice, config, job, whole, tmp_path, monkeypatch) -> int:
    """Fill the disk at each of these moments of a run, and go on when there is room again; how many
    there were.
    """
    with monkeypatch.context() as patch:
        seen = filling(patch, tmp_path / "count")
        run(config, tmp_path / "count", job=job)
    assert len(seen) > 15 and {
        "mkdir state",
        "fsync round-0001.safetensors",
        "fsync run.json",
    } < set(seen)
    chosen = range(len(seen))[moments]
    for full in chosen:
        out = tmp_path / str(full)
        with monkeypatch.context() as patch:
            filling(patch, out, full)
            assert "No space left" in refused(run, config, out, job=job), seen[full]
        assert_goes_on(out, config, job, whole)
    return len(chosen)


needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")


@needs_proc
@pytest.mark.slow
def test_a_disk_that_fills_up_at_some_moments(config, job, whole, tmp_path, monkeypatch):
    fill_at(slice(1, None, 6), config, job, whole, tmp_path, monkeypatch)


@needs_proc
@pytest.mark.slow
def test_a_disk_that_fills_up_at_any_moment(config, job, whole, tmp_path, monkeypatch):
    print(fill_at(slice(None), config, job, whole, tmp_path, monkeypatch), "moments")


@contextmanager
def limited(nbytes: int) -> Iterator[None]:
    """No file may become longer: what is too long is cut off, as on a disk that is full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (nbytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("nbytes", [0, 1, 500, 5_000, 12_000])
@pytest.mark.slow
def test_files_that_are_cut_off_by_the_system(config, job, whole, tmp_path, nbytes):
    with limited(nbytes):
        refused(run, config, tmp_path / "run", job=job)
    assert_goes_on(tmp_path / "run", config, job, whole)


@pytest.fixture
def disk():
    """A real file system of its own; mended(option) remounts it."""
    folder = Path(tempfile.mkdtemp())
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        folder.rmdir()
        pytest.skip("needs the right to mount a file system")

    def remount(option: str) -> None:
        subprocess.run(
            ["mount", "-o", f"remount,{option}", str(folder)], check=True, capture_output=True
        )

    yield folder, remount
    subprocess.run(["umount", str(folder)], check=True, capture_output=True)
    folder.rmdir()


@pytest.mark.slow
def test_a_real_disk_that_is_too_small(config, job, whole, disk):
    folder, remount = disk
    for number, kbytes in enumerate((4, 12, 24, 48, 80, 120)):
        out = folder / f"run-{number}"
        used = sum(p.stat().st_blocks for p in folder.rglob("*")) // 2
        remount(f"size={used + kbytes}k")
        try:
            run(config, out, job=job)
        except FedkitError as error:
            assert "No space left" in str(error) or "cannot" in str(error)
        else:
            assert kbytes > 48
        remount("size=16m")
        assert_goes_on(out, config, job, whole)


# --- a folder that turns read-only


def test_a_real_disk_that_turns_read_only(config, job, whole, disk, monkeypatch):
    folder, remount = disk
    # the lock is open for writing, and a mount that is in use refuses what a failing disk does
    monkeypatch.setattr(files, "hold_lock", lambda path: nullcontext())
    remount("size=4m")
    out, going = folder / "run", run_rounds(config, folder / "run", job=job)
    next(going), next(going)
    before = (out / "run.json").read_bytes()
    remount("ro")
    assert "Read-only" in refused(next, going)
    assert "Read-only" in refused(run, config, out, resume=True, job=job), "said before any work"
    assert "Read-only" in refused(run, config, folder / "new", job=job)
    assert (out / "run.json").read_bytes() == before
    remount("rw")
    assert_goes_on(out, config, job, whole)


@contextmanager
def nobody() -> Iterator[Path]:
    """A folder of a user without privileges, who is who runs; for root nothing is read-only."""
    folder, root = Path(tempfile.mkdtemp()), os.geteuid() == 0
    if root:
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if root:
            os.seteuid(0)


def test_a_folder_that_turns_read_only(config, job, whole):
    with nobody() as folder:
        out, going = folder / "run", run_rounds(config, folder / "run", job=job)
        next(going), next(going)
        for place in (out, out / "state"):
            place.chmod(0o555)
        assert "Permission denied" in refused(next, going)
        assert len(Run.load(out).rounds) == 1
        for place in (out, out / "state"):
            place.chmod(0o755)
    assert_goes_on(out, config, job, whole)
    shutil.rmtree(folder)


# --- an interrupted notebook: the kernel lives on, and so do the model and the half-used generator
# ----------------


@pytest.mark.parametrize("stop", [1, 2, 3])
@pytest.mark.slow
def test_interrupted_in_the_progress_bar(config, job, whole, tmp_path, stop):
    told = []

    def watch(now):
        told.append(now)
        if len(told) == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(config, tmp_path / "run", job=job, progress=watch)
    assert_goes_on(tmp_path / "run", config, job, whole)


@pytest.mark.parametrize("finished", range(ROUNDS))
def test_interrupted_in_the_cell_that_loops(config, job, whole, tmp_path, finished):
    """The generator is never closed: it hangs in the traceback that the notebook keeps."""
    going = run_rounds(config, tmp_path / "run", job=job)
    with pytest.raises(KeyboardInterrupt) as kept:
        for record in going:
            if len(record.rounds) == finished:
                raise KeyboardInterrupt
    assert len(Run.load(tmp_path / "run").rounds) == finished
    assert_goes_on(tmp_path / "run", config, job, whole)
    del kept, going


def interrupted(seconds: float, *args, **options) -> bool:
    """Run, and press the stop button after so many seconds, whatever is being done; whether it came
    in time.
    """

    def stop(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        run(*args, **options)
    except KeyboardInterrupt:
        return True
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return False


def interrupt_often(times: int, config, job, whole, tmp_path) -> int:
    """Interrupt runs after random times, up to three times each; how often it came in time."""
    draw, hits = random.Random(0), 0
    began = time.perf_counter()
    run(config, tmp_path / "timed", job=job)
    most = time.perf_counter() - began
    for number in range(times):
        out = tmp_path / f"run-{number}"
        for _ in range(draw.randrange(1, 4)):
            hits += interrupted(draw.uniform(0.001, most), config, out, resume=True, job=job)
        assert_goes_on(out, config, job, whole)
    return hits


@pytest.mark.parametrize("engine", ["fast", "plain"])
def test_a_kernel_whose_gradients_an_interrupt_left_off_still_trains(config, job, whole, engine):
    """An interrupt inside torch's own no_grad can leave it so for the rest of a notebook's life."""
    import torch

    torch.set_grad_enabled(False)
    try:
        record = run(replace(config, engine=engine))
    finally:
        torch.set_grad_enabled(True)
    assert record.finished and record.rounds[-1].loss != record.start.loss


@pytest.fixture(autouse=True)
def gradients_on():
    """What an interrupt left off must not reach the tests behind it."""
    yield
    import torch

    torch.set_grad_enabled(True)


def test_interrupted_anywhere(config, job, whole, tmp_path):
    assert interrupt_often(3, config, job, whole, tmp_path) >= 1


@pytest.mark.slow
def test_interrupted_anywhere_again_and_again(config, job, whole, tmp_path):
    hits = interrupt_often(40, config, job, whole, tmp_path)
    print(hits, "interruptions")
    assert hits >= 30


# --- killed while the errors of clients are remembered


@pytest.fixture(scope="module")
def fedkit(forked):
    """Run the command in a process; kill it half through a file, or after some seconds. Its exit
    code.
    """

    def call(*argv: str, half: tuple[str, int] | None = None, seconds: float = 120) -> int:
        return forked(run_until_half_written, list(argv), half, seconds=seconds)

    return call


@pytest.mark.slow
@pytest.mark.parametrize("wire", ["ef+sign+ans", "ef21+topk:0.1+int4+ans"])
def test_killed_half_through_a_file_with_error_memory(fedkit, config, tmp_path, wire):
    whole = tmp_path / "whole"
    assert fedkit(*flags(config, whole), "--wire", wire) == 0
    halves = [
        ("round-0000.safetensors", 1),
        ("round-0001.safetensors", 1),
        ("round-0003.safetensors", 1),
        ("adapter_model.safetensors", 1),
        ("head.safetensors", 1),
    ]
    for number, half in enumerate(halves):
        out = tmp_path / f"run-{number}"
        assert fedkit(*flags(config, out), "--wire", wire, half=half) == -signal.SIGKILL, half
        assert fedkit(*flags(config, out), "--wire", wire, "--resume") == 0, half
        shutil.rmtree(out / "state", ignore_errors=True)
        assert_same_end(out, whole)


@pytest.mark.slow
def test_killed_at_random_until_it_is_done(fedkit, config, tmp_path):
    """One run of 12 rounds, killed again and again after a random time, ends as the one that was
    left alone.
    """
    longer = [*flags(config, tmp_path / "whole"), "--wire", "ef+sign+ans"]
    longer[longer.index("--rounds") + 1] = "12"
    began = time.perf_counter()
    assert fedkit(*longer) == 0
    whole_seconds = time.perf_counter() - began
    longer[longer.index("--out") + 1] = str(tmp_path / "run")
    draw, kills = random.Random(1), 0
    while kills < 60:
        # longer each time, so that it ends
        seconds = draw.uniform(0.2, 0.8) * whole_seconds * (1 + kills / 8)
        if fedkit(*longer, "--resume", seconds=seconds) == 0:
            if kills >= 2:
                break
            # the first run was slower than this one: machines are shared
            shutil.rmtree(tmp_path / "run")
            whole_seconds, kills = whole_seconds / 2, 0
            continue
        kills += 1
        if (record := tmp_path / "run" / "run.json").exists():
            json.loads(record.read_text(encoding="utf-8"))
    print(kills, "kills")
    assert 2 <= kills < 60
    shutil.rmtree(tmp_path / "run" / "state", ignore_errors=True)
    assert_same_end(tmp_path / "run", tmp_path / "whole")


def test_resume_by_the_folder_alone(config, job, whole, tmp_path):
    going = run_rounds(config, tmp_path / "run", job=job)
    next(going), next(going)
    going.close()
    assert resume(tmp_path / "run").finished
    assert_same_end(tmp_path / "run", whole)
