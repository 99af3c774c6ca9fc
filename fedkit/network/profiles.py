"""The network link and the device of each client: profiles by name, text forms, and mixes.

A link is a profile name or DOWN[:UP][/LATENCY][/jitter=J][/loss=P]; a device is a profile name. A
mix NAME=SHARE,... gives shares of the clients different ones.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np

from fedkit.core.errors import FedkitError
from fedkit.core.files import read_packaged_table
from fedkit.core.formatting import percent, quote

SPEED_UNITS = {"kbps": 1e3, "mbps": 1e6, "gbps": 1e9}
MSS = 1460  # bytes of payload in a TCP segment over Ethernet: 1500 less two headers of 20
MAX_LATENCY = 600.0  # seconds of latency or jitter that are accepted
MAX_LOSS = 0.5
SPEED_PATTERN = r"(?P<down>[\d.]+)(?P<du>[kmg]bps)(?::(?P<up>[\d.]+)(?P<uu>[kmg]bps))?"
LINK_PATTERN = re.compile(
    SPEED_PATTERN
    + r"(?:/(?P<ms>[\d.]+)ms)?(?:/jitter=(?P<jitter>[\d.]+)ms)?(?:/loss=(?P<loss>[\d.]+))?",
    re.ASCII,
)


@dataclass(frozen=True)
class Link:
    """The link of a client: bits per second each way, and seconds of one-way latency.

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
        """Return the bits per second of one TCP connection at a line speed of `speed`.

        Lost packets are sent again, and TCP slows down at each: rate <= MSS/RTT * sqrt(3/2) /
        sqrt(loss) (Mathis, Semke, Mahdavi, Ott 1997, for periodic loss and an acknowledgement per
        packet). RTT: two latencies and the mean jitter of both.
        """
        round_trip = 2 * self.latency + self.jitter
        if not (self.loss and round_trip):
            return speed * (1 - self.loss)
        return min(speed * (1 - self.loss), 8 * MSS / round_trip * math.sqrt(1.5 / self.loss))


@dataclass(frozen=True)
class Device:
    """The computer of a client, compared with the machine that ran the training."""

    slowdown: float  # seconds here for each second of the machine that ran
    memory: int | None  # bytes free to train in; None: no limit
    basis: str  # where the numbers come from


_PROFILES = read_packaged_table("fedkit.network", "profiles.toml")
LINKS = {name: Link(**values) for name, values in _PROFILES["links"].items()}
DEVICES = {
    name: Device(**{"memory": None, **values}) for name, values in _PROFILES["devices"].items()
}

Profile = TypeVar("Profile", Link, Device)


@dataclass(frozen=True)
class MixPart(Generic[Profile]):
    """One part of a mix: its name as written, its link or device, and its share of the clients."""

    name: str
    profile: Profile
    share: float  # 0 to 1


def parse_link(spec: str) -> Link:
    """Parse a profile name, or DOWN[:UP][/LATENCY][/jitter=J][/loss=P].

    Example: 20mbps:2mbps/60ms/jitter=5ms/loss=0.01. Raises FedkitError for anything else.
    """
    if spec in LINKS:
        return LINKS[spec]
    match: Any = LINK_PATTERN.fullmatch(spec.strip().lower())
    with suppress(TypeError, ValueError):  # no match, or no numbers
        speeds = _speeds(match)
        latency, jitter = float(match["ms"] or 0) / 1e3, float(match["jitter"] or 0) / 1e3
        loss = float(match["loss"] or 0)
        if latency < MAX_LATENCY and jitter < MAX_LATENCY and loss <= MAX_LOSS:
            return Link(*speeds, latency, jitter, loss)
    raise FedkitError(
        f"link {spec!r} is not understood; write DOWN[:UP]/LATENCY such as 10mbps/40ms, with"
        f" /jitter=5ms and /loss=0.01 (up to {MAX_LOSS}) after it where they matter, or one"
        f" of: {', '.join(LINKS)}"
    )


def parse_device(name: str) -> Device:
    """Return a device profile by name. Raises FedkitError for an unknown name."""
    if name not in DEVICES:
        raise FedkitError(f"devices {name!r} is not known; choose one of: {', '.join(DEVICES)}")
    return DEVICES[name]


def parse_server_link(spec: str | None) -> tuple[float, float] | None:
    """Parse the server's line, which all clients share: SPEED or TO-CLIENTS:FROM-CLIENTS.

    Returns bits per second to and from the clients; None for None: no limit.
    """
    if spec is None:
        return None
    with suppress(TypeError, ValueError):
        return _speeds(re.fullmatch(SPEED_PATTERN, spec.strip().lower(), re.ASCII))
    raise FedkitError(
        f"server-link {quote(spec)} is not understood; write a speed such as 100mbps, or"
        " TO-SITES:FROM-SITES such as 1gbps:100mbps"
    )


