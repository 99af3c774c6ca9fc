"""The shipped records, read as untrusted files: nothing is executed, a damaged one is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fedkit.core.errors import FedkitError
from fedkit.core.record import Run
from fedkit.showcase import settings

LARGEST = 2_000_000  # bytes of one file that are read


@dataclass(frozen=True)
class ShowcaseRecords:
    """The shipped records. records: {file name: record}, each finished and valid."""

    records: Mapping[str, Run]

    def federated(self, clients: int, level: str = "none") -> Run:
        """Return the federated run behind the sliders."""
        return self.records[settings.federated_file(clients, level)]

    def baselines(self, clients: int) -> tuple[Run, ...]:
        """Return all baselines of a run behind the sliders."""
        return tuple(
            self.records[settings.baseline_file(clients, name)] for name in settings.BASELINES
        )

    @property
    def live(self) -> Run:
        """The record with the settings of the run that a visitor starts."""
        return self.records[settings.live_file("federated")]

    def live_baselines(self) -> tuple[Run, ...]:
        """Return all baselines of the live run.

        Those that train have its settings; those that train no encoder are shared with the sliders.
        """
        own = {name: self.records[settings.live_file(name)] for name in settings.LIVE_BASELINES}
        most = settings.CLIENT_COUNTS[-1]
        return tuple(
            own.get(name) or self.records[settings.baseline_file(most, name)]
            for name in settings.BASELINES
        )


def load_showcase_records(folder: Path = settings.FOLDER) -> ShowcaseRecords:
    """Read all records of the showcase.

    Raises FedkitError for one that is missing, too large, damaged or unfinished.
    """
    return ShowcaseRecords({name: _read(Path(folder) / name) for name in settings.all_files()})


def _read(path: Path) -> Run:
    if not path.is_file():
        raise FedkitError(
            f"the showcase's record {path.name} is not in {path.parent};"
            " run from a full clone of fedkit"
        )
    if (size := path.stat().st_size) > LARGEST:
        raise FedkitError(
            f"{path.name} has {size:,} bytes, and at most {LARGEST:,} are read;"
            " take it from a fresh clone"
        )
    run = Run.load(path)
    if not run.finished or not run.rounds:
        raise FedkitError(
            f"{path.name} is the record of a run that has not finished; take it from a fresh clone"
        )
    return run
