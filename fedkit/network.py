"""From recorded bytes and training seconds to simulated time: a link and a device for every client.

What is here changes seconds only, never learning: a finished run can be replayed over any link without training.
Model of a synchronous round: the server waits for the slowest client; clients work at the same time;
a client's time = latency + download + training x slowdown + latency + upload.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from fedkit.errors import FedkitError
from fedkit.record import ClientRecord, RoundRecord, Run

UNITS = {"kbps": 1e3, "mbps": 1e6, "gbps": 1e9}
FORM = re.compile(
    r"(?P<down>[\d.]+)(?P<du>[kmg]bps)(?::(?P<up>[\d.]+)(?P<uu>[kmg]bps))?(?:/(?P<ms>[\d.]+)ms)?", re.ASCII
)


@dataclass(frozen=True)
class Link:
    """A site's connection: bits per second each way, and seconds of one-way latency."""

    down: float
    up: float
    latency: float = 0.0

    def seconds(self, downlink_bytes: int, uplink_bytes: int) -> float:
        return 2 * self.latency + 8 * downlink_bytes / self.down + 8 * uplink_bytes / self.up


@dataclass(frozen=True)
class Device:
    """How many times slower than the machine that ran the training, and why we say so."""

    slowdown: float
    basis: str


def parse_link(spec: str) -> Link:
    """A profile name, or DOWN[:UP]/LATENCY such as 10mbps/40ms or 20mbps:2mbps/60ms."""
    if spec in LINKS:
        return LINKS[spec]
    match = FORM.fullmatch(spec.strip().lower())
    try:
        down = float(match["down"]) * UNITS[match["du"]]
        up = float(match["up"]) * UNITS[match["uu"]] if match["up"] else down
        latency = float(match["ms"] or 0) / 1e3
        if not (down > 0 and up > 0 and latency < 600):
            raise ValueError
    except (TypeError, ValueError):
        raise FedkitError(
            f"link {spec!r} is not understood; write DOWN[:UP]/LATENCY such as 10mbps/40ms, or one of: {', '.join(LINKS)}"
        ) from None
    return Link(down, up, latency)


def parse_device(name: str) -> Device:
    """A device profile by name."""
    if name not in DEVICES:
        raise FedkitError(f"devices {name!r} is not known; choose one of: {', '.join(DEVICES)}")
    return DEVICES[name]


def client_seconds(record: ClientRecord, link: Link, device: Device) -> float:
    """Simulated seconds from the server's word to the arrival of this client's update."""
    return link.seconds(record.downlink_bytes, record.uplink_bytes) + record.train_seconds * device.slowdown


def round_seconds(clients: Sequence[ClientRecord], link: Link, device: Device) -> float:
    """Simulated seconds of a round: everyone in parallel, the server waits for the last. 0 without clients."""
    return max((client_seconds(c, link, device) for c in clients), default=0.0)


def replay(run: Run, link: str, devices: str = "as-measured") -> list[float]:
    """Simulated seconds at the end of the start exchange and of each round, over another link; nothing is trained."""
    way, device, clock = parse_link(link), parse_device(devices), 0.0
    out = []
    for record in (run.start or RoundRecord(0, 0.0, 0.0, 0.0), *run.rounds):
        clock += round_seconds(record.clients, way, device)
        out.append(clock)
    return out


LINKS: dict[str, Link] = {
    "field-64k": Link(64e3, 64e3, 0.3),
    "dsl": Link(10e6, 1e6, 0.04),
    "4g": Link(30e6, 10e6, 0.05),
    "office-100m": Link(100e6, 100e6, 0.01),
    "lan-1g": Link(1e9, 1e9, 0.001),
}

DEVICES: dict[str, Device] = {
    "as-measured": Device(1.0, "the machine that ran the training"),
    "half-speed": Device(2.0, "an assumption: twice the measured training time"),
    "quarter-speed": Device(4.0, "an assumption: four times the measured training time"),
    "tenth-speed": Device(10.0, "an assumption: ten times the measured training time"),
}
