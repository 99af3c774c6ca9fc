"""A background thread that runs one item of work at a time and keeps at most one waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from fedkit.core.errors import Cancelled

Work = TypeVar("Work")


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
