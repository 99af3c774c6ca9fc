"""Checks of damaged texts: broken encodings, markup, spreadsheet formulas, invisible signs."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from fedkit.core.formatting import count_noun
from fedkit.data.read_rows import RawTable
from fedkit.quality.finding import WIDTH, CheckOptions, Finding
from fedkit.quality.table_view import format_share, level_of, make_finding

_TAIL = (
    "[\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013\u2014"
    "\u2018-\u201e\u2020-\u2022\u2026\u2030\u2039\u203a\u20ac\u2122]"
)
_DAMAGE = {
    "a replacement sign (U+FFFD)": re.compile("\ufffd"),
    "UTF-8 read as Western": re.compile(f"[\u00c2\u00c3]{_TAIL}|[\u00e0-\u00ef]{_TAIL}{{2}}"),
    "UTF-8 read as cp932": re.compile("[縺繧繝譁]"),
    "cp932 read as Western": re.compile("(?:[ƒ‚][^\\s]){2}"),
    "question marks for letters": re.compile(r"(?:^|[\s,、。:])[?？]{3,}"),
    "escapes such as \\u3042": re.compile(r"(?:\\u[0-9a-fA-F]{4}){2}"),
}
MARKUP = re.compile(
    r"</?(?:p|br|div|span|a|b|i|u|table|tr|td|th|script|style|font|img|ul|ol|li|h[1-6]|strong|em"
    r"|html|body|head|iframe|svg|form|input)(?:\s[^<>]{0,500})?/?>"
    r"|&(?:nbsp|amp|lt|gt|quot|apos|#\d{2,6}|#x[0-9a-f]{2,5});",
    re.IGNORECASE,
)
_ACTIVE = re.compile(
    r"<\s*(?:script|iframe|object|embed|svg|img)\b|javascript:|\son\w+\s*=", re.IGNORECASE
)
FORMULA = re.compile(r"[\s'\"]*(?:[=@](?=\S)|[+-](?=[A-Za-z(@=]))|[\t\r]")
_CALLS = re.compile(
    r"\b(?:cmd|powershell|mshta|DDE|HYPERLINK|WEBSERVICE|IMPORT\w+|EXEC|CALL|RTD)\b|\|",
    re.IGNORECASE,
)
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
HIDDEN = re.compile(
    "[\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def check_encoding_damage(table: RawTable, options: CheckOptions) -> Iterator[Finding]:
    """Find texts and labels that were once read in the wrong encoding."""
    kinds = {name: _where(table, form, ("text", "label")) for name, form in _DAMAGE.items()}
    bad = np.logical_or.reduce(list(kinds.values()))
    if number := int(bad.sum()):
        numbers = {name: int(where.sum()) for name, where in kinds.items() if where.any()}
        yield make_finding(
            table,
            "encoding-damage",
            level_of(number, len(bad), 0.0, 0.2),
            bad,
            f"{count_noun(number, 'row')} ({format_share(number, len(bad))})"
            f" with damaged letters: {', '.join(numbers)}",
            "the letters cannot be brought back here, and a model learns from noise",
            "export the file again as UTF-8, or name the encoding (--encoding);"
            " rows that stay damaged are in the review file",
            numbers=numbers,
        )


def check_html_or_markup(table: RawTable, options: CheckOptions) -> Iterator[Finding]:
    """Find texts with tags or entities of HTML."""
    bad = _where(table, MARKUP, ("text", "label"))
    if number := int(bad.sum()):
        active = int((_where(table, _ACTIVE, ("text", "label")) & bad).sum())
        yield make_finding(
            table,
            "html-or-markup",
            "care" if active else level_of(number, len(bad), 0.05),
            bad,
            f"{count_noun(number, 'row')}"
            f" ({format_share(number, len(bad))}) with markup of web pages"
            + f", {active:,} with scripts or pictures"
            * bool(active),
            "tags use up the model's room for words, and may tell the label by themselves;"
            " pages of the kit show them as text",
            "the cleaned copy turns entities into letters and takes tags out",
            numbers={"active": active},
            mended=True,
        )


def check_formulas(table: RawTable, options: CheckOptions) -> Iterator[Finding]:
    """Find cells that a spreadsheet would compute when it opens the file."""
    roles = ("text_raw", "label_raw", "client_raw")
    bad = _where(table, FORMULA, roles, start=True)
    if number := int(bad.sum()):
        cells = [
            next(c for c in row if FORMULA.match(c))
            for row in table.frame.loc[bad, list(roles)].itertuples(index=False)
        ]
        calls = sum(1 for cell in cells if _CALLS.search(cell))
        yield make_finding(
            table,
            "formulas",
            "care" if calls else "note",
            bad,
            f"{count_noun(number, 'row')} with a cell that a spreadsheet would compute"
            + f", {calls:,} of them calling programs or addresses" * bool(calls),
            "nothing is computed here, but whoever opens such a CSV in a spreadsheet runs it",
            "the cleaned copy puts an apostrophe before such cells",
            examples=[c[:WIDTH] for c in cells[:5]],
            numbers={"calls": calls},
            mended=True,
        )


def check_control_characters(table: RawTable, options: CheckOptions) -> Iterator[Finding]:
    """Find control characters, signs that turn the direction of writing, and zero-width signs."""
    roles = ("text_raw", "label_raw", "client_raw")
    control, hidden = _where(table, CONTROL, roles), _where(table, HIDDEN, roles)
    bad = control | hidden
    if number := int(bad.sum()):
        yield make_finding(
            table,
            "control-characters",
            level_of(number, len(bad), 0.01),
            bad,
            f"{count_noun(number, 'row')} ({format_share(number, len(bad))})"
            " with signs that nobody sees",
            "two labels or texts can look alike and differ,"
            " and text can be shown in another order than it is stored",
            "the cleaned copy takes them out",
            numbers={"control": int(control.sum()), "hidden": int(hidden.sum())},
            mended=True,
            examples=[
                HIDDEN.sub("·", CONTROL.sub("·", t)) for t in table.frame["text_raw"][bad].head(5)
            ],
        )


def _where(
    table: RawTable, form: re.Pattern[str], roles: tuple[str, ...], start: bool = False
) -> np.ndarray:
    """Return whether `form` is in (or starts) any of a row's cells: bool, shape (rows,).

    Labels and clients recur, so each different one is searched once.
    """
    found = np.zeros(len(table.frame), dtype=bool)
    look = form.match if start else form.search
    for role in roles:
        cells = table.frame[role].tolist()
        if role.startswith("text"):
            found |= np.fromiter((look(cell) is not None for cell in cells), bool, len(cells))
        else:
            known = {cell: look(cell) is not None for cell in set(cells)}
            found |= np.fromiter(map(known.__getitem__, cells), bool, len(cells))
    return found
