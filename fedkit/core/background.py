"""One run at a time in a thread, and at most one that waits behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from fedkit.core.errors import Cancelled

Work = TypeVar("Work")


class Queue(Generic[Work]):
    """A queue of one. `work(item, cancel)` runs in a thread; it never prints, and stops when
    `cancel` is set.

    now: what runs; next: what waits; None: nothing. changed: called when either changes. ended:
    called after each item with the exception that stopped it, or None. Both are called from the
    thread.
    """

    def __init__(
        self,
        work: Callable[[Work, threading.Event], None],
        changed: Callable[[], None] = lambda: None,
        ended: Callable[[Exception | None], None] = lambda error: None,
    ):
        self._work, self._changed, self._ended = work, changed, ended
        self.now: Work | None = None
        self.next: Work | None = None
        self._cancel, self._lock = threading.Event(), threading.RLock()
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None

    @property
    def running(self) -> bool:
        return self.now is not None

    def ask(self, item: Work) -> str:
        """'started', 'waits' (in the place of what waited before), or 'same': this very item runs,
        and is not repeated.
        """
        with self._lock:
            if self.now is not None:
                self.next = None if item == self.now and not self._cancel.is_set() else item
                answer = "same" if self.next is None else "waits"
            else:
                self.now, self._error, self._cancel = item, None, threading.Event()
                self._thread = threading.Thread(target=self._loop, daemon=True)
                self._thread.start()
                answer = "started"
        self._changed()
        return answer

    def cancel(self) -> None:
        """Stop what runs before its next step, and forget what waits."""
        with self._lock:
            self.next = None
            self._cancel.set()
        self._changed()

    def wait(self) -> None:
        """Until nothing runs or waits. Raises what the work raised, the first if several did; a
        cancel is no error.
        """
        while (thread := self._thread) is not None and thread.is_alive():
            thread.join()
        if self._error is not None:
            raise self._error

    def _loop(self) -> None:
        while self.now is not None:
            error = self._run()
            with self._lock:
                self.now, self.next, self._cancel = self.next, None, threading.Event()
            self._changed()
            self._ended(error)

    def _run(self) -> Exception | None:
        try:
            self._work(self.now, self._cancel)
        except Exception as error:
            if not isinstance(error, Cancelled):
                self._error = self._error or error
            return error
        return None
