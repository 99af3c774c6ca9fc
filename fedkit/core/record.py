"""The run record `run.json`: written atomically after every round, read by everything else."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from fedkit.core.errors import FedkitError
from fedkit.core.files import write_json

SCHEMA = "fedkit.run/1"
NUMBER = (int, float, type(None))  # null stands for NaN
FIELD_TYPES: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "int": int,
    "float": NUMBER,
    "float | None": NUMBER,
    "dict[str, Any]": dict,
}
Record = TypeVar("Record", "ClientRecord", "RoundRecord", "Run")


@dataclass(frozen=True)
class ClientRecord:
    """One client in one round.

    status: ok | late | lost | rejected | away; `reason` says why it is not ok. work_seconds, delay
    and began become simulated time in `network.replay`.
    """

    id: str
    status: str = "ok"
    reason: str = ""
    examples: int = 0  # examples trained on, over all local epochs
    steps: int = 0  # gradient steps
    train_seconds: float = 0.0  # measured on the machine that ran
    uplink_bytes: int = 0  # length of what was serialised
    downlink_bytes: int = 0
    work_seconds: float | None = None  # modelled training seconds; None: train_seconds
    delay: float = 0.0  # simulated seconds that the upload hung
    staleness: int = 0  # server steps since the parameters it trained from
    began: float | None = None  # simulated seconds since round 1 began; None: with the round


@dataclass(frozen=True)
class RoundRecord:
    """One round. Accuracies are on the test set; choices are made on validation_accuracy."""

    round: int
    accuracy: float
    loss: float
    worst_client_accuracy: float
    validation_accuracy: float | None = None
    epsilon: float | None = None  # spent up to here; None: no differential privacy
    simulated_seconds: float | None = None  # modelled from link and device, not measured
    seconds: float = 0.0  # measured wall time of the round, evaluation included
    clients: tuple[ClientRecord, ...] = ()
    aggregation_error: float | None = None  # relative error of averaging; None: not measured
    # on test examples with each client's label mix
    client_accuracy: dict[str, Any] = field(default_factory=dict)
    # noise multiplier of what the server released in this round; None: no noise, or at the clients
    noise: float | None = None


@dataclass(frozen=True)
class Run:
    """A whole run, as in `run.json`: what plots, tables, sliders and briefs read.

    method: federated | pooled-lora | local-lora | ... (see `experiments.baselines.BASELINES`).
    start: the state before round 1 as a RoundRecord with round 0 (head start and its traffic), or
    None. result: {} until the run has finished.
    """

    method: str
    config: dict[str, Any]
    environment: dict[str, Any]
    data: dict[str, Any]
    model: dict[str, Any]
    start: RoundRecord | None = None
    rounds: tuple[RoundRecord, ...] = ()
    result: dict[str, Any] = field(default_factory=dict)
    schema: str = SCHEMA

    @property
    def finished(self) -> bool:
        return bool(self.result)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Run:
        """Rebuild a run from parsed JSON. Raises FedkitError when it is not a fedkit run record."""
        if not isinstance(values, dict) or values.get("schema") != SCHEMA:
            given = values.get("schema") if isinstance(values, dict) else None
            if isinstance(given, str):
                found = given[:40]
            else:
                found = type(values if given is None else given).__name__
            raise FedkitError(f"not a fedkit run record: schema is {found!r}, expected {SCHEMA!r}")
        try:
            values = dict(values)
            values["start"] = _parse_round(values["start"]) if values.get("start") else None
            values["rounds"] = tuple(_parse_round(r) for r in values["rounds"])
            return _check_types(cls(**values))
        except (TypeError, KeyError, AttributeError) as error:
            reason = " ".join(str(error).split())[:100]
            raise FedkitError(
                f"damaged run record ({reason}); run again, or resume from a good copy"
            ) from None

    def save(self, folder: str | Path) -> Path:
        """Write `run.json` into `folder` atomically and return its path."""
        return write_json(Path(folder) / "run.json", self.to_dict())

    @classmethod
    def load(cls, folder: str | Path) -> Run:
        """Read a run from its folder or from the file itself. Nothing in it is executed.

        Raises FedkitError when there is none, or when it cannot be read.
        """
        path = Path(folder)
        path = path / "run.json" if path.is_dir() else path
        if path.exists() and not path.is_file():  # a pipe or a device would be waited for
            raise FedkitError(
                f"cannot read {path}: not a file; give a folder that `fedkit run --out` wrote"
            )
        try:
            return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            raise FedkitError(
                f"cannot read {path}: not a run record; give a folder that `fedkit run --out` wrote"
            ) from None
        except FileNotFoundError:
            raise FedkitError(
                f"no run record at {folder}; give a folder that `fedkit run --out` wrote"
            ) from None
        except FedkitError:
            raise
        except (ValueError, OSError, RecursionError) as error:  # not JSON, or nested too deep
            raise FedkitError(f"cannot read {path}: {error}".splitlines()[0]) from None

    def to_frame(self):
        """Return one row per client and round as a pandas DataFrame."""
        import pandas as pd

        rows = []
        for r in ((self.start,) if self.start else ()) + self.rounds:
            shared = {k: v for k, v in asdict(r).items() if k not in ("clients", "client_accuracy")}
            rows += [
                shared | {"client": c.id} | {k: v for k, v in asdict(c).items() if k != "id"}
                for c in r.clients
            ]
        return pd.DataFrame(rows)

    def total(self, name: str, rounds: Iterable[RoundRecord] | None = None) -> float:
        """Return the sum of a ClientRecord field over all clients, of `rounds` or of the whole run
        with its start.
        """
        if rounds is None:
            rounds = ((self.start,) if self.start else ()) + self.rounds
        return sum(getattr(c, name) for r in rounds for c in r.clients)


def load_runs(paths: list[Path]) -> list[Run]:
    """Load the runs at `paths`, each once; a path is a run folder or a folder of run folders.

    Raises FedkitError for a path without any.
    """
    found: dict[Path, Run] = {}
    for path in paths:
        below = [path]
        # a sweep keeps its baselines one folder deeper
        if path.is_dir() and not (path / "run.json").exists():
            below = sorted(path.glob("*/run.json")) + sorted(path.glob("baselines-*/*/run.json"))
        if not below:
            raise FedkitError(
                f"no run record in {path}; give folders that `fedkit run` or `fedkit baselines`"
                " wrote"
            )
        for place in below:
            found.setdefault(place.resolve(), Run.load(place))
    return list(found.values())


def _parse_round(values: dict[str, Any]) -> RoundRecord:
    clients = tuple(_check_types(ClientRecord(**c)) for c in values["clients"])
    return _check_types(RoundRecord(**{**values, "clients": clients}))


def _check_types(record: Record) -> Record:
    """Return `record` if its fields have the declared types. Raises TypeError naming the field."""
    for f in fields(record):
        value, types = getattr(record, f.name), FIELD_TYPES.get(str(f.type))
        if types and not (isinstance(value, types) and type(value) is not bool):
            raise TypeError(f"{f.name} is {type(value).__name__}, expected {f.type}")
    return record
