"""When everything happened in a run, in simulated seconds: rounds, and what every client did in
each.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from fedkit.core.record import ClientRecord


@dataclass(frozen=True)
class VisitSpan:
    """One client in one round; times in simulated seconds since the run began.

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
    """One round: when it began and ended, in simulated seconds since the run began, and what each
    client did in it.

    deadline: seconds since the run began after which the server did not wait; None: for the last.
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
    def bars(self) -> tuple[VisitSpan, ...]:
        """A bar for each client that took part, in the record's order; made when asked for."""
        rows = zip(self.clients, self.devices, self.times.tolist())
        return tuple(
            VisitSpan(c.id, device, self._status(c, t[3]), *t, c.staleness) for c, device, t in rows
        )

    @property
    def last(self) -> VisitSpan | None:
        """The last of those for whom the server waited; None without any."""
        waited = [bar for bar in self.bars if bar.uploaded <= self.ended + 1e-9] or self.bars
        return max(waited, key=lambda bar: bar.uploaded, default=None)

    def _status(self, client: ClientRecord, uploaded: float) -> str:
        if has_crashed(client):
            return "crashed"
        if client.status not in ("ok", "late") or client.began is not None:
            return client.status
        return "late" if self.deadline is not None and uploaded > self.deadline else "ok"


@dataclass(frozen=True)
class Timeline:
    """Every round's time. rounds[0] is the exchange before round 1 (no clients and no time if there
    was none).

    needs_new_run: why learning would have been otherwise; (): the redraw is exact.
    """

    rounds: tuple[RoundTime, ...]
    needs_new_run: tuple[str, ...] = ()

    @property
    def ends(self) -> list[float]:
        """Simulated seconds since the run began at which the start exchange and each round
        ended.
        """
        return [r.ended for r in self.rounds]

    @property
    def seconds(self) -> float:
        """Simulated seconds of the whole run."""
        return self.rounds[-1].ended

    def to_dict(self) -> dict[str, Any]:
        """For JSON: rounds with their bars, and what needs a new run."""
        rounds = [
            {
                "round": r.number,
                "began": r.began,
                "ended": r.ended,
                "last": r.last and r.last.client,
                "bars": [asdict(bar) for bar in r.bars],
            }
            for r in self.rounds
        ]
        return {
            "rounds": rounds,
            "seconds": self.seconds,
            "needs_new_run": list(self.needs_new_run),
        }


def has_crashed(client: ClientRecord) -> bool:
    """Whether it broke off in training, so that there was no upload."""
    return client.status == "lost" and client.reason.startswith("crash")
