"""The run record `run.json`: written atomically after every round, read by everything else."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Required

import pydantic
from annotated_types import Ge, Le
from pydantic import Field, Strict, TypeAdapter, with_config
from typing_extensions import TypedDict

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.files import file_sha256, nan_to_none, read_json, write_json
from fedkit.core.formatting import one_line_error, printable_line

SCHEMA = "fedkit.run/1"
LARGEST = 10**18  # bytes, seconds, examples: beyond this a record is wrong
MAX_BYTES = 2**28  # of a run.json: about a million visits
CHECKED: Any = {"extra": "forbid", "revalidate_instances": "always"}  # of the classes below

# a file name that is not UTF-8 is a str with lone surrogates, which pydantic's own str refuses
Text = pydantic.InstanceOf[str]
Count = Annotated[int, Strict(), Ge(0), Le(LARGEST)]
# files write NaN as null, and `read_json` refuses it: it only comes from this process
NAN = pydantic.WrapValidator(lambda value, check: value if value != value else check(value))
Number = Annotated[float, Strict(), pydantic.AllowInfNan(False), NAN]
Amount = Annotated[float, Strict(), Ge(0), Le(LARGEST), NAN]
Share = Annotated[float, Strict(), Ge(0), Le(1), NAN]
NULL = pydantic.BeforeValidator(lambda value: math.nan if value is None else value)


FileName = Annotated[str, Field(pattern=r"^(\w[\w.-]*/)*\w[\w.-]*$")]  # below the run's folder


@with_config({"extra": "allow"})
class ClientData(TypedDict, total=False):
    """What readers use of an entry of `data.clients`."""

    id: Required[Text]
    train: Count | None
    labels: dict[Text, Amount | None]


@with_config({"extra": "allow"})
class PrivacyBlock(TypedDict, total=False):
    """What readers use of `result.privacy`."""

    noise: Amount
    rate: Share
    steps: Count
    visits: Count
    turns: Count
    clip: Amount
    start: Amount | None
    blocks: list[list[Amount]]
    trust: Text
    unamplified: Number | None
    missed: Text
    stopped: Text
    notes: list[Text]


@with_config({"extra": "allow"})
class Block(TypedDict, total=False):
    """What readers use of the blocks `environment`, `data`, `model` and `result`; all may lack."""

    dtype: Text
    attention: Text
    engine: Text
    started_in: Text
    name: Text | None
    source: Text | None
    sha256: Text | None
    labels: list[Text]
    notes: list[Text] | None
    clients: list[ClientData]
    train: Count | None
    validation: Count | None
    test: Count | None
    parameters: Count | None
    trainable: Count | None
    base_bytes: Count | None
    accuracy: Share | None
    worst_client_accuracy: Share | None
    own_mix_accuracy: Share | None
    own_mix_tests: Count | None
    macro_f1: Share | None
    accuracy_ci95: list[Number] | None
    accuracy_ci95_over: Text
    client_accuracies: dict[Text, Share | None] | None
    correct: Text | None
    uplink_bytes: Amount | None
    downlink_bytes: Amount | None
    peak_rss_bytes: Amount | None
    train_seconds: Amount | None
    simulated_seconds: Amount | None
    epsilon: Annotated[Number, Ge(0)] | None
    delta: Share | None
    privacy_unit: Text | None
    privacy: PrivacyBlock | None


def _check_config(config: dict[str, Any]) -> dict[str, Any]:
    """Return a record's config; a setting that this version does not know is left as it is."""
    RunConfig.from_dict({name: value for name, value in config.items() if name in SETTINGS})
    return config


SETTINGS = RunConfig.__dataclass_fields__
CheckedBlock = Annotated[dict[str, Any], pydantic.GetPydanticSchema(lambda _, make: make(Block))]


@dataclass(frozen=True)
class ClientRecord:
    """One client in one round.

    status: ok | late | lost | rejected | away; `reason` says why it is not ok. work_seconds, delay
    and began become simulated time in `network.replay`.
    """

    __pydantic_config__ = CHECKED
    id: Text
    status: Text = "ok"
    reason: Text = ""
    examples: Count = 0  # examples trained on, over all local epochs
    steps: Count = 0  # gradient steps
    train_seconds: Amount = 0.0  # measured on the machine that ran
    uplink_bytes: Count = 0  # length of what was serialised
    downlink_bytes: Count = 0
    work_seconds: Amount | None = None  # modelled training seconds; None: train_seconds
    delay: Amount = 0.0  # simulated seconds that the upload hung
    staleness: Count = 0  # server steps since the parameters it trained from
    began: Amount | None = None  # simulated seconds since round 1 began; None: with the round


@dataclass(frozen=True)
class RoundRecord:
    """One round. Accuracies are on the test set; choices are made on validation_accuracy."""

    __pydantic_config__ = CHECKED
    round: Count
    accuracy: Annotated[Share, NULL]
    loss: Annotated[Number, NULL]
    worst_client_accuracy: Annotated[Share, NULL]
    validation_accuracy: Share | None = None
    epsilon: Number | None = None  # spent up to here; None: no differential privacy
    simulated_seconds: Amount | None = None  # modelled from link and device, not measured
    seconds: Amount = 0.0  # measured wall time of the round, evaluation included
    clients: tuple[ClientRecord, ...] = ()
    aggregation_error: Number | None = None  # relative error of averaging; None: not measured
    # on test examples with each client's label mix
    client_accuracy: dict[Text, Share | None] = field(default_factory=dict)
    # noise multiplier of what the server released in this round; None: no noise, or at the clients
    noise: Number | None = None


