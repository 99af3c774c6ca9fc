"""The result of a replay: when each round and each client's visit began and ended.

Times are simulated seconds since the run began.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from fedkit.core.record import ClientRecord


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
        return {
            "rounds": rounds,
            "seconds": self.seconds,
            "needs_new_run": list(self.needs_new_run),
        }


def has_crashed(client: ClientRecord) -> bool:
    """Return whether a client stopped during training, so that there was no upload."""
    return client.status == "lost" and client.reason.startswith("crash")
