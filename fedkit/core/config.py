"""The settings of a run, and the parsers of their text form."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import PurePath
from typing import Any

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import printable_line

MACHINE_SETTINGS = ("device", "dtype", "engine")  # may differ when a run or sweep goes on
READING_SETTINGS = ("data", "text", "label", "client", "encoding")
# settings that decide which texts every client has
PARTITION_SETTINGS = (*READING_SETTINGS, "clients", "examples_per_client", "partition")
DATA_SETTINGS = (*PARTITION_SETTINGS, "model", "max_tokens")  # which tokens every client has
LARGEST = 2**63  # beyond any setting
SETTING_TYPES: dict[str, type | tuple[type, ...]] = {"str": str, "int": int, "float": (int, float)}


def parse_cohort(text: str | None) -> float | None:
    """Parse --clients-per-round: '5' is a count, '0.2' a fraction; '1.0' and None mean everyone."""
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        raise FedkitError(
            f"clients-per-round {text!r} given; write a count such as 5 or a fraction such as 0.2"
        ) from None
    return None if value == 1 and "." in text else value


@dataclass(frozen=True)
class RunConfig:
    """The settings of one run: the same config, seed and machine give the same numbers.

    A field is a flag of the command line, by its name, type and default; its help stands in
    cli/help.toml. metadata: `flag` False: no flag; `parse`: from the flag's text to the value.
    """

    # --- data
    data: str = "service_desk"  # bundled name, hub shortcut, file, or folder with train/test files
    text: str | None = None  # text column; None: guessed, and the guess is printed
    label: str | None = None  # label column; None: guessed, and the guess is printed
    client: str | None = None  # client column; None: guessed if the partition needs one
    encoding: str | None = None  # of text files; None: utf-8-sig, then cp932
    # --- partition
    clients: int = 6  # number of clients (a column partition takes it from the column)
    examples_per_client: int | None = None  # training examples per client; None: all there are
    partition: str = "auto"  # auto | iid | dirichlet:A | quantity:A | column:COL
    # --- model
    model: str = "minilm"  # known name, local folder, or hub id
    tune: str = "lora:r=8,alpha=16"  # an entry of TUNERS with its parameters
    head_start: str = "class-means"  # zero | class-means | analytic
    max_tokens: int = 64  # longer texts are cut
    # --- training at a client
    rounds: int = 5
    # count (>= 1) or fraction (< 1); None: all clients
    clients_per_round: float | None = field(default=None, metadata={"parse": parse_cohort})
    local_epochs: int = 1  # passes over a client's data per round
    batch_size: int = 16
    lr: float | None = None  # AdamW, everything but the head; None: the tuner's default
    head_lr: float = 1e-2  # AdamW, the head
    optimizer: str = "adamw"  # of the client: adamw, or sgd[:momentum=M]
    # gradient norm is clipped to this
    clip_norm: float = field(default=1.0, metadata={"flag": False})
    # balanced (every label alike) | calibrated (to the label mix of all clients) | plain
    loss: str = "balanced"
    # --- server
    # an entry of STRATEGIES: what clients do against drift, what the server does with the mean
    strategy: str = "fedavg"
    weights: str = "examples"  # an entry of WEIGHTS: how much each client counts
    robust: str = "none"  # an entry of ROBUST: how outlying updates are treated
    aggregate: str = "mean"  # an entry of AGGREGATORS: how adapters are combined
    # tensors that are sent: all, or parts of their names joined by '|'; others stay at the client
    share: str = "all"
    # --- compression
    wire: str = "none"  # stages of STAGES joined by '+', such as ef21+topk:0.05+int4+ans
    wire_down: str | None = None  # of the download; None: as `wire` if the aggregation allows it
    # --- privacy and secure aggregation
    privacy: str = "none"  # entry of PRIVACY: example:eps=8,delta=1e-5 | client:eps=8 | ftrl:eps=8
    secure: str = "none"  # entry of LOCKS: masks or ckks; the server can read only the sum
    # --- failures (change learning)
    # rates per client and round: lost=0.1,crash=0.05,late=0.1,leave=0.02,away=,join=,twice=
    faults: str = "none"
    attack: str = "none"  # entry of ATTACKS with the number of attackers, such as sign-flip:2
    deadline: float | None = None  # simulated seconds that the server waits; None: for the last
    late: str = "drop"  # an update after the deadline: drop | carry (into the next round)
    # --- network (changes seconds only, except with a deadline or an asynchronous strategy)
    # link of each client: DOWN[:UP]/LATENCY, a profile name, or a mix NAME=SHARE,...
    link: str = "10mbps/40ms"
    devices: str = "as-measured"  # device profile, or a mix such as old-pc=0.7,server=0.3
    server_link: str | None = None  # the server's line, shared by all clients; None: no limit
    # seconds per training example where time decides; None: from the model's size
    pace: float | None = None
    # --- this machine
    device: str = "auto"  # auto | cpu | cuda | mps
    # auto (probed once) | float32 | bfloat16
    dtype: str = field(default="auto", metadata={"flag": False})
    engine: str = "auto"  # auto | fast (clients together) | plain (one after another)
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        return {k: str(v) if isinstance(v, PurePath) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> RunConfig:
        """Build a config from a dict. Raises FedkitError for an unknown key or a wrong type."""
        known = {f.name for f in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise FedkitError(
                f"unknown setting {printable_line(unknown[0])!r}; known settings:"
                f" {', '.join(sorted(known))}"
            )
        for f in fields(cls):
            value, declared = values.get(f.name, f.default), str(f.type)
            kind = declared.removesuffix(" | None")
            if value is None and kind != declared:
                continue
            right = isinstance(value, SETTING_TYPES[kind]) and not isinstance(value, bool)
            if not right or (kind != "str" and not abs(value) < LARGEST):  # NaN too
                raise FedkitError(
                    f"setting {f.name} is {str(value)[:40]!r}, and {declared} is expected"
                )
        return cls(**values)


def parse_spec(spec: str, kind: str = "") -> tuple[str, dict[str, str]]:
    """Split 'name:key=value,key=value' into name and options.

    A bare first value ('topk:0.05') has the key ''. kind: whose spec it is, for messages. Raises
    FedkitError for another form, and for a key that is given twice.
    """
    name, _, rest = spec.partition(":")
    said, options = f"{kind} {spec!r}".strip(), dict[str, str]()
    for place, item in enumerate(filter(None, rest.split(","))):
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals and place == 0:
            key, value = "", key
        elif not (key and equals and value):
            several = "; several values are joined by '|', in quotes"
            lists = several if "=" in rest and not equals else ""
            raise FedkitError(
                f"{said}: expected key=value after {name!r}, got {item!r}; example:"
                f" lora:r=8,alpha=16{lists}"
            )
        if key in options:
            raise FedkitError(f"{said}: {key} is given twice; give it once")
        options[key] = value
    return name.strip(), options
