"""The simulated seconds of a round: each client's download, training and upload, and the end.

A client's time = latency + download + training x slowdown + latency + upload; clients work at the
same time. This changes seconds only, never learning, unless there is a deadline or the strategy is
asynchronous. The module reads in this order: `World` (the links and devices of all clients),
`round_ends` (how long the server waits), `uniform_draws` (jitter), `fair_share_ends` (transfers
that share the server's line).
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
NO_TRANSFER = 1e-9  # stands for zero transfers in a division: the quotient exceeds every cap


@dataclass(frozen=True)
class World:
    """The link and device (a name of DEVICES) of each client, and the server's shared line.

    A client is known by its place, its index in `links` and `devices`. server: bits per second to
    and from the clients; None: never the bottleneck. Equal worlds give equal times.
    """

    links: tuple[Link, ...]
    devices: tuple[str, ...]
    server: tuple[float, float] | None = None
    seed: int = 0

    @classmethod
    def from_config(cls, config: RunConfig | Mapping[str, Any], clients: Sequence[str]) -> World:
        """Return the world of a run's settings for `clients`, in their order.

        Raises FedkitError for a setting that cannot be parsed.
        """
        given = config if isinstance(config, Mapping) else vars(config)
        link, device, server, seed = (
            given.get(name, getattr(RunConfig, name))
            for name in ("link", "devices", "server_link", "seed")
        )
        links, devices, n = parse_links(str(link)), parse_devices(str(device)), len(clients)
        seed = seed if isinstance(seed, int) else 0  # a record may come from anywhere
        return cls(
            tuple(links[i].profile for i in assign_parts(links, n, seed, 1)),
            tuple(devices[i].name for i in assign_parts(devices, n, seed, 2)),
            parse_server_link(server and str(server)),
            seed,
        )

    def link(self, place: int) -> Link:
        return self.links[place]

    def device(self, place: int) -> Device:
        return parse_device(self.devices[place])

    def visit_ends(
        self,
        number: int,
        places: Sequence[int],
        down: Sequence[int],
        work: Sequence[float],
        up: Sequence[int],
    ) -> np.ndarray:
        """Return when each client's download, training and upload ended, shape (n, 3).

        Seconds since round `number` began. places: of the n clients. down, up: bytes. work:
        training seconds on the machine that ran. Transfers of the same call share the server's
        line; jitter depends on seed, number, place and direction only.
        """
        where, received, worked, sent = (np.asarray(v)[None] for v in (places, down, work, up))
        present = np.ones((1, len(places)), bool)
        numbers = np.array([number])
        return self.visit_ends_by_round(numbers, where, received, worked, sent, present)[0]

    def visit_ends_by_round(
        self,
        numbers: np.ndarray,
        places: np.ndarray,
        down: np.ndarray,
        work: np.ndarray,
        up: np.ndarray,
        present: np.ndarray,
    ) -> np.ndarray:
        """Return `visit_ends` of several rounds, shape (rounds, n, 3).

        numbers: (rounds,) or (rounds, n); the others: (rounds, n). present: which cells are
        clients; the times of others mean nothing.
        """
        if places.size == 0:
            return np.zeros((*places.shape, 3))
        rates, latency, jitter, slowdown = (column[..., places] for column in self._columns)
        numbers = numbers.reshape(len(places), -1)
        waits = [latency, latency]
        if jitter.any():
            waits = [
                latency + jitter * uniform_draws(self.seed, numbers, places, way)
                for way in (DOWN, UP)
            ]
        begin = np.zeros(places.shape)
        received = self._transfer_ends(begin, 8.0 * down, rates[DOWN], DOWN, present)
        downloaded = waits[DOWN] + received
        trained = downloaded + work * slowdown
        uploaded = self._transfer_ends(trained + waits[UP], 8.0 * up, rates[UP], UP, present)
        return np.stack([downloaded, trained, uploaded], axis=-1)

    def _transfer_ends(
        self, starts: np.ndarray, bits: np.ndarray, rates: np.ndarray, way: int, present: np.ndarray
    ) -> np.ndarray:
        """Return when transfers end, each at the rate of its link or its share of the server's."""
        if self.server is None:
            return starts + bits / rates
        capacity = self.server[way]
        rates = np.minimum(rates, capacity)
        ends = starts + bits / rates
        tight = np.sum(rates, axis=1, where=present) > capacity
        if tight.any():
            from_then = np.where(present, starts, np.inf)
            ends[tight] = fair_share_ends(from_then[tight], bits[tight], rates[tight], capacity)
        return ends

    @cached_property
    def _columns(self) -> tuple[np.ndarray, ...]:
        """Rates, shape (2, clients), and latency, jitter and slowdown, shape (clients,)."""
        rates = np.array([(k.rate(k.down), k.rate(k.up)) for k in self.links]).reshape(-1, 2).T
        latency, jitter = np.array([(k.latency, k.jitter) for k in self.links]).reshape(-1, 2).T
        slowdown = np.array([parse_device(name).slowdown for name in self.devices])
        return rates, latency, jitter, slowdown


