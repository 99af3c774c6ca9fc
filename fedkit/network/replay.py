"""A finished run over another link, other devices, another deadline: its whole time axis, without
training.

What only changes time is exact. What would have changed learning (who is late, an asynchronous
order) is drawn with what was learned then, and `needs_new_run` says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from fedkit.core.errors import FedkitError
from fedkit.core.record import RoundRecord, Run
from fedkit.network.timeline import RoundTime, Timeline, has_crashed
from fedkit.network.world import World, round_ends

RECORDED = "recorded"  # a deadline or server line: the run's own


def replay(
    run: Run,
    link: str | None = None,
    devices: str | None = None,
    deadline: float | str | None = RECORDED,
    server_link: str | None = RECORDED,
) -> Timeline:
    """The time axis of `run` with another link, other devices, another deadline or server line;
    nothing is trained.

    link, devices: None: the run's own. deadline (seconds), server_link: RECORDED: the run's own;
    None: without. A synchronous round begins when the former ended. An asynchronous visit begins as
    recorded; in another world, when the client's former upload has arrived and the parameters that
    it trained from are there. A shared server line slows synchronous transfers only; an upload that
    hung does so for as many of its client's round times as it did. Raises FedkitError for a spec
    that is not understood.
    """
    ids = client_ids(run)
    asked = {"link": link, "devices": devices}
    changed = {name: spec for name, spec in asked.items() if spec is not None}
    changed |= {} if server_link == RECORDED else {"server_link": server_link}
    world, own = World.of({**run.config, **changed}, ids), World.of(run.config, ids)
    given = _seconds(run.config.get("deadline"))
    limit = given if deadline == RECORDED else _seconds(deadline)
    table = RecordArrays(run, {name: place for place, name in enumerate(ids)}, world, own)
    same = world == own
    if table.alone:
        starts, ends = _asynchronous(table, same)
        reasons = (
            ()
            if same
            else (
                (
                    "the order in which uploads arrive would be another (asynchronous); redrawn in"
                    " the recorded order"
                ),
            )
        )
        return table.timeline(starts, ends, None, reasons)
    starts, ends = _synchronous(table, limit)
    exact = same and limit == given
    return table.timeline(starts, ends, limit, () if exact else tuple(_changes(table, limit)))


def _seconds(deadline: Any) -> float | None:
    """A deadline as it may be. Raises FedkitError for what is no time to wait."""
    if deadline is None:
        return None
    if isinstance(deadline, (int, float)) and 0 < deadline < math.inf:
        return float(deadline)
    raise FedkitError(f"deadline {deadline!r} given; write seconds above 0, such as 60")


def client_ids(run: Run) -> list[str]:
    """The ids of the run's clients, by place; those that only its rounds name come last."""
    rounds = (*((run.start,) if run.start else ()), *run.rounds)
    named = [str(c["id"]) for c in run.data.get("clients", ())]
    return list(dict.fromkeys([*named, *(c.id for r in rounds for c in r.clients)]))


