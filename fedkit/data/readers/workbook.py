"""Reading Excel and Parquet. Both are compressed: their unpacked size is checked first."""

from __future__ import annotations

import io
import itertools
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pandas as pd

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import count_noun, one_line_error, quote, quoted_list
from fedkit.data.limits import (
    MAX_COLUMNS,
    cell_table,
    clean_name,
    header_names,
    refuse_too_large,
    refuse_too_many_rows,
)
from fedkit.data.readers.header_detection import (
    HEAD_ROWS,
    MergedRange,
    NumberedRow,
    drop_tail,
    find_header,
)

_MERGE = re.compile(
    rb'<(?:\w{1,9}:)?mergeCell [^<>]{0,40}?ref="([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})"'
)


def read_excel(
    data: bytes, name: str, sheet: str | None, header_row: int | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """Return a sheet of an .xlsx workbook (by default the first visible) as a table, and notes.

    header_row: the header's row in the sheet; None: the first filled row, unless `header_detection`
    finds another, which is noted. The index holds the row numbers of the sheet. Formulas are not
    evaluated: a cell holds the value that Excel stored last, or nothing. Raises FedkitError for a
    password, a damaged file, a zip bomb, and an unknown sheet.
    """
    book = open_workbook(data, name)
    try:
        chosen, notes = choose_sheet(book, name, sheet)
        merges = read_merged_ranges(data, chosen)
        frame, more = _sheet_table(chosen, f"{name}, sheet {chosen.title}", header_row, merges)
        return frame, [*notes, *more]
    except FedkitError:
        raise
    except Exception as error:  # openpyxl lets whatever broke inside it pass
        raise damaged_file_error(name, "Excel", error) from None


def read_parquet(data: bytes, name: str) -> tuple[pd.DataFrame, list[str]]:
    """Return a Parquet file as a table of Python objects, and no notes.

    Raises FedkitError for a damaged file, and for one too large as soon as that shows.
    """
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(data))
        refuse_too_many_rows(file.metadata.num_rows, name)
        names = header_names(file.schema_arrow.names, name)
        rows = list(zip(*_unpack(file, name)))
        return cell_table(rows, names, name, range(1, len(rows) + 1)), []
    except FedkitError:
        raise
    except Exception as error:  # Arrow errors, but also dates that Python cannot hold
        raise damaged_file_error(name, "Parquet", error) from None


def open_workbook(data: bytes, name: str) -> Any:
    """Open a workbook to be read row by row; links to other files are not followed."""
    _check_zip(data, name)
    import openpyxl

    try:
        return openpyxl.load_workbook(
            io.BytesIO(data), read_only=True, data_only=True, keep_links=False
        )
    except Exception as error:  # openpyxl lets whatever broke inside it pass
        raise damaged_file_error(name, "Excel", error) from None


def choose_sheet(book: Any, name: str, sheet: str | None) -> tuple[Any, list[str]]:
    """Return the named or first visible sheet, and a note if it was chosen among several."""
    visible = [s for s in book.worksheets if s.sheet_state == "visible"]
    if sheet is not None:
        if chosen := [s for s in book.worksheets if s.title == sheet]:
            return chosen[0], []
        raise FedkitError(
            f"no sheet {quote(sheet)} in {quote(name)}; it has:"
            f" {quoted_list(s.title for s in visible)}"
        )
    if not visible:
        raise FedkitError(
            f"{quote(name)} has no visible sheet; name one of: {quoted_list(book.sheetnames)}"
        )
    several = [
        f"{quote(name)}: first visible sheet {quote(visible[0].title)} of {len(book.sheetnames)}"
        " (name sheet to choose)"
    ]
    return visible[0], several if len(book.sheetnames) > 1 else []


def read_merged_ranges(data: bytes, sheet: Any) -> list[MergedRange]:
    """Return the merged ranges of a sheet, at most about 10,000.

    They are read from the XML, since openpyxl leaves them out when it reads row by row.
    """
    found: list[MergedRange] = []
    with zipfile.ZipFile(io.BytesIO(data)) as archive, archive.open(sheet._worksheet_path) as file:
        rest = b""
        while (chunk := file.read(1 << 20)) and len(found) < 10_000:
            found += [_parse_range(*match) for match in _MERGE.findall(rest + chunk)]
            rest = chunk[-200:]  # a range that was cut is found with the next piece
    return found


def iter_sheet_rows(sheet: Any, name: str) -> Iterator[NumberedRow]:
    """Yield the filled rows of a sheet. Raises FedkitError for too many rows or columns."""
    sheet.reset_dimensions()  # what the file says of its own size is not to be trusted
    return _iter_filled(sheet.iter_rows(values_only=True), name)