def parse_links(spec: str) -> tuple[MixPart[Link], ...]:
    """Parse a link, or a mix of links NAME=SHARE,... Raises FedkitError for anything else."""
    return _parse_mix("link", spec, parse_link, "dsl=0.5,4g=0.5")


def parse_devices(spec: str) -> tuple[MixPart[Device], ...]:
    """Parse a device, or a mix of devices NAME=SHARE,... Raises FedkitError for anything else."""
    return _parse_mix("devices", spec, parse_device, "old-pc=0.7,gpu-server=0.3")


def assign_parts(parts: Sequence[MixPart], clients: int, seed: int, salt: int = 0) -> np.ndarray:
    """Return the index in `parts` of what each client has, int, shape (clients,).

    The largest remainder method gives the number of clients of a part, the seed which ones.
    """
    exact = np.array([part.share for part in parts]) * clients
    counts = np.floor(exact + 1e-9).astype(int)
    short = clients - counts.sum()
    counts[np.argsort(counts - exact, kind="stable")[:short]] += 1
    which = np.repeat(np.arange(len(parts)), counts)
    return np.random.default_rng([abs(seed), salt]).permutation(which)


def describe_link(spec: str) -> str:
    """Describe a link for people: '10mbps/40ms' -> '10 Mbit/s each way, 40 ms latency'.

    The name of a profile is put before it; a mix is described part by part.
    """
    parts = parse_links(spec)
    if len(parts) > 1:
        return " and ".join(f"{percent(p.share, 0)} over {describe_link(p.name)}" for p in parts)
    link, name = parts[0].profile, parts[0].name
    speed = f"{_format_bits(link.down)} each way"
    if link.down != link.up:
        speed = f"{_format_bits(link.down)} down and {_format_bits(link.up)} up"
    words = [f"{name}: {speed}" if name in LINKS else speed, f"{1e3 * link.latency:g} ms latency"]
    words += [f"up to {1e3 * link.jitter:g} ms jitter"] if link.jitter else []
    words += [f"{100 * link.loss:g} % loss"] if link.loss else []
    return ", ".join(words)


def describe_device(spec: str) -> str:
    """Describe a device or a mix: 'half-speed' -> 'half-speed (an assumption: ...)'."""
    parts = parse_devices(spec)
    if len(parts) > 1:
        return " and ".join(f"{percent(p.share, 0)} {describe_device(p.name)}" for p in parts)
    return f"{parts[0].name} ({parts[0].profile.basis})"


def _speeds(match: Any) -> tuple[float, float]:
    """Return bits per second down and up; TypeError for no match, ValueError for no speed."""
    down = float(match["down"]) * SPEED_UNITS[match["du"]]
    up = float(match["up"]) * SPEED_UNITS[match["uu"]] if match["up"] else down
    if not (0 < down < math.inf and 0 < up < math.inf):
        raise ValueError("no speed")
    return down, up


def _parse_mix(
    kind: str, spec: str, parse: Callable[[str], Profile], example: str
) -> tuple[MixPart[Profile], ...]:
    items = [item.strip() for item in spec.split(",")]
    named = [item.rpartition("=") for item in items]
    names, shares = [name for name, _, _ in named], [_share(text) for _, _, text in named]
    if len(items) == 1:
        try:
            return (MixPart(spec.strip(), parse(spec), 1.0),)
        except FedkitError:
            is_mix = False
            with suppress(FedkitError):
                is_mix = shares[0] > 0 and bool(parse(names[0]))
            if not is_mix:
                raise
    if wrong := [item for item, share in zip(items, shares) if not share > 0]:
        raise FedkitError(
            f"{kind} {spec!r}: {wrong[0]!r} has no share above 0; write a mix such as {example}"
        )
    total, parts = math.fsum(shares), all(share in range(1, 10) for share in shares)
    whole = parts or abs(total - 1) <= 1 / 99 or abs(total - 100) <= 100 / 99
    if not whole or len(set(names)) < len(names):
        percents = f"{total if max(shares) > 1 else 100 * total:g} % in all"
        problem = "a name stands there twice" if whole else f"the shares are {percents}"
        raise FedkitError(
            f"{kind} {spec!r}: {problem}; write each once, with shares that add to 1, such as"
            f" {example}, or parts such as 1 and 3"
        )
    return tuple(MixPart(name, parse(name), share / total) for name, share in zip(names, shares))


def _share(text: str) -> float:
    """Return what follows '=': 0.5 of '0.5' and '50%', 50 of '50'; 0 for what is no share."""
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        return 0.0
    return share if 0 < share < math.inf else 0.0


def _format_bits(per_second: float) -> str:
    for size, unit in ((1e9, "Gbit/s"), (1e6, "Mbit/s")):
        if per_second >= size:
            return f"{per_second / size:g} {unit}"
    return f"{per_second / 1e3:g} kbit/s"