def _synchronous(table: RecordArrays, deadline: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Every round begins when the former ended; the exchange before round 1 knows no deadline."""
    arrivals, heard = table.spans[..., 2], ~table.status("lost")
    took = round_ends(arrivals, heard, deadline, table.there)
    took[:1] = round_ends(arrivals[:1], heard[:1], None, table.there[:1])
    ends = took.cumsum()
    # exactly where the former ended: a difference would round
    starts = np.concatenate([[0.0], ends[:-1]])
    return np.broadcast_to(starts[:, None], table.there.shape), ends


def _asynchronous(table: RecordArrays, as_recorded: bool) -> tuple[np.ndarray, np.ndarray]:
    """A round ends at the last arrival that it used; visits begin as recorded, or one after another
    in a new world.
    """
    ends, free = np.zeros(len(table.records)), {}
    starts = np.zeros(table.there.shape)
    for i, clients in enumerate(table.clients):
        before, used = ends[i - 1] if i else 0.0, []
        for j, c in enumerate(clients):
            if c.began is not None and as_recorded:
                begin = ends[0] + c.began
            else:  # it trained from what round i - 1 - staleness left
                begin = max(free.get(c.id, 0.0), ends[max(i - 1 - c.staleness, 0)] if i else 0.0)
            starts[i, j], free[c.id] = begin, begin + table.spans[i, j, 2]
            used += [free[c.id]] if c.status == "ok" else []
        # nothing to use: the server gave up at the last
        came = used or [free[c.id] for c in clients]
        ends[i] = max([before, *came])
    return starts, ends


def _changes(table: RecordArrays, deadline: float | None) -> Iterable[str]:
    """Whose upload would count otherwise, in words."""
    after = table.spans[..., 2] > (math.inf if deadline is None else deadline)
    after[:1] = False
    dropped = int(np.sum(table.status("ok") & after))
    gained = int(np.sum(table.status("late") & ~after))
    if dropped:
        yield f"{_uploads(dropped)} that counted would come after the deadline"
    if gained:
        instead = "be waited for" if deadline is None else "be in time"
        yield f"{_uploads(gained)} that came too late would {instead}"


def _uploads(n: int) -> str:
    return f"{n:,} upload{'s' * (n != 1)}"


class RecordArrays:
    """The record as arrays, (rounds, most clients of a round); the start exchange is the first row.

    there: which cells are clients. spans: seconds since each visit's own start at which download,
    training, upload ended. own: the world of the record. alone: the run was asynchronous, so that
    every visit has a beginning of its own.
    """

    def __init__(self, run: Run, places: dict[str, int], world: World, own: World):
        self.records = [run.start or RoundRecord(0, 0.0, 0.0, 0.0), *run.rounds]
        self.clients = [tuple(c for c in r.clients if c.status != "away") for r in self.records]
        self.flat = [c for clients in self.clients for c in clients]
        sizes = np.array([len(clients) for clients in self.clients])
        self.there = np.arange(sizes.max()) < sizes[:, None]
        at = self.places = self.column([places[c.id] for c in self.flat], int)
        self.alone = any(c.began is not None for r in self.records for c in r.clients)
        rounds = [
            r.round - c.staleness * self.alone
            for r, cs in zip(self.records, self.clients)
            for c in cs
        ]
        columns = (
            self.column(rounds, int),
            at,
            self.column([c.downlink_bytes for c in self.flat]),
            self.column(
                [c.train_seconds if c.work_seconds is None else c.work_seconds for c in self.flat]
            ),
            self.column([c.uplink_bytes for c in self.flat]),
            self.there,
        )
        one_by_one = [c.reshape(-1, 1) for c in columns]
        self.spans = world.many(*(one_by_one if self.alone else columns)).reshape(
            *self.there.shape, 3
        )
        hung = self.column([c.delay for c in self.flat])
        # so many times as long as the client's own round would take
        if world != own and hung.any():
            now, then = (w.many(*one_by_one)[:, 0, 2].reshape(hung.shape) for w in (world, own))
            hung = hung * now / np.where(then > 0, then, 1.0)
        self.spans[..., 2] += hung
        broke = self.column([has_crashed(c) for c in self.flat], bool)
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
        """starts: (rounds, n) of the visits; ends: (rounds,) of the rounds; seconds since the run
        began.
        """
        times = np.concatenate([starts[..., None], starts[..., None] + self.spans], axis=-1)
        rounds, began = [], 0.0
        for i, (record, clients, ended) in enumerate(
            zip(self.records, self.clients, ends.tolist())
        ):
            n, limit = len(clients), None if deadline is None or i == 0 else began + deadline
            names = tuple(self.names[self.places[i, :n]])
            rounds.append(
                RoundTime(record.round, began, ended, limit, clients, names, times[i, :n])
            )
            began = ended
        return Timeline(tuple(rounds), tuple(reasons))
