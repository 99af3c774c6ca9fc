"""From recorded bytes and training seconds to simulated time.

In: a finished run, a link and a device for every client. Out: when each round and visit ends.
`profiles` has the links and devices, `world` computes the seconds of a round, and `replay` those of
a finished run with another network. Nothing is trained here.
May import: core.
"""

from fedkit.network.profiles import (
    DEVICES,
    LINKS,
    Device,
    Link,
    assign_parts,
    describe_link,
    parse_device,
    parse_devices,
    parse_link,
    parse_links,
    parse_server_link,
)
from fedkit.network.replay import RECORDED, RoundTime, Timeline, VisitSpan, replay
from fedkit.network.world import World, round_ends

__all__ = [
    "DEVICES",
    "LINKS",
    "RECORDED",
    "Device",
    "Link",
    "RoundTime",
    "Timeline",
    "VisitSpan",
    "World",
    "assign_parts",
    "describe_link",
    "parse_device",
    "parse_devices",
    "parse_link",
    "parse_links",
    "parse_server_link",
    "replay",
    "round_ends",
]
