"""Rank methods by what the clients can bear: predicted memory, traffic and time of each.

Nothing is trained. Bytes are those of an encoded random update; memory is predicted by
`memory_model`; seconds come from the model's size and a stated rate, or from a short measurement.
Accuracies were measured on other data; they are not predictions for yours. Without --measure, no
weights are read.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.federated.cost_model import seconds_per_example
from fedkit.federated.memory_model import Texts, client_footprint, memory_shortage, model_geometry
from fedkit.network import World, parse_devices, parse_links
from fedkit.network.profiles import parse_device

NAME = "client-001"  # a client name of usual length: it travels with every upload
WITHIN = 1.0  # points of accuracy: smaller differences on the board are not told apart
BOARD = "banking77, 10 sites x 200 texts, three seeds"
# accuracy in % on BOARD without a wire; None: not measured, counted as LoRA r=8
TUNES: dict[str, float | None] = {
    "head": 84.91,
    "lora:r=4": None,
    "lora:r=8": 86.31,
    "lora:r=16": None,
    "lora:r=8,layers=2": None,
    "ia3": 86.42,
    "bitfit": 86.12,
    "layernorm": 86.45,
    "adapter": 86.39,
    "last": 86.86,
    "full": 87.27,
}
# points against 'none' on BOARD, measured with LoRA r=8 and taken for all
WIRES: dict[str, float] = {
    "none": 0.0,
    "bf16": -0.06,
    "int8+ans": 0.16,
    "ef+sign+ans": -0.04,
    "topk:0.03+int4+ans": -0.76,
}
NOTHING = "nothing fits: give more memory, hours or bandwidth"
PRIVACY = {
    "none": "",
    "text-stays": (
        "text stays at its site with every method here; what is sent still says something about it"
    ),
    "sums-only": (
        "sums only: with --secure masks the server reads the sum of all updates and never one of"
        " them (not secure, for teaching); what a sum gives away is not bounded by that: it is not"
        " differential privacy. What masks add to bytes and time is not counted"
    ),
    "differential": (
        "differential privacy: the command below promises epsilon 8 per example if server and sites"
        " keep to the protocol; eps=3 or eps=1 in it promises more and costs more. The accuracies"
        " are those without noise: what it costs on your data, only a run tells. Head first: it"
        " trains the fewest numbers. What masks add is not counted"
    ),
}
FLAGS: dict[str, dict[str, str]] = {  # settings that an entry of PRIVACY adds to a run
    "sums-only": {"secure": "masks"},
    "differential": {
        "privacy": "example:eps=8,trust=sum",
        "secure": "masks",
        "head_start": "class-means",
    },
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
        return asdict(self) | {
            "fits": self.fits,
            "round_seconds": self.round_seconds,
            "night_bytes": self.night_bytes,
            "night_train_seconds": self.night_train_seconds,
        }


def advise(needs: Needs, paces: Mapping[str, float] | None = None) -> list[Advice]:
    """Return every method of TUNES x WIRES: those that fit first, best first, then the others.

    Ranked by measured accuracy in steps of WITHIN points below the best that fits, then by traffic,
    then by time. paces: measured seconds per example by tune; others are computed. Raises
    FedkitError for needs out of range.
    """
    check_needs(needs)
    needs = adjust_rounds(needs)
    found = [_advice(needs, tune, wire, paces or {}) for tune in TUNES for wire in WIRES]
    best = max((a.accuracy for a in found if a.fits), default=0.0)

    def order(a: Advice) -> tuple:
        later = needs.privacy == "differential" and a.tune != "head"
        return not a.fits, later, steps_below(best, a.accuracy), a.total_bytes, a.round_seconds

    return sorted(found, key=order)


def adjust_rounds(needs: Needs) -> Needs:
    """Return `needs` with at least the rounds that its kind of privacy takes."""
    return (
        replace(needs, rounds=max(needs.rounds, NOISY_ROUNDS))
        if needs.privacy == "differential"
        else needs
    )


def steps_below(best: float, accuracy: float) -> int:
    """Return 0 for up to WITHIN points below the best, 1 for up to twice that, and so on."""
    return max(0, math.ceil(round((best - accuracy) / WITHIN, 1)) - 1)


def check_needs(needs: Needs) -> None:
    """Raise FedkitError for needs out of range."""
    for name, least, most in (
        ("hours", 0.01, 24),
        ("examples", 8, 10**7),
        ("sites", 1, 10_000),
        ("labels", 2, 100_000),
        ("rounds", 1, 10_000),
    ):
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
    return RunConfig(
        data=needs.data,
        model=needs.model,
        tune=tune,
        wire=wire,
        rounds=needs.rounds,
        clients=needs.sites,
        examples_per_client=needs.examples,
        head_start="discriminant",
        head_lr=0.001,
        link=needs.link,
        devices=needs.devices,
    )


# ---- one method


def _advice(needs: Needs, tune: str, wire: str, paces: Mapping[str, float]) -> Advice:
    config, base = config_for(needs, tune, wire), TUNES[tune]
    up, down, first, start = message_bytes(wire, tune, needs.model, needs.labels, needs.rounds)
    pace = (
        paces[tune] if tune in paces else seconds_per_example(config, needs.texts(), needs.labels)
    )
    ended = _slowest(needs, down, pace * needs.examples * config.local_epochs, up)
    night = 3600 * needs.hours
    rounds = min(needs.rounds, int(night / max(ended[2], 1e-9)))
    memory = client_footprint(config, needs.texts(), needs.labels)
    accuracy = (TUNES["lora:r=8"] if base is None else base) + min(0.0, WIRES[wire])
    out = Advice(
        tune=tune,
        wire=wire,
        accuracy=accuracy,
        known=base is not None,
        download_seconds=ended[0],
        train_seconds=ended[1] - ended[0],
        upload_seconds=ended[2] - ended[1],
        up_bytes=up,
        down_bytes=down,
        total_bytes=start + first + needs.rounds * up + (needs.rounds - 1) * down,
        memory_bytes=memory.total,
        rounds_per_night=rounds,
        nights=math.ceil(needs.rounds / rounds) if rounds else 0,
    )
    limit, who = free_memory(needs)
    reasons = (
        memory_shortage(memory, limit, who),
        _too_long(out, needs),
        _not_summable(wire, needs.privacy),
    )
    return replace(out, reasons=tuple(filter(None, reasons)))


def free_memory(needs: Needs) -> tuple[int | None, str]:
    """Return (free bytes of the client that has least, its name); None where no limit is known."""
    rooms = [
        (parse_device(part.name).memory, f"a site ({part.name})")
        for part in parse_devices(needs.devices)
    ]
    known_rooms = [room for room in [*rooms, (needs.memory, "a site")] if room[0] is not None]
    return min(known_rooms, default=(None, "a site"), key=lambda room: room[0])


def _too_long(advice: Advice, needs: Needs) -> str:
    from fedkit.core.formatting import seconds

    if advice.rounds_per_night:
        return ""
    return (
        f"one round takes {seconds(advice.round_seconds)}, a night has"
        f" {seconds(3600 * needs.hours)}"
    )


def _not_summable(wire: str, privacy: str) -> str:
    from fedkit.wire.pipeline import make_wire

    if privacy == "differential" and wire != "none":
        return (
            "the noise is made for what is clipped, not for what a wire leaves of it; wire none can"
        )
    if privacy != "sums-only" or make_wire(wire).linear:
        return ""
    return (
        "what it sends cannot be summed unread (not linear), and sums only are asked for; wire"
        " none can"
    )


def _slowest(needs: Needs, down: int, work: float, up: int) -> tuple[float, float, float]:
    """Return when the slowest client's download, training and upload end, in s from the start."""
    names, places = _names(needs.sites), range(needs.sites)
    world = World.from_config({"link": needs.link, "devices": needs.devices, "seed": 0}, names)
    ends = world.visit_ends(
        1, places, [down] * needs.sites, [work] * needs.sites, [up] * needs.sites
    )
    return tuple(float(v) for v in ends[np.argmax(ends[:, 2])])