def damaged_file_error(name: str, what: str, error: Exception) -> FedkitError:
    """Return the FedkitError for a file that its library cannot read. what: Excel or Parquet."""
    reason = one_line_error(error)
    return FedkitError(
        f"{quote(name)} is not a readable {what} file ({reason}); open and save it again, or give"
        " CSV"
    )


def _sheet_table(
    sheet: Any, name: str, header_row: int | None, merges: list[MergedRange]
) -> tuple[pd.DataFrame, list[str]]:
    rows = iter_sheet_rows(sheet, name)
    head = list(itertools.islice(rows, HEAD_ROWS))
    found = find_header(head, name, header_row, merges)
    names = header_names(_strip_blank_end(found.cells), name)
    body, fill_notes = _fill_down([*head[found.body :], *rows], merges, name)
    kept, tail_notes = drop_tail(body, len(names), name)
    cells = [_fit_width(row, names, name, line) for line, row in kept]
    frame = cell_table(cells, names, name, [line for line, _ in kept])
    return frame, [*found.notes, *fill_notes, *tail_notes]


def _fill_down(
    rows: list[NumberedRow], merges: list[MergedRange], name: str
) -> tuple[list[NumberedRow], list[str]]:
    """Write a value whose cell is merged over several rows into each of them, and note how many."""
    tall: dict[int, list[tuple[int, int]]] = {}  # first row -> (column, last row)
    for top, left, bottom, right in merges:
        if bottom > top and left == right:
            tall.setdefault(top, []).append((left - 1, bottom))
    number = 0
    active: dict[int, tuple[int, Any]] = {}  # column -> (last row, value)
    for i, (line, cells) in enumerate(rows if tall else []):
        active = {column: merge for column, merge in active.items() if line <= merge[0]}
        if active:
            wide = [*cells, *[None] * (max(active) + 1 - len(cells))]
            for column, (_, value) in active.items():
                if wide[column] is None:
                    wide[column] = value
                    number += value is not None
            cells = wide
        rows[i] = (line, cells)
        active |= {
            column: (last, cells[column])
            for column, last in tall.get(line, [])
            if column < len(cells)
        }
    note = f"{quote(name)}: {count_noun(number, 'cell')} filled from the merged cell above"
    return rows, [note] if number else []


def _iter_filled(rows: Iterable[Sequence[Any]], name: str) -> Iterator[NumberedRow]:
    """Yield the rows that hold something, numbered from 1, within the limits of `data.limits`."""
    for line, row in enumerate(rows, start=1):
        refuse_too_many_rows(line, name)
        if len(row) > MAX_COLUMNS:
            raise FedkitError(
                f"{quote(name)}, row {line} reaches column {len(row):,}; at most {MAX_COLUMNS:,}"
                " are read"
            )
        if any(cell is not None for cell in row):
            yield line, row


def _strip_blank_end(cells: Sequence[Any]) -> Sequence[Any]:
    return cells[: max((i for i, cell in enumerate(cells, start=1) if clean_name(cell)), default=0)]


def _fit_width(row: Sequence[Any], names: list[str], name: str, line: int) -> Sequence[Any]:
    """Cut or fill a row to the header's width. Raises FedkitError for a cell beyond the header."""
    if any(cell is not None for cell in row[len(names) :]):
        raise FedkitError(
            f"{quote(name)}, row {line}: a cell to the right of the header, which has {len(names)}"
            " columns; name that column in the header, or clear the cell"
        )
    return [*row[: len(names)], *[None] * (len(names) - len(row))]


def _parse_range(left: bytes, top: bytes, right: bytes, bottom: bytes) -> MergedRange:
    from openpyxl.utils import column_index_from_string

    return (
        int(top),
        column_index_from_string(left.decode()),
        int(bottom),
        column_index_from_string(right.decode()),
    )


def _check_zip(data: bytes, name: str) -> None:
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        raise FedkitError(
            f"{quote(name)} has a password or is in the old .xls format; save it as .xlsx"
            " without one"
        )
    if not data:
        raise FedkitError(
            f"{quote(name)} is empty (0 bytes); give an .xlsx file with a header and rows"
        )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            refuse_too_large(sum(item.file_size for item in archive.infolist()), name)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        if isinstance(error, FedkitError):
            raise
        raise damaged_file_error(name, "Excel", error) from None


def _unpack(file: Any, name: str) -> list[list[Any]]:
    """Return the columns as lists, read 1,000 rows at a time so that the size limit holds."""
    columns: list[list[Any]] = [[] for _ in file.schema_arrow.names]
    nbytes = 0
    for batch in file.iter_batches(batch_size=1_000):
        for values, cells in zip(columns, batch.columns):
            plain = cells.dictionary_decode() if hasattr(cells, "dictionary_decode") else cells
            nbytes += plain.nbytes
            refuse_too_large(nbytes, name)
            values.extend(plain.to_pylist())
    return columns
