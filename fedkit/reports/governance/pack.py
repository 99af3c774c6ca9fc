"""Write the governance pack: every document as Markdown and DOCX, an index, and the hashes."""

from __future__ import annotations

import datetime
import hashlib
import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from fedkit.core.errors import FedkitError
from fedkit.core.files import write_file
from fedkit.core.record import Run
from fedkit.reports.governance.case import document_values, make_case
from fedkit.reports.governance.docx import to_docx
from fedkit.reports.governance.markdown import Document, fill_template, make_environment

SUMS = "SHA256SUMS"  # in the form that `sha256sum --check` reads
DOCUMENTS = (
    "01_terms",
    "02_base_model",
    "03_adapters",
    "04_leaving",
    "05_risks",
    "06_data_protection",
    "07_model_card",
)


def make_documents(
    records: Sequence[Run], lang: str, date: datetime.date | None = None
) -> list[Document]:
    """Return the seven documents about these records, in order. Raises FedkitError without a
    federated run.
    """
    return _fill_templates(records, lang, date)[:-1]


def write_pack(
    records: Sequence[Run], out: str | Path, lang: str, date: datetime.date | None = None
) -> list[Path]:
    """Write `out`/governance.LANG/ and return its files: README.md, then each document twice.

    date: shown in the documents; None: a blank. Writing again replaces only files of the pack: one
    that was edited since, or that is not the pack's, is never overwritten. Raises FedkitError that
    names it.
    """
    *made, index = _fill_templates(records, lang, date)
    files = {"README.md": index.markdown.encode()}
    for document in made:
        files[f"{document.name}.md"] = document.markdown.encode()
        files[f"{document.name}.docx"] = to_docx(document)
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


def _fill_templates(
    records: Sequence[Run], lang: str, date: datetime.date | None
) -> list[Document]:
    """Return the documents, and last the index of them."""
    values = document_values(make_case(records, lang, date))
    made: list[Document] = []
    for name in (*DOCUMENTS, "README"):
        template = make_environment(lang).get_template(f"{name}.{lang}.md.j2")
        more = {"n": itertools.count(1).__next__, "documents": tuple(made)}  # n: of a heading
        made.append(Document(name, lang, fill_template(template, values | more), date))
    return made


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
