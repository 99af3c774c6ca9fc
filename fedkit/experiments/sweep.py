"""Make the runs of a plan one after another; finished runs are never made twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fedkit.core.config import MACHINE_SETTINGS, RunConfig
from fedkit.core.errors import Cancelled, FedkitError
from fedkit.core.files import read_json, refuse_links, write_json
from fedkit.core.formatting import one_line_error, seconds
from fedkit.core.memory import release_free_memory
from fedkit.core.progress import Listener, Progress
from fedkit.core.record import Run
from fedkit.data.corpus import Corpus
from fedkit.data.load import load_corpus
from fedkit.experiments.baselines import BASELINES, baseline
from fedkit.experiments.job import Job, check_config, check_names, corpus_settings, prepare
from fedkit.experiments.plan import Entry, Plan, describe_change, parse_seeds, parse_vary, read_plan
from fedkit.experiments.runner import run
from fedkit.experiments.store import Store
from fedkit.federated.validation import check_budget, privacy_notes

__all__ = ["Plan", "sweep"]

SCHEMA, NAME = "fedkit.sweep/1", "sweep.json"
# runs that differ in these settings only share a job: data and model are the same
SHARED_JOB_SETTINGS = (
    "rounds",
    "local_epochs",
    "batch_size",
    "lr",
    "head_lr",
    "clip_norm",
    "strategy",
    "link",
    "devices",
)
# settings that change only the checks and notes of a job
PROMISES = ("privacy", "secure")


def sweep(
    plan: Plan,
    out: str | Path,
    progress: Listener | None = None,
    cancel: threading.Event | None = None,
    tell: Callable[[str], None] = lambda text: None,
    costs: dict[str, float] | None = None,
) -> list[Run]:
    """Make every run of `plan` below `out` and return the finished records, in the plan's order.

    Finished runs in `out` are kept, an unfinished one is resumed. A combination that is refused is
    written to out/sweep.json with its reason and passed to `tell`, and the sweep continues.
    progress: called with the number of the run and the remaining time of the sweep. costs: expected
    seconds by folder, see `estimate`. Raises FedkitError when `out` holds another plan, or when
    every run was refused; Cancelled when stopped.
    """
    out = Path(out)
    with Store(out).lock():
        ledger = Ledger(plan, out)
        jobs, clock = JobCache(), RemainingTime(ledger.entries, ledger.unfinished(), costs or {})
        records = []
        for place, entry in enumerate(ledger.entries, start=1):
            if cancel is not None and cancel.is_set():
                raise Cancelled(f"stopped before run {place} of {len(ledger.entries)}")
            clock.start_run(place, entry)
            ledger.set_status(entry, "running")
            try:
                refuse_links(out / entry.folder, out)
                heard = clock.listener(progress)
                records.append(_make_run(entry, out / entry.folder, jobs, heard, cancel, tell))
                ledger.set_status(entry, "finished")
            except FedkitError as error:
                ledger.set_status(entry, "refused", str(error))
                tell(f"refused: {entry}: {error}")
        if not any(r.method == "federated" for r in records):
            reason = next(reason for _, reason in ledger.status.values() if reason)
            raise FedkitError(
                f"no run of this plan could be made; the first was refused because: {reason}"
            )
        return records


def read_sweep_plan(out: Path) -> Plan:
    """Return the plan of the sweep in `out`. Raises FedkitError."""
    return Plan.from_dict(_ledger(out)["plan"])


def _ledger(out: Path) -> dict[str, Any]:
    path = out / NAME
    try:
        values = read_json(path)
        whole = [values["plan"], *values["runs"]]
        if values["schema"] != SCHEMA or not all(isinstance(part, dict) for part in whole):
            raise ValueError("it has not the form of a sweep")
        return values
    except FileNotFoundError:
        raise FedkitError(
            f"no sweep in {out}; give the folder that `fedkit sweep --out` wrote"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FedkitError(f"cannot read {path}: {one_line_error(error)}") from None


def unfinished_entries(plan: Plan, out: Path) -> list[Entry]:
    """Return the runs of `plan` not finished in `out`; FedkitError if it holds another plan."""
    return [e for e in _entries(plan, out) if not _finished(out / e.folder)]


def choose_plan(
    path: Path | None,
    settings: dict[str, Any],
    vary: list[str],
    seeds: str | None,
    baselines: str | None,
    resumed: Path | None,
) -> Plan:
    """Return the plan of a command line: a file, or the plan of the sweep in `resumed`, and flags.

    seeds, baselines: with commas, 'none' for no baselines; None when not given. Raises FedkitError.
    """
    if resumed is not None:
        others = settings.keys() - {*MACHINE_SETTINGS, "data", "model"}
        if path or others or vary or seeds or baselines:
            raise FedkitError(
                "--resume given with a plan or settings; --resume goes on with the plan that --out"
                " holds"
            )
        plan = read_sweep_plan(resumed)
        plan = replace(plan, settings=plan.settings | settings)
        for entry in unfinished_entries(plan, resumed):
            check_names(entry.config, settings)
        return plan
    if not (path or vary or seeds):
        raise FedkitError(
            "nothing to vary given; add --vary tune=head, --seeds 0,1,2, or a file: PLAN.toml"
        )
    plan = Plan() if path is None else read_plan(path)
    names = () if baselines in (None, "none") else (n.strip() for n in baselines.split(","))
    return replace(
        plan,
        settings=plan.settings | settings,
        vary=plan.vary | parse_vary(vary),
        seeds=plan.seeds if seeds is None else parse_seeds(seeds),
        baselines=plan.baselines if baselines is None else tuple(dict.fromkeys(names)),
    )


def refused_runs(out: Path) -> list[dict[str, Any]]:
    """Return the runs in out/sweep.json that were refused, each with its reason."""
    return [run for run in _ledger(out)["runs"] if run.get("status") == "refused"]


def count_finished(out: Path) -> tuple[int, int]:
    """Return (finished runs, all runs) of the sweep in `out`, baselines included."""
    runs = _ledger(out)["runs"]
    return sum(run.get("status") == "finished" for run in runs), len(runs)


class Ledger:
    """The file out/sweep.json: the plan, and of every run its state, and why it was refused."""

    def __init__(self, plan: Plan, out: Path):
        self.plan, self.out, self.entries = plan, out, _entries(plan, out)
        states = {True: ("finished", ""), False: ("waiting", "")}
        self.status = {e.folder: states[_finished(out / e.folder)] for e in self.entries}
        self.save()

    def set_status(self, entry: Entry, status: str, reason: str = "") -> None:
        self.status[entry.folder] = (status, reason)
        self.save()

    def unfinished(self) -> list[Entry]:
        return [e for e in self.entries if self.status[e.folder][0] != "finished"]

    def save(self) -> None:
        runs = []
        for e in self.entries:
            status, reason = self.status[e.folder]
            run = {"folder": e.folder, "baseline": e.baseline or None, "settings": e.given}
            runs.append(run | {"seed": e.config.seed, "status": status, "reason": reason})
        write_json(self.out / NAME, {"schema": SCHEMA, "plan": self.plan.to_dict(), "runs": runs})


class JobCache:
    """The corpus and the job that were used last, of which the next run shares what it can."""

    def __init__(self) -> None:
        self._corpus: tuple[Any, Corpus | None] = (None, None)
        self._job: tuple[Any, Job | None] = (None, None)

    def corpus(self, config: RunConfig) -> Corpus:
        if self._corpus[0] != (key := corpus_settings(config)):
            self._corpus = (None, None)
            self._corpus = (key, load_corpus(**key))
        return self._corpus[1]

    def job(self, config: RunConfig) -> Job:
        """Return a job for `config`; FedkitError if it is refused.

        Runs that differ in their privacy only share a job, with its cached sentence vectors.
        """
        check_config(config)
        shared = (*SHARED_JOB_SETTINGS, *PROMISES)
        key = {k: v for k, v in config.to_dict().items() if k not in shared}
        if self._job[0] != key:
            self.drop_job()
            open_config = replace(config, **dict.fromkeys(PROMISES, "none"))
            self._job = (key, prepare(open_config, self.corpus(config)))
        plain = self._job[1]
        check_budget(config, plain.clients)
        notes = (*plain.notes, *privacy_notes(config, plain.clients))
        return replace(plain, config=config, notes=notes)

    def drop_job(self) -> None:
        """Free the job and its memory, so that the peak memory of the next run is its own."""
        self._job = (None, None)
        release_free_memory()


@dataclass(frozen=True)
class SweepProgress(Progress):
    """The progress of a run within a sweep. left: the seconds left for all runs."""

    left: float | None = None

    def __str__(self) -> str:
        if self.left is None:
            return super().__str__()
        one = replace(self, remaining_seconds=None, left=None)
        return f"{one}  {seconds(self.left)} left for all"


class RemainingTime:
    """The remaining time of a sweep: elapsed time over the work done, times the work left."""

    def __init__(self, entries: list[Entry], waiting: list[Entry], costs: dict[str, float]):
        usual = sum(costs.values()) / len(costs) if costs else 1.0
        self.costs = {e.folder: costs.get(e.folder, usual) for e in waiting}
        self.work, self.left, self.now = 0.0, sum(self.costs.values()), 0.0
        self.started = time.monotonic()
        self.total, self.stage = len(entries), ""

    def start_run(self, place: int, entry: Entry) -> None:
        """Start counting the run `entry`; the one before has ended."""
        self.work, self.now = self.work + self.now, self.costs.get(entry.folder, 0.0)
        self.left -= self.now
        self.stage = f"run {place}/{self.total} {entry}"

    def listener(self, progress: Listener | None) -> Listener | None:
        def hear(now: Progress) -> None:
            done = self.work + now.done * self.now
            elapsed = time.monotonic() - self.started
            rest = self.left + (1 - now.done) * self.now
            left = elapsed / done * rest if done > 0 and elapsed > 1 else None
            progress(SweepProgress(**{**vars(now), "stage": self.stage}, left=left))

        return hear if progress else None


def _make_run(
    entry: Entry,
    folder: Path,
    jobs: JobCache,
    progress: Listener | None,
    cancel: threading.Event | None,
    tell: Callable[[str], None],
) -> Run:
    """Return the record of a run: read if it is finished, else resumed, else made."""
    there = (folder / "run.json").exists()
    if entry.baseline:
        if there:
            return Run.load(folder)
        Store(folder).previous_record(entry.config, resume=False)
        return baseline(entry.baseline, jobs.job(entry.config), progress, cancel, folder)
    if not there:
        job = jobs.job(entry.config)
        return run(entry.config, folder, progress=progress, cancel=cancel, job=job, tell=tell)
    corpus = None if _finished(folder) else jobs.corpus(entry.config)
    if corpus is not None:
        jobs.drop_job()
    return run(entry.config, folder, True, corpus, progress, cancel, tell=tell)


def _entries(plan: Plan, out: Path) -> list[Entry]:
    """Return the runs of `plan`, in their folders in `out`; FedkitError if it holds another."""
    if unknown := [name for name in plan.baselines if name not in BASELINES]:
        raise FedkitError(
            f"baseline {unknown[0]!r} is not known; choose from: {', '.join(BASELINES)}, or none"
        )
    if not (out / NAME).exists():
        return plan.entries()
    before = read_sweep_plan(out)
    if difference := describe_change(before, plan):
        raise FedkitError(
            f"{out} holds another plan: {difference}; only additions go on in it, choose another"
            " --out"
        )
    return plan.entries({e.key: e.folder for e in before.entries()})


def _finished(folder: Path) -> bool:
    with suppress(FedkitError):  # the run will report what is wrong with it
        return (folder / "run.json").exists() and Run.load(folder).finished
    return False
