"""The seconds of a round: every client's download, training and upload, and when the server goes
on.

What is here changes seconds only, never learning, unless there is a deadline or the strategy is
asynchronous. A client's time = latency + download + training x slowdown + latency + upload; clients
work at the same time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from fedkit.core.config import RunConfig
from fedkit.network.profiles import (
    Device,
    Link,
    assign_parts,
    parse_device,
    parse_devices,
    parse_links,
    parse_server_link,
)

DOWN, UP = 0, 1  # directions


@dataclass(frozen=True)
class World:
    """What every site has: link and device (a name of DEVICES) by place, and the line they share at
    the server.

    server: bits per second to and from the sites; None: never the bottleneck. Equal worlds give
    equal times.
    """

    links: tuple[Link, ...]
    devices: tuple[str, ...]
    server: tuple[float, float] | None = None
    seed: int = 0

    @classmethod
    def of(cls, config: RunConfig | Mapping[str, Any], clients: Sequence[str]) -> World:
        """The world of a run's settings for these clients, by place. Raises FedkitError for a
        setting not understood.
        """
        given = config if isinstance(config, Mapping) else vars(config)
        link, devices, server, seed = (
            given.get(name, getattr(RunConfig, name))
            for name in ("link", "devices", "server_link", "seed")
        )
        lines, boxes, many = parse_links(str(link)), parse_devices(str(devices)), len(clients)
        seed = seed if isinstance(seed, int) else 0  # a record may come from anywhere
        return cls(
            tuple(lines[i].what for i in assign_parts(lines, many, seed, 1)),
            tuple(boxes[i].name for i in assign_parts(boxes, many, seed, 2)),
            parse_server_link(server and str(server)),
            seed,
        )

    def link(self, place: int) -> Link:
        return self.links[place]

    def device(self, place: int) -> Device:
        return parse_device(self.devices[place])

    def ends(
        self,
        number: int,
        places: Sequence[int],
        down: Sequence[int],
        work: Sequence[float],
        up: Sequence[int],
    ) -> np.ndarray:
        """Seconds since round `number` began at which each client's download, training, upload
        ended, (n, 3).

        places: of the clients in the run's list. down, up: bytes. work: training seconds on the
        machine that ran. Transfers of the same call share the server's line; jitter depends on
        seed, number, place and direction only.
        """
        columns = (np.asarray(c)[None] for c in (places, down, work, up))
        return self.many(np.array([number]), *columns, np.ones((1, len(places)), bool))[0]

    def many(
        self,
        numbers: np.ndarray,
        places: np.ndarray,
        down: np.ndarray,
        work: np.ndarray,
        up: np.ndarray,
        there: np.ndarray,
    ) -> np.ndarray:
        """As `ends` for several rounds, (rounds, n, 3). numbers: (rounds,) or (rounds, n); the
        others: (rounds, n).

        there: which cells are clients; the times of others say nothing.
        """
        if places.size == 0:
            return np.zeros((*places.shape, 3))
        rates, latency, jitter, slowdown = (column[..., places] for column in self._columns)
        numbers = numbers.reshape(len(places), -1)
        waits = [
            latency + jitter * uniform_draws(self.seed, numbers, places, way)
            if jitter.any()
            else latency
            for way in (DOWN, UP)
        ]
        nought = np.zeros(places.shape)
        downloaded = waits[DOWN] + self._arrive(nought, 8.0 * down, rates[DOWN], DOWN, there)
        trained = downloaded + work * slowdown
        uploaded = self._arrive(trained + waits[UP], 8.0 * up, rates[UP], UP, there)
        return np.stack([downloaded, trained, uploaded], axis=-1)

    def _arrive(
        self, starts: np.ndarray, bits: np.ndarray, rates: np.ndarray, way: int, there: np.ndarray
    ):
        """When transfers that begin at `starts` end, each as fast as its own line, or its share of
        the server's.
        """
        ends = starts + bits / rates
        if self.server is None:
            return ends
        rates, capacity = np.minimum(rates, self.server[way]), self.server[way]
        ends = starts + bits / rates
        tight = np.sum(rates, axis=1, where=there) > capacity
        if tight.any():
            from_then = np.where(there, starts, np.inf)
            ends[tight] = fair_share_ends(from_then[tight], bits[tight], rates[tight], capacity)
        return ends

    @cached_property
    def _columns(self) -> tuple[np.ndarray, ...]:
        """Rates (2, clients), and latency, jitter, slowdown, (clients,)."""
        rates = np.array([(k.rate(k.down), k.rate(k.up)) for k in self.links]).reshape(-1, 2).T
        return (
            rates,
            np.array([k.latency for k in self.links]),
            np.array([k.jitter for k in self.links]),
            np.array([parse_device(name).slowdown for name in self.devices]),
        )


def round_ends(
    arrivals: np.ndarray,
    heard: np.ndarray,
    deadline: float | None = None,
    there: np.ndarray | None = None,
) -> np.ndarray:
    """Seconds that a synchronous round took, over the last axis: until the last upload, or the
    deadline.

    arrivals: (..., n) seconds since the round began at which each upload arrived, or its connection
    broke. heard: whether it arrived at all. Without a deadline the server learns at once that a
    connection broke, and waits for nobody who is gone. With one it cannot know, and waits until
    then if anyone is late or lost. there: False for padding.
    """
    there = np.ones_like(heard) if there is None else there
    last = np.max(arrivals, axis=-1, where=there, initial=0.0)
    if deadline is None:
        return last
    missing = np.any(there & (~heard | (arrivals > deadline)), axis=-1)
    return np.where(missing, deadline, last)


def uniform_draws(seed: int, *keys: Any) -> np.ndarray:
    """Uniform numbers in [0, 1) that depend on the keys alone (arrays of whole numbers, broadcast):
    splitmix64.

    Steele, Lea, Flood, Fast splittable pseudorandom number generators, 2014.
    """
    state = _mixed(np.asarray([seed & (2**64 - 1)], np.uint64))
    for key in keys:
        state = _mixed(state + np.asarray(key).astype(np.int64).astype(np.uint64))
    return (state >> np.uint64(11)) / 2.0**53


def _mixed(z: np.ndarray) -> np.ndarray:
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


NO_TRANSFER = 1e-9  # transfers, where there is none: a division gives a rate that no cap reaches


def fair_share_ends(
    starts: np.ndarray, bits: np.ndarray, caps: np.ndarray, capacity: float
) -> np.ndarray:
    """When each transfer ends, (rounds, n) seconds, where those of a round share `capacity` bits
    per second.

    starts, bits, caps: (rounds, n); start inf: there is no such transfer, and its end is inf. caps:
    bits per second that a transfer can take at most. Rates are max-min fair (Bertsekas and
    Gallager, Data Networks, 1992, 6.5.2): nobody can get more without taking from somebody who has
    less. Between two events, a start or an end, rates do not change. All with one cap get one rate,
    so each cap has a clock in bits (`served`), by which a transfer's end is known when it starts;
    every step takes every round to its next event, and there are at most 2n of them.
    """
    speeds, kind = np.unique(caps, return_inverse=True)
    kind, n = _with_nobody(kind.reshape(caps.shape), 0), starts.shape[1]
    starts, ends = _with_nobody(starts, np.inf), np.full((len(starts), n + 1), np.inf)
    bits = np.where(starts < np.inf, _with_nobody(bits, np.inf), np.inf)
    kinds, rows = np.arange(len(speeds)), np.arange(len(starts))
    order = np.argsort(starts, axis=1, kind="stable")
    queue = np.take_along_axis(starts, order, 1)
    at_once = (starts == 0) & (kind == kinds[:, None, None])
    # (kinds, rounds, n + 1): where `served` will be at its end
    due = np.where(at_once, bits, np.inf)
    there = at_once.sum(axis=2).T.astype(float)  # (rounds, kinds): under way
    begun, now, served = there.sum(axis=1).astype(int), np.zeros(len(starts)), np.zeros(there.shape)
    while True:
        rate = np.minimum(speeds, fair_rate(there, speeds, capacity)[:, None])
        first = due.argmin(axis=2)  # (kinds, rounds)
        # inf where none is under way
        wait = np.maximum(due[kinds[:, None], rows, first].T - served, 0.0) / rate
        soonest = wait.argmin(axis=1)
        ending, coming = now + wait[rows, soonest], queue[rows, begun]
        starting, after = coming <= ending, np.minimum(coming, ending)
        some = after < np.inf
        if not some.any():
            return ends[:, :n]
        served += rate * np.where(some, after - now, 0.0)[:, None]
        now = np.where(some, after, now)
        # in a round that is over: nobody
        who = np.where(starting, order[rows, begun], first[soonest, rows])
        of = np.where(starting, kind[rows, who], soonest)
        due[of, rows, who] = np.where(starting, served[rows, of] + bits[rows, who], np.inf)
        ends[rows, who] = np.where(starting, np.inf, now)
        there[rows, of] += np.where(starting, some, -1.0)
        begun += starting & some


def fair_rate(there: np.ndarray, speeds: np.ndarray, capacity: float) -> np.ndarray:
    """The fair rate of those that can take it, (rounds,); who cannot has its own cap.

    there: transfers by cap, (rounds, kinds); speeds: the caps, ascending. Were the caps below the
    k-th served in full, the others would have (capacity - theirs) / number of others; the largest
    of these over k is the level.
    """
    before = np.triu(np.ones((len(speeds),) * 2), 1)
    below, others = there @ (speeds[:, None] * before), there @ (1.0 - before)
    return ((capacity - below) / np.maximum(others, NO_TRANSFER)).max(axis=1)


def _with_nobody(table: np.ndarray, value: float) -> np.ndarray:
    """One more column, for rounds in which nothing is left to happen."""
    return np.pad(table, ((0, 0), (0, 1)), constant_values=value)
