"""Recomputing the time axis of a finished run with another link, devices, deadline or server line.

Nothing is trained. What only changes time is exact. What would have changed learning (who is late,
an asynchronous order) is computed from what was learned in the recorded run, and
`Timeline.needs_new_run` says so. `replay` is the entry; `RecordArrays` holds the record as arrays;
times are simulated seconds since the run began.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import count_noun
from fedkit.core.record import ClientRecord, RoundRecord, Run
from fedkit.network.world import World, round_ends

RECORDED = "recorded"  # stands for the run's own deadline or server line
ANOTHER_ORDER = (
    "the order in which uploads arrive would be another (asynchronous); redrawn in the recorded"
    " order"
)


def replay(
    run: Run,
    link: str | None = None,
    devices: str | None = None,
    deadline: float | str | None = RECORDED,
    server_link: str | None = RECORDED,
) -> Timeline:
    """Return the timeline of `run` with another link, devices, deadline or server line.

    link, devices: None: the run's own. deadline (seconds), server_link: RECORDED: the run's own;
    None: without. A synchronous round begins when the previous one ended. An asynchronous visit
    begins as recorded; in another world, when the client's previous upload has arrived and the
    parameters that it trained from are there. A shared server line slows synchronous transfers
    only; an upload that hung does so for as many of its client's round times as it did. Raises
    FedkitError for a spec that cannot be parsed.
    """
    ids = client_ids(run)
    changed: dict[str, Any] = {"link": link, "devices": devices}
    changed = {name: value for name, value in changed.items() if value is not None}
    if server_link != RECORDED:
        changed["server_link"] = server_link
    world = World.from_config(run.config | changed, ids)
    recorded = World.from_config(run.config, ids)
    given = _check_deadline(run.config.get("deadline"))
    limit = given if deadline == RECORDED else _check_deadline(deadline)
    table = RecordArrays(run, ids, world, recorded)
    same = world == recorded
    if table.asynchronous:
        starts, ends = _asynchronous_times(table, same)
        return table.timeline(starts, ends, None, () if same else (ANOTHER_ORDER,))
    starts, ends = _synchronous_times(table, limit)
    exact = same and limit == given
    return table.timeline(starts, ends, limit, () if exact else tuple(_changes(table, limit)))


def client_ids(run: Run) -> list[str]:
    """Return the ids of the run's clients, by place; those that only its rounds name come last."""
    named = [str(c["id"]) for c in run.data.get("clients", ())]
    return list(dict.fromkeys([*named, *(c.id for r in run.states for c in r.clients)]))


@dataclass(frozen=True)
class VisitSpan:
    """One client in one round.

    status: ok | late | lost | crashed | rejected, under the deadline of the timeline. A lost upload
    takes its whole time; a crashed client has none (uploaded == trained).
    """

    client: str
    device: str
    status: str
    began: float
    downloaded: float
    trained: float
    uploaded: float
    staleness: int = 0


@dataclass(frozen=True)
class RoundTime:
    """One round: when it began and ended, and the visits of its clients.

    deadline: when the server stopped waiting; None: it waited for the last upload.
    """

    number: int
    began: float
    ended: float
    deadline: float | None
    clients: tuple[ClientRecord, ...] = field(repr=False)
    devices: tuple[str, ...] = field(repr=False)
    # (clients, 4): began, downloaded, trained, uploaded
    times: np.ndarray = field(repr=False, compare=False)

    @cached_property
    def visits(self) -> tuple[VisitSpan, ...]:
        """The visit of each client that took part, in the order of the record; computed once."""
        rows = zip(self.clients, self.devices, self.times.tolist())
        return tuple(
            VisitSpan(
                c.id, device, self._status(c, end), begin, downloaded, trained, end, c.staleness
            )
            for c, device, (begin, downloaded, trained, end) in rows
        )

    @property
    def last_visit(self) -> VisitSpan | None:
        """The last of the visits that the server waited for; None without any visit."""
        waited = [v for v in self.visits if v.uploaded <= self.ended + 1e-9] or self.visits
        return max(waited, key=lambda visit: visit.uploaded, default=None)

    def _status(self, client: ClientRecord, uploaded: float) -> str:
        if has_crashed(client):
            return "crashed"
        if client.status not in ("ok", "late") or client.began is not None:
            return client.status
        return "late" if self.deadline is not None and uploaded > self.deadline else "ok"