@lru_cache(maxsize=8)
def _names(clients: int) -> tuple[str, ...]:
    return tuple(f"site-{i}" for i in range(clients))


@lru_cache(maxsize=1024)
def message_bytes(
    wire: str, tune: str, model: str, labels: int, rounds: int
) -> tuple[int, int, int, int]:
    """Return the bytes of a client: (upload, download, first download, upload before round 1).

    Lengths of encoded messages: a random change of the trained tensors times their learning rate.
    """
    from fedkit.federated.aggregation.aggregators import make_aggregator
    from fedkit.federated.rounds.exchange import make_wires
    from fedkit.wire.payload import encode_tensors
    from fedkit.wire.pipeline import Context

    config = config_for(Needs(model=model, rounds=rounds), tune, wire)
    delta, (up, down) = _change(model, tune, labels), make_wires(config, make_aggregator("mean"))
    head = {n: t for n, t in delta.items() if n.startswith("head.")}
    context = Context(NAME, 1, 0, {})
    sent, _ = up.encode(delta, context, {"client": NAME, "examples": 200})
    received, _ = down.encode(delta, context)
    first, _ = (down.dense(4) if down.stages else down).encode(head, context)
    return (
        sent.nbytes,
        received.nbytes,
        first.nbytes,
        encode_tensors(_statistics(model, tune, labels)).nbytes,
    )


