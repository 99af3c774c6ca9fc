"""From a path to tables: finding the files of a data set, and the reader of each suffix."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import one_line_error, quote, quoted_list
from fedkit.data.limits import refuse_above
from fedkit.data.readers.parquet import read_parquet
from fedkit.data.readers.table import GUESSED, Reading, TableRead
from fedkit.data.readers.text_files import read_delimited, read_jsonl
from fedkit.data.readers.workbook import read_excel

READERS: dict[str, Callable[[bytes, str, Reading], TableRead]] = {
    ".csv": read_delimited,
    ".tsv": read_delimited,
    ".xlsx": read_excel,
    ".parquet": read_parquet,
    ".jsonl": read_jsonl,
    ".json": read_jsonl,
}
SUFFIXES = tuple(READERS)
_FORMATS = " ".join(SUFFIXES)
USES_ENCODING = {".csv", ".tsv", ".jsonl", ".json"}
STEMS = {
    "train": ("train",),
    "validation": ("validation", "valid", "val", "dev", "eval"),
    "test": ("test",),
}
_SPLIT = re.compile(
    rf"(?i)^(?:{'|'.join(chain(*STEMS.values()))})(?:\.(?:csv|tsv|xlsx|parquet|jsonl?))?$"
)
_DATA = re.compile(
    rf"{_SPLIT.pattern}|\.(?:csv|tsv|xls\w?|ods|parquet|arrow|feather)\b"
    r"|^(?:train|test|val|dev|eval)[^a-z].*\.(?:jsonl?|ndjson|txt)\b"
)


def find_tables(path: Path) -> dict[str, Path]:
    """Return the files to read, by split, in order of their names; a single file is "train".

    A folder holds train.* and test.*, and may hold validation.* (or another of STEMS), in any
    format of SUFFIXES. Raises FedkitError when nothing is there, a split is missing or double, or
    the format is unknown.
    """
    if path.is_file():
        supported_suffix(path)
        return {"train": path}
    if not path.is_dir():
        raise FedkitError(
            f"no file or folder {quote(path)}; give {_FORMATS}, or a folder with train.csv and"
            " test.csv"
        )
    found = {split: _find_file(path, split) for split in STEMS}
    for split in ("train", "test"):
        if found[split] is None:
            raise FedkitError(
                f"folder {quote(path)} has no {split} file; it needs train.csv and test.csv"
                f" ({_FORMATS}), or give one file alone; it holds:"
                f" {quoted_list(sorted(os.listdir(path))) or 'nothing'}"
            )
    files = {split: file for split, file in found.items() if file is not None}
    return dict(sorted(files.items(), key=lambda item: item[1].name))


def note_rest(path: Path, read: Iterable[Path]) -> list[str]:
    """Return a note on the files beside those `read` from `path` that look like more of the data.

    In a folder: tables, and whatever is named after a split. Beside a single train file: splits.
    """
    folder, look, use = path, _DATA, "name it as a split"
    if path.is_file():
        folder, look, use = path.parent, _SPLIT, "give the folder"
        if path.stem.lower() != "train" or not os.access(folder, os.R_OK):
            return []
    others = sorted(file.name for file in set(folder.iterdir()) - set(read))
    names = [name for name in others if look.search(name) and not name.startswith((".", "~$"))]
    said = f"beside what is read, and not read: {quoted_list(names, 5)}; to use it, {use}"
    return [said] if names else []


def supported_suffix(path: Path) -> str:
    """Return the suffix of `path` if it can be read. Raises FedkitError otherwise."""
    if (suffix := path.suffix.lower()) not in SUFFIXES:
        raise FedkitError(
            f"cannot read {quote(path)}: suffix {quote(path.suffix)} is none of {_FORMATS}; save"
            " it as CSV"
        )
    return suffix


def read_bytes(path: Path) -> bytes:
    """Return all bytes of a file. Raises FedkitError if it is too large or cannot be read."""
    try:
        refuse_above("MAX_BYTES", path.stat().st_size, str(path))
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or one_line_error(error)
        raise FedkitError(f"cannot read {quote(path)}: {reason}") from None


def read_table(data: bytes, path: Path, reading: Reading = GUESSED) -> TableRead:
    """Return the table in a file's bytes.

    Cells are as the file has them: strings in text files, Python values elsewhere, None for empty
    ones. The index holds each row's line in the file (Excel: row in the sheet).
    """
    return READERS[supported_suffix(path)](data, path.name, reading)


def _find_file(folder: Path, split: str) -> Path | None:
    files = sorted(p for p in folder.iterdir() if p.stem.lower() in STEMS[split] and p.is_file())
    stem = min((p.stem.lower() for p in files), key=STEMS[split].index, default=None)
    inside = [p for p in files if p.stem.lower() == stem]
    known = [p for p in inside if p.suffix.lower() in SUFFIXES]
    if len(known) > 1:
        raise FedkitError(
            f"folder {quote(folder)} has several {split} files:"
            f" {quoted_list(p.name for p in known)}; keep one"
        )
    if inside and not known:
        supported_suffix(inside[0])
    return known[0] if known else None
