"""Excel and Parquet to a table of cells. Both are compressed, so both are weighed before they are unpacked."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pandas as pd

from fedkit.data.grid import MAX_COLUMNS, clean_name, header, refuse_rows, refuse_unpacked, table
from fedkit.data.say import listing, one_line, quote
from fedkit.errors import FedkitError


def read_excel(data: bytes, name: str, sheet: str | None) -> tuple[pd.DataFrame, list[str]]:
    """A sheet of an .xlsx workbook: `sheet`, or the first visible one. Its first filled row is the header.

    Formulas are not evaluated: a cell holds the value that Excel stored last, or nothing.
    Raises FedkitError for a password, a damaged file, a zip bomb, and an unknown sheet.
    """
    _weigh_zip(data, name)
    import openpyxl

    try:
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        chosen, notes = _sheet(book, name, sheet)
        return _sheet_table(chosen, f"{name}, sheet {chosen.title}"), notes
    except FedkitError:
        raise
    except Exception as error:  # openpyxl lets whatever broke inside it pass
        raise _damaged(name, "Excel", error) from None


def _weigh_zip(data: bytes, name: str) -> None:
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        raise FedkitError(f"{quote(name)} has a password or is in the old .xls format; save it as .xlsx without one")
    if not data:
        raise FedkitError(f"{quote(name)} is empty (0 bytes); give an .xlsx file with a header and rows")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            refuse_unpacked(sum(item.file_size for item in archive.infolist()), name)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        if isinstance(error, FedkitError):
            raise
        raise _damaged(name, "Excel", error) from None


def _damaged(name: str, what: str, error: Exception) -> FedkitError:
    said = one_line(error)
    return FedkitError(f"{quote(name)} is not a readable {what} file ({said}); open and save it again, or give CSV")


def _sheet(book: Any, name: str, sheet: str | None) -> tuple[Any, list[str]]:
    visible = [s for s in book.worksheets if s.sheet_state == "visible"]
    if sheet is not None:
        if chosen := [s for s in book.worksheets if s.title == sheet]:
            return chosen[0], []
        raise FedkitError(f"no sheet {quote(sheet)} in {quote(name)}; it has: {listing(s.title for s in visible)}")
    if not visible:
        raise FedkitError(f"{quote(name)} has no visible sheet; name one of: {listing(book.sheetnames)}")
    several = [f"{quote(name)}: first visible sheet {quote(visible[0].title)} of {len(book.sheetnames)} (name sheet to "
               "choose)"]  # fmt: skip
    return visible[0], several if len(book.sheetnames) > 1 else []


def _sheet_table(sheet: Any, name: str) -> pd.DataFrame:
    sheet.reset_dimensions()  # what the file says of its own size is not to be trusted
    filled = _filled(sheet.iter_rows(values_only=True), name)
    names = header(_without_blank_end(next(filled, (0, ()))[1]), name)
    return table([_as_wide(row, names, name, line) for line, row in filled], names, name)


def _filled(rows: Iterable[Sequence[Any]], name: str) -> Iterator[tuple[int, Sequence[Any]]]:
    """The rows that hold something, numbered from 1, until the sheet is too long or too wide."""
    for line, row in enumerate(rows, start=1):
        refuse_rows(line, name)
        if len(row) > MAX_COLUMNS:
            raise FedkitError(
                f"{quote(name)}, row {line} reaches column {len(row):,}; at most {MAX_COLUMNS:,} are read"
            )
        if any(cell is not None for cell in row):
            yield line, row


def _without_blank_end(cells: Sequence[Any]) -> Sequence[Any]:
    return cells[: max((i for i, cell in enumerate(cells, start=1) if clean_name(cell)), default=0)]


def _as_wide(row: Sequence[Any], names: list[str], name: str, line: int) -> Sequence[Any]:
    """The row cut or filled up to the header's width. Raises FedkitError when a cell has no header above it."""
    if any(cell is not None for cell in row[len(names) :]):
        raise FedkitError(
            f"{quote(name)}, row {line}: a cell to the right of the header, which has {len(names)} columns; "
            "name that column in the first row, or clear the cell"
        )
    return [*row[: len(names)], *[None] * (len(names) - len(row))]


def read_parquet(data: bytes, name: str) -> tuple[pd.DataFrame, list[str]]:
    """A Parquet file as a table of Python objects; its row and byte counts are checked as it is unpacked."""
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(data))
        refuse_rows(file.metadata.num_rows, name)
        names = header(file.schema_arrow.names, name)
        return table(list(zip(*_unpack(file, name))), names, name), []
    except FedkitError:
        raise
    except Exception as error:  # Arrow errors, but also dates that Python cannot hold
        raise _damaged(name, "Parquet", error) from None


def _unpack(file: Any, name: str) -> list[list[Any]]:
    """The columns as lists, read 1,000 rows at a time so that a small file cannot grow without limit."""
    columns: list[list[Any]] = [[] for _ in file.schema_arrow.names]
    nbytes = 0
    for batch in file.iter_batches(batch_size=1_000):
        for values, cells in zip(columns, batch.columns):
            plain = cells.dictionary_decode() if hasattr(cells, "dictionary_decode") else cells
            nbytes += plain.nbytes
            refuse_unpacked(nbytes, name)
            values.extend(plain.to_pylist())
    return columns