@lru_cache(maxsize=2)
def _change(model: str, tune: str, labels: int) -> dict[str, Any]:
    import torch

    config = RunConfig(model=model, tune=tune, head_lr=0.001)
    _, trained = model_geometry(model, tune, labels)
    random, body = torch.Generator().manual_seed(0), trained.tuner.default_lr
    rate = {True: config.head_lr, False: body}
    return {
        n: rate[n.startswith("head.")] * torch.randn(s, generator=random)
        for n, s in trained.shapes.items()
    }


def _statistics(model: str, tune: str, labels: int) -> dict[str, Any]:
    """Return what the discriminant head start sends, as zeros.

    `blank_statistics` reads only two sizes of a model.
    """
    from fedkit.federated.rounds.head_start import blank_statistics
    from fedkit.models.head_starts import make_head_start

    width = model_geometry(model, tune, labels)[0].width
    sizes = SimpleNamespace(
        labels=range(labels), module=SimpleNamespace(head=SimpleNamespace(in_features=width))
    )
    return blank_statistics(sizes, make_head_start("discriminant").sums)


def measure_paces(
    needs: Needs, tell: Callable[[str], None] = lambda text: None
) -> dict[str, float]:
    """Return the measured seconds per training example on this machine, by tune.

    A few steps of each, on the data that `needs` names.
    """
    from fedkit.experiments.estimate import measure_speed
    from fedkit.experiments.job import prepare

    out = {}
    for tune in TUNES:
        tell(f"timing {tune} ...")
        config = replace(config_for(needs, tune, "none"), clients=min(needs.sites, 4))
        out[tune] = measure_speed(prepare(config)).step / config.batch_size
    return out


# ---- in words


