"""A record as arrays, and the seconds that each of its visits takes in a world."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from fedkit.network.clock import World
from fedkit.network.timeline import RoundTime, Timeline, crashed
from fedkit.record import RoundRecord, Run


class Columns:
    """The record as arrays, (rounds, most clients of a round); the start exchange is the first row.

    there: which cells are clients. spans: seconds since each visit's own start at which download, training, upload
    ended. own: the world of the record. alone: the run was asynchronous, so that every visit has a beginning of its own.
    """

    def __init__(self, run: Run, places: dict[str, int], world: World, own: World):
        self.records = [run.start or RoundRecord(0, 0.0, 0.0, 0.0), *run.rounds]
        self.clients = [tuple(c for c in r.clients if c.status != "away") for r in self.records]
        self.flat = [c for clients in self.clients for c in clients]
        sizes = np.array([len(clients) for clients in self.clients])
        self.there = np.arange(sizes.max()) < sizes[:, None]
        at = self.places = self.column([places[c.id] for c in self.flat], int)
        self.alone = any(c.began is not None for r in self.records for c in r.clients)
        rounds = [r.round - c.staleness * self.alone for r, cs in zip(self.records, self.clients) for c in cs]
        columns = (
            self.column(rounds, int),
            at,
            self.column([c.downlink_bytes for c in self.flat]),
            self.column([c.train_seconds if c.work_seconds is None else c.work_seconds for c in self.flat]),
            self.column([c.uplink_bytes for c in self.flat]),
            self.there,
        )
        one_by_one = [c.reshape(-1, 1) for c in columns]
        self.spans = world.many(*(one_by_one if self.alone else columns)).reshape(*self.there.shape, 3)
        hung = self.column([c.delay for c in self.flat])
        if world != own and hung.any():  # so many times as long as the client's own round would take
            now, then = (w.many(*one_by_one)[:, 0, 2].reshape(hung.shape) for w in (world, own))
            hung = hung * now / np.where(then > 0, then, 1.0)
        self.spans[..., 2] += hung
        broke = self.column([crashed(c) for c in self.flat], bool)
        self.spans[..., 2] = np.where(broke, self.spans[..., 1], self.spans[..., 2])
        self.names = np.array(world.devices, dtype=object)

    def column(self, values: Iterable[Any], kind: type = float) -> np.ndarray:
        """Values in the order of `flat` as (rounds, n), 0 where there is no client."""
        out = np.zeros(self.there.shape, kind)
        out[self.there] = list(values)
        return out

    def status(self, *names: str) -> np.ndarray:
        return self.column([c.status in names for c in self.flat], bool)

    def timeline(
        self, starts: np.ndarray, ends: np.ndarray, deadline: float | None, reasons: Sequence[str]
    ) -> Timeline:
        """starts: (rounds, n) of the visits; ends: (rounds,) of the rounds; seconds since the run began."""
        times = np.concatenate([starts[..., None], starts[..., None] + self.spans], axis=-1)
        rounds, began = [], 0.0
        for i, (record, clients, ended) in enumerate(zip(self.records, self.clients, ends.tolist())):
            n, limit = len(clients), None if deadline is None or i == 0 else began + deadline
            names = tuple(self.names[self.places[i, :n]])
            rounds.append(RoundTime(record.round, began, ended, limit, clients, names, times[i, :n]))
            began = ended
        return Timeline(tuple(rounds), tuple(reasons))
