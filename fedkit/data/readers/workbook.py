"""Reading Excel workbooks. They are compressed: all that is unpacked is weighed as it comes."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import Any

from fedkit.core.errors import FedkitError
from fedkit.core.files import read_packaged_table
from fedkit.core.formatting import one_line_error, quote, quoted_list
from fedkit.data import limits
from fedkit.data.limits import MAX_COLUMNS, clean_name, refuse_above
from fedkit.data.readers import table
from fedkit.data.readers.table import MergedRange, NumberedRow, Reading, TableRead

_RANGE = rb' [^<>]{0,40}?ref="([A-Z]{1,3}\d{1,7}:[A-Z]{1,3}\d{1,7})"'
_MERGE = re.compile(rb"<(?:\w{1,9}:)?mergeCell" + _RANGE)
_SIZE = re.compile(rb"<(?:\w{1,9}:)?dimension" + _RANGE)
_STRICT = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w{1,40})/")  # Strict Open XML's names
MAX_SHEETS = 1_000
MAX_PEEKS = 30  # sheets that are looked into when none is named
MAX_PARTS = 20_000


def read_excel(data: bytes, name: str, reading: Reading) -> TableRead:
    """Return a sheet of an .xlsx workbook (by default the first visible) as a table.

    Formulas are not evaluated: a cell holds the value that Excel stored last, or nothing. Raises
    FedkitError for a password, a damaged file, a zip bomb, and an unknown sheet.
    """
    return read_book(open_workbook(data, name), data, name, reading)


def read_book(book: Any, data: bytes, name: str, reading: Reading) -> TableRead:
    """Return a sheet of an open workbook as a table, see `read_excel`."""
    from fedkit.data.readers.sheet_cells import SheetCells

    with readable(name):
        chosen, notes = choose_sheet(book, name, reading.sheet)
        merges = read_merged_ranges(data, chosen)
        title = f"{name}, sheet {chosen.title}"
        cells = SheetCells(book)
        rows = iter_sheet_rows(chosen, title, cells)
        read = table.table_of_rows(rows, title, reading, merges, is_sheet=True)
        return replace(read, notes=notes + read.notes + cells.notes(read.frame, title))


@contextmanager
def readable(name: str, what: str = "Excel") -> Iterator[None]:
    """Raise FedkitError for whatever a library raises in here. what: the kind of the file `name`"""
    try:
        yield
    except FedkitError:
        raise
    except Exception as error:  # of the library, of what it uses, or dates that Python cannot hold
        raise FedkitError(
            f"{quote(name)} is not a readable {what} file ({one_line_error(error)}); open and save"
            " it again, or give CSV"
        ) from None


def open_workbook(data: bytes, name: str) -> Any:
    """Open a workbook to be read row by row; links to other files are not followed."""
    _check_zip(data, name)
    from openpyxl.reader.excel import ExcelReader
    from openpyxl.styles.stylesheet import apply_stylesheet

    from fedkit.data.readers.sheet_cells import read_strings

    with readable(name):
        reader = ExcelReader(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        reader.archive = WeighedZip(io.BytesIO(data))
        reader.archive.title = name
        reader.read_manifest()
        read_strings(reader)
        reader.read_workbook()
        apply_stylesheet(reader.archive, reader.wb)
        # XlsxWriter stores 0 for each formula, and lets Excel calculate
        book_xml = reader.archive.read(reader.parser.workbook_part_name)
        reader.wb.is_uncalculated = b'fullCalcOnLoad="1"' in book_xml
        _add_sheets(reader, name)
        return reader.wb


def choose_sheet(book: Any, name: str, sheet: str | None) -> tuple[Any, list[str]]:
    """Return the named sheet or the first visible one with a table; a note names the others.

    A table has two columns and ten rows. One that has no heading of `data.columns` gives way to a
    longer one that has.
    """
    visible = [s for s in book.sheets if s.sheet_state == "visible"]
    if sheet is not None:
        if chosen := [s for s in book.sheets if s.title == sheet]:
            return chosen[0], []
        raise FedkitError(
            f"no sheet {quote(sheet)} in {quote(name)}; it has:"
            f" {quoted_list(s.title for s in visible)}"
        )
    if not visible:
        raise FedkitError(
            f"{quote(name)} has no visible sheet; name one of:"
            f" {quoted_list(s.title for s in book.sheets)}"
        )
    if len(book.sheets) == 1:
        return visible[0], []
    peeks = {s: _peek(s) for s in visible[:MAX_PEEKS]}
    tables = [s for s, (names, rows) in peeks.items() if len(names) > 1 and rows >= 10]
    first = (tables or visible)[0]
    if not table.count_known(peeks[first][0]):
        longer = (s for s in tables if peeks[s][1] > peeks[first][1])
        first = next((s for s in longer if table.count_known(peeks[s][0])), first)
    others = [s for s in book.sheets if s is not first]
    how = "first visible sheet" if first is visible[0] else "the sheet that looks like a table,"
    note = f"{quote(name)}: {how} {quote(first.title)} of {len(book.sheets)}"
    alike = [s for s in others if s in peeks and peeks[s][0] == peeks[first][0]]
    for what, sheets in (
        ("not read", [s for s in others if s in visible]),
        ("hidden and not read", [s for s in others if s not in visible]),
        ("with the same columns, to be put into one", alike),
    ):
        note += f"; {what}: {quoted_list((s.title for s in sheets), 6)}" if sheets else ""
    return first, [f"{note} (name --sheet to choose)"]


def _peek(sheet: Any) -> tuple[list[str], int]:
    """Return the column names of a sheet and how many rows are below, of the first HEAD_ROWS."""
    from fedkit.data.readers.sheet_cells import SheetCells

    try:
        rows = iter_sheet_rows(sheet, sheet.title, SheetCells(sheet.parent))
        head = list(islice(rows, table.HEAD_ROWS))
        found = table.find_header(head, sheet.title)
    except FedkitError:  # said if it is this sheet that is read
        return ["", ""], table.HEAD_ROWS
    return [name for name in map(clean_name, found.cells) if name], len(head) - found.body


def read_merged_ranges(data: bytes, sheet: Any) -> list[MergedRange]:
    """Return the merged ranges of a sheet, at most about 10,000.

    They are read from the XML, since openpyxl leaves them out when it reads row by row.
    """
    found: list[MergedRange] = []
    with zipfile.ZipFile(io.BytesIO(data)) as archive, archive.open(sheet.path) as file:
        rest = b""
        while (chunk := file.read(1 << 20)) and len(found) < 10_000:
            found += map(_parse_range, _MERGE.findall(rest + chunk))
            rest = chunk[-200:]  # a range that was cut is found with the next piece
    return found


def iter_sheet_rows(sheet: Any, name: str, cells: Any) -> Iterator[NumberedRow]:
    """Yield the filled rows of a sheet, numbered from 1, within the limits of `data.limits`.

    cells: `SheetCells`, which reads them. Cells without a value, coloured or not, are no columns.
    """
    number, length, last, archive = 0, 0, 0, sheet.parent._archive
    with archive.open(sheet.path) as source:
        for count, (line, found, nodes) in enumerate(cells.read_rows(source), start=1):
            archive.renew()
            refuse_above("MAX_ROWS", max(line, count), name)
            filled = [c for c, v in found.items() if not isinstance(v, str) or v.strip()]
            if (width := max(filled, default=0)) > MAX_COLUMNS:
                at_most = f"at most {MAX_COLUMNS:,} are read"
                raise FedkitError(f"{quote(name)}, row {line} reaches column {width:,}; {at_most}")
            number += max(width, nodes // 3)
            refuse_above("MAX_SHEET_CELLS", number, name)
            length += sum(len(value) for value in found.values() if isinstance(value, str))
            refuse_above("MAX_UNPACKED", length, name)
            if line > last and filled:
                yield line, [found.get(column) for column in range(1, width + 1)]
            last = max(last, line)


class WeighedZip(zipfile.ZipFile):
    """The archive of a workbook, which raises FedkitError once a piece of XML is too large.

    A piece is a part that is read whole, or what comes up to the next `renew` (a row). title: of
    the file. tags: how many tags and attributes a piece may have; its tree grows with them.
    """

    title = ""
    tags = limits.MAX_TAGS
    total = 0  # of the whole workbook; a cell has about seven

    def renew(self) -> None:
        self.left = self.tags
        self.nbytes = 0

    def open(self, *args: Any, **kwargs: Any) -> Any:
        file: Any = super().open(*args, **kwargs)
        read = file.read
        self.renew()

        def weighed(size: int | None = -1) -> bytes:
            is_start = file.tell() == 0
            chunk = read(limits.MAX_PIECE + 1 if size is None or size < 0 else size)
            if is_start:
                chunk = _STRICT.sub(rb"http://schemas.openxmlformats.org/\1/2006/", chunk)
            self.nbytes += len(chunk)
            count = chunk.count(b"<") + chunk.count(b"=")
            self.left -= count
            self.total += count
            refuse_above("MAX_SHEET_CELLS", self.total // 8, self.title)
            refuse_above("MAX_PIECE", self.nbytes, self.title, "a row, or another part,")
            if self.left < 0:
                raise FedkitError(
                    f"{quote(self.title)}: a row, or another part, has more than {self.tags:,} XML"
                    " tags and attributes; save the sheet as CSV"
                )
            return chunk

        file.read = weighed
        return file


class _Sheet:
    """A sheet to be read row by row, and the size that it claims (None: it does not say)."""

    def __init__(self, book: Any, title: str, state: str, path: str) -> None:
        self.parent, self.title, self.sheet_state, self.path = book, title, state, path
        with book._archive.open(path) as file:
            found = _SIZE.search(file.read(1 << 16))
        size: tuple[int | None, ...] = _parse_range(found[1]) if found else (None, None)
        self.max_row, self.max_column = size[-2:]


def _add_sheets(reader: Any, name: str) -> None:
    if len(reader.parser.sheets) > MAX_SHEETS:
        raise FedkitError(
            f"{quote(name)} has more than {MAX_SHEETS:,} sheets; save the one you need as CSV"
        )
    reader.wb.strings = reader.shared_strings
    reader.wb.sheets = [
        _Sheet(reader.wb, sheet.name, sheet.state, rel.target)
        for sheet, rel in reader.parser.find_sheets()
        if rel.target in reader.valid_files and "chartsheet" not in rel.Type
    ]


def _parse_range(ref: bytes) -> MergedRange:
    from openpyxl.utils import range_boundaries

    left, top, right, bottom = range_boundaries(ref.decode())
    return top, left, bottom, right


def _check_zip(data: bytes, name: str) -> None:
    is_book = b"xl/workbook.xml" in data
    kinds = read_packaged_table("fedkit.data.readers", "workbook.toml")["foreign"]
    for foreign in () if is_book else kinds:
        if re.search(foreign["pattern"].encode("latin-1"), data, re.DOTALL):
            raise FedkitError(f"{quote(name)} {foreign['said']}")
    if not data:
        raise FedkitError(
            f"{quote(name)} is empty (0 bytes); give an .xlsx file with a header and rows"
        )
    with readable(name):
        if data.count(b"PK\1\2") > MAX_PARTS:
            raise ValueError(f"more than {MAX_PARTS:,} parts")
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            refuse_above("MAX_UNPACKED", sum(item.file_size for item in archive.infolist()), name)
