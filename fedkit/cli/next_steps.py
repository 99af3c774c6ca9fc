"""The next command lines, ready to paste, after a run, after baselines or after a stop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fedkit.core.commands import command_line, quote_command
from fedkit.core.config import RunConfig
from fedkit.core.record import Run

UNPROTECTED = (
    "keep to yourself: runs without privacy, baselines too, hold exact counts of this data, and"
    " giving them away undoes the promise"
)


def after_run(config: RunConfig, out: Path) -> list[str]:
    """Return commands: baselines on the same data unless they are there, and the comparison."""
    sibling = _with_ending(out, "-baselines")
    there = any(sibling.glob("*/run.json"))
    steps = (
        []
        if there
        else [
            command_line(
                "baselines", replace(config, privacy="none", secure="none"), "--out", sibling
            )
        ]
    )
    open_run = _with_ending(out, "-open")
    if config.privacy != "none" and not (open_run / "run.json").exists():  # what the noise costs
        steps.append(
            command_line("run", replace(config, privacy="none", secure="none"), "--out", open_run)
        )
    if config.privacy == "none":
        return _numbered(*steps, *_compare_commands(out, sibling))
    # the brief is of the private run alone: the open one would be the better of the two
    compare, _ = _compare_commands(out, open_run, sibling)
    _, brief = _compare_commands(out, sibling)
    return [*_numbered(*steps, compare, brief), UNPROTECTED]


def after_baselines(config: RunConfig, out: Path) -> list[str]:
    """Return commands: the run on the same data unless it is there, and the comparison."""
    sibling = (
        out.with_name(out.name.removesuffix("-baselines"))
        if out.name.endswith("-baselines")
        else out
    )
    sibling = _with_ending(out, "-run") if sibling.name in ("", out.name) else sibling
    steps = (
        [] if (sibling / "run.json").exists() else [command_line("run", config, "--out", sibling)]
    )
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
    command = quote_command("fedkit", "run", "--resume", *again, "--out", out)
    return f"stopped; {kept}; go on with: {command}"


def after_stopped_baselines(out: Path, names: list[str] | None) -> str:
    """Return which baselines were finished before a stop, and how to continue."""
    kept = [
        p.parent.name
        for p in sorted(out.glob("*/run.json"))
        if names is None or p.parent.name in names
    ]
    if not kept:
        return "stopped before the first baseline was finished; start again"
    which = ["--which", ",".join(names)] if names else []
    again = quote_command("fedkit", "baselines", "--resume", "--out", out, *which)
    return f"stopped; finished and kept in {out}: {', '.join(kept)}; go on with: {again}"


def after_sweep(out: Path) -> list[str]:
    """Return the command that writes the page that compares a sweep's runs."""
    return _numbered(quote_command("fedkit", "compare", out, "--html", out / "compare.html"))


def after_stopped_sweep(out: Path | None) -> str:
    """Return what a stopped sweep left in `out`, and how to continue it."""
    if out is None or not (out / "sweep.json").exists():
        return "stopped before the first run was begun; start again"
    from fedkit.experiments.sweep import count_finished

    done, total = count_finished(out)
    return (
        f"stopped; {done} of {total} runs are finished and kept in {out}; go on with: "
        + quote_command("fedkit", "sweep", "--resume", "--out", out)
    )


def after_stopped_demo(out: Path) -> str:
    """Return what a stopped demo left in `out`, and how to continue it."""
    kept = [p.parent.name for p in sorted(out.glob("*/run.json"))]
    if not kept:
        return "stopped before the first record was written; start again"
    again = quote_command("fedkit", "demo", "--resume", "--out", out)
    look = f" (look: {quote_command('fedkit', 'compare', out)})"
    return f"stopped; kept in {out}: {', '.join(kept)}{look}; go on with: {again}"


def _numbered(*commands: str) -> list[str]:
    return [f"{'next' if i == 0 else 'then'}: {line}" for i, line in enumerate(commands)]


def _with_ending(path: Path, ending: str) -> Path:
    """Return a sibling of `path`; below it where it has no name, such as '.'."""
    return (
        path / ending.strip("-") if path.name in ("", "..") else path.with_name(path.name + ending)
    )
