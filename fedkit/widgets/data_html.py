"""The data panel in HTML: preview of a file, roles of its columns, and findings of the check."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from fedkit.core.formatting import count_noun, printable_line
from fedkit.data.preview import Preview
from fedkit.plots.theme import FONT, INK, MUTED
from fedkit.quality.finding import Finding
from fedkit.reports.check_report import ANSWERS, LEVELS, LIGHTS

if TYPE_CHECKING:
    from fedkit.quality.report import Quality
    from fedkit.reports.check_report import CheckFiles

ROLE_WORDS = {"": "not used", "text": "TEXT", "label": "LABEL", "client": "SITE"}
ROLE_COLOURS = {"": "#eef0f2", "text": "#9fd3f2", "label": "#f5c26b", "client": "#8fd3bf"}
# advice on flags, left out of notes as the panel has menus
FLAG_HINT = re.compile(r"( \(|; )name (--)?\w+ to choose\)?")
MAX_ROWS = 6  # of the preview
MAX_ITEMS = 10  # findings, and columns without a role, that are shown
FONT_FAMILY = escape(FONT.replace('"', "'"))


def session_html(
    preview: Preview | None,
    roles: Mapping[str, str],
    quality: Quality | None,
    written: CheckFiles | None,
    reason: str,
) -> str:
    """Return preview, roles and findings without buttons. reason: why there are none."""
    why = f"<p><b>{escape(reason[:300])}</b></p>" if reason else ""
    if preview is None:
        return f"{why}<p>No file yet.</p>"
    found = quality_html(quality, written) if quality else ""
    return why + lines_html(preview_lines(preview)) + preview_table(preview, roles) + found


def shown_columns(preview: Preview, roles: Mapping[str, str]) -> list[str]:
    """Return the first MAX_ITEMS columns, and those beyond them that have a role."""
    return [c for at, c in enumerate(preview.columns) if at < MAX_ITEMS or c in roles.values()]


def preview_lines(preview: Preview) -> list[str]:
    """Return lines on the file and on what reading it guessed."""
    if preview.problem:
        return [preview.problem]
    return [
        f"{printable_line(preview.name, 80)}, {preview.nbytes:,} bytes,"
        f" {count_noun(len(preview.columns), 'column')}",
        *(FLAG_HINT.sub("", note) for note in preview.notes),
    ]


def preview_table(preview: Preview, roles: Mapping[str, str]) -> str:
    """Return an HTML table of the first rows, with each column's role in its heading."""
    by = {column: role for role, column in roles.items()}
    cell = "border:1px solid #e0e0e0;padding:3px 7px;text-align:left;vertical-align:top"
    at = {name: preview.columns.index(name) for name in shown_columns(preview, roles)}
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
        for row in preview.cells[:MAX_ROWS]
    )
    style = f"font:13px/1.45 {FONT_FAMILY};border-collapse:collapse"
    return f"<table style='{style}'><tr>{heads}</tr>{rows}</table>"


def column_html(cells: Sequence[str]) -> str:
    """Return the first cells of a column as HTML, one per line."""
    style = (
        "white-space:nowrap;overflow:hidden;text-overflow:ellipsis;"
        "border-bottom:1px solid #e4e4e4;padding:2px 6px"
    )
    rows = "".join(
        f"<div style='{style}' title='{escape(printable_line(cell, 300))}'>"
        f"{escape(printable_line(cell, 120)) or '&nbsp;'}</div>"
        for cell in cells[:MAX_ROWS]
    )
    return f"<div style='font:13px/1.5 {FONT_FAMILY}'>{rows}</div>"


def quality_html(quality: Quality, written: CheckFiles | None) -> str:
    """Return the verdict, the findings, the worst first, and the written files as HTML."""
    colour, word = LIGHTS[quality.verdict]
    shown = quality.findings[:MAX_ITEMS]
    more = len(quality.findings) - len(shown)
    last = [f"and {more} more, in the report"] if more > 0 else []
    if written:
        last += [f"Cleaned copy: {line}" for line in written.changes]
        last += [f"Written: {path}" for path in written.paths]
    return (
        f"<div style='font:15px/1.45 {FONT_FAMILY};color:{INK};max-width:1000px'>"
        f"<div style='border-left:10px solid {colour};"
        "padding:6px 14px;background:#f6f7f8;margin:6px 0'>"
        f"<b style='font-size:22px;color:{colour}'>{word}</b><br>{ANSWERS[quality.verdict]}"
        f" ({count_noun(quality.rows, 'row')})</div>"
        "<table style='font-size:14px;border-collapse:collapse'>"
        f"{''.join(map(_finding_row, shown))}</table></div>{lines_html(last)}"
    )


def lines_html(texts: Sequence[str]) -> str:
    """Return escaped HTML with one text per line."""
    body = "<br>".join(escape(text) for text in texts if text)
    return f"<div style='font:13px/1.5 {FONT_FAMILY};color:#444'>{body}</div>"


def error_html(text: str) -> str:
    """Return an error as one escaped HTML line."""
    style = f"color:#a33c00;font:14px/1.4 {FONT_FAMILY}"
    return f"<p role='alert' style='{style}'><b>{escape(text)}</b></p>"


def _finding_row(f: Finding) -> str:
    colour, word = LEVELS[f.level]
    cell = "padding:3px 10px 5px 0;vertical-align:top;text-align:left"
    done = " (the cleaned copy mends it)" * f.mended
    return (
        f"<tr><td style='{cell};color:{colour};white-space:nowrap'><b>{word}</b></td>"
        f"<td style='{cell}'>{escape(f.what)}<br>"
        f"<span style='color:{MUTED}'>{escape(f.mend)}{done}</span></td></tr>"
    )
