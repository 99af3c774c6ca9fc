"""Cells of an Excel sheet as one sees them: number formats, dates, escapes; what has no value."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any

import pandas as pd
from openpyxl.styles import numbers
from openpyxl.utils import column_index_from_string
from openpyxl.utils.datetime import from_excel, from_ISO8601
from openpyxl.xml.constants import SHARED_STRINGS, SHEET_MAIN_NS
from openpyxl.xml.functions import iterparse

from fedkit.core.files import read_packaged_table
from fedkit.core.formatting import quote
from fedkit.data import limits

_ROW, _COL, _END, _VALUE, _FORMULA, _INLINE, _STRING, _TEXT, _READING = (
    f"{{{SHEET_MAIN_NS}}}{tag}"
    for tag in ("row", "col", "sheetData", "v", "f", "is", "si", "t", "rPh")
)
_WORDS = read_packaged_table("fedkit.data.readers", "sheet_cells.toml")
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")
MAX_FORMAT = 255  # characters of a number format, as in Excel
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_LITERAL = r"""(?:"[^"]*"|\\.|[_*].|\[[^\]<>=]*\]|[-+$() :!^&'~{}]|[^\x00-\x7f])"""
_LITERALS = re.compile(f"({_LITERAL}+)")
_FORMAT = re.compile(
    rf"(?P<before>{_LITERAL}*)(?P<whole>(?:[#0?,]*[#0?]|General)(?:{_LITERAL}+[#0?]+)*)"
    rf"(?:\.(?P<places>0+))?(?P<percent>%?)(?P<after>{_LITERAL}*)"
)
_parse_format = lru_cache(_FORMAT.fullmatch)


