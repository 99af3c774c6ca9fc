"""The run that a visitor starts: in a thread, with what trains imported only there. It never
prints.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from fedkit.core.record import Run
from fedkit.showcase.make_records import live_config

OnProgress = Callable[[object], None]  # of a fedkit.progress.Progress
OnRecord = Callable[[Run], None]


def train_live(on_progress: OnProgress, on_record: OnRecord, cancel: threading.Event) -> None:
    """Train with the live settings. tell: a few times a second; keep: after the start and after
    every round.

    Raises Cancelled when `cancel` is set, FedkitError for what can be mended.
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
    """No warning of a library may be printed from the thread: there is no cell that it would belong
    to.
    """
    import logging
    import warnings

    warnings.filterwarnings("ignore")
    logging.getLogger("transformers").setLevel(logging.ERROR)
