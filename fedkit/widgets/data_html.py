"""The desk's pictures in HTML: what is in the file, which column is what, the traffic light with
what was found.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from fedkit.core.formatting import count_noun, printable_line
from fedkit.data.preview import Preview
from fedkit.plots.theme import FONT, INK, MUTED
from fedkit.quality.finding import Finding
from fedkit.reports.check_page import ANSWERS, LEVELS, LIGHTS

if TYPE_CHECKING:
    from fedkit.quality.report import Quality
    from fedkit.reports.check_report import CheckFiles

ROLE_WORDS = {"": "not used", "text": "TEXT", "label": "LABEL", "client": "SITE"}
ROLE_COLOURS = {"": "#eef0f2", "text": "#9fd3f2", "label": "#f5c26b", "client": "#8fd3bf"}
FLAG_HINT = re.compile(
    r"( \(|; )name (--)?\w+ to choose\)?"
)  # where there are menus, nobody needs it
MAX_ROWS = 6  # rows of the preview
MAX_ITEMS = 10  # findings and columns that are shown
FONT_FAMILY = escape(FONT.replace('"', "'"))


def session_html(
    seen: Preview | None,
    roles: Mapping[str, str],
    quality: Quality | None,
    written: CheckFiles | None,
    reason: str,
) -> str:
    """All of it without a button. reason: why there is none."""
    why = f"<p><b>{escape(reason[:300])}</b></p>" if reason else ""
    if seen is None:
        return f"{why}<p>No file yet.</p>"
    return (
        why
        + lines_html(preview_lines(seen))
        + preview_table(seen, roles)
        + (quality_html(quality, written) if quality else "")
    )


def shown_columns(seen: Preview, roles: Mapping[str, str]) -> list[str]:
    """The first columns, and those beyond them that have a role."""
    return [c for at, c in enumerate(seen.columns) if at < MAX_ITEMS or c in roles.values()]


def preview_lines(seen: Preview) -> list[str]:
    """What reading the file guessed, in lines."""
    if seen.problem:
        return [seen.problem]
    return [
        f"{printable_line(seen.name, 80)}, {seen.nbytes:,} bytes,"
        f" {count_noun(len(seen.columns), 'column')}",
        *(FLAG_HINT.sub("", note) for note in seen.notes),
    ]


def preview_table(seen: Preview, roles: Mapping[str, str]) -> str:
    """The first rows, the role of each column above it."""
    by = {column: role for role, column in roles.items()}
    cell = "border:1px solid #e0e0e0;padding:3px 7px;text-align:left;vertical-align:top"
    at = {name: seen.columns.index(name) for name in shown_columns(seen, roles)}
    heads = "".join(
        f"<th style='{cell};background:{ROLE_COLOURS[by.get(c, '')]}'>"
        f"{escape(printable_line(c))}<br>{ROLE_WORDS[by.get(c, '')]}</th>"
        for c in at
    )
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td style='{cell}'>{escape(printable_line(row[i], 90))}</td>" for i in at.values()
        )
        + "</tr>"
        for row in seen.cells[:MAX_ROWS]
    )
    return (
        "<table style='font:13px/1.45"
        f" {FONT_FAMILY};border-collapse:collapse'><tr>{heads}</tr>{rows}</table>"
    )


def column_html(cells: Sequence[str]) -> str:
    """The first cells of a column, each on a line of its own."""
    style = (
        "white-space:nowrap;overflow:hidden;text-overflow:ellipsis;border-bottom:1px solid"
        " #e4e4e4;padding:2px 6px"
    )
    rows = "".join(
        f"<div style='{style}'"
        f" title='{escape(printable_line(cell, 300))}'>"
        f"{escape(printable_line(cell, 120)) or '&nbsp;'}</div>"
        for cell in cells[:MAX_ROWS]
    )
    return f"<div style='font:13px/1.5 {FONT_FAMILY}'>{rows}</div>"


def quality_html(quality: Quality, written: CheckFiles | None) -> str:
    """The traffic light, the findings, the worst first, and what was written."""
    colour, word = LIGHTS[quality.verdict]
    shown = quality.findings[:MAX_ITEMS]
    more = len(quality.findings) - len(shown)
    last = [f"and {more} more, in the report"] if more > 0 else []
    if written:
        last += [f"Cleaned copy: {line}" for line in written.changes] + [
            f"Written: {path}" for path in written.paths
        ]
    return (
        f"<div style='font:15px/1.45 {FONT_FAMILY};color:{INK};max-width:1000px'>"
        f"<div style='border-left:10px solid {colour};padding:6px"
        " 14px;background:#f6f7f8;margin:6px 0'>"
        f"<b style='font-size:22px;color:{colour}'>{word}</b><br>{ANSWERS[quality.verdict]}"
        f" ({count_noun(quality.rows, 'row')})</div>"
        "<table style='font-size:14px;border-collapse:collapse'>"
        f"{''.join(map(_finding_row, shown))}</table></div>{lines_html(last)}"
    )


def lines_html(texts: Sequence[str]) -> str:
    """Sentences, one below the other, escaped."""
    return (
        "<div style='font:13px/1.5"
        f" {FONT_FAMILY};color:#444'>{'<br>'.join(escape(text) for text in texts if text)}</div>"
    )


def error_html(text: str) -> str:
    """A line on what went wrong."""
    style = f"color:#a33c00;font:14px/1.4 {FONT_FAMILY}"
    return f"<p role='alert' style='{style}'><b>{escape(text)}</b></p>"


def _finding_row(f: Finding) -> str:
    colour, word = LEVELS[f.level]
    cell, done = (
        "padding:3px 10px 5px 0;vertical-align:top;text-align:left",
        " (the cleaned copy mends it)" * f.mended,
    )
    return (
        f"<tr><td style='{cell};color:{colour};white-space:nowrap'><b>{word}</b></td><td"
        f" style='{cell}'>{escape(f.what)}<br><span"
        f" style='color:{MUTED}'>{escape(f.mend)}{done}</span></td></tr>"
    )
