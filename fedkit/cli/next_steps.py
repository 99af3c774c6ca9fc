"""What to type next: exact command lines, ready to paste, after a run, after baselines, after a
stop.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fedkit.core.commands import command, shown
from fedkit.core.config import RunConfig
from fedkit.core.record import Run


def after_run(config: RunConfig, out: Path) -> list[str]:
    """The baselines on the same data, unless they are there, and the comparison."""
    beside = _with_ending(out, "-baselines")
    there = any(beside.glob("*/run.json"))
    steps = (
        []
        if there
        else [command("baselines", replace(config, privacy="none", secure="none"), "--out", beside)]
    )
    open_run = _with_ending(out, "-open")
    if config.privacy != "none" and not (open_run / "run.json").exists():  # what the noise costs
        steps.append(
            command("run", replace(config, privacy="none", secure="none"), "--out", open_run)
        )
    others = [open_run] if config.privacy != "none" else []
    return _listed(*steps, *_judged(out, *others, beside))


def after_baselines(config: RunConfig, out: Path) -> list[str]:
    """The federated run on the same data, unless it is there, and the comparison."""
    beside = (
        out.with_name(out.name.removesuffix("-baselines"))
        if out.name.endswith("-baselines")
        else out
    )
    beside = _with_ending(out, "-run") if beside.name in ("", out.name) else beside
    steps = [] if (beside / "run.json").exists() else [command("run", config, "--out", beside)]
    return _listed(*steps, *_judged(beside, out))


def _judged(*folders: Path) -> list[str]:
    """The comparison of what is in these folders, and the decision."""
    return [
        shown("fedkit", "compare", *folders),
        shown("fedkit", "brief", *folders, "--out", _with_ending(folders[0], "-brief")),
    ]


def after_stop(out: Path) -> str:
    """What a stopped run left in `out`, and how to go on with it."""
    if not (out / "run.json").exists():
        return "stopped before the first record was written; start again"
    record = Run.load(out)
    kept = f"{len(record.rounds)} of {record.config.get('rounds')} rounds are kept in {out}"
    return f"stopped; {kept}; go on with: {shown('fedkit', 'run', '--resume', '--out', out)}"


def after_stopped_baselines(out: Path, names: list[str] | None) -> str:
    """Which baselines a stop left whole."""
    kept = [
        p.parent.name
        for p in sorted(out.glob("*/run.json"))
        if names is None or p.parent.name in names
    ]
    return (
        f"stopped; finished and kept in {out}: {', '.join(kept) or 'none'}; choose the others with"
        " --which"
    )


def after_sweep(out: Path) -> list[str]:
    """The page that compares a sweep's runs."""
    return _listed(shown("fedkit", "compare", out, "--html", out / "compare.html"))


def after_stopped_sweep(out: Path | None) -> str:
    """What a stopped sweep left in `out`, and how to go on with it."""
    if out is None or not (out / "sweep.json").exists():
        return "stopped before the first run was begun; start again"
    from fedkit.experiments.sweep import progress_of

    done, total = progress_of(out)
    return f"stopped; {done} of {total} runs are finished and kept in {out}; go on with: " + shown(
        "fedkit", "sweep", "--resume", "--out", out
    )


def after_stopped_demo(out: Path) -> str:
    """What a stopped demo left in `out`."""
    kept = [p.parent.name for p in sorted(out.glob("*/run.json"))]
    again = shown("fedkit", "demo", "--out", out)
    look = f" (look: {shown('fedkit', 'compare', out)})" if kept else ""
    return (
        f"stopped; kept in {out}: {', '.join(kept) or 'nothing yet'}{look}; start anew with:"
        f" {again}"
    )


def _listed(*commands: str) -> list[str]:
    return [f"{'next' if i == 0 else 'then'}: {line}" for i, line in enumerate(commands)]


def _with_ending(path: Path, ending: str) -> Path:
    """A sibling of `path`; below it where it has no name, such as '.'."""
    return (
        path / ending.strip("-") if path.name in ("", "..") else path.with_name(path.name + ending)
    )
