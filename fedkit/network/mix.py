"""Unlike sites: 'old-pc=0.7,gpu-server=0.3' says which shares of the clients have which device or link."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedkit.errors import FedkitError
from fedkit.network.devices import Device, parse_device
from fedkit.network.links import Link, parse_link


@dataclass(frozen=True)
class Part:
    """One part of a mix: its name as written, what that stands for, and its share of the clients, 0 to 1."""

    name: str
    what: Link | Device
    share: float


def parse_links(spec: str) -> tuple[Part, ...]:
    """A link, or a mix of links NAME=SHARE,... Raises FedkitError for what cannot be read."""
    return _parse("link", spec, parse_link, "dsl=0.5,4g=0.5")


def parse_devices(spec: str) -> tuple[Part, ...]:
    """A device, or a mix of devices NAME=SHARE,... Raises FedkitError for what cannot be read."""
    return _parse("devices", spec, parse_device, "old-pc=0.7,gpu-server=0.3")


def deal(parts: Sequence[Part], clients: int, seed: int, salt: int = 0) -> np.ndarray:
    """The place in `parts` of what each client has, (clients,): the largest remainder decides how many, the seed who."""
    exact = np.array([part.share for part in parts]) * clients
    counts = np.floor(exact + 1e-9).astype(int)
    short = clients - counts.sum()
    counts[np.argsort(counts - exact, kind="stable")[:short]] += 1
    return np.random.default_rng([abs(seed), salt]).permutation(np.repeat(np.arange(len(parts)), counts))


def _parse(kind: str, spec: str, parse: Callable[[str], Any], example: str) -> tuple[Part, ...]:
    items = [item.strip() for item in spec.split(",")]
    if len(items) == 1:
        name, _, share = items[0].rpartition("=")
        try:
            return (Part(spec.strip(), parse(spec), 1.0),)
        except FedkitError:
            if not (_is_share(share) and _reads(parse, name)):
                raise
    named = [item.rpartition("=") for item in items]
    if wrong := [item for item, (_, _, share) in zip(items, named) if not _is_share(share)]:
        raise FedkitError(f"{kind} {spec!r}: {wrong[0]!r} has no share above 0; write a mix such as {example}")
    total = math.fsum(float(share) for *_, share in named)
    return tuple(Part(name, parse(name), float(share) / total) for name, _, share in named)


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
