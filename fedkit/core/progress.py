"""Progress of a run for a progress bar, stopping it between two steps, and work in a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from fedkit.core.errors import Cancelled
from fedkit.core.record import Run

Listener = Callable[["Progress"], None]
Work = TypeVar("Work")


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
        words = [f"{self.stage}: round {self.round}/{self.rounds}", self.client]
        if self.accuracy is not None:
            words.append(f"accuracy so far {self.accuracy:.1%}")
        if self.epsilon is not None:
            words.append(f"epsilon so far {self.epsilon:.2f}")
        if self.nbytes:  # baselines send nothing
            mb, kb = self.nbytes / 1e6, self.nbytes / 1e3
            words.append(f"{f'{mb:.1f} MB' if mb >= 1 else f'{kb:.0f} kB'} by all sites")
        if self.remaining_seconds is not None:
            words.append(f"{self.remaining_seconds:.0f} s left")
        return "  ".join(word for word in words if word)


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
        done = min(self.steps / self.total, 1.0)
        known = self.accuracy, self.nbytes, done, left, self.epsilon
        self.listener(Progress(self.stage, round_number, self.rounds, client, *known))


class BackgroundQueue(Generic[Work]):
    """A queue with one place. `work(item, cancel)` runs in a thread; it never prints, and stops
    when `cancel` is set.

    current: the item that runs; waiting: the item after it; None: nothing. on_change: called when
    either changes. on_end: called after each item with the exception that stopped it, or None. Both
    are called from the thread.
    """

    def __init__(
        self,
        work: Callable[[Work, threading.Event], None],
        on_change: Callable[[], None] = lambda: None,
        on_end: Callable[[Exception | None], None] = lambda error: None,
    ):
        self._work, self._on_change, self._on_end = work, on_change, on_end
        self.current: Work | None = None
        self.waiting: Work | None = None
        self._cancel, self._lock = threading.Event(), threading.RLock()
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None

    @property
    def running(self) -> bool:
        return self.current is not None

    def submit(self, item: Work) -> str:
        """Queue `item` and return 'started', 'waits' (it replaces what waited before), or 'same'
        (this very item runs already and is not repeated).
        """
        with self._lock:
            if self.current is not None:
                repeated = item == self.current and not self._cancel.is_set()
                self.waiting = None if repeated else item
                answer = "same" if self.waiting is None else "waits"
            else:
                self.current, self._error, self._cancel = item, None, threading.Event()
                self._thread = threading.Thread(target=self._loop, daemon=True)
                self._thread.start()
                answer = "started"
        self._on_change()
        return answer

    def cancel(self) -> None:
        """Stop the current item before its next step, and drop the waiting one."""
        with self._lock:
            self.waiting = None
            self._cancel.set()
        self._on_change()

    def wait(self) -> None:
        """Block until nothing runs or waits. Raises what the work raised (the first exception if
        several did); a cancel is no error.
        """
        while (thread := self._thread) is not None and thread.is_alive():
            thread.join()
        if self._error is not None:
            raise self._error

    def _loop(self) -> None:
        while (item := self.current) is not None:
            error = self._run(item)
            with self._lock:
                self.current, self.waiting, self._cancel = self.waiting, None, threading.Event()
            self._on_change()
            self._on_end(error)

    def _run(self, item: Work) -> Exception | None:
        try:
            self._work(item, self._cancel)
        except Exception as error:
            if not isinstance(error, Cancelled):
                self._error = self._error or error
            return error
        return None
