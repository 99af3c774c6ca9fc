"""Which methods can these sites bear? Predicted memory, traffic and time of each, and why the
others do not fit.

Nothing is trained. Bytes are those of a random update that was really encoded; memory is
`model.footprint`'s; seconds come from the model's size and a stated rate, or from a short
measurement. Accuracy is evidence from measured boards, not a prediction for your data. Without
--measure, no weights are read.
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
from fedkit.federated.memory_model import Texts, known, lacking, site_footprint
from fedkit.network import World, parse_devices, parse_links
from fedkit.network.profiles import parse_device

NAME = "client-001"  # a site's, as long as most are: it travels with every upload
WITHIN = 1.0  # points of accuracy up to which the boards tell nothing apart
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
FLAGS: dict[str, dict[str, str]] = {  # what a wish adds to a run
    "sums-only": {"secure": "masks"},
    "differential": {
        "privacy": "example:eps=8,trust=sum",
        "secure": "masks",
        "head_start": "class-means",
    },
}
# of a run whose sites share the noise: they make one gradient a round, and fewer steps are too
# large
NOISY_ROUNDS = 40


@dataclass(frozen=True)
class Needs:
    """What the sites can bear and have. memory: bytes free at a site, None: what the device profile
    has.

    devices, link: profiles or mixes, as for a run. hours: that a site may work each night.
    examples: at each site. privacy: an entry of PRIVACY. texts: tokens of the texts at a site.
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
    # in the mean and in the longest text; those of the bundled data
    tokens: tuple[float, int] = (23.0, 49)

    def texts(self) -> Texts:
        return Texts(math.ceil(1.25 * self.examples), *self.tokens)  # a fifth more for validation


@dataclass(frozen=True)
class Advice:
    """One method, what it takes, and the reasons why it does not fit, if any.

    accuracy: % measured elsewhere (see BOARD). known: False where that is another method's. Seconds
    are those of the slowest site; bytes are of one site, up and down. night_bytes,
    night_train_seconds: a full night's worth.
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
    """Every method of TUNES x WIRES: those that fit first, best first, then the others.

    Ranked by accuracy on the measured board in steps of WITHIN points below the best that fits,
    then by traffic, then by time. paces: measured seconds per example by tune; a tune not in it is
    computed. Raises FedkitError.
    """
    check(needs)
    needs = as_wished(needs)
    found = [_advice(needs, tune, wire, paces or {}) for tune in TUNES for wire in WIRES]
    best = max((a.accuracy for a in found if a.fits), default=0.0)

    def order(a: Advice) -> tuple:
        later = needs.privacy == "differential" and a.tune != "head"
        return not a.fits, later, steps_below(best, a.accuracy), a.total_bytes, a.round_seconds

    return sorted(found, key=order)


def as_wished(needs: Needs) -> Needs:
    """`needs` with the rounds that its wish for privacy takes."""
    return (
        replace(needs, rounds=max(needs.rounds, NOISY_ROUNDS))
        if needs.privacy == "differential"
        else needs
    )


def steps_below(best: float, accuracy: float) -> int:
    """0 for what is at most WITHIN points below the best, in tenths of a point; 1 for at most twice
    that; and so on.
    """
    return max(0, math.ceil(round((best - accuracy) / WITHIN, 1)) - 1)


def check(needs: Needs) -> None:
    """Refuse what makes no sense. Raises FedkitError."""
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


def config_of(needs: Needs, tune: str, wire: str) -> RunConfig:
    """The run that is meant: the settings under which the boards were measured, and what the sites
    have.
    """
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
    config, base = config_of(needs, tune, wire), TUNES[tune]
    up, down, first, start = traffic(wire, tune, needs.model, needs.labels, needs.rounds)
    pace = (
        paces[tune] if tune in paces else seconds_per_example(config, needs.texts(), needs.labels)
    )
    ended = _slowest(needs, down, pace * needs.examples * config.local_epochs, up)
    night = 3600 * needs.hours
    rounds = min(needs.rounds, int(night / max(ended[2], 1e-9)))
    memory = site_footprint(config, needs.texts(), needs.labels)
    accuracy = (TUNES["lora:r=8"] if base is None else base) + min(0.0, WIRES[wire])
    out = Advice(
        tune,
        wire,
        accuracy,
        base is not None,
        ended[0],
        ended[1] - ended[0],
        ended[2] - ended[1],
        up,
        down,
        start + first + needs.rounds * up + (needs.rounds - 1) * down,
        memory.total,
        rounds,
        math.ceil(needs.rounds / rounds) if rounds else 0,
    )
    limit, who = free_memory(needs)
    reasons = (
        lacking(memory, limit, who),
        _too_long(out, needs),
        _not_summable(wire, needs.privacy),
    )
    return replace(out, reasons=tuple(filter(None, reasons)))


def free_memory(needs: Needs) -> tuple[int | None, str]:
    """(bytes free at the site that has least, who that is); None: no limit is known."""
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
    """Seconds since a round began at which the slowest site's download, training and upload end."""
    names, places = _names(needs.sites), range(needs.sites)
    world = World.of({"link": needs.link, "devices": needs.devices, "seed": 0}, names)
    ends = world.ends(1, places, [down] * needs.sites, [work] * needs.sites, [up] * needs.sites)
    return tuple(float(v) for v in ends[np.argmax(ends[:, 2])])


@lru_cache(maxsize=8)
def _names(sites: int) -> tuple[str, ...]:
    return tuple(f"site-{i}" for i in range(sites))


