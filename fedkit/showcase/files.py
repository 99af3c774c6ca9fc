"""The brief as download links: written below runs/ and passed to the page as data URIs."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fedkit.core.record import Run
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
    return folder, [_as_link(folder / f"brief.{lang}.{kind}", kind) for kind in KINDS]


def _as_link(path: Path, kind: str) -> BriefFile:
    content = path.read_bytes()
    uri = f"data:{KINDS[kind]};base64,{base64.b64encode(content).decode()}"
    return BriefFile(kind, f"fedkit-{path.name}", len(content), uri)
