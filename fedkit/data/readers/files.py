"""From a path to tables: finding the files of a data set, and the reader of each suffix."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import one_line_error, quote, quoted_list
from fedkit.data.limits import MAX_BYTES
from fedkit.data.readers.delimited import read_delimited, read_jsonl
from fedkit.data.readers.parquet import read_parquet
from fedkit.data.readers.workbook import read_excel

SUFFIXES = (".csv", ".tsv", ".xlsx", ".parquet", ".jsonl", ".json")
USES_ENCODING = {".csv", ".tsv", ".jsonl", ".json"}
STEMS = {"train": ("train",), "validation": ("validation", "valid", "dev"), "test": ("test",)}


def find_tables(path: Path) -> dict[str, Path]:
    """Return the files to read, by split; a single file is "train".

    A folder holds train.* and test.*, and may hold validation.*, valid.* or dev.*, in any format of
    SUFFIXES. Raises FedkitError when nothing is there, a split is missing or double, or the format
    is unknown.
    """
    if path.is_file():
        supported_suffix(path)
        return {"train": path}
    if not path.is_dir():
        raise FedkitError(
            f"no file or folder {quote(path)}; give {_formats()}, or a folder with train.csv and"
            " test.csv"
        )
    found = {split: _find_file(path, split) for split in STEMS}
    for split in ("train", "test"):
        if found[split] is None:
            raise FedkitError(
                f"folder {quote(path)} has no {split} file; it needs train.csv and test.csv"
                f" ({_formats()}), or give one file alone; it holds:"
                f" {quoted_list(sorted(os.listdir(path))) or 'nothing'}"
            )
    return {split: file for split, file in found.items() if file is not None}


def supported_suffix(path: Path) -> str:
    """Return the suffix of `path` if it can be read. Raises FedkitError otherwise."""
    if (suffix := path.suffix.lower()) not in SUFFIXES:
        raise FedkitError(
            f"cannot read {quote(path)}: suffix {quote(path.suffix)} is none of {_formats()}; save"
            " it as CSV"
        )
    return suffix


def read_bytes(path: Path) -> bytes:
    """Return all bytes of a file. Raises FedkitError if it is too large or cannot be read."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise FedkitError(
                f"{quote(path)} is larger than {MAX_BYTES // 10**6:,} MB; give a sample of it"
            )
        return path.read_bytes()
    except OSError as error:
        raise FedkitError(
            f"cannot read {quote(path)}: {error.strerror or one_line_error(error)}"
        ) from None


def read_table(
    data: bytes,
    path: Path,
    encoding: str | None = None,
    sheet: str | None = None,
    header_row: int | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """Return the table in a file's bytes, and notes on how it was read.

    Cells are as the file has them: strings in text files, Python values elsewhere, None for empty
    ones. The index holds each row's line in the file (Excel: row in the sheet). header_row: that of
    .csv, .tsv, .xlsx; None: guessed.
    """
    suffix = supported_suffix(path)
    if suffix == ".xlsx":
        return read_excel(data, path.name, sheet, header_row)
    if suffix == ".parquet":
        return read_parquet(data, path.name)
    if suffix in (".jsonl", ".json"):
        return read_jsonl(data, path.name, encoding)
    return read_delimited(data, path.name, encoding, header_row)


def _find_file(folder: Path, split: str) -> Path | None:
    inside = sorted(p for p in folder.iterdir() if p.stem.lower() in STEMS[split] and p.is_file())
    known = [p for p in inside if p.suffix.lower() in SUFFIXES]
    if len(known) > 1:
        raise FedkitError(
            f"folder {quote(folder)} has several {split} files:"
            f" {quoted_list(p.name for p in known)}; keep one"
        )
    if inside and not known:
        supported_suffix(inside[0])
    return known[0] if known else None


def _formats() -> str:
    return " ".join(SUFFIXES)
