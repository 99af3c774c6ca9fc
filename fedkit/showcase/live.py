"""The run that a visitor starts: in a thread; imports what trains only there; prints nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable

from fedkit.core.record import Run
from fedkit.showcase.make_records import live_config

OnProgress = Callable[[object], None]  # takes a fedkit.core.progress.Progress
OnRecord = Callable[[Run], None]


def train_live(on_progress: OnProgress, on_record: OnRecord, cancel: threading.Event) -> None:
    """Train with the live settings.

    on_progress: called a few times a second. on_record: called after the start and after every
    round. Raises Cancelled when `cancel` is set, FedkitError for errors that a user can fix.
    """
    from fedkit.core.errors import Cancelled

    _silence_warnings()
    from fedkit.experiments.runner import run_rounds

    if cancel.is_set():
        raise Cancelled("stopped before the first round")
    for record in run_rounds(live_config(), progress=on_progress, cancel=cancel):
        on_record(record)
        if cancel.is_set() and not record.finished:
            raise Cancelled(f"stopped after round {len(record.rounds)}")


def _silence_warnings() -> None:
    """Silence warnings of libraries: output of the thread belongs to no cell."""
    import logging
    import warnings

    warnings.filterwarnings("ignore")
    logging.getLogger("transformers").setLevel(logging.ERROR)
