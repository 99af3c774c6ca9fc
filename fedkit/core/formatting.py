"""Text for people in English: numbers with their units, values from users' data made safe, tables.

Numbers are written alike in a terminal, a figure and a page, in ASCII only for any console.
`locale` has the two languages of documents.
"""

from __future__ import annotations

import html
import math
import textwrap
from collections.abc import Iterable, Sequence
from unicodedata import east_asian_width

WIDTH = 100  # columns of a terminal
MAX_FIRST_WIDTH = 26  # of them for the first column of a table, at most


def percent(share: float, digits: int = 1) -> str:
    """Return a share in percent: 0.634 -> '63.4 %'."""
    return "not known" if math.isnan(share) else f"{100 * share:.{digits}f} %"


def percent_range(low: float, high: float) -> str:
    """Return an interval of shares in percent: (0.59, 0.675) -> '59.0 to 67.5 %'."""
    if math.isnan(low) or math.isnan(high):
        return "not known"
    return f"{100 * low:.1f} to {percent(high)}"


def points(difference: float) -> str:
    """Return a difference of shares in percentage points: 0.153 -> '+15.3', -1e-17 -> '0.0'."""
    text = f"{100 * difference:+.1f}"
    return "0.0" if text[1:] == "0.0" else text


def byte_size(nbytes: float) -> str:
    """Return a size given in bytes, as `megabytes` does."""
    return megabytes(nbytes / 1e6)


def megabytes(mb: float) -> str:
    """Return a size given in MB: 1.95 -> '1.95 MB', 0.0187 -> '18.7 kB', 2100 -> '2.10 GB'."""
    if math.isnan(mb):
        return "not counted"
    for size, unit in ((1e3, "GB"), (1, "MB"), (1e-3, "kB")):
        if mb >= size:
            digits = max(0, 2 - int(math.log10(max(mb / size, 1))))  # three in all: 1.95, 19.5, 195
            return f"{mb / size:,.{digits}f} {unit}"
    return f"{round(mb * 1e6)} bytes"


def seconds(value: float) -> str:
    """Return a time given in seconds: 8.6 -> '8.6 s', 200 -> '3.3 min', 9000 -> '2.5 h'."""
    if math.isnan(value):
        return "not known"
    size, unit = time_unit(value)
    return f"{value / size:.1f} {unit}"


def time_unit(longest: float) -> tuple[float, str]:
    """Return the unit for times up to `longest` seconds, as (seconds per unit, symbol)."""
    return (1.0, "s") if longest < 180 else (60.0, "min") if longest < 2 * 3600 else (3600.0, "h")


def count_noun(number: int, noun: str) -> str:
    """Return a number with its noun: '1 row', '2 rows', '12,000 rows'."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def round_up_epsilon(epsilon: float) -> float:
    """Round up to three significant digits: 7.9994 -> 8.0, 3.0012 -> 3.01."""
    unit = 10.0 ** (math.floor(math.log10(epsilon)) - 2)
    return float(f"{math.ceil(epsilon / unit - 1e-6) * unit:.6g}")


def quote(value: object, limit: int = 120) -> str:
    """Return `value` in quotes, on one line, cut after `limit` characters."""
    text = str(value)
    return repr(text if len(text) <= limit else text[: limit - 1] + "…").replace("\\\\", "\\")


def quoted_list(values: Iterable[object], limit: int = 12) -> str:
    """Return up to `limit` quoted values separated by commas, then how many more there are."""
    values = list(values)
    more = f" and {len(values) - limit} more" if len(values) > limit else ""
    return ", ".join(quote(v, 40) for v in values[:limit]) + more


def one_line_error(error: BaseException) -> str:
    """Return a library's error message on one line of at most 200 characters, without full stop."""
    return (" ".join(str(error).split()) or type(error).__name__)[:200].rstrip(". ")


def printable_line(text: object, limit: int = 40) -> str:
    """Return `text` on one line, without unprintable characters, cut after `limit` characters."""
    line = "".join(c for c in " ".join(str(text).split()) if c.isprintable())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def figure_text(text: object, limit: int = 40) -> str:
    """Return `text` escaped for a figure: plotly would interpret tags such as <b> or <a href>."""
    return html.escape(printable_line(text, limit), quote=False)


def format_table(
    heads: tuple[str, ...],
    rows: list[list[str]],
    key: tuple[str, ...],
    indent: int = 0,
    least: int = 16,
) -> str:
    """Return rows of cells as a table: the first column wrapped and flush left, others flush right.

    heads: one per column, their lines separated by newlines. key: lines below the table. indent: of
    the first column's continuation lines. least: width below which the gaps are made smaller.
    """
    longest = [max(head.split("\n"), key=len) for head in heads]
    widths = [max(map(_width, column)) for column in zip(longest, *rows)]
    room, gap = WIDTH - sum(widths[1:]), 2
    if room - 2 * len(widths) < least:
        gap = 1
    widths[0] = max(12, min(MAX_FIRST_WIDTH, widths[0], room - gap * (len(widths) - 1)))
    rule = "-" * (sum(widths) + gap * (len(widths) - 1))
    lines = [*_table_row(heads, widths, gap), rule]
    for row in rows:
        lines += _table_row(row, widths, gap, indent)
    return "\n".join([*lines, *key]) + "\n"


def _table_row(row: Sequence[str], widths: list[int], gap: int, indent: int = 0) -> list[str]:
    name = textwrap.wrap(row[0], widths[0], subsequent_indent=" " * indent) or [""]
    columns = [name, *(cell.split("\n") for cell in row[1:])]
    height = max(map(len, columns))
    filled = [column + [""] * (height - len(column)) for column in columns]
    lines = []
    for cells in zip(*filled):
        rooms = [" " * (width - _width(cell)) for cell, width in zip(cells, widths)]
        first, *others = zip(cells, rooms)
        texts = ["".join(first), *(room + cell for cell, room in others)]
        lines.append((" " * gap).join(texts).rstrip())
    return lines


def _width(text: str) -> int:
    """Return the columns that a text takes in a terminal: East Asian wide characters take two."""
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in text)
