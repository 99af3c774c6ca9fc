"""Rank methods by what the clients can bear: predicted memory, traffic and time of each.

Nothing is trained. Memory, seconds and bytes are those of `cost_model`, or seconds come from a
short measurement. Accuracies were measured on other data; they are not predictions for yours.
Without --measure, no weights are read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np

from fedkit.core.commands import command_line
from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.files import read_packaged_table
from fedkit.core.formatting import seconds
from fedkit.federated.cost_model import CostModel, memory_shortage, message_bytes
from fedkit.federated.methods import methods_of
from fedkit.models.geometry import Texts, find_location, model_geometry
from fedkit.network import World, parse_devices, parse_links
from fedkit.network.profiles import parse_device

WITHIN = 1.0  # points of accuracy: smaller differences on the board are not told apart
BOARD = "banking77, 10 sites x 200 texts, three seeds"
_TABLES = read_packaged_table("fedkit.experiments", "advise.toml")
# accuracy in % on BOARD without a wire; None: not measured, counted as LoRA r=8
TUNES: dict[str, float | None] = {name: known or None for name, known in _TABLES["tunes"].items()}
# points against 'none' on BOARD, measured with LoRA r=8 and taken for all
WIRES: dict[str, float] = _TABLES["wires"]
_WISHES = _TABLES["privacy"]
PRIVACY: dict[str, str] = {name: wish["about"] for name, wish in _WISHES.items()}
# settings that an entry of PRIVACY adds to a run
FLAGS: dict[str, dict[str, str]] = {name: wish.get("flags", {}) for name, wish in _WISHES.items()}
LIMITS = {
    "hours": (0.01, 24),
    "examples": (8, 10**7),
    "sites": (1, 10_000),
    "labels": (2, 100_000),
    "rounds": (1, 10_000),
}
NOISY_ROUNDS = 40  # least rounds when clients share the noise and make one gradient a round


@dataclass(frozen=True)
class Needs:
    """What the clients (called sites in the flags and in JSON) have and can bear.

    memory: free bytes at a client; None: what the device profile has. devices, link: profiles or
    mixes, as for a run. hours: that a client may work each night. examples: at each client.
    privacy: an entry of PRIVACY. tokens: of the mean and of the longest text; the default is for
    the bundled data.
    """

    memory: int | None = None
    devices: str = "old-pc"
    link: str = "dsl"
    hours: float = 8.0
    examples: int = 200
    sites: int = 10
    privacy: str = "none"
    labels: int = 12
    rounds: int = 5
    model: str = "minilm"
    data: str = RunConfig.data
    tokens: tuple[float, int] = (23.0, 49)

    def texts(self) -> Texts:
        return Texts(math.ceil(1.25 * self.examples), *self.tokens)  # a fifth more for validation


@dataclass(frozen=True)
class Advice:
    """One method, its costs, and the reasons why it does not fit, if any.

    accuracy: % measured on BOARD. known: False where it is that of another method. Seconds are
    those of the slowest client; bytes are of one client, up and down. night_bytes,
    night_train_seconds: of a full night.
    """

    tune: str
    wire: str
    accuracy: float
    known: bool
    download_seconds: float
    train_seconds: float
    upload_seconds: float
    up_bytes: int
    down_bytes: int
    total_bytes: int
    memory_bytes: int
    rounds_per_night: int
    nights: int
    reasons: tuple[str, ...] = field(default=())

    @property
    def fits(self) -> bool:
        return not self.reasons

    @property
    def round_seconds(self) -> float:
        return self.download_seconds + self.train_seconds + self.upload_seconds

    @property
    def night_bytes(self) -> int:
        return self.rounds_per_night * (self.up_bytes + self.down_bytes)

    @property
    def night_train_seconds(self) -> float:
        return self.rounds_per_night * self.train_seconds

    def to_dict(self) -> dict[str, Any]:
        computed = ("fits", "round_seconds", "night_bytes", "night_train_seconds")
        return asdict(self) | {name: getattr(self, name) for name in computed}


def advise(needs: Needs, paces: Mapping[str, float] | None = None) -> list[Advice]:
    """Return every method of TUNES x WIRES: those that fit first, best first, then the others.

    Ranked by measured accuracy in steps of WITHIN points below the best that fits, then by traffic,
    then by time. paces: measured seconds per example by tune; others are computed. Raises
    FedkitError for needs out of range.
    """
    check_needs(needs)
    needs = adjust_rounds(needs)
    model_geometry(needs.model, "head", needs.labels)  # raises if no tuner can work
    found = [_advice(needs, tune, wire, paces or {}) for tune in TUNES for wire in WIRES]
    best = max((a.accuracy for a in found if a.fits), default=0.0)

    def order(a: Advice) -> tuple:
        later = needs.privacy == "differential" and a.tune != "head"
        return not a.fits, later, steps_below(best, a.accuracy), a.total_bytes, a.round_seconds

    return sorted(found, key=order)


def adjust_rounds(needs: Needs) -> Needs:
    """Return `needs` with at least the rounds that its kind of privacy takes."""
    least = NOISY_ROUNDS if needs.privacy == "differential" else 0
    return replace(needs, rounds=max(needs.rounds, least))


def steps_below(best: float, accuracy: float) -> int:
    """Return 0 for up to WITHIN points below the best, 1 for up to twice that, and so on."""
    return max(0, math.ceil(round((best - accuracy) / WITHIN, 1)) - 1)


def check_needs(needs: Needs) -> None:
    """Raise FedkitError for needs out of range."""
    for name, (least, most) in LIMITS.items():
        value = getattr(needs, name)
        if not least <= value <= most:
            raise FedkitError(f"{name} {value:g} given; write a number from {least:g} to {most:,}")
    if needs.memory is not None and needs.memory < 1e6:
        raise FedkitError(f"memory {needs.memory:g} bytes given; write a size such as 4GB or 800MB")
    if needs.privacy not in PRIVACY:
        raise FedkitError(
            f"privacy {needs.privacy!r} is not known; choose one of: {', '.join(PRIVACY)}"
        )
    parse_devices(needs.devices), parse_links(needs.link)


def config_for(needs: Needs, tune: str, wire: str) -> RunConfig:
    """Return the run config of a method: the board's settings with the needs of the clients."""
    same: Any = {n: getattr(needs, n) for n in ("data", "model", "rounds", "link", "devices")}
    same |= {"clients": needs.sites, "examples_per_client": needs.examples}
    return RunConfig(tune=tune, wire=wire, head_start="discriminant", head_lr=0.001, **same)


