"""Every setting of a run, in one flat place."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import PurePath
from typing import Any

from fedkit.core.errors import FedkitError

KINDS = {"str": str, "int": int, "float": (int, float)}


@dataclass(frozen=True)
class RunConfig:
    """One run, described completely: the same config, seed and machine give the same numbers."""

    # data
    data: str = "service_desk"  # bundled name, hub shortcut, file, or folder with train/test files
    text: str | None = None  # text column; None: guessed, and the guess is said
    label: str | None = None  # label column; None: guessed, and the guess is said
    client: str | None = None  # client column; None: guessed if the partition needs one
    encoding: str | None = None  # of text files; None: utf-8-sig, then cp932
    # who has what
    clients: int = 6  # number of sites (a column partition takes its own number)
    examples_per_client: int | None = None  # training examples per site; None: all there are
    partition: str = "auto"  # auto | iid | dirichlet:A | quantity:A | column:COL
    # model
    model: str = "minilm"  # known name, local folder, or hub id
    tune: str = "lora:r=8,alpha=16"  # an entry of TUNERS with its parameters
    head_start: str = "class-means"  # zero | class-means | analytic
    max_tokens: int = 64  # longer texts are cut
    # training at a site
    rounds: int = 5
    clients_per_round: float | None = None  # count (>= 1) or fraction (< 1); None: everyone
    local_epochs: int = 1  # passes over a site's own data per round
    batch_size: int = 16
    lr: float | None = None  # AdamW, everything but the head; None: the tuner's own
    head_lr: float = 1e-2  # AdamW, the head
    optimizer: str = "adamw"  # of a site's steps: adamw, or sgd[:momentum=M]
    clip_norm: float = 1.0  # gradient norm is clipped to this
    # balanced (every label alike) | calibrated (to the label mix of all clients) | plain
    loss: str = "balanced"
    # server
    strategy: str = (
        # an entry of STRATEGIES: what clients do against drift, what the server does with the mean
        "fedavg"
    )
    weights: str = "examples"  # an entry of WEIGHTS: how much each client counts
    # an entry of ROBUST: what becomes of updates that do not look like the others
    robust: str = "none"
    aggregate: str = "mean"  # how adapters become one: an entry of AGGREGATORS
    # tensors that travel: all, or parts of their names joined by '|'; the others stay at their site
    share: str = "all"
    # what is sent
    wire: str = "none"  # stages of STAGES joined by '+', such as ef21+topk:0.05+int4+ans
    # of the download; None: as `wire`, where the aggregation allows it
    wire_down: str | None = None
    # who may see what
    # an entry of PRIVACY: example:eps=8,delta=1e-5 | client:eps=8 | ftrl:eps=8
    privacy: str = "none"
    # an entry of LOCKS: masks or ckks, so that the server can read the sum alone
    secure: str = "none"
    # what goes wrong (changes learning)
    # rates per client and round: lost=0.1,crash=0.05,late=0.1,leave=0.02,away=,join=,twice=
    faults: str = "none"
    # an entry of ATTACKS with the number of clients that do it, such as sign-flip:2
    attack: str = "none"
    # simulated seconds after which the server does not wait; None: for the last
    deadline: float | None = None
    # what becomes of an update after the deadline: drop | carry (into the next round)
    late: str = "drop"
    # the world (changes seconds only, unless there is a deadline or the strategy is asynchronous)
    # per-site link: DOWN[:UP]/LATENCY, a profile name, or a mix NAME=SHARE,...
    link: str = "10mbps/40ms"
    devices: str = "as-measured"  # device profile, or a mix such as old-pc=0.7,server=0.3
    # the line that all sites share at the server; None: it is never the bottleneck
    server_link: str | None = None
    # seconds per training example where time decides; None: from the model's size
    pace: float | None = None
    # this machine
    device: str = "auto"  # auto | cpu | cuda | mps
    dtype: str = "auto"  # auto (probed once) | float32 | bfloat16
    engine: str = "auto"  # auto | fast (clients together) | plain (one after another)
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        return {k: str(v) if isinstance(v, PurePath) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> RunConfig:
        """The config in `values`; unknown keys are refused, since a typo would otherwise
        be silent.
        """
        known = {f.name for f in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise FedkitError(
                f"unknown setting {unknown[0]!r}; known settings: {', '.join(sorted(known))}"
            )
        for f in fields(cls):
            value, kind = values.get(f.name, f.default), f.type.removesuffix(" | None")
            missing = value is None and kind != f.type
            if not missing and (isinstance(value, bool) or not isinstance(value, KINDS[kind])):
                raise FedkitError(
                    f"setting {f.name} is {str(value)[:40]!r}, and {f.type} is expected"
                )
        return cls(**values)


def parse_spec(spec: str) -> tuple[str, dict[str, str]]:
    """Split 'name:key=value,key=value' into name and options; a bare first value ('topk:0.05') has
    the key ''.
    """
    name, _, rest = spec.partition(":")
    options: dict[str, str] = {}
    for place, item in enumerate(filter(None, rest.split(","))):
        key, equals, value = item.partition("=")
        if not equals and place == 0:
            key, value = "", item
        elif not equals or not value:
            lists = (
                "; several values are joined by '|', in quotes"
                if "=" in rest and not equals
                else ""
            )
            raise FedkitError(
                f"{spec!r}: expected key=value after {name!r}, got {item!r}; example:"
                f" lora:r=8,alpha=16{lists}"
            )
        options[key.strip()] = value.strip()
    return name.strip(), options


def parse_cohort(text: str | None) -> float | None:
    """--clients-per-round: '5' is a count, '0.2' a fraction, '1.0' and nothing mean everyone."""
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        raise FedkitError(
            f"clients-per-round {text!r} given; write a count such as 5 or a fraction such as 0.2"
        ) from None
    return None if value == 1 and "." in text else value


# settings that may differ when a sweep goes on: they change no meaning
MACHINE = ("device", "dtype", "engine")


DATA = (
    "data",
    "text",
    "label",
    "client",
    "encoding",
    "clients",
    "examples_per_client",
    "partition",
    "model",
    "max_tokens",
)
