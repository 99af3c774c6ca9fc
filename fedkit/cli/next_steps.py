"""The next command lines, ready to paste, after a run, after baselines or after a stop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fedkit.cli.console import TEXT
from fedkit.core.commands import command_line, quote_command
from fedkit.core.config import RunConfig
from fedkit.core.record import Run


def after_run(config: RunConfig, out: Path) -> list[str]:
    """Return commands: baselines on the same data unless they are there, and the comparison."""
    sibling, open_run, steps = _with_ending(out, "-baselines"), _with_ending(out, "-open"), []
    unprotected = replace(config, privacy="none", secure="none")
    if not any(sibling.glob("*/run.json")):
        steps.append(command_line("baselines", unprotected, "--out", sibling))
    if config.privacy == "none":
        return _numbered(*steps, *_compare_commands(out, sibling))
    if not (open_run / "run.json").exists():  # what the noise costs
        steps.append(command_line("run", unprotected, "--out", open_run))
    # the brief is of the private run alone: the open one would be the better of the two
    compare, _ = _compare_commands(out, open_run, sibling)
    _, brief = _compare_commands(out, sibling)
    return [*_numbered(*steps, compare, brief), TEXT["privacy"]["unprotected"]]


def after_baselines(config: RunConfig, out: Path) -> list[str]:
    """Return commands: the run on the same data unless it is there, and the comparison."""
    name = out.name.removesuffix("-baselines")
    sibling = _with_ending(out, "-run") if name in ("", out.name) else out.with_name(name)
    run = command_line("run", config, "--out", sibling)
    steps = [] if (sibling / "run.json").exists() else [run]
    return _numbered(*steps, *_compare_commands(sibling, out))


def _compare_commands(*folders: Path) -> list[str]:
    """Return the commands that compare these folders and write the brief."""
    return [
        quote_command("fedkit", "compare", *folders),
        quote_command("fedkit", "brief", *folders, "--out", _with_ending(folders[0], "-brief")),
    ]


def after_stop(out: Path) -> str:
    """Return what a stopped run left in `out`, and how to continue it."""
    if not (out / "run.json").exists():
        return "stopped before the first record was written; start again"
    from fedkit.experiments.job import fetched_names

    record = Run.load(out)
    kept = f"{len(record.rounds)} of {record.config.get('rounds')} rounds are kept in {out}"
    fetched = fetched_names(RunConfig.from_dict(record.config))  # have to be repeated
    again = [word for name, value in fetched.items() for word in (f"--{name}", value)]
    return _stopped(kept, "run", "--resume", *again, "--out", out)


def after_stopped_baselines(out: Path, names: list[str] | None) -> str:
    """Return which baselines were finished before a stop, and how to continue."""
    kept = [name for name in _kept(out) if names is None or name in names]
    if not kept:
        return "stopped before the first baseline was finished; start again"
    which = ["--which", ",".join(names)] if names else []
    finished = f"finished and kept in {out}: {', '.join(kept)}"
    return _stopped(finished, "baselines", "--resume", "--out", out, *which)


def after_sweep(out: Path) -> list[str]:
    """Return the command that writes the page that compares a sweep's runs."""
    return _numbered(quote_command("fedkit", "compare", out, "--html", out / "compare.html"))


def after_stopped_sweep(out: Path | None) -> str:
    """Return what a stopped sweep left in `out`, and how to continue it."""
    if out is None or not (out / "sweep.json").exists():
        return "stopped before the first run was begun; start again"
    from fedkit.experiments.sweep import count_finished

    done, total = count_finished(out)
    kept = f"{done} of {total} runs are finished and kept in {out}"
    return _stopped(kept, "sweep", "--resume", "--out", out)


def after_stopped_demo(out: Path) -> str:
    """Return what a stopped demo left in `out`, and how to continue it."""
    if not (kept := _kept(out)):
        return "stopped before the first record was written; start again"
    look = f" (look: {quote_command('fedkit', 'compare', out)})"
    return _stopped(f"kept in {out}: {', '.join(kept)}{look}", "demo", "--resume", "--out", out)


def _stopped(kept: str, *words: str | Path) -> str:
    return f"stopped; {kept}; go on with: {quote_command('fedkit', *words)}"


def _kept(out: Path) -> list[str]:
    """Return the names of the records in the folders of `out`."""
    return [path.parent.name for path in sorted(out.glob("*/run.json"))]


def _numbered(*commands: str) -> list[str]:
    return [f"{'next' if i == 0 else 'then'}: {line}" for i, line in enumerate(commands)]


def _with_ending(path: Path, ending: str) -> Path:
    """Return a sibling of `path`; below it where it has no name, such as '.'."""
    return (
        path / ending.strip("-") if path.name in ("", "..") else path.with_name(path.name + ending)
    )
