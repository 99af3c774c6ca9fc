"""The demo: train centralized, every client alone and federated on one data set; write a page."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fedkit.cli.console import TEXT
from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.files import LOCK, leftovers, read_json, refuse_links, write_json
from fedkit.core.progress import Listener
from fedkit.core.record import Run
from fedkit.experiments.baselines import baseline, find_baseline
from fedkit.experiments.job import Job, prepare
from fedkit.experiments.runner import run
from fedkit.experiments.store import ADAPTER_FILES, Store, check_sources, check_writable

# what is printed before each group: records in the order in which they are made
STEPS: dict[str, list[str]] = TEXT["demo"]
NAMES = [name for names in STEPS.values() for name in names]
PAGE = "index.html"
MARK, SCHEMA = "demo.json", "fedkit.demo/1"  # marks a folder that a demo wrote and may replace
RECORD_FILES = ("run.json", *ADAPTER_FILES, "state/round-*.safetensors")


def run_demo(
    out: Path,
    config: RunConfig,
    progress: Listener | None = None,
    tell: Callable[[str], None] = lambda text: None,
    resume: bool = False,
) -> tuple[Path, list[str], dict[str, Any]]:
    """Run everything into `out` and return (the page, lines to print, the same as values).

    tell: called with each next step. An earlier demo in `out` is replaced: the files a demo writes,
    and no other. Records are written as they are finished; resume: keep those, and go on with the
    federated run. Raises FedkitError if `out` holds anything that no demo wrote, or, to go on with,
    records of other settings or data.
    """
    from fedkit.reports.report import write_report
    from fedkit.results.findings import verdict
    from fedkit.results.scoreboard import scoreboard, to_text

    began = time.perf_counter()
    check_folder(out)
    runs = []
    with Store(out).lock():
        for name in NAMES:
            refuse_links(out / name, out)
        names = [n for n in NAMES if resume and n != "federated"]
        kept = {n: find_baseline(n, config, out, resume) for n in names}
        job = prepare(config)
        for record in filter(None, kept.values()):
            check_sources(record, job)
        if not (resume and _is_marked(out)):
            clear_folder(out)
        for number, (words, names) in enumerate(STEPS.items(), start=1):
            tell(f"{number} of {len(STEPS)}  {words}")
            done = [kept.get(name) or _make_record(name, job, out, progress) for name in names]
            tell(f"        right on the test texts: {', '.join(map(_accuracy_text, done))}")
            runs += done
        title = f"Would these {len(job.clients)} companies gain from learning together?"
        page = write_report(runs, out / PAGE, title)
    seconds = time.perf_counter() - began
    table, words = scoreboard(runs), verdict(runs)
    lines = [to_text(table), *words, "", f"the job took {seconds:.0f} seconds; records: {out}"]
    values = {"page": str(page), "seconds": seconds, "verdict": words}
    return page, lines, values | {"scoreboard": table.to_dict(orient="records")}


def _make_record(name: str, job: Job, out: Path, progress: Listener | None) -> Run:
    if name == "federated":
        # an unfinished run goes on in the number format that it began with: by a job of its own
        begun = (out / name / "run.json").exists()
        return run(job.config, out / name, begun, progress=progress, job=None if begun else job)
    return baseline(name, job, progress, None, out / name)


def _accuracy_text(record: Run) -> str:
    return f"{100 * record.result['accuracy']:.1f} % ({record.method})"


def check_folder(out: Path) -> None:
    """Raise FedkitError unless `out` can be written and is new, empty or an earlier demo's."""
    check_writable(out)
    if out.is_dir() and {p.name for p in out.iterdir()} - {LOCK} and not _is_marked(out):
        raise FedkitError(
            f"{out} holds files that no demo wrote;"
            " give a new or an empty folder: fedkit demo --out DIR"
        )


def _is_marked(out: Path) -> bool:
    try:
        return read_json(out / MARK)["schema"] == SCHEMA
    except (OSError, ValueError, TypeError, LookupError):
        return False


def clear_folder(out: Path) -> None:
    """Remove what an earlier demo wrote, by name and no other, and mark the folder as a demo's."""
    try:
        for path in _demo_files(out):
            path.unlink()
        for folder in (out / name / part for name in NAMES for part in ("state", "")):
            if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
                folder.rmdir()
        write_json(out / MARK, {"schema": SCHEMA, "records": NAMES, "page": PAGE})
    except OSError as error:
        raise FedkitError(
            f"cannot write to {out}: {error.strerror or error}; choose another --out"
        ) from None


def _demo_files(out: Path) -> list[Path]:
    """Return the files in `out` with names that a demo writes, none behind a link elsewhere."""
    patterns = [PAGE, *(f"{name}/{mine}" for name in NAMES for mine in RECORD_FILES)]
    found = [p for pattern in patterns for p in (*out.glob(pattern), *leftovers(out / pattern))]
    real = out.resolve()
    places = {p.parent: p.parent.resolve() == real / p.parent.relative_to(out) for p in found}
    return [p for p in found if p.is_file() and places[p.parent]]
