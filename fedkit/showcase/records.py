"""The shipped records: their names and settings; read as untrusted files, a damaged one refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fedkit.core.errors import FedkitError
from fedkit.core.files import REPOSITORY
from fedkit.core.record import Run

FOLDER = REPOSITORY / "data" / "showcase"
# how many of the bundled clients, in alphabetical order
CLIENT_COUNTS = (2, 3, 4, 5, 6)
LEVELS = {
    "none": "none",
    "eps8": "example:eps=8,trust=sum",
    "eps3": "example:eps=3,trust=sum",
    "eps1": "example:eps=1,trust=sum",
}
BASELINES = ("majority", "frozen-pooled", "frozen-local", "local", "pooled")
# with the live run's settings; the others train no encoder and are shared
LIVE_BASELINES = ("local", "pooled")
LIVE_TUNE, LIVE_ROUNDS = "lora:r=8,layers=2", 3  # under a minute on two cores
# of the runs behind the sliders: better than 20 on validation data, without privacy and at eps=8
ROUNDS = 30
LINK = "10mbps/40ms"
LANG = "FEDKIT_SHOWCASE_LANG"  # environment: the language that the page opens in
LARGEST = 2_000_000  # bytes of one file that are read


def federated_file(clients: int, level: str) -> str:
    """Return the file name of a federated run behind the sliders."""
    return f"n{clients}.federated.{level}.json"


def baseline_file(clients: int, name: str) -> str:
    """Return the file name of a baseline with so many clients."""
    return f"n{clients}.{name}.json"


def live_file(name: str) -> str:
    """Return the file name of a record with the live run's"""
    return f"live.{name}.json"


def all_files() -> list[str]:
    """Return the names of all shipped files."""
    sliders = [federated_file(n, level) for n in CLIENT_COUNTS for level in LEVELS]
    baselines = [baseline_file(n, name) for n in CLIENT_COUNTS for name in BASELINES]
    return [*sliders, *baselines, *(live_file(name) for name in ("federated", *LIVE_BASELINES))]


@dataclass(frozen=True)
class ShowcaseRecords:
    """The shipped records. records: {file name: record}, each finished and valid."""

    records: Mapping[str, Run]

    def federated(self, clients: int, level: str = "none") -> Run:
        """Return the federated run behind the sliders."""
        return self.records[federated_file(clients, level)]

    def baselines(self, clients: int) -> tuple[Run, ...]:
        """Return all baselines of a run behind the sliders."""
        return tuple(self.records[baseline_file(clients, name)] for name in BASELINES)

    @property
    def live(self) -> Run:
        """The record with the settings of the run that a visitor starts."""
        return self.records[live_file("federated")]

    def live_baselines(self) -> tuple[Run, ...]:
        """Return all baselines of the live run.

        Those that train have its settings; those that train no encoder are shared with the sliders.
        """
        own = {name: self.records[live_file(name)] for name in LIVE_BASELINES}
        most = CLIENT_COUNTS[-1]
        return tuple(own.get(name) or self.records[baseline_file(most, name)] for name in BASELINES)


def load_showcase_records(folder: Path = FOLDER) -> ShowcaseRecords:
    """Read all records of the showcase.

    Raises FedkitError for one that is missing, too large, damaged or unfinished.
    """
    return ShowcaseRecords({name: _read(Path(folder) / name) for name in all_files()})


def _read(path: Path) -> Run:
    name, remedy = path.name, "take it from a fresh clone"
    if not path.is_file():
        missing = f"the showcase's record {name} is not in {path.parent}"
        raise FedkitError(f"{missing}; run from a full clone of fedkit")
    if (size := path.stat().st_size) > LARGEST:
        large = f"{name} has {size:,} bytes, and at most {LARGEST:,} are read"
        raise FedkitError(f"{large}; {remedy}")
    run = Run.load(path)
    if not run.finished or not run.rounds:
        raise FedkitError(f"{name} is the record of a run that has not finished; {remedy}")
    return run
