"""Numbers in words, the same way in a terminal, a figure and a page. ASCII only, so that any console can print it."""

from __future__ import annotations

import math

from fedkit.data.say import count
from fedkit.network import LINKS, parse_devices, parse_links
from fedkit.record import Run


def percent(share: float, digits: int = 1) -> str:
    """0.634 -> '63.4 %'."""
    return "not known" if math.isnan(share) else f"{100 * share:.{digits}f} %"


def between(low: float, high: float) -> str:
    """(0.59, 0.675) -> '59.0 to 67.5 %'."""
    return "not known" if math.isnan(low) or math.isnan(high) else f"{100 * low:.1f} to {percent(high)}"


def rounds(run: Run) -> str:
    """'1 round', '10 rounds': those the record holds."""
    return count(len(run.rounds), "round")


def points(difference: float) -> str:
    """0.153 -> '+15.3', in percentage points."""
    return f"{100 * difference:+.1f}"


def megabytes(mb: float) -> str:
    """1.95 -> '1.95 MB', 0.0187 -> '18.7 kB', 2100 -> '2.10 GB'."""
    if math.isnan(mb):
        return "not counted"
    for size, unit in ((1e3, "GB"), (1, "MB"), (1e-3, "kB")):
        if mb >= size:
            return f"{_three(mb / size)} {unit}"
    return f"{round(mb * 1e6)} bytes"


def seconds(value: float) -> str:
    """8.6 -> '8.6 s', 200 -> '3.3 min', 9000 -> '2.5 h'."""
    if math.isnan(value):
        return "not known"
    size, unit = time_unit(value)
    return f"{value / size:.1f} {unit}"


def time_unit(longest: float) -> tuple[float, str]:
    """(seconds in it, its sign): the unit in which times up to `longest` seconds read well."""
    return (1.0, "s") if longest < 180 else (60.0, "min") if longest < 2 * 3600 else (3600.0, "h")


def link(spec: str) -> str:
    """'10mbps/40ms' -> '10 Mbit/s each way, 40 ms latency'; a profile's name is put before it, and mixes are told part by part."""
    parts = parse_links(spec)
    if len(parts) > 1:
        return " and ".join(f"{percent(part.share, 0)} over {link(part.name)}" for part in parts)
    way, spec = parts[0].what, parts[0].name
    speed = f"{_bits(way.down)} each way" if way.down == way.up else f"{_bits(way.down)} down and {_bits(way.up)} up"
    more = [f"up to {1e3 * way.jitter:g} ms jitter"] * bool(way.jitter) + [f"{100 * way.loss:g} % loss"] * bool(
        way.loss
    )
    return ", ".join([f"{spec + ': ' if spec in LINKS else ''}{speed}", f"{1e3 * way.latency:g} ms latency", *more])


def device(name: str) -> str:
    """'half-speed' -> 'half-speed (an assumption: ...)'."""
    parts = parse_devices(name)
    if len(parts) > 1:
        return " and ".join(f"{percent(part.share, 0)} {device(part.name)}" for part in parts)
    return f"{parts[0].name} ({parts[0].what.basis})"


def _bits(per_second: float) -> str:
    for size, unit in ((1e9, "Gbit/s"), (1e6, "Mbit/s")):
        if per_second >= size:
            return f"{per_second / size:g} {unit}"
    return f"{per_second / 1e3:g} kbit/s"


def _three(value: float) -> str:
    """Three digits that count: 1.95, 19.5, 195, 1,950."""
    return f"{value:,.{max(0, 2 - int(math.log10(max(value, 1))))}f}"