def parse_memory(text: str | None) -> int | None:
    """Return a size in bytes: '4GB', '800MB', '0.5 GiB'. Raises FedkitError for other text."""
    if text is None:
        return None
    units = {"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "kib": 2**10, "mib": 2**20, "gib": 2**30}
    low = text.strip().lower()
    unit = next((u for u in sorted(units, key=len, reverse=True) if low.endswith(u)), "")
    try:
        value = float(low.removesuffix(unit)) * units[unit]
        if not 1e6 <= value < 1e15:
            raise ValueError
    except (KeyError, ValueError):
        raise FedkitError(
            f"memory {text[:40]!r} given; write a size from 1MB on, such as 4GB or 800MB"
        ) from None
    return int(value)


def read_needs(needs: Needs, data: str, **columns: Any) -> Needs:
    """Return `needs` with the labels and token counts of the data at `data`.

    Raises FedkitError if the data cannot be read.
    """
    from transformers import AutoTokenizer

    from fedkit.data.load import load_corpus
    from fedkit.federated.memory_model import find_location

    corpus = load_corpus(data, **columns)
    sample = list(corpus.train.texts)[:2000]
    tokenizer = AutoTokenizer.from_pretrained(find_location(needs.model), local_files_only=True)
    ids = tokenizer(sample, truncation=True, max_length=RunConfig.max_tokens)["input_ids"]
    texts = Texts.of(map(len, ids))
    return replace(needs, data=data, labels=len(corpus.labels), tokens=(texts.mean, texts.longest))


def refusal_lines(advices: Sequence[Advice]) -> list[str]:
    """Return why methods do not fit, a line for each reason, with the methods that share it."""
    wires: dict[tuple[str, str], list[str]] = {}
    for a in sorted(advices, key=lambda a: (list(TUNES).index(a.tune), list(WIRES).index(a.wire))):
        for reason in a.reasons:
            wires.setdefault((a.tune, reason), []).append(a.wire)
    tunes: dict[tuple[str, str], list[str]] = {}
    for (tune, reason), over in wires.items():
        tunes.setdefault(
            ("any wire" if len(over) == len(WIRES) else " or ".join(over), reason), []
        ).append(tune)
    return [
        f"{_tune_words(members)} with {over}: {reason}" for (over, reason), members in tunes.items()
    ]


def _tune_words(tunes: list[str]) -> str:
    return "every method" if len(tunes) == len(TUNES) else ", ".join(tunes)


def best_command(needs: Needs, advices: Sequence[Advice]) -> str | None:
    """Return the `fedkit run` command of the best method that fits; None if none does."""
    from fedkit.core.commands import command_line

    best = next((a for a in advices if a.fits), None)
    if best is None:
        return None
    return command_line(
        "run",
        replace(
            config_for(adjust_rounds(needs), best.tune, best.wire), **FLAGS.get(needs.privacy, {})
        ),
    )


def advice_lines(needs: Needs, advices: Sequence[Advice], most: int = 12) -> list[str]:
    """Return the ranked table, the reasons of what does not fit, and the command of the best."""
    from fedkit.core.formatting import format_table

    good, needs = [a for a in advices if a.fits], adjust_rounds(needs)
    lines = textwrap.wrap(PRIVACY[needs.privacy], 98)
    if good:
        heads = (
            "method and wire",
            "s per\nround",
            "MB per\nnight",
            "nights",
            "memory\nMB",
            "training\ns a night",
            "accuracy\nelsewhere",
        )
        lines.append(
            format_table(
                heads, [_row(i, a) for i, a in enumerate(good[:most], 1)], _key(needs)
            ).rstrip("\n")
        )
        lines += _first_traffic(needs, good[0]).splitlines()
    if len(good) > most:
        lines.append(f"{len(good) - most} more fit; --json lists them all")
    if refused := refusal_lines(advices):
        lines += ["", "do not fit:", *(f"  {line}" for line in refused)]
    lines.append("")
    if good and needs.data == RunConfig.data:
        lines.append(
            "the command below takes the bundled reports, which have six sites; add --data FILE for"
            " your own"
        )
    lines.append(f"try the best: {best_command(needs, advices)}" if good else NOTHING)
    return lines


def _first_traffic(needs: Needs, a: Advice) -> str:
    """Return the line about traffic before any round: base model and head start."""
    from fedkit.core.formatting import megabytes, seconds

    model = 4 * model_geometry(needs.model, a.tune, needs.labels)[0].values
    start = a.total_bytes - needs.rounds * (a.up_bytes + a.down_bytes)
    took = _slowest(needs, model, 0.0, max(start, 0))[2]
    sent = megabytes(max(start, 0) / 1e6)
    return (
        f"once, not in the columns: the base model, {megabytes(model / 1e6)} down, and for the best"
        f" {sent} up\n  for the start of the head, before round 1: {seconds(took)} over the slowest"
        " line"
    )


def _row(place: int, a: Advice) -> list[str]:
    return [
        f"{place}. {a.tune} {a.wire}",
        f"{a.round_seconds:,.1f}",
        f"{a.night_bytes / 1e6:,.3g}",
        str(a.nights),
        f"{a.memory_bytes / 1e6:,.0f}",
        f"{a.night_train_seconds:,.1f}",
        f"{a.accuracy:.1f}{'' if a.known else '*'}",
    ]


def _key(needs: Needs) -> tuple[str, ...]:
    return (
        (
            f"For the slowest of {needs.sites} sites with {needs.examples} examples each;"
            f" {needs.rounds} rounds in all. All modelled."
        ),
        f"accuracy elsewhere: % on {BOARD}, a wire's loss as measured with LoRA r=8;",
        (
            "  differences of a point or less are not told apart: among those, least traffic comes"
            " first."
        ),
        (
            "*: not measured there, counted as LoRA r=8. MB per night: one site, both ways. memory:"
            " of a site, predicted."
        ),
    )