@lru_cache(maxsize=1024)
def traffic(
    wire: str, tune: str, model: str, labels: int, rounds: int
) -> tuple[int, int, int, int]:
    """Bytes of one site: (an upload, a download, the first download, what is sent before round 1).

    Lengths of messages really encoded: a random change of the trained tensors, each scaled by its
    learning rate.
    """
    from fedkit.federated.aggregation.aggregators import make_aggregator
    from fedkit.federated.rounds.exchange import wires
    from fedkit.wire.payload import encode
    from fedkit.wire.pipeline import Context

    config = config_of(Needs(model=model, rounds=rounds), tune, wire)
    delta, (up, down) = _change(model, tune, labels), wires(config, make_aggregator("mean"))
    head = {n: t for n, t in delta.items() if n.startswith("head.")}
    context = Context(NAME, 1, 0, {})
    sent, _ = up.encode(delta, context, {"client": NAME, "examples": 200})
    received, _ = down.encode(delta, context)
    first, _ = (down.dense(4) if down.stages else down).encode(head, context)
    return (
        sent.nbytes,
        received.nbytes,
        first.nbytes,
        encode(_statistics(model, tune, labels)).nbytes,
    )


@lru_cache(maxsize=2)
def _change(model: str, tune: str, labels: int) -> dict[str, Any]:
    import torch

    config = RunConfig(model=model, tune=tune, head_lr=0.001)
    _, trained = known(model, tune, labels)
    random, body = torch.Generator().manual_seed(0), trained.tuner.default_lr
    rate = {True: config.head_lr, False: body}
    return {
        n: rate[n.startswith("head.")] * torch.randn(s, generator=random)
        for n, s in trained.shapes.items()
    }


def _statistics(model: str, tune: str, labels: int) -> dict[str, Any]:
    """What the discriminant head start sends, as zeros; `blank_statistics` asks a model for two
    sizes only.
    """
    from fedkit.federated.rounds.head_start import blank_statistics
    from fedkit.models.head_starts import make_head_start

    width = known(model, tune, labels)[0].width
    sizes = SimpleNamespace(
        labels=range(labels), module=SimpleNamespace(head=SimpleNamespace(in_features=width))
    )
    return blank_statistics(sizes, make_head_start("discriminant").sums)


def measured_paces(
    needs: Needs, tell: Callable[[str], None] = lambda text: None
) -> dict[str, float]:
    """Seconds per training example on this machine, by tune: a few steps of each, on the data that
    `needs` names.
    """
    from fedkit.experiments.estimate import measure_speed
    from fedkit.experiments.job import prepare

    out = {}
    for tune in TUNES:
        tell(f"timing {tune} ...")
        config = replace(config_of(needs, tune, "none"), clients=min(needs.sites, 4))
        out[tune] = measure_speed(prepare(config)).step / config.batch_size
    return out


# ---- in words


def memory_bytes(text: str | None) -> int | None:
    """'4GB', '800MB', '0.5 GiB' -> bytes. Raises FedkitError for what is no size."""
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


def with_data(needs: Needs, data: str, **columns: Any) -> Needs:
    """`needs` with the labels and token counts of the data at `data`. Raises FedkitError if it
    cannot be read.
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


def why(advice: Advice) -> str:
    """The evidence behind the accuracy, in a few words."""
    base = f"{advice.accuracy:.1f} %" if advice.known else "as LoRA r=8"
    return (
        base if advice.wire == "none" or not advice.known else f"{base}, wire's loss from LoRA r=8"
    )


def refusals(advices: Sequence[Advice]) -> list[str]:
    """Why methods do not fit, a line for each reason: the methods that share it, then both
    numbers.
    """
    wires: dict[tuple[str, str], list[str]] = {}
    for a in sorted(advices, key=lambda a: (list(TUNES).index(a.tune), list(WIRES).index(a.wire))):
        for reason in a.reasons:
            wires.setdefault((a.tune, reason), []).append(a.wire)
    tunes: dict[tuple[str, str], list[str]] = {}
    for (tune, reason), over in wires.items():
        tunes.setdefault(
            ("any wire" if len(over) == len(WIRES) else " or ".join(over), reason), []
        ).append(tune)
    return [f"{_all(members)} with {over}: {reason}" for (over, reason), members in tunes.items()]


def _all(tunes: list[str]) -> str:
    return "every method" if len(tunes) == len(TUNES) else ", ".join(tunes)


def best_command(needs: Needs, advices: Sequence[Advice]) -> str | None:
    """The `fedkit run` that tries the best method that fits; None if none does."""
    from fedkit.core.commands import command

    best = next((a for a in advices if a.fits), None)
    if best is None:
        return None
    return command(
        "run",
        replace(config_of(as_wished(needs), best.tune, best.wire), **FLAGS.get(needs.privacy, {})),
    )


def advice_lines(needs: Needs, advices: Sequence[Advice], most: int = 12) -> list[str]:
    """The ranked table, what does not fit and why, and the command that tries the best."""
    from fedkit.core.text_table import aligned

    good, needs = [a for a in advices if a.fits], as_wished(needs)
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
            aligned(heads, [_row(i, a) for i, a in enumerate(good[:most], 1)], _key(needs)).rstrip(
                "\n"
            )
        )
        lines += _once(needs, good[0]).splitlines()
    if len(good) > most:
        lines.append(f"{len(good) - most} more fit; --json lists them all")
    if refused := refusals(advices):
        lines += ["", "do not fit:", *(f"  {line}" for line in refused)]
    lines.append("")
    if good and needs.data == RunConfig.data:
        lines.append(
            "the command below takes the bundled reports, which have six sites; add --data FILE for"
            " your own"
        )
    lines.append(f"try the best: {best_command(needs, advices)}" if good else NOTHING)
    return lines


def _once(needs: Needs, a: Advice) -> str:
    """What travels once, before any round: the base model, and what the head starts from."""
    from fedkit.core.formatting import megabytes, seconds

    model = 4 * known(needs.model, a.tune, needs.labels)[0].values
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