def plain_text(text: str) -> str:
    """Return the text of a cell without Excel's escapes such as _x000D_.

    Line ends become one kind, and control characters, which Excel does not show, are left out.
    """
    if "_x" in text:
        text = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
        text = _UNSEEN.sub("", text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    return text.replace("\r\n", "\n").replace("\r", "\n")


def rich_text(node: Any) -> str:
    """Return the text of a shared or inline string: its runs, without their phonetic readings."""
    if len(node) == 1 and node[0].tag == _TEXT:
        return plain_text(node[0].text or "")
    parts = (part for part in node if part.tag != _READING)
    return plain_text("".join(text.text or "" for part in parts for text in part.iter(_TEXT)))


@lru_cache(maxsize=100_000)
def read_number(value: str, code: str, epoch: Any) -> tuple[Any, dict[str, Any]]:
    """Return a number or date as its format shows it, and {what is to be said: an example}."""
    number = int(value) if value.lstrip("-").isdecimal() else float(value)
    if isinstance(number, float) and not number.is_integer():
        number = float(f"{number:.15g}")  # Excel has no more digits: 0.3, not 0.30000000000000004
    said = {"long_numbers": value} if abs(number) >= 10**15 else {}
    if code == "General":
        return number, said
    if numbers.is_date_format(code):
        try:
            moment = from_excel(number, epoch, timedelta=numbers.is_timedelta_format(code))
        except (OverflowError, ValueError):  # Excel shows it as ####
            return None, said | {"errors": "####"}
        return shown_moment(moment, code), said | {"date": None}
    if (shown := shown_number(number, code)) is None:
        return number, said | {"format": code}
    exact = f"{abs(number) * (100 if '%' in code else 1):.15g}"
    if isinstance(number, float) and exact not in shown.replace(",", ""):
        said["rounded"] = shown
    return shown, said


def shown_number(number: float, code: str) -> str | None:
    """Return a number in an Excel number format (101 in 00000: 00101); source: ECMA-376, 18.8.31.

    None for a format that is not followed: fractions, exponents, conditions, optional decimals.
    """
    sections = code.split(";")
    at = 1 if number < 0 else 2 if number == 0 else 0
    section = sections[at] if at < len(sections) else sections[0]
    if (found := _parse_format(section)) is None:
        return _shown_literal(section) or None if _LITERALS.fullmatch(section) else None
    whole, places = found["whole"], found["places"] or ""
    value = abs(Decimal(str(number)))
    if "General" not in whole:
        value *= 100 if found["percent"] else 1
        value = value.quantize(Decimal(1).scaleb(-len(places)), ROUND_HALF_UP)
    digits, point, decimals = f"{value:{',' if ',' in whole else ''}f}".partition(".")
    digits = ("" if digits == "0" else digits).zfill(whole.count("0") or whole == "General")
    tail = point + decimals
    _, *groups = _LITERALS.split(whole)
    for group in reversed(groups):  # digits fill the places from the right, the rest the first
        if _LITERALS.match(group):
            tail = _shown_literal(group) + tail
        else:
            digits, tail = digits[: -len(group)], digits[-len(group) :] + tail
    sign = "-" if number < 0 and value and at >= len(sections) else ""
    before, after = _shown_literal(found["before"]), _shown_literal(found["after"])
    return f"{before}{sign}{digits}{tail}{found['percent']}{after}".strip()


@lru_cache(maxsize=100_000)
def shown_moment(moment: Any, code: str) -> Any:
    """Return a date, time or duration with the parts that its number format shows.

    Dates in the order of ISO 8601, as Excel's order depends on the country: 2024-04-01, 2024-04.
    """
    parts = re.sub(r'"[^"]*"|\\.|\[(?!h+\]|m+\]|s+\])[^\]]*\]', "", code.lower())
    if isinstance(moment, datetime.datetime):
        moment = (moment + datetime.timedelta(microseconds=500_000)).replace(microsecond=0)
        if re.search("[hs]", parts) and moment.time() != datetime.time():
            return moment
        moment = moment.date()
    if isinstance(moment, datetime.date):
        shown = "%Y-%m" if "m" in parts else "%Y"
        return moment if "d" in parts or "y" not in parts else moment.strftime(shown)
    if isinstance(moment, datetime.time):
        clock = moment.strftime("%I" if "am/pm" in parts else "%H")
        ending = moment.strftime(":%M" + ":%S" * ("s" in parts) + " %p" * ("am/pm" in parts))
        return (clock if "hh" in parts else clock.lstrip("0") or "0") + ending
    seconds = round(moment.total_seconds())
    minutes = f"{seconds // 3600}:{seconds // 60 % 60:02}"
    return minutes + (f":{seconds % 60:02}" if "s" in parts else "")


def read_strings(reader: Any) -> None:
    """Read the shared strings as openpyxl's `reader` does, but without an object for each."""
    if (part := reader.package.find(SHARED_STRINGS)) is None:
        return
    reader.archive.tags, usual = 4 * limits.MAX_ROWS, reader.archive.tags
    with reader.archive.open(part.PartName[1:]) as file:
        for _, node in iterparse(file):
            if node.tag == _STRING:
                reader.shared_strings.append(rich_text(node))
                node.clear()
                reader.archive.nbytes = 0
    reader.archive.tags = usual


class SheetCells:
    """The cells of a sheet, read row by row; `notes` says what is not as it seems.

    book: of `workbook.open_workbook`. seen: (what, column from 1) -> [how many, an example].
    """

    def __init__(self, book: Any) -> None:
        self.book = book
        self.codes = [_number_format(book, style.numFmtId) for style in book._cell_styles]
        self.seen: dict[tuple[str, int], list[Any]] = {}

    def read_rows(self, source: Any) -> Iterator[tuple[int, dict[int, Any], int]]:
        """Yield line, {column: value} of the filled cells, and the number of cells of each row."""
        line = 0
        for _, node in iterparse(source):
            if node.tag == _END:
                return
            if node.tag == _COL and _is_hidden(node, "width"):
                for column in range(int(node.get("min")), min(int(node.get("max")), 1_000) + 1):
                    self._count("hidden_columns", column, None)
            if node.tag == _ROW:
                line, column, cells = int(float(node.get("r", line + 1))), 0, {}
                for cell in node:
                    letters = cell.get("r", "").rstrip("0123456789")
                    column = column_index_from_string(letters) if letters else column + 1
                    if (value := self._read(cell, column)) is not None:
                        cells[column] = value
                if cells and _is_hidden(node, "ht"):
                    self._count("hidden_rows", 0, line)
                yield line, cells, len(node)
                node.clear()

    def notes(self, frame: pd.DataFrame, title: str) -> list[str]:
        """Return what has no value or is hidden, with count and column. frame: the table read."""
        names = ["", *map(quote, frame.columns)]
        for kind, column in [key for key in self.seen if key[0] in _WORDS["beside"]]:
            said, alike = map(re.compile, _WORDS["beside"][kind])
            for cell in frame.iloc[:, column - 1] if column < len(names) else ():
                if isinstance(cell, str) and said.fullmatch(cell) and not alike.fullmatch(cell):
                    self._count(f"{kind}_beside", column, cell)
        notes = []
        for what, note in _WORDS["notes"].items():
            found = [(*key, *seen) for key, seen in self.seen.items() if key[0] == what]
            found = sorted(one for one in found if one[1] < len(names))
            if found:
                where = ", ".join(f"{names[column]} {count:,}" for _, column, count, _ in found[:4])
                shown = ", ".join(names[column] for _, column, _, _ in found[:4])
                said = note.format(where=where.strip(), example=found[0][3], names=shown)
                notes.append(f"{quote(title)}: {said}")
        return notes

    def _count(self, what: str, column: int, example: Any) -> None:
        self.seen.setdefault((what, column), [0, example])[0] += 1

    def _read(self, cell: Any, column: int) -> Any:
        kind, is_alone = cell.get("t", "n"), len(cell) == 1 and cell[0].tag == _VALUE
        value = cell[0].text if is_alone else cell.findtext(_VALUE)
        if not is_alone:
            if kind == "inlineStr":
                return next(map(rich_text, cell.iterfind(_INLINE)), None)
            is_stale = self.book.is_uncalculated and value == "0" if value else kind != "str"
            if is_stale and cell.find(_FORMULA) is not None:
                return self._count("formulas", column, None)
        if not value:
            return None
        if kind == "s":
            return self.book.strings[int(value)]
        if kind == "str":
            return plain_text(value)
        if kind == "b":
            return "TRUE" if value in ("1", "true") else "FALSE"
        if kind == "e":
            return self._count("errors", column, value)
        code = self.codes[int(cell.get("s", 0))] if self.codes else "General"
        if kind == "d":
            self._count("date", column, None)
            return shown_moment(
                from_ISO8601(value), code if numbers.is_date_format(code) else "ymdhs"
            )
        shown, said = read_number(value, code, self.book.epoch)
        for what, example in said.items():
            self._count(what, column, example)
        return shown


def _number_format(book: Any, number: int) -> str:
    own = book._number_formats[number - 164 :][:1] if number >= 164 else []
    code = _WORDS["east_asian_formats"].get(str(number)) or numbers.builtin_format_code(number)
    return (*own, code or "General")[0][:MAX_FORMAT]


def _is_hidden(node: Any, size: str) -> bool:
    return node.get("hidden") in ("1", "true") or node.get(size) == "0"


@lru_cache
def _shown_literal(text: str) -> str:
    piece = r'"([^"]*)"|\\(.)|[_*].|\[\$([^\]-]*)[^\]]*\]|\[[^\]]*\]'
    return re.sub(piece, lambda match: match[1] or match[2] or match[3] or "", text)