# ---- one method


def _advice(needs: Needs, tune: str, wire: str, paces: Mapping[str, float]) -> Advice:
    config, base = config_for(needs, tune, wire), TUNES[tune]
    points = (TUNES["lora:r=8"] if base is None else base) + min(0.0, WIRES[wire])
    if why := _no_place(needs.model, tune, needs.labels):
        nothing: tuple = (0.0,) * 3 + (0,) * 6
        return Advice(tune, wire, points, base is not None, *nothing, reasons=(why,))
    cost, sent = CostModel(config, needs.texts(), needs.labels), message_bytes(config, needs.labels)
    pace = paces[tune] if tune in paces else cost.seconds_per_example()
    work = pace * needs.examples * config.local_epochs
    down, trained, up = slowest_visit(needs, sent.down, work, sent.up)
    rounds = min(needs.rounds, int(3600 * needs.hours / max(up, 1e-9)))
    memory = cost.client_footprint()
    traffic = needs.rounds * sent.up + (needs.rounds - 1) * sent.down
    out = Advice(
        tune=tune,
        wire=wire,
        accuracy=points,
        known=base is not None,
        download_seconds=down,
        train_seconds=trained - down,
        upload_seconds=up - trained,
        up_bytes=sent.up,
        down_bytes=sent.down,
        total_bytes=sent.start_up + sent.first_down + traffic,
        memory_bytes=memory.total,
        rounds_per_night=rounds,
        nights=math.ceil(needs.rounds / rounds) if rounds else 0,
    )
    takes, night = seconds(out.round_seconds), seconds(3600 * needs.hours)
    reasons = (
        memory_shortage(memory, *free_memory(needs)),
        "" if rounds else f"one round takes {takes}, a night has {night}",
        "" if _keeps_private(config, needs.privacy) else _WISHES[needs.privacy]["refuses"],
    )
    return replace(out, reasons=tuple(filter(None, reasons)))


