"""Many runs of one plan, one after another: methods, settings and seeds; what is finished is never
made twice.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fedkit.core.config import MACHINE, RunConfig
from fedkit.core.errors import Cancelled, FedkitError
from fedkit.core.files import write_json
from fedkit.core.memory import give_memory_back
from fedkit.core.progress import Listener, Progress
from fedkit.core.record import Run
from fedkit.data.corpus import Corpus
from fedkit.data.load import load_corpus
from fedkit.data.partition import client_column
from fedkit.experiments.baselines import BASELINES, baseline
from fedkit.experiments.job import Job, check_config, prepare
from fedkit.experiments.plan import Entry, Plan, changed, parse_seeds, parse_vary, read_plan
from fedkit.experiments.runner import run
from fedkit.experiments.store import Store, check_place
from fedkit.federated.validation import check_budget, privacy_notes

__all__ = ["Plan", "sweep"]

SCHEMA, NAME = "fedkit.experiments.sweep/1", "sweep.json"
# settings that change neither the data nor the model in memory: runs that differ in these only
# share a job
IN_PASSING = (
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

PROMISES = ("privacy", "secure")  # they change neither, only what is checked and noted


def sweep(
    plan: Plan,
    out: str | Path,
    progress: Listener | None = None,
    cancel: threading.Event | None = None,
    tell: Callable[[str], None] = lambda text: None,
    costs: dict[str, float] | None = None,
) -> list[Run]:
    """Make every run of `plan` below `out` and return the finished records, in the plan's order.

    Finished runs in `out` are kept, a half-finished one goes on where it stopped. A combination
    that is refused is kept in out/sweep.json with its reason, told to `tell`, and the sweep goes
    on. progress: hears which run of how many, with the remaining time over all of them. costs:
    expected seconds by folder, see `estimate`. Raises FedkitError when `out` holds another plan, or
    when every run was refused; Cancelled when stopped.
    """
    out = Path(out)
    ledger = Ledger(plan, out)
    bench, clock = Bench(), RemainingTime(ledger.entries, ledger.waiting(), costs or {})
    records = []
    for place, entry in enumerate(ledger.entries, start=1):
        if cancel is not None and cancel.is_set():
            raise Cancelled(f"stopped before run {place} of {len(ledger.entries)}")
        clock.next(place, entry)
        ledger.note(entry, "running")
        try:
            records.append(
                _make(entry, out / entry.folder, bench, clock.listener(progress), cancel)
            )
            ledger.note(entry, "finished")
        except FedkitError as error:
            ledger.note(entry, "refused", str(error))
            tell(f"refused: {entry}: {error}")
    if not any(r.method == "federated" for r in records):
        raise FedkitError(
            "no run of this plan could be made; the first was refused because:"
            f" {ledger.reasons()[0]}"
        )
    return records


def read(out: Path) -> Plan:
    """The plan that the sweep in `out` began with. Raises FedkitError."""
    return Plan.from_dict(_ledger(out)["plan"])


def _ledger(out: Path) -> dict[str, Any]:
    path = out / NAME
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if (
            values["schema"] != SCHEMA
            or not isinstance(values["plan"], dict)
            or not isinstance(values["runs"], list)
        ):
            raise ValueError("it has not the form of a sweep")
        return values
    except FileNotFoundError:
        raise FedkitError(
            f"no sweep in {out}; give the folder that `fedkit sweep --out` wrote"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise FedkitError(f"cannot read {path}: {error}".splitlines()[0]) from None


def waiting(plan: Plan, out: Path) -> list[Entry]:
    """The runs of `plan` that are not finished in `out`. Raises FedkitError if another plan is
    there. Writes nothing.
    """
    return [e for e in _entries(plan, out) if not _finished(out / e.folder)]


def choose(
    path: Path | None,
    settings: dict[str, Any],
    vary: list[str],
    seeds: str | None,
    baselines: str | None,
    resumed: Path | None,
) -> Plan:
    """The plan that a command line means: a file's, or that of the sweep in `resumed`, with what
    was given beside it.

    seeds, baselines: with commas, 'none' for no baselines; None when not given. Raises FedkitError.
    """
    if resumed is not None:
        if path or settings.keys() - set(MACHINE) or vary or seeds or baselines:
            raise FedkitError(
                "--resume given with a plan or settings; --resume goes on with the plan that --out"
                " holds"
            )
        return replace_settings(read(resumed), settings)
    plan = Plan() if path is None else read_plan(path)
    return Plan(
        settings=plan.settings | settings,
        vary=plan.vary | parse_vary(vary),
        also=plan.also,
        seeds=parse_seeds(seeds) if seeds is not None else plan.seeds,
        baselines=plan.baselines if baselines is None else _baselines(baselines),
        name=plan.name,
    )


def replace_settings(plan: Plan, settings: dict[str, Any]) -> Plan:
    """The plan with other settings of the machine."""
    return replace(plan, settings=plan.settings | settings)


def refused(out: Path) -> list[dict[str, Any]]:
    """The runs in out/sweep.json that were refused, each with its reason."""
    return [run for run in _ledger(out)["runs"] if run["status"] == "refused"]


def progress_of(out: Path) -> tuple[int, int]:
    """(runs that are finished, all runs) of the sweep in `out`, baselines included."""
    runs = _ledger(out)["runs"]
    return sum(run["status"] == "finished" for run in runs), len(runs)


class Ledger:
    """out/sweep.json: the plan, and of every run its folder, settings, status and, when refused,
    the reason.
    """

    def __init__(self, plan: Plan, out: Path):
        self.plan, self.out = plan, out
        self.entries = _entries(plan, out)
        self.status = {
            e.folder: ("finished" if _finished(out / e.folder) else "waiting", "")
            for e in self.entries
        }
        check_place(out)
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FedkitError(
                f"cannot create {out}: {error.strerror}; choose another --out"
            ) from None
        self.save()

    def note(self, entry: Entry, status: str, reason: str = "") -> None:
        self.status[entry.folder] = (status, reason)
        self.save()

    def waiting(self) -> list[Entry]:
        return [e for e in self.entries if self.status[e.folder][0] != "finished"]

    def reasons(self) -> list[str]:
        return [reason for _, reason in self.status.values() if reason]

    def save(self) -> None:
        runs = [
            {
                "folder": e.folder,
                "baseline": e.baseline or None,
                "settings": e.given,
                "seed": e.config.seed,
                "status": self.status[e.folder][0],
                "reason": self.status[e.folder][1],
            }
            for e in self.entries
        ]
        write_json(self.out / NAME, {"schema": SCHEMA, "plan": self.plan.to_dict(), "runs": runs})


class Bench:
    """The corpus and the job last used: what the next run shares with them is not read or loaded
    again.
    """

    def __init__(self) -> None:
        self._corpus: tuple[Any, Corpus | None] = (None, None)
        self._job: tuple[Any, Job | None] = (None, None)

    def corpus(self, config: RunConfig) -> Corpus:
        column = client_column(config.partition, config.client)
        key = (config.data, config.text, config.label, column, config.encoding, config.seed)
        if self._corpus[0] != key:
            self._corpus = (None, None)
            self._corpus = (key, load_corpus(*key[:5], seed=config.seed))
        return self._corpus[1]

    def job(self, config: RunConfig) -> Job:
        """A job for `config`; runs that differ in their promise only share one, with the sentence
        vectors that it keeps.

        Raises FedkitError if it is refused.
        """
        check_config(config)
        key = {k: v for k, v in config.to_dict().items() if k not in (*IN_PASSING, *PROMISES)}
        if self._job[0] != key:
            self.drop()
            self._job = (
                key,
                prepare(replace(config, **dict.fromkeys(PROMISES, "none")), self.corpus(config)),
            )
        plain = self._job[1]
        check_budget(config, plain.clients)
        return replace(
            plain, config=config, notes=(*plain.notes, *privacy_notes(config, plain.clients))
        )

    def drop(self) -> None:
        """Forget the job and hand its memory back, so that the next run's peak memory is
        its own.
        """
        self._job = (None, None)
        give_memory_back()


@dataclass(frozen=True)
class SweepProgress(Progress):
    """A moment of a sweep: as a run's, with `stage` the run of how many, and `left` the seconds
    over all of them.
    """

    left: float | None = None

    def __str__(self) -> str:
        from fedkit.core.formatting import seconds

        one = (
            str(replace(self, remaining_seconds=None, left=None))
            if self.left is not None
            else super().__str__()
        )
        return one + ("" if self.left is None else f"  {seconds(self.left)} left for all")


class RemainingTime:
    """The remaining time of a sweep: elapsed time over the work done, times the work left."""

    def __init__(self, entries: list[Entry], waiting: list[Entry], costs: dict[str, float]):
        usual = sum(costs.values()) / len(costs) if costs else 1.0
        self.costs = {e.folder: costs.get(e.folder, usual) for e in waiting}
        self.work, self.left, self.now, self.started = (
            0.0,
            sum(self.costs.values()),
            0.0,
            time.monotonic(),
        )
        self.total, self.stage = len(entries), ""

    def next(self, place: int, entry: Entry) -> None:
        """The run `entry` begins; the one before has ended."""
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


def _make(
    entry: Entry,
    folder: Path,
    bench: Bench,
    progress: Listener | None,
    cancel: threading.Event | None,
) -> Run:
    """The run's record: read if it is finished, else gone on with, else made. Raises FedkitError,
    Cancelled.
    """
    there = (folder / "run.json").exists()
    if entry.baseline:
        if there:
            return Run.load(folder)
        store = Store(folder)
        store.begin(entry.config, resume=False)
        record = baseline(entry.baseline, bench.job(entry.config), progress, cancel)
        store.keep(record)
        return record
    if not there:
        return run(
            entry.config, folder, progress=progress, cancel=cancel, job=bench.job(entry.config)
        )
    corpus = None if _finished(folder) else bench.corpus(entry.config)
    if corpus is not None:
        bench.drop()
    return run(entry.config, folder, resume=True, corpus=corpus, progress=progress, cancel=cancel)


def _entries(plan: Plan, out: Path) -> list[Entry]:
    """The runs of `plan`, in the folders they have in `out`. Raises FedkitError if another plan is
    there.
    """
    if unknown := [name for name in plan.baselines if name not in BASELINES]:
        raise FedkitError(
            f"baseline {unknown[0]!r} is not known; choose from: {', '.join(BASELINES)}, or none"
        )
    if not (out / NAME).exists():
        return plan.entries()
    before = read(out)
    if difference := changed(before, plan):
        raise FedkitError(
            f"{out} holds another plan: {difference}; only additions go on in it, choose another"
            " --out"
        )
    return plan.entries({e.key: e.folder for e in before.entries()})


def _finished(folder: Path) -> bool:
    if not (folder / "run.json").exists():
        return False
    try:
        return Run.load(folder).finished
    except FedkitError:
        return False  # the run itself says what is wrong with it


def _baselines(text: str) -> tuple[str, ...]:
    return () if text == "none" else tuple(dict.fromkeys(name.strip() for name in text.split(",")))
