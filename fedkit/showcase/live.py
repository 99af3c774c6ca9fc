"""What the showcase does in threads: the run that a visitor starts, and the brief.

What trains is imported only there; nothing is printed.
"""

from __future__ import annotations

import base64
import logging
import tempfile
import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fedkit.core.errors import Cancelled
from fedkit.core.record import Run
from fedkit.showcase.make_records import live_config
from fedkit.showcase.settings import FOLDER

RUNS = FOLDER.parents[1] / "runs"
KINDS = {
    "html": "text/html;charset=utf-8",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}


@dataclass(frozen=True)
class BriefFile:
    """A file of the brief. kind: html | pptx. name: to save it under. uri: a data: URI."""

    kind: str
    name: str
    nbytes: int
    uri: str


def train_live(
    on_progress: Callable[[object], None], on_record: Callable[[Run], None], cancel: threading.Event
) -> None:
    """Train with the live settings.

    on_progress: called a few times a second. on_record: called after the start and after every
    round. Raises Cancelled when `cancel` is set, FedkitError for errors that a user can fix.
    """
    # output of the thread belongs to no cell
    warnings.filterwarnings("ignore")
    logging.getLogger("transformers").setLevel(logging.ERROR)
    from fedkit.experiments.runner import run_rounds

    if cancel.is_set():
        raise Cancelled("stopped before the first round")
    for record in run_rounds(live_config(), progress=on_progress, cancel=cancel):
        on_record(record)
        if cancel.is_set() and not record.finished:
            raise Cancelled(f"stopped after round {len(record.rounds)}")


def brief_files(
    records: Sequence[Run], lang: str, runs: Path = RUNS
) -> tuple[Path, list[BriefFile]]:
    """Write the brief of `records` into a new folder below `runs`; return the folder and its files.

    Raises FedkitError as `write_brief` does.
    """
    from fedkit.reports.write_brief import write_brief

    runs.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="showcase-", dir=runs))
    write_brief(records, folder, langs=(lang,))
    files = []
    for kind, mime in KINDS.items():
        content = (folder / f"brief.{lang}.{kind}").read_bytes()
        uri = f"data:{mime};base64,{base64.b64encode(content).decode()}"
        files.append(BriefFile(kind, f"fedkit-brief.{lang}.{kind}", len(content), uri))
    return folder, files
