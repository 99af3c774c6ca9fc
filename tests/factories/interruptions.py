"""Runs in a process of its own that is killed, and what must be left when they have gone on."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

from factories.records import unmeasured


def read_record(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))


def assert_same_end(folder: Path, whole: Path) -> None:
    """Every number and every adapter byte as in the undisturbed run, and no leftovers."""
    assert unmeasured(read_record(folder)) == unmeasured(read_record(whole))
    names = {p.relative_to(folder).as_posix() for p in folder.rglob("*")}
    assert names == {p.relative_to(whole).as_posix() for p in whole.rglob("*")} and len(names) == 5
    for name in names - {"run.json"}:
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), name


def flags(config, out: Path, rounds: int = 3) -> list[str]:
    return [
        "run",
        "--data",
        config.data,
        "--model",
        config.model,
        "--partition",
        "column:site",
        "--rounds",
        str(rounds),
        "--batch-size",
        "8",
        "--max-tokens",
        "32",
        "--clients-per-round",
        "2",
        "--tune",
        "lora:r=2,alpha=4",
        "--out",
        str(out),
    ]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def run_until_killed(argv: list[str], kill: tuple[str, str, int] | None, cache: str) -> None:
    """`fedkit` with these arguments, in a process that kills itself 'before' or 'after' the n-th of
    some moment.

    A moment is a file's name (when it is put into place) or 'step' (one gradient step of both
    clients).
    """
    os.environ["FEDKIT_CACHE"] = cache
    import torch

    from fedkit.cli.main import main
    from fedkit.federated.local.cohort import ClientStates

    torch.set_num_threads(1)
    when, moment, left = kill or ("", "", 0)

    def watched(function, name):
        def call(*args, **kwargs):
            nonlocal left
            hit = name(args) == moment
            left -= hit
            if hit and left == 0 and when == "before":
                die()
            out = function(*args, **kwargs)
            if hit and left == 0:
                die()
            return out

        return call

    if kill:
        os.replace = watched(os.replace, lambda args: Path(args[1]).name)
        ClientStates.step = watched(ClientStates.step, lambda args: "step")
    raise SystemExit(main(argv))


def run_until_half_written(argv: list[str], half: tuple[str, int] | None, cache: str) -> None:
    """`fedkit` in a process that, given (name, n), kills itself when the n-th file of that name is
    half written.
    """
    os.environ["FEDKIT_CACHE"] = cache
    import torch

    from fedkit.cli.main import main

    torch.set_num_threads(1)
    left, fsync = half[1] if half else 0, os.fsync

    def watched_fsync(handle):
        nonlocal left
        if half and file_of(handle) == half[0]:
            left -= 1
            if left == 0:
                halve(handle)
                os.kill(os.getpid(), signal.SIGKILL)
        return fsync(handle)

    os.fsync = watched_fsync
    raise SystemExit(main(argv))


def file_of(handle: int) -> str:
    """The name of the file that is being written under a temporary name; needs /proc."""
    return real_name(os.readlink(f"/proc/self/fd/{handle}"))


def real_name(path: str) -> str:
    """The name that a file with a temporary name will take."""
    return re.sub(r"^\.(.+)\.\d+-[0-9a-f]{8}\.tmp$", r"\1", Path(path).name)


def halve(handle: int) -> None:
    os.ftruncate(handle, os.fstat(handle).st_size // 2)


# the settings whose resumed runs are compared to the byte: the defaults, and what departs from them
RESUMED = {
    "head": {"tune": "head"},
    "lora": {},
    "lora:layers=2": {"tune": "lora:r=8,alpha=16,layers=2"},
    "private": {"tune": "head", "privacy": "example:eps=8"},
    "masks": {"secure": "masks"},
}


class StopAt:
    """An event that counts how often it is asked, once before each step, and then says stop."""

    def __init__(self, step: int | None, kill: bool = False):
        self.step, self.kill, self.asked = step, kill, 0

    def is_set(self) -> bool:
        self.asked += 1
        if self.asked - 1 != self.step:
            return False
        if self.kill:
            die()
        return True


def run_until_stopped(config, out: Path, step: int | None, how: str, cache: str) -> None:
    """Run or resume `config` in this process, and stop it before that step; None: at its end.

    how: cancel, kill (SIGKILL), or between: left after the round of that step.
    """
    os.environ["FEDKIT_CACHE"] = os.environ["FEDKIT_ACCOUNTS"] = cache
    import torch

    from fedkit.core.errors import Cancelled
    from fedkit.experiments.runner import run_rounds

    torch.set_num_threads(1)
    stop = StopAt(None if how == "between" else step, how == "kill")
    try:
        for _ in run_rounds(config, out, resume=True, cancel=stop):
            if how == "between" and step is not None and stop.asked > step:
                return
    except Cancelled:
        return


def differences(folder: Path, whole: Path) -> list[str]:
    """The files of two runs that differ, and the numbers of their records that do."""
    names = {p.relative_to(f).as_posix() for f in (folder, whole) for p in f.rglob("*")}
    found = [
        name
        for name in sorted(names - {"run.json"})
        if not all((f / name).exists() for f in (folder, whole))
        or ((folder / name).is_file() and not same_bytes(folder / name, whole / name))
    ]
    ours, theirs = unmeasured(read_record(folder)), unmeasured(read_record(whole))
    keys = [key for key in ours if key != "digest"]  # a digest is of what was measured, too
    return found + [f"run.json {key}" for key in keys if ours[key] != theirs[key]]


def same_bytes(one: Path, other: Path) -> bool:
    return one.read_bytes() == other.read_bytes()
