"""From recorded bytes and training seconds to simulated time: a link and a device for every client.

links, devices: what a site has. mix: who has which. fluid: a line that all share. clock: the
seconds of a round. columns, timeline, redraw: a finished run over any of these, without training.
"""

from fedkit.network.profiles import (
    DEVICES,
    LINKS,
    Device,
    Link,
    Part,
    deal,
    parse_device,
    parse_devices,
    parse_link,
    parse_links,
    parse_server_link,
)
from fedkit.network.replay import RECORDED, replay
from fedkit.network.timeline import Bar, RoundTime, Timeline
from fedkit.network.world import World, round_ends

__all__ = [
    "DEVICES",
    "LINKS",
    "RECORDED",
    "Bar",
    "Device",
    "Link",
    "Part",
    "RoundTime",
    "Timeline",
    "World",
    "deal",
    "parse_device",
    "parse_devices",
    "parse_link",
    "parse_links",
    "parse_server_link",
    "replay",
    "round_ends",
]