@dataclass(frozen=True)
class Run:
    """A whole run, as in `run.json`: what plots, tables, sliders and briefs read.

    method: federated | pooled-lora | local-lora | ... (see `experiments.baselines.BASELINES`).
    start: the state before round 1 as a RoundRecord with round 0 (head start and its traffic), or
    None. result: {} until the run has finished. files: {name: sha256} of the state or, when
    finished, of the adapter.
    """

    __pydantic_config__ = CHECKED
    method: Text
    config: Annotated[dict[str, Any], pydantic.AfterValidator(_check_config)]
    environment: CheckedBlock
    data: CheckedBlock
    model: CheckedBlock
    start: RoundRecord | None = None
    rounds: tuple[RoundRecord, ...] = ()
    result: CheckedBlock = field(default_factory=dict)
    schema: Text = SCHEMA
    files: dict[FileName, Text] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        return bool(self.result)

    @property
    def states(self) -> tuple[RoundRecord, ...]:
        """The state before round 1, if there is one, and all rounds."""
        return ((self.start,) if self.start else ()) + self.rounds

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Run:
        """Rebuild a run from parsed JSON. Raises FedkitError when it is not a fedkit run record."""
        if not isinstance(values, dict) or values.get("schema") != SCHEMA:
            given = values.get("schema") if isinstance(values, dict) else None
            kind = type(values if given is None else given).__name__
            found = given[:40] if isinstance(given, str) else kind
            raise FedkitError(f"not a fedkit run record: schema is {found!r}, expected {SCHEMA!r}")
        values = dict(values)
        if "digest" in values and values.pop("digest") != _digest(values):
            raise FedkitError(
                "damaged run record: it was changed since it was written; take a good copy, or"
                " run again (after an edit on purpose: delete its 'digest')"
            )
        if "rounds" not in values:
            raise FedkitError("damaged run record: it has no rounds; run again")
        return check_run(values)

    def save(self, folder: str | Path) -> Path:
        """Write `run.json` into `folder` atomically and return its path."""
        values = self.to_dict()
        return write_json(Path(folder) / "run.json", values | {"digest": _digest(values)})

    def check_files(self, folder: str | Path) -> None:
        """Raise FedkitError unless the run's files in `folder` are as they were written."""
        for name, digest in self.files.items():
            path = Path(folder) / name
            if not (path.is_file() and file_sha256(path) == digest):
                raise FedkitError(
                    f"{path} is missing or damaged: not what the run wrote, by its sha256; take a"
                    " good copy, or start again in another --out"
                )

    @classmethod
    def load(cls, folder: str | Path) -> Run:
        """Read a run from its folder or from the file itself. Nothing in it is executed.

        Raises FedkitError when there is none, or when it cannot be read.
        """
        path = Path(folder)
        path = path / "run.json" if path.is_dir() else path
        try:
            values = read_json(path, MAX_BYTES)
        except FileNotFoundError:
            raise FedkitError(
                f"no run record at {folder}; give a folder that `fedkit run --out` wrote"
            ) from None
        except (OSError, ValueError) as error:
            ours = path.suffix == ".json" or isinstance(error, OSError)
            why = f"it is damaged: {one_line_error(error)}" if ours else "it is no run"
            raise FedkitError(
                f"cannot read {path}: {why}; give a folder that `fedkit run --out` wrote, or run"
                " again in another --out"
            ) from None
        return cls.from_dict(values)

    def to_frame(self):
        """Return one row per client and round as a pandas DataFrame."""
        import pandas as pd

        rows = []
        for r in self.states:
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
        chosen = self.states if rounds is None else rounds
        return sum(getattr(c, name) for r in chosen for c in r.clients)


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


def _digest(values: dict[str, Any]) -> str:
    """Return the sha256 of a record's values, however they are laid out as JSON."""
    read = json.loads(json.dumps(nan_to_none(values)))
    return hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()


def check_run(values: dict[str, Any] | Run) -> Run:
    """Return the run that `values` describe, with null as NaN, after checking all that readers use.

    This is the one place where a record is checked. values: parsed JSON, or a run that was made
    here. Raises FedkitError that names the field at fault.
    """
    try:
        run = _run_type().validate_python(values)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(printable_line(part) for part in first["loc"]) or "all of it"
        given = first["input"]
        what = f" is {printable_line(repr(given))}" if not isinstance(given, (dict, list)) else ""
        raise FedkitError(
            f"damaged run record: {where}{what}: {first['msg'].removeprefix('Value error, ')};"
            " run again, or resume from a good copy"
        ) from None
    numbers = [r.round for r in run.states]
    if numbers != list(range(0 if run.start else 1, len(run.rounds) + 1)):
        raise FedkitError(
            "damaged run record: rounds: expected numbers 0 or 1, 2, ..., not"
            f" {printable_line(numbers)}; run again, or resume from a good copy"
        )
    return run


@cache
def _run_type() -> TypeAdapter[Run]:
    return TypeAdapter(Run)
