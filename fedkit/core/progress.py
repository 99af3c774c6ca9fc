"""Progress of a run for a progress bar, and stopping a run between two steps."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from fedkit.core.errors import Cancelled
from fedkit.core.record import Run

Listener = Callable[["Progress"], None]


@dataclass(frozen=True)
class Progress:
    """The state of a run at one moment; `str(progress)` is one line for people."""

    stage: str
    round: int
    rounds: int
    client: str
    accuracy: float | None  # of the last finished round; None before
    nbytes: int  # traffic so far, both ways
    done: float  # share of all gradient steps, 0 to 1
    remaining_seconds: float | None
    epsilon: float | None = None  # of the last finished round; None before and without privacy

    def __str__(self) -> str:
        accuracy = "" if self.accuracy is None else f"  accuracy so far {self.accuracy:.1%}"
        left = "" if self.remaining_seconds is None else f"  {self.remaining_seconds:.0f} s left"
        size = (
            f"{self.nbytes / 1e6:.1f} MB" if self.nbytes >= 1e6 else f"{self.nbytes / 1e3:.0f} kB"
        )
        sent = f"  {size} by all sites" if self.nbytes else ""  # baselines send nothing
        client = f"  {self.client}" if self.client else ""
        spent = "" if self.epsilon is None else f"  epsilon so far {self.epsilon:.2f}"
        return (
            f"{self.stage}: round {self.round}/{self.rounds}{client}{accuracy}{spent}{sent}{left}"
        )


class ProgressMeter:
    """Count gradient steps, notify a listener a few times a second, and stop the run if asked."""

    def __init__(
        self,
        stage: str,
        total_steps: int,
        rounds: int,
        listener: Listener | None = None,
        cancel: threading.Event | None = None,
        done: int = 0,
    ):
        self.stage, self.total, self.rounds = stage, max(total_steps, 1), rounds
        self.listener, self.cancel = listener, cancel
        self.steps, self.skipped = done, done
        self.started, self.notified = time.monotonic(), 0.0
        self.accuracy: float | None = None
        self.epsilon: float | None = None
        self.nbytes = 0

    def update(self, record: Run) -> None:
        """Take steps, accuracy, epsilon and traffic so far from a record."""
        self.steps = int(record.total("steps"))
        self.accuracy = record.rounds[-1].accuracy if record.rounds else None
        self.epsilon = None
        if record.start:
            self.epsilon = (record.rounds[-1] if record.rounds else record.start).epsilon
        self.nbytes = int(record.total("uplink_bytes") + record.total("downlink_bytes"))

    def tick(self, round_number: int, client: str) -> None:
        """Count a step; call it before each. Raises Cancelled when the caller asked to stop."""
        if self.cancel is not None and self.cancel.is_set():
            raise Cancelled(
                f"{self.stage} stopped in round {round_number}; the rounds before it are kept"
            )
        self.steps += 1
        if time.monotonic() - self.notified > 0.2:
            self.notify(round_number, client)

    def notify(self, round_number: int, client: str = "") -> None:
        """Send the progress to the listener now."""
        self.notified = time.monotonic()
        if self.listener is None:
            return
        worked, elapsed = self.steps - self.skipped, self.notified - self.started
        left = elapsed / worked * (self.total - self.steps) if worked > 3 else None
        self.listener(
            Progress(
                self.stage,
                round_number,
                self.rounds,
                client,
                self.accuracy,
                self.nbytes,
                min(self.steps / self.total, 1.0),
                left,
                self.epsilon,
            )
        )
