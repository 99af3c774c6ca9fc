"""Write the governance pack: every document as Markdown and DOCX, an index, and the hashes."""

from __future__ import annotations

import datetime
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from fedkit.core.errors import FedkitError
from fedkit.core.files import write_file
from fedkit.core.record import Run
from fedkit.reports.governance.case import Case, make_case
from fedkit.reports.governance.document import Document, Note, Paragraph, Table, Title
from fedkit.reports.governance.docx import to_docx
from fedkit.reports.governance.hosting import hosting_document
from fedkit.reports.governance.impact_assessment import impact_assessment
from fedkit.reports.governance.leaving import leaving_document
from fedkit.reports.governance.markdown import render_markdown
from fedkit.reports.governance.model_card import model_card
from fedkit.reports.governance.ownership import ownership_document
from fedkit.reports.governance.risks import risk_register
from fedkit.reports.governance.terms import terms_document
from fedkit.reports.text.governance import COMMON

SUMS = "SHA256SUMS"  # in the form that `sha256sum --check` reads


def make_documents(
    records: Sequence[Run], lang: str, date: datetime.date | None = None
) -> list[Document]:
    """Return the seven documents about these records, in order. Raises FedkitError without a
    federated run.
    """
    case = make_case(records, lang, date)
    return [write(case) for write in DOCUMENTS.values()]


def write_pack(
    records: Sequence[Run], out: str | Path, lang: str, date: datetime.date | None = None
) -> list[Path]:
    """Write `out`/governance.LANG/ and return its files: README.md, then each document twice.

    date: shown in the documents; None: a blank. Writing again replaces only files of the pack: one
    that was edited since, or that is not the pack's, is never overwritten. Raises FedkitError that
    names it.
    """
    case = make_case(records, lang, date)
    files = _files([write(case) for write in DOCUMENTS.values()], case)
    folder = Path(out) / f"governance.{lang}"
    try:
        _prepare_folder(folder, files)
        for name, body in files.items():
            write_file(folder / name, body)
        write_file(
            folder / SUMS,
            "".join(f"{_sha(body)}  {name}\n" for name, body in files.items()).encode(),
        )
    except OSError as error:
        raise FedkitError(
            f"cannot write to {folder}: {error.strerror or error}; choose another --out"
        ) from None
    return [folder / name for name in files]


def _files(made: list[Document], case: Case) -> dict[str, bytes]:
    bodies = {"README.md": render_markdown(_index(made, case)).encode()}
    for document in made:
        bodies[f"{document.name}.md"] = render_markdown(document).encode()
        bodies[f"{document.name}.docx"] = to_docx(document)
    return bodies


def _index(made: list[Document], case: Case) -> Document:
    words = COMMON[case.lang]
    rows = tuple((str(n), d.title, f"{d.name} (.md, .docx)") for n, d in enumerate(made, 1))
    blocks = (
        Title(words["index_title"]),
        Note(words["mark"]),
        Paragraph(case.fill(words["index_about"])),
        Paragraph(case.fill(words["basis"])),
        Table(words["index_head"], rows),
        Paragraph(words["index_edit"]),
    )
    return Document("README", case.lang, blocks, case.date)


def _prepare_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make the folder, unless a file in it would be lost. Raises FedkitError that names it."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise FedkitError(
            f"{folder} is not a folder of its own; move it away, or choose another --out"
        )
    folder.mkdir(parents=True, exist_ok=True)
    before = _recorded_hashes(folder / SUMS)
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


def _recorded_hashes(path: Path) -> dict[str, str]:
    """Return the sha256 by name of the files that the pack wrote here before; {} if unknown."""
    if path.is_symlink() or not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return {m[2]: m[1] for line in lines if (m := re.fullmatch(r"([0-9a-f]{64})  ([\w.]+)", line))}


def _sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


DOCUMENTS: dict[str, Callable[[Case], Document]] = {
    "terms": terms_document,
    "hosting": hosting_document,
    "ownership": ownership_document,
    "leaving": leaving_document,
    "risks": risk_register,
    "assessment": impact_assessment,
    "card": model_card,
}
