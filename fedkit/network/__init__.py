"""From recorded bytes and training seconds to simulated time: a link and a device for every client.

links, devices: what a site has. mix: who has which. fluid: a line that all share. clock: the seconds of a round.
columns, timeline, redraw: a finished run over any of these, without training.
"""

from fedkit.network.clock import World, round_ends
from fedkit.network.devices import DEVICES, Device, parse_device
from fedkit.network.links import LINKS, Link, parse_link, parse_server_link
from fedkit.network.mix import Part, deal, parse_devices, parse_links
from fedkit.network.redraw import RECORDED, replay
from fedkit.network.timeline import Bar, RoundTime, Timeline

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
