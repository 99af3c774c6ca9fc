"""The governance pack in a folder: every document as Markdown and DOCX, an index, and a list of
what was written.
"""

from __future__ import annotations

import datetime
import hashlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from fedkit.core.errors import FedkitError
from fedkit.core.record import Run
from fedkit.reports.governance.case import Case, case
from fedkit.reports.governance.document import Document, Note, Paragraph, Table, Title
from fedkit.reports.governance.docx import to_docx
from fedkit.reports.governance.hosting import hosting
from fedkit.reports.governance.impact_assessment import assessment
from fedkit.reports.governance.leaving import leaving
from fedkit.reports.governance.markdown import render
from fedkit.reports.governance.model_card import card
from fedkit.reports.governance.ownership import ownership
from fedkit.reports.governance.risks import risks
from fedkit.reports.governance.terms import terms
from fedkit.reports.text.governance import COMMON

SUMS = "SHA256SUMS"  # in the form that `sha256sum --check` reads


def documents(
    records: Sequence[Run], lang: str, date: datetime.date | None = None
) -> list[Document]:
    """The seven documents about these records, in order. Raises FedkitError without a federated run
    among them.
    """
    told = case(records, lang, date)
    return [write(told) for write in DOCUMENTS.values()]


def write_pack(
    records: Sequence[Run], out: str | Path, lang: str, date: datetime.date | None = None
) -> list[Path]:
    """Write `out`/governance.LANG/ and return the files that people read: README.md, then each
    document twice.

    date: shown in the documents; None: a blank. Writing again replaces what the pack wrote, and
    nothing else: a file that was edited since, or that is not the pack's, is never overwritten.
    Raises FedkitError that names it.
    """
    told = case(records, lang, date)
    files = _files([write(told) for write in DOCUMENTS.values()], told)
    folder = Path(out) / f"governance.{lang}"
    try:
        _prepare(folder, files)
        for name, body in files.items():
            _write(folder / name, body)
        _write(
            folder / SUMS,
            "".join(f"{_sha(body)}  {name}\n" for name, body in files.items()).encode(),
        )
    except OSError as error:
        raise FedkitError(
            f"cannot write to {folder}: {error.strerror or error}; choose another --out"
        ) from None
    return [folder / name for name in files]


def _files(made: list[Document], told: Case) -> dict[str, bytes]:
    bodies = {"README.md": render(_index(made, told)).encode()}
    for document in made:
        bodies[f"{document.name}.md"] = render(document).encode()
        bodies[f"{document.name}.docx"] = to_docx(document)
    return bodies


def _index(made: list[Document], told: Case) -> Document:
    said = COMMON[told.lang]
    rows = tuple((str(n), d.title, f"{d.name} (.md, .docx)") for n, d in enumerate(made, 1))
    blocks = (
        Title(said["index_title"]),
        Note(said["mark"]),
        Paragraph(told.say(said["index_about"])),
        Paragraph(told.say(said["basis"])),
        Table(said["index_head"], rows),
        Paragraph(said["index_edit"]),
    )
    return Document("README", told.lang, blocks, told.date)


def _prepare(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make the folder, unless something in it would be lost. Raises FedkitError that names it."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise FedkitError(
            f"{folder} is not a folder of its own; move it away, or choose another --out"
        )
    folder.mkdir(parents=True, exist_ok=True)
    before = _written(folder / SUMS)
    for name, body in files.items():
        path = folder / name
        if path.is_symlink() or path.is_dir():
            raise FedkitError(
                f"{path} is not a file of the pack; move it away, or choose another --out"
            )
        if path.exists() and _sha(path.read_bytes()) not in (before.get(name), _sha(body)):
            raise FedkitError(
                f"{path} was changed since it was written, and is kept; move it away, or choose"
                " another --out"
            )


def _written(path: Path) -> dict[str, str]:
    """sha256 by name of what the pack wrote here before; {} if it says nothing."""
    if path.is_symlink() or not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return {m[2]: m[1] for line in lines if (m := re.fullmatch(r"([0-9a-f]{64})  ([\w.]+)", line))}


def _write(path: Path, body: bytes) -> None:
    """Beside its target, flushed, then renamed: never half a file, and never through a link."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.unlink(missing_ok=True)
    with open(temporary, "xb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def _sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


DOCUMENTS: dict[str, Callable[[Case], Document]] = {
    "terms": terms,
    "hosting": hosting,
    "ownership": ownership,
    "leaving": leaving,
    "risks": risks,
    "assessment": assessment,
    "card": card,
}
