"""Faults of clients: away, late to join, leaving, crashing, late, upload lost or sent twice.

A client's fate in a round depends only on the seed, the round and its id, so a resumed run and
another strategy meet the same faults.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import numpy as np

from fedkit.core.errors import FedkitError
from fedkit.core.files import read_packaged_words

LATE_FACTOR = 3.0  # a late upload hangs for so many times what the client's round would have taken
ARRIVALS = (2, 5)  # first and last round in which a client that was not there at the start arrives
FAULTS = read_packaged_words("fedkit.federated", "faults.toml")  # what each rate means
ROUND_FAULTS = ("away", "crash", "lost", "late", "twice")  # in the order in which they would happen


@dataclass(frozen=True)
class Faults:
    """Rates from 0 to 1, per client and round; `FAULTS` says what each means.

    Each is a share of the clients to whom it can still happen (one that crashed loses no upload).
    """

    lost: float = 0.0
    crash: float = 0.0
    late: float = 0.0
    away: float = 0.0
    leave: float = 0.0
    join: float = 0.0
    twice: float = 0.0


@dataclass(frozen=True)
class Fate:
    """What happens to a client in a round.

    kind: '', 'away', 'not yet here', 'left', 'crash', 'lost', 'late' or 'twice'. part: the share of
    its training that a crashing client did, from 0 to 1.
    """

    kind: str = ""
    part: float = 1.0


def parse_faults(spec: str) -> Faults:
    """Return the rates that 'none' or 'lost=0.1,crash=0.05' describes.

    Raises FedkitError for anything else.
    """
    rates: dict[str, float] = {}
    if spec.strip() == "none":
        return Faults()
    for item in spec.split(","):
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals or key not in FAULTS or key in rates:
            wrong = "twice given" if key in rates else "not understood"
            raise FedkitError(
                f"faults {spec!r}: {item.strip()!r} is {wrong}; write none, or RATE=0.1 joined by"
                f" ',', the rates being: {', '.join(FAULTS)}"
            )
        try:
            rates[key] = float(value)
        except ValueError:
            rates[key] = math.nan
        if not 0 <= rates[key] <= 1:
            raise FedkitError(
                f"faults {spec!r}: {key} is {value!r}; a rate is from 0 to 1, for example {key}=0.1"
            )
    return Faults(**rates)


def draw_fate(faults: Faults, seed: int, round_number: int, client_id: str) -> Fate:
    """Return what happens to the client in a round, from 1 on.

    A higher rate also hits every client that a lower rate would hit.
    """
    if not any(vars(faults).values()):
        return Fate()
    arrival, stay = _life(faults, seed, client_id)
    if round_number < arrival:
        return Fate("not yet here", 0.0)
    if round_number - arrival >= stay:
        return Fate("left", 0.0)
    *draws, part = _draws(seed, round_number, client_id, len(ROUND_FAULTS) + 1)
    for kind, draw in zip(ROUND_FAULTS, draws):
        if draw < getattr(faults, kind):
            return Fate(kind, part if kind == "crash" else 0.0 if kind == "away" else 1.0)
    return Fate()


def _life(faults: Faults, seed: int, client_id: str) -> tuple[int, float]:
    """Return (the round in which the client arrives, the number of rounds that it stays)."""
    joins, when, leaves = _draws(seed, 0, client_id, 3)
    first, last = ARRIVALS
    arrival = first + int(when * (last - first + 1)) if joins < faults.join else 1
    if faults.leave in (0.0, 1.0):
        return arrival, math.inf if faults.leave == 0 else 0
    # until a draw hits: geometric
    return arrival, math.floor(math.log1p(-leaves) / math.log1p(-faults.leave))


def _draws(seed: int, round_number: int, client_id: str, count: int) -> list[float]:
    """Return uniform draws from 0 to 1 for this client and round."""
    words = [seed, round_number, zlib.crc32(client_id.encode()), zlib.crc32(b"faults")]
    return np.random.default_rng(words).random(count).tolist()