@dataclass(frozen=True)
class Timeline:
    """The times of every round of a run.

    rounds[0] is the exchange before round 1 (no clients and no time if there was none).
    needs_new_run: why learning would have been different; (): the replay is exact.
    """

    rounds: tuple[RoundTime, ...]
    needs_new_run: tuple[str, ...] = ()

    @property
    def ends(self) -> list[float]:
        """When the start exchange and each round ended."""
        return [r.ended for r in self.rounds]

    @property
    def seconds(self) -> float:
        """Simulated seconds of the whole run."""
        return self.rounds[-1].ended

    def to_dict(self) -> dict[str, Any]:
        """Return a dict for JSON: the rounds with their visits ("bars"), and `needs_new_run`."""
        rounds = [
            {
                "round": r.number,
                "began": r.began,
                "ended": r.ended,
                "last": r.last_visit and r.last_visit.client,
                "bars": [asdict(visit) for visit in r.visits],
            }
            for r in self.rounds
        ]
        why = list(self.needs_new_run)
        return {"rounds": rounds, "seconds": self.seconds, "needs_new_run": why}


def has_crashed(client: ClientRecord) -> bool:
    """Return whether a client stopped during training, so that there was no upload."""
    return client.status == "lost" and client.reason.startswith("crash")


class RecordArrays:
    """The record as arrays of shape (rounds, n); row 0 is the start exchange.

    n: most clients of a round; there: which cells are clients. spans: shape (rounds, n, 3), seconds
    since the start of each visit at which download, training and upload ended in `world`. recorded:
    the world of the record. asynchronous: every visit has its own beginning.
    """

    def __init__(self, run: Run, ids: list[str], world: World, recorded: World):
        places = {name: place for place, name in enumerate(ids)}
        self.records = [run.start or RoundRecord(0, 0.0, 0.0, 0.0), *run.rounds]
        self.clients = [tuple(c for c in r.clients if c.status != "away") for r in self.records]
        self.flat = [c for clients in self.clients for c in clients]
        sizes = np.array([len(clients) for clients in self.clients])
        self.there = np.arange(sizes.max()) < sizes[:, None]
        self.places = self.column([places[c.id] for c in self.flat], int)
        self.asynchronous = any(c.began is not None for r in self.records for c in r.clients)
        numbers = [
            r.round - c.staleness * self.asynchronous
            for r, clients in zip(self.records, self.clients)
            for c in clients
        ]
        work = [c.train_seconds if c.work_seconds is None else c.work_seconds for c in self.flat]
        together = (
            self.column(numbers, int),
            self.places,
            self.column([c.downlink_bytes for c in self.flat]),
            self.column(work),
            self.column([c.uplink_bytes for c in self.flat]),
            self.there,
        )
        one_by_one = tuple(values.reshape(-1, 1) for values in together)
        ends = world.visit_ends_by_round(*(one_by_one if self.asynchronous else together))
        self.spans = ends.reshape(*self.there.shape, 3)
        hung = self.column([c.delay for c in self.flat])
        if world != recorded and hung.any():  # as many times as long as the client's round takes
            now, then = (
                w.visit_ends_by_round(*one_by_one)[:, 0, 2].reshape(hung.shape)
                for w in (world, recorded)
            )
            hung = hung * now / np.where(then > 0, then, 1.0)
        self.spans[..., 2] += hung
        crashed = self.column([has_crashed(c) for c in self.flat], bool)
        self.spans[..., 2] = np.where(crashed, self.spans[..., 1], self.spans[..., 2])
        self.devices = np.array(world.devices, dtype=object)

    def column(self, values: Iterable[Any], kind: type = float) -> np.ndarray:
        """Return values in the order of `flat` as (rounds, n), 0 where there is no client."""
        out: np.ndarray = np.zeros(self.there.shape, kind)
        out[self.there] = list(values)
        return out

    def has_status(self, status: str) -> np.ndarray:
        """Return which cells are clients with this status, bool, shape (rounds, n)."""
        return self.column([c.status == status for c in self.flat], bool)

    def timeline(
        self, starts: np.ndarray, ends: np.ndarray, deadline: float | None, reasons: Sequence[str]
    ) -> Timeline:
        """Return the timeline for given starts of the visits and ends of the rounds.

        starts: (rounds, n); ends: (rounds,); seconds since the run began.
        """
        times = np.concatenate([starts[..., None], starts[..., None] + self.spans], axis=-1)
        rounds, began = [], 0.0
        for i, (clients, ended) in enumerate(zip(self.clients, ends.tolist())):
            n, limit = len(clients), None if deadline is None or i == 0 else began + deadline
            devices, number = tuple(self.devices[self.places[i, :n]]), self.records[i].round
            rounds.append(RoundTime(number, began, ended, limit, clients, devices, times[i, :n]))
            began = ended
        return Timeline(tuple(rounds), tuple(reasons))


