"""A site's connection: speed each way, latency, jitter and loss; profiles by name, or written out."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from fedkit.errors import FedkitError

UNITS = {"kbps": 1e3, "mbps": 1e6, "gbps": 1e9}
MSS = 1460  # bytes of payload in a TCP segment over Ethernet: 1500 less two headers of 20
LONGEST = 600.0  # seconds of latency or jitter that are believed
MOST_LOSS = 0.5
SPEED = r"(?P<down>[\d.]+)(?P<du>[kmg]bps)(?::(?P<up>[\d.]+)(?P<uu>[kmg]bps))?"
FORM = re.compile(
    SPEED + r"(?:/(?P<ms>[\d.]+)ms)?(?:/jitter=(?P<jitter>[\d.]+)ms)?(?:/loss=(?P<loss>[\d.]+))?", re.ASCII
)


@dataclass(frozen=True)
class Link:
    """A site's connection: bits per second each way, and seconds of one-way latency.

    jitter: each transfer waits up to so many seconds more, drawn anew. loss: share of packets that get lost.
    """

    down: float
    up: float
    latency: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0
    about: str = field(default="", compare=False)

    def rate(self, speed: float) -> float:
        """Bits per second of one TCP connection at a line speed of `speed`.

        Lost packets are sent again, and TCP slows down at each: rate <= MSS/RTT * sqrt(3/2) / sqrt(loss) (Mathis,
        Semke, Mahdavi, Ott 1997, for periodic loss and an acknowledgement per packet). RTT: two latencies and the
        mean jitter of both.
        """
        round_trip = 2 * self.latency + self.jitter
        most = 8 * MSS / round_trip * math.sqrt(1.5 / self.loss) if self.loss and round_trip else math.inf
        return min(speed * (1 - self.loss), most)


def parse_link(spec: str) -> Link:
    """A profile name, or DOWN[:UP][/LATENCY][/jitter=J][/loss=P], such as 20mbps:2mbps/60ms/jitter=5ms/loss=0.01."""
    if spec in LINKS:
        return LINKS[spec]
    match = FORM.fullmatch(spec.strip().lower())
    try:
        down, up = _speeds(match)
        latency, jitter, loss = float(match["ms"] or 0) / 1e3, float(match["jitter"] or 0) / 1e3, match["loss"] or 0
        if not (latency < LONGEST and jitter < LONGEST and float(loss) <= MOST_LOSS):
            raise ValueError
    except (TypeError, ValueError):
        raise FedkitError(
            f"link {spec!r} is not understood; write DOWN[:UP]/LATENCY such as 10mbps/40ms, with /jitter=5ms and "
            f"/loss=0.01 (up to {MOST_LOSS}) after it where they matter, or one of: {', '.join(LINKS)}"
        ) from None
    return Link(down, up, latency, jitter, float(loss))


def parse_server_link(spec: str | None) -> tuple[float, float] | None:
    """The line that all sites share at the server, SPEED or TO-SITES:FROM-SITES, in bits per second; None: no limit."""
    if spec is None:
        return None
    try:
        return _speeds(re.fullmatch(SPEED, spec.strip().lower(), re.ASCII))
    except (TypeError, ValueError):
        raise FedkitError(
            f"server-link {spec!r} is not understood; write a speed such as 100mbps, or TO-SITES:FROM-SITES such as "
            "1gbps:100mbps"
        ) from None


def _speeds(match: re.Match[str] | None) -> tuple[float, float]:
    """Bits per second down and up. Raises TypeError or ValueError for what is no speed."""
    down = float(match["down"]) * UNITS[match["du"]]
    up = float(match["up"]) * UNITS[match["uu"]] if match["up"] else down
    if not (0 < down < math.inf and 0 < up < math.inf):
        raise ValueError
    return down, up


LINKS: dict[str, Link] = {
    "field-64k": Link(64e3, 64e3, 0.3, about="one ISDN channel, or a narrow radio or satellite telephone line"),
    "1mbit": Link(1e6, 1e6, 0.05, about="a thin leased line"),
    "dsl": Link(10e6, 1e6, 0.04, about="an ADSL line some way from its exchange (ITU-T G.992)"),
    "office-10m": Link(10e6, 10e6, 0.02, about="a small office's line, or its share of a larger one"),
    "4g": Link(30e6, 10e6, 0.05, about="a mobile network on an ordinary day"),
    "satellite": Link(
        25e6, 3e6, 0.3, 0.03, 1e-4,
        about="geostationary: 2 x 35,786 km at the speed of light are 0.24 s, one way; without an accelerator (RFC 3135)",
    ),
    "office-100m": Link(100e6, 100e6, 0.01, about="an office on fibre"),
    "lan-1g": Link(1e9, 1e9, 0.001, about="the same building, Gigabit Ethernet"),
}  # fmt: skip
