"""A site's connection: speed each way, latency, jitter and loss; profiles by name, or
written out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import percent

SPEED_UNITS = {"kbps": 1e3, "mbps": 1e6, "gbps": 1e9}
MSS = 1460  # bytes of payload in a TCP segment over Ethernet: 1500 less two headers of 20
MAX_LATENCY = 600.0  # seconds of latency or jitter that are believed
MAX_LOSS = 0.5
SPEED_PATTERN = r"(?P<down>[\d.]+)(?P<du>[kmg]bps)(?::(?P<up>[\d.]+)(?P<uu>[kmg]bps))?"
LINK_PATTERN = re.compile(
    SPEED_PATTERN
    + r"(?:/(?P<ms>[\d.]+)ms)?(?:/jitter=(?P<jitter>[\d.]+)ms)?(?:/loss=(?P<loss>[\d.]+))?",
    re.ASCII,
)


@dataclass(frozen=True)
class Link:
    """A site's connection: bits per second each way, and seconds of one-way latency.

    jitter: each transfer waits up to so many seconds more, drawn anew. loss: share of packets that
    get lost.
    """

    down: float
    up: float
    latency: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0
    about: str = field(default="", compare=False)

    def rate(self, speed: float) -> float:
        """Bits per second of one TCP connection at a line speed of `speed`.

        Lost packets are sent again, and TCP slows down at each: rate <= MSS/RTT * sqrt(3/2) /
        sqrt(loss) (Mathis, Semke, Mahdavi, Ott 1997, for periodic loss and an acknowledgement per
        packet). RTT: two latencies and the mean jitter of both.
        """
        round_trip = 2 * self.latency + self.jitter
        most = (
            8 * MSS / round_trip * math.sqrt(1.5 / self.loss)
            if self.loss and round_trip
            else math.inf
        )
        return min(speed * (1 - self.loss), most)


def parse_link(spec: str) -> Link:
    """A profile name, or DOWN[:UP][/LATENCY][/jitter=J][/loss=P], such as
    20mbps:2mbps/60ms/jitter=5ms/loss=0.01.
    """
    if spec in LINKS:
        return LINKS[spec]
    match = LINK_PATTERN.fullmatch(spec.strip().lower())
    try:
        down, up = _speeds(match)
        latency, jitter, loss = (
            float(match["ms"] or 0) / 1e3,
            float(match["jitter"] or 0) / 1e3,
            match["loss"] or 0,
        )
        if not (latency < MAX_LATENCY and jitter < MAX_LATENCY and float(loss) <= MAX_LOSS):
            raise ValueError
    except (TypeError, ValueError):
        raise FedkitError(
            f"link {spec!r} is not understood; write DOWN[:UP]/LATENCY such as 10mbps/40ms, with"
            f" /jitter=5ms and /loss=0.01 (up to {MAX_LOSS}) after it where they matter, or one"
            f" of: {', '.join(LINKS)}"
        ) from None
    return Link(down, up, latency, jitter, float(loss))


def parse_server_link(spec: str | None) -> tuple[float, float] | None:
    """The line that all sites share at the server, SPEED or TO-SITES:FROM-SITES, in bits per
    second; None: no limit.
    """
    if spec is None:
        return None
    try:
        return _speeds(re.fullmatch(SPEED_PATTERN, spec.strip().lower(), re.ASCII))
    except (TypeError, ValueError):
        raise FedkitError(
            f"server-link {spec!r} is not understood; write a speed such as 100mbps, or"
            " TO-SITES:FROM-SITES such as 1gbps:100mbps"
        ) from None


def _speeds(match: re.Match[str] | None) -> tuple[float, float]:
    """Bits per second down and up. Raises TypeError or ValueError for what is no speed."""
    down = float(match["down"]) * SPEED_UNITS[match["du"]]
    up = float(match["up"]) * SPEED_UNITS[match["uu"]] if match["up"] else down
    if not (0 < down < math.inf and 0 < up < math.inf):
        raise ValueError
    return down, up


LINKS: dict[str, Link] = {
    "field-64k": Link(
        64e3, 64e3, 0.3, about="one ISDN channel, or a narrow radio or satellite telephone line"
    ),
    "1mbit": Link(1e6, 1e6, 0.05, about="a thin leased line"),
    "dsl": Link(10e6, 1e6, 0.04, about="an ADSL line some way from its exchange (ITU-T G.992)"),
    "office-10m": Link(
        10e6, 10e6, 0.02, about="a small office's line, or its share of a larger one"
    ),
    "4g": Link(30e6, 10e6, 0.05, about="a mobile network on an ordinary day"),
    "satellite": Link(
        25e6,
        3e6,
        0.3,
        0.03,
        1e-4,
        about=(
            "geostationary: 2 x 35,786 km at the speed of light are 0.24 s, one way; without an"
            " accelerator (RFC 3135)"
        ),
    ),
    "office-100m": Link(100e6, 100e6, 0.01, about="an office on fibre"),
    "lan-1g": Link(1e9, 1e9, 0.001, about="the same building, Gigabit Ethernet"),
}


GB = 10**9


@dataclass(frozen=True)
class Device:
    """slowdown: seconds here for each second of the machine that ran. memory: bytes free to train
    in; None: no limit.
    """

    slowdown: float
    memory: int | None
    basis: str


def parse_device(name: str) -> Device:
    """A device profile by name."""
    if name not in DEVICES:
        raise FedkitError(f"devices {name!r} is not known; choose one of: {', '.join(DEVICES)}")
    return DEVICES[name]


DEVICES: dict[str, Device] = {
    "as-measured": Device(1.0, None, "the machine that ran the training"),
    "half-speed": Device(2.0, None, "an assumption: twice the measured training time"),
    "quarter-speed": Device(4.0, None, "an assumption: four times the measured training time"),
    "tenth-speed": Device(10.0, None, "an assumption: ten times the measured training time"),
    "old-pc": Device(
        4.4,
        5 * GB,
        "an office PC of 2012, Core i5-3470: 4 cores x 3.2 GHz x 16 (AVX, no FMA) = 205 GFLOP/s"
        " peak, 900 / 205; 8 GB, of which 5 free",
    ),
    "laptop": Device(
        2.9,
        11 * GB,
        "an office laptop of 2020, Core i5-1135G7: 4 cores x 2.4 GHz x 32 (one AVX-512 FMA) = 307"
        " GFLOP/s peak, 900 / 307; 16 GB, of which 11 free",
    ),
    "workstation": Device(
        0.52,
        56 * GB,
        "Ryzen 9 5950X: 16 cores x 3.4 GHz x 32 (two AVX2 FMA) = 1,741 GFLOP/s peak, 900 / 1,741;"
        " 64 GB, of which 56 free",
    ),
    "gpu-server": Device(
        0.05,
        36 * GB,
        "NVIDIA A100 40 GB: 312 TFLOP/s bfloat16 peak, of which 6 % assumed as small batches of"
        " short texts leave most of it idle, 900 / 18,000; 40 GB, of which 36 free",
    ),
    "phone": Device(
        11.0,
        3 * GB,
        "Snapdragon 855: (2.84 + 3 x 2.42 GHz) x 16 (two NEON FMA), large cores only = 162 GFLOP/s"
        " peak, 900 / 162, twice that as heat is assumed to halve its clock; 6 GB, of which 3 free",
    ),
}


@dataclass(frozen=True)
class MixPart:
    """One part of a mix: its name as written, what that stands for, and its share of the clients, 0
    to 1.
    """

    name: str
    what: Link | Device
    share: float


def parse_links(spec: str) -> tuple[MixPart, ...]:
    """A link, or a mix of links NAME=SHARE,... Raises FedkitError for what cannot be read."""
    return _parse("link", spec, parse_link, "dsl=0.5,4g=0.5")


def parse_devices(spec: str) -> tuple[MixPart, ...]:
    """A device, or a mix of devices NAME=SHARE,... Raises FedkitError for what cannot be read."""
    return _parse("devices", spec, parse_device, "old-pc=0.7,gpu-server=0.3")


def assign_parts(parts: Sequence[MixPart], clients: int, seed: int, salt: int = 0) -> np.ndarray:
    """The place in `parts` of what each client has, (clients,): the largest remainder decides how
    many, the seed who.
    """
    exact = np.array([part.share for part in parts]) * clients
    counts = np.floor(exact + 1e-9).astype(int)
    short = clients - counts.sum()
    counts[np.argsort(counts - exact, kind="stable")[:short]] += 1
    return np.random.default_rng([abs(seed), salt]).permutation(
        np.repeat(np.arange(len(parts)), counts)
    )


def _parse(kind: str, spec: str, parse: Callable[[str], Any], example: str) -> tuple[MixPart, ...]:
    items = [item.strip() for item in spec.split(",")]
    if len(items) == 1:
        name, _, share = items[0].rpartition("=")
        try:
            return (MixPart(spec.strip(), parse(spec), 1.0),)
        except FedkitError:
            if not (_is_share(share) and _reads(parse, name)):
                raise
    named = [item.rpartition("=") for item in items]
    if wrong := [item for item, (_, _, share) in zip(items, named) if not _is_share(share)]:
        raise FedkitError(
            f"{kind} {spec!r}: {wrong[0]!r} has no share above 0; write a mix such as {example}"
        )
    total = math.fsum(float(share) for *_, share in named)
    return tuple(MixPart(name, parse(name), float(share) / total) for name, _, share in named)


def _is_share(text: str) -> bool:
    try:
        return 0 < float(text) < math.inf
    except ValueError:
        return False


def _reads(parse: Callable[[str], Any], name: str) -> bool:
    try:
        parse(name)
    except FedkitError:
        return False
    return True


def describe_link(spec: str) -> str:
    """'10mbps/40ms' -> '10 Mbit/s each way, 40 ms latency'; a profile's name is put before it, and
    mixes are told part by part.
    """
    parts = parse_links(spec)
    if len(parts) > 1:
        return " and ".join(
            f"{percent(part.share, 0)} over {describe_link(part.name)}" for part in parts
        )
    way, spec = parts[0].what, parts[0].name
    speed = (
        f"{_bits(way.down)} each way"
        if way.down == way.up
        else f"{_bits(way.down)} down and {_bits(way.up)} up"
    )
    more = [f"up to {1e3 * way.jitter:g} ms jitter"] * bool(way.jitter) + [
        f"{100 * way.loss:g} % loss"
    ] * bool(way.loss)
    return ", ".join(
        [
            f"{spec + ': ' if spec in LINKS else ''}{speed}",
            f"{1e3 * way.latency:g} ms latency",
            *more,
        ]
    )


def describe_device(name: str) -> str:
    """'half-speed' -> 'half-speed (an assumption: ...)'."""
    parts = parse_devices(name)
    if len(parts) > 1:
        return " and ".join(
            f"{percent(part.share, 0)} {describe_device(part.name)}" for part in parts
        )
    return f"{parts[0].name} ({parts[0].what.basis})"


def _bits(per_second: float) -> str:
    for size, unit in ((1e9, "Gbit/s"), (1e6, "Mbit/s")):
        if per_second >= size:
            return f"{per_second / size:g} {unit}"
    return f"{per_second / 1e3:g} kbit/s"