def round_ends(
    arrivals: np.ndarray,
    heard: np.ndarray,
    deadline: float | None = None,
    present: np.ndarray | None = None,
) -> np.ndarray:
    """Return the seconds that synchronous rounds took: until the last upload, or the deadline.

    arrivals: shape (..., n), seconds since the round began at which each upload arrived, or its
    connection broke. heard: whether it arrived at all. present: False for padding. Without a
    deadline the server learns at once that a connection broke, and does not wait for that client.
    With one it cannot know, and waits until the deadline if any upload is late or lost.
    """
    present = np.ones_like(heard) if present is None else present
    last = np.max(arrivals, axis=-1, where=present, initial=0.0)
    if deadline is None:
        return last
    missing = np.any(present & (~heard | (arrivals > deadline)), axis=-1)
    return np.where(missing, deadline, last)


def uniform_draws(seed: int, *keys: Any) -> np.ndarray:
    """Return uniform numbers in [0, 1) that depend only on `seed` and `keys` (splitmix64).

    keys: arrays of whole numbers, broadcast. Source: Steele, Lea, Flood, Fast splittable
    pseudorandom number generators, 2014.
    """
    state = _mix_bits(np.asarray([seed & (2**64 - 1)], np.uint64))
    for key in keys:
        state = _mix_bits(state + np.asarray(key).astype(np.int64).astype(np.uint64))
    return (state >> np.uint64(11)) / 2.0**53


def fair_share_ends(
    starts: np.ndarray, bits: np.ndarray, caps: np.ndarray, capacity: float
) -> np.ndarray:
    """Return when each transfer ends, in seconds, where those of a round share `capacity`.

    starts, bits, caps, result: shape (rounds, n). start inf: there is no such transfer, and its end
    is inf. caps, capacity: bits per second that a transfer, and all together, can take. Rates are
    max-min fair (Bertsekas and Gallager, Data Networks, 1992, 6.5.2): none can grow without taking
    from a smaller one. Between two events, a start or an end, rates do not change. Transfers with
    the same cap have the same rate, so each cap has a clock in bits (`served`), and the end of a
    transfer on that clock is known when it starts. Every step takes every round to its next event;
    there are at most 2n steps.
    """
    speeds, kind = np.unique(caps, return_inverse=True)
    kind, n = _pad_column(kind.reshape(caps.shape), 0), starts.shape[1]
    starts, ends = _pad_column(starts, np.inf), np.full((len(starts), n + 1), np.inf)
    bits = np.where(starts < np.inf, _pad_column(bits, np.inf), np.inf)
    kinds, rows = np.arange(len(speeds)), np.arange(len(starts))
    order = np.argsort(starts, axis=1, kind="stable")
    queue = np.take_along_axis(starts, order, 1)
    at_once = (starts == 0) & (kind == kinds[:, None, None])
    due = np.where(at_once, bits, np.inf)  # (kinds, rounds, n + 1): `served` at the transfer's end
    active = at_once.sum(axis=2).T.astype(float)  # (rounds, kinds): transfers under way
    begun, now = active.sum(axis=1).astype(int), np.zeros(len(starts))
    served = np.zeros(active.shape)
    while True:
        rate = np.minimum(speeds, fair_rate(active, speeds, capacity)[:, None])
        first = due.argmin(axis=2)  # (kinds, rounds)
        # inf where no transfer is under way
        wait = np.maximum(due[kinds[:, None], rows, first].T - served, 0.0) / rate
        soonest = wait.argmin(axis=1)
        ending, coming = now + wait[rows, soonest], queue[rows, begun]
        starting, after = coming <= ending, np.minimum(coming, ending)
        running = after < np.inf
        if not running.any():
            return ends[:, :n]
        served += rate * np.where(running, after - now, 0.0)[:, None]
        now = np.where(running, after, now)
        # the transfer that starts or ends; the padding column in a round that is over
        who = np.where(starting, order[rows, begun], first[soonest, rows])
        of = np.where(starting, kind[rows, who], soonest)
        due[of, rows, who] = np.where(starting, served[rows, of] + bits[rows, who], np.inf)
        ends[rows, who] = np.where(starting, np.inf, now)
        active[rows, of] += np.where(starting, running, -1.0)
        begun += starting & running


def fair_rate(active: np.ndarray, speeds: np.ndarray, capacity: float) -> np.ndarray:
    """Return the max-min fair rate, shape (rounds,); a transfer with a smaller cap has its cap.

    active: number of transfers by cap, shape (rounds, kinds). speeds: the caps, ascending. If the
    caps below the k-th are served in full, the others get (capacity - theirs) / number of others;
    the fair rate is the largest of these over k.
    """
    before = np.triu(np.ones((len(speeds),) * 2), 1)
    below, others = active @ (speeds[:, None] * before), active @ (1.0 - before)
    return ((capacity - below) / np.maximum(others, NO_TRANSFER)).max(axis=1)


def _mix_bits(z: np.ndarray) -> np.ndarray:
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _pad_column(table: np.ndarray, value: float) -> np.ndarray:
    """Append a column, for rounds in which no event is left."""
    return np.pad(table, ((0, 0), (0, 1)), constant_values=value)