@lru_cache(maxsize=256)
def _no_place(model: str, tune: str, labels: int) -> str:
    """Return why the tuner does not fit the base model's architecture; empty if it does."""
    try:
        model_geometry(model, tune, labels)
    except FedkitError as error:
        return str(error)
    return ""


def free_memory(needs: Needs) -> tuple[int | None, str]:
    """Return (free bytes of the client that has least, its name); None where no limit is known."""
    names = [part.name for part in parse_devices(needs.devices)]
    rooms = [(parse_device(name).memory, f"a site ({name})") for name in names]
    known = [room for room in [*rooms, (needs.memory, "a site")] if room[0] is not None]
    return min(known, default=(None, "a site"), key=lambda room: room[0])


def _keeps_private(config: RunConfig, privacy: str) -> bool:
    """Return whether what the wire sends goes together with an entry of PRIVACY."""
    if privacy == "differential":
        return config.wire == "none"
    return privacy != "sums-only" or methods_of(config).up.linear


def slowest_visit(needs: Needs, down: int, work: float, up: int) -> tuple[float, float, float]:
    """Return when the slowest client's download, training and upload end, in s from the start."""
    names, places = _names(needs.sites), range(needs.sites)
    world = World.from_config({"link": needs.link, "devices": needs.devices, "seed": 0}, names)
    each = ([value] * needs.sites for value in (down, work, up))
    ends = world.visit_ends(1, places, *each)
    return tuple(float(v) for v in ends[np.argmax(ends[:, 2])])


@lru_cache(maxsize=8)
def _names(clients: int) -> tuple[str, ...]:
    return tuple(f"site-{i}" for i in range(clients))


def measure_paces(
    needs: Needs, tell: Callable[[str], None] = lambda text: None
) -> dict[str, float]:
    """Return seconds per training example by tune, measured by a few steps on the needs' data."""
    from fedkit.experiments.estimate import measure_speed
    from fedkit.experiments.job import prepare

    out = {}
    for tune in TUNES:
        if _no_place(needs.model, tune, needs.labels):
            continue
        tell(f"timing {tune} ...")
        config = replace(config_for(needs, tune, "none"), clients=min(needs.sites, 4))
        out[tune] = measure_speed(prepare(config)).step / config.batch_size
    return out


def parse_memory(text: str | None) -> int | None:
    """Return a size in bytes: '4GB', '800MB', '0.5 GiB'. Raises FedkitError for other text."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d+\.?\d*(?:e\d+)?)\s*([kmgt])(i?)b", text.strip().lower())
    number, unit, binary = found.groups() if found else ("0", "k", "")
    value = float(number) * (1024 if binary else 1000) ** " kmgt".index(unit)
    if not 1e6 <= value < 1e15:
        raise FedkitError(
            f"memory {text[:40]!r} given; write a size from 1MB on, such as 4GB or 800MB"
        )
    return int(value)


def read_needs(needs: Needs, data: str, **columns: Any) -> Needs:
    """Return `needs` with labels and token counts of the data; FedkitError if it cannot be read."""
    from transformers import AutoTokenizer

    from fedkit.data.load import load_corpus

    corpus = load_corpus(data, **columns)
    sample = list(corpus.train.texts)[:2000]
    tokenizer = AutoTokenizer.from_pretrained(find_location(needs.model), local_files_only=True)
    ids = tokenizer(sample, truncation=True, max_length=RunConfig.max_tokens)["input_ids"]
    texts = Texts.of(map(len, ids))
    return replace(needs, data=data, labels=len(corpus.labels), tokens=(texts.mean, texts.longest))


def best_command(needs: Needs, advices: Sequence[Advice]) -> str | None:
    """Return the `fedkit run` command of the best method that fits; None if none does."""
    best = next((a for a in advices if a.fits), None)
    if best is None:
        return None
    config = config_for(adjust_rounds(needs), best.tune, best.wire)
    return command_line("run", replace(config, **FLAGS[needs.privacy]))