def _synchronous_times(
    table: RecordArrays, deadline: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return starts of visits and ends of rounds; the exchange before round 1 has no deadline."""
    arrivals, heard = table.spans[..., 2], ~table.has_status("lost")
    took = round_ends(arrivals, heard, deadline, table.there)
    took[:1] = round_ends(arrivals[:1], heard[:1], None, table.there[:1])
    ends = took.cumsum()
    # exactly where the previous round ended: a difference would round
    starts = np.concatenate([[0.0], ends[:-1]])
    return np.broadcast_to(starts[:, None], table.there.shape), ends


def _asynchronous_times(table: RecordArrays, as_recorded: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return starts of visits and ends of rounds; a round ends at the last arrival that it used."""
    ends, starts = np.zeros(len(table.records)), np.zeros(table.there.shape)
    free: dict[str, float] = {}  # when a client's previous upload has arrived
    for i, clients in enumerate(table.clients):
        before, used = ends[i - 1] if i else 0.0, []
        for j, c in enumerate(clients):
            if c.began is not None and as_recorded:
                begin = ends[0] + c.began
            else:  # it trained from what round i - 1 - staleness left
                begin = max(free.get(c.id, 0.0), ends[max(i - 1 - c.staleness, 0)] if i else 0.0)
            starts[i, j], free[c.id] = begin, begin + table.spans[i, j, 2]
            used += [free[c.id]] if c.status == "ok" else []
        # without an upload to use, the server gave up at the last arrival
        ends[i] = max([before, *(used or [free[c.id] for c in clients])])
    return starts, ends


def _changes(table: RecordArrays, deadline: float | None) -> Iterable[str]:
    """Yield sentences on uploads that would count differently under `deadline`."""
    after = table.spans[..., 2] > (math.inf if deadline is None else deadline)
    after[:1] = False
    dropped = int(np.sum(table.has_status("ok") & after))
    gained = int(np.sum(table.has_status("late") & ~after))
    if dropped:
        yield f"{count_noun(dropped, 'upload')} that counted would come after the deadline"
    if gained:
        instead = "be waited for" if deadline is None else "be in time"
        yield f"{count_noun(gained, 'upload')} that came too late would {instead}"


def _check_deadline(deadline: Any) -> float | None:
    """Return a deadline as a float. Raises FedkitError unless it is above 0 seconds, or None."""
    if deadline is None:
        return None
    if isinstance(deadline, (int, float)) and 0 < deadline < math.inf:
        return float(deadline)
    raise FedkitError(f"deadline {deadline!r} given; write seconds above 0, such as 60")
