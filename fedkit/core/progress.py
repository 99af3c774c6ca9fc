"""What a progress bar shows, and how a run is stopped between two steps."""

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
    """A moment of a run. accuracy and epsilon are of the last finished round (None before, and
    without privacy); nbytes is traffic so far, both ways.
    """

    stage: str
    round: int
    rounds: int
    client: str
    accuracy: float | None
    nbytes: int
    done: float  # share of all gradient steps, 0 to 1
    remaining_seconds: float | None
    epsilon: float | None = None

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


class Meter:
    """Counts gradient steps, tells the listener a few times a second, and stops the run when asked
    to.
    """

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
        self.steps, self.skipped, self.started, self.told = done, done, time.monotonic(), 0.0
        self.accuracy: float | None = None
        self.epsilon: float | None = None
        self.nbytes = 0

    def note(self, record: Run) -> None:
        """Take steps, accuracy and traffic so far from a record."""
        self.steps = int(record.total("steps"))
        self.accuracy = record.rounds[-1].accuracy if record.rounds else None
        self.epsilon = (
            (record.rounds[-1] if record.rounds else record.start).epsilon if record.start else None
        )
        self.nbytes = int(record.total("uplink_bytes") + record.total("downlink_bytes"))

    def tick(self, round_number: int, client: str) -> None:
        """Before each step. Raises Cancelled when the caller asked to stop."""
        if self.cancel is not None and self.cancel.is_set():
            raise Cancelled(
                f"{self.stage} stopped in round {round_number}; the rounds before it are kept"
            )
        self.steps += 1
        if time.monotonic() - self.told > 0.2:
            self.tell(round_number, client)

    def tell(self, round_number: int, client: str = "") -> None:
        """Tell the listener now."""
        self.told = time.monotonic()
        if self.listener is None:
            return
        worked, elapsed = self.steps - self.skipped, self.told - self.started
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
