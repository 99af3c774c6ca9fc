"""Runs in a process of its own that is killed, and what must be left when they have gone on."""

from __future__ import annotations

import json
import os
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
    left, write = half[1] if half else 0, Path.write_bytes

    def write_bytes(path, data):
        nonlocal left
        if half and path.name == half[0]:
            left -= 1
            if left == 0:
                write(path, data[: len(data) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
        return write(path, data)

    Path.write_bytes = write_bytes
    raise SystemExit(main(argv))
