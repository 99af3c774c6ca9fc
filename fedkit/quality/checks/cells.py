"""Checks of cells: empty ones, ones with nothing to learn from, damaged, or personal."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import numpy as np

from fedkit.core.formatting import quote, quoted_list
from fedkit.data.cleaning import SIGNS
from fedkit.data.load import RawTable
from fedkit.quality.finding import (
    MOST_EXAMPLES,
    MOST_ROWS,
    WIDTH,
    CheckOptions,
    Finding,
    make_finding,
    sentences,
    view_of,
)
from fedkit.quality.personal import find_personal_data, mask_personal_data

_PLACEHOLDERS = frozenset(SIGNS["placeholders"].split("|"))
_AROUND = " .,:;!?()[]<>{}*\"'"
_SIGN = re.compile(r"[^\W_]")
_LETTER = re.compile(r"[^\W\d_]")
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
_RAW = ("text_raw", "label_raw", "client_raw")


def is_placeholder(key: str) -> bool:
    """Return whether people and programs write this in place of a value, as (none) or N/A."""
    return key in _PLACEHOLDERS or key.strip(_AROUND) in _PLACEHOLDERS


def is_blank_key(key: str) -> bool:
    """Return whether a text with this `comparison_key` holds nothing to read."""
    return is_placeholder(key) or not _SIGN.search(key)


def check_missing_text(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find rows without a text."""
    empty = (view_of(table).texts < 0) & ~_spaces(table)
    return _missing(table, "text", empty, examples=[])


def check_missing_label(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find rows without a label."""
    return _missing(table, "label", view_of(table).labels < 0)


def check_missing_client(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find training rows without a client, in a table that has a client column."""
    if table.columns.client is None:
        return []
    return _missing(table, "client", (view_of(table).clients < 0) & view_of(table).train)


def _missing(
    table: RawTable, role: str, bad: np.ndarray, examples: list[str] | None = None
) -> Iterable[Finding]:
    column = quote(getattr(table.columns, role))
    return make_finding(table, f"missing-{role}", bad, examples=examples, column=column)


def _spaces(table: RawTable) -> np.ndarray:
    """Return rows whose text cell is not empty, but is once it is cleaned: bool, shape (rows,)."""
    return (view_of(table).texts < 0) & (view_of(table).cells("text_raw") != "")


def check_blank_text(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find texts of spaces, invisible signs or punctuation only, and words such as "none"."""
    codes, keys = view_of(table).same
    blank = np.array([*map(is_blank_key, keys), True])  # the last for the code -1
    bad = _spaces(table) | (blank[codes] & (view_of(table).texts >= 0))
    seen = table.frame["text_raw"].iloc[np.flatnonzero(bad)[:50]]
    shown = [ascii(text)[1:-1] if not text.strip() else text for text in seen]
    return make_finding(table, "blank-text", bad, examples=shown)


def check_placeholder_labels(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find labels such as N/A or 未分類, which may mean that nobody chose one."""
    names = [name for name in view_of(table).label_names if is_placeholder(name.casefold())]
    bad = table.frame["label"].isin(names).to_numpy()
    listed = quoted_list(names, 5)
    return make_finding(table, "placeholder-labels", bad, examples=names, names=listed)


def check_constant_text(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find texts of a number or one word only, and one text that recurs through the file."""
    codes, keys = view_of(table).same
    number = [bool(_SIGN.search(key)) and not _LETTER.search(key) for key in keys]
    word = [_is_one_word(key) for key in keys]
    for which, values in (("number", number), ("word", word)):
        bad = np.array([*values, False])[codes]
        yield from make_finding(table, f"constant-text.{which}", bad, numbers={"which": which})
    yield from _refrain(table)


def _is_one_word(key: str) -> bool:
    """Return whether `key` is one word in ASCII letters, or one or two signs of any script."""
    short = len(key) <= 2 or (" " not in key and key.isascii())
    return not is_placeholder(key) and short and bool(_LETTER.search(key))


def _refrain(table: RawTable) -> Iterable[Finding]:
    """Find a text on 1 % of the rows (10 or more) with several labels, such as a form's default."""
    codes, all_labels = view_of(table).same[0], view_of(table).labels
    sizes = np.bincount(codes[codes >= 0], minlength=1)
    for code in np.argsort(-sizes, kind="stable")[:5]:
        bad = codes == code
        labels = len(np.unique(all_labels[bad & (all_labels >= 0)]))
        if sizes[code] >= max(10, 0.01 * len(table.frame)) and labels >= 3:
            yield from make_finding(
                table,
                "constant-text.refrain",
                bad,
                numbers={"which": "refrain", "labels": labels},
                labels=labels,
            )


def check_encoding_damage(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find texts and labels that were once read in the wrong encoding."""
    found = {
        name: view_of(table).holding(form, ("text", "label")) for name, form in _DAMAGE.items()
    }
    marks = found["question marks for letters"]  # alone they are a placeholder
    marks[marks] = [not is_placeholder(text) for text in table.frame["text"][marks]]
    numbers = {name: int(bad.sum()) for name, bad in found.items() if bad.any()}
    bad = np.logical_or.reduce(list(found.values()))
    return make_finding(table, "encoding-damage", bad, numbers=numbers, kinds=", ".join(numbers))


def check_html_or_markup(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find texts with tags or entities of HTML."""
    bad = view_of(table).holding(MARKUP, ("text", "label"))
    active = int((view_of(table).holding(_ACTIVE, ("text", "label")) & bad).sum())
    level = "care" if active else None
    numbers = {"active": active}
    return make_finding(table, "html-or-markup", bad, level=level, numbers=numbers, active=active)


def check_formulas(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find cells that a spreadsheet would compute when it opens the file."""
    bad = view_of(table).holding(FORMULA, _RAW, start=True)
    cells = [
        next(cell for cell in row if FORMULA.match(cell))
        for row in table.frame.loc[bad, list(_RAW)].itertuples(index=False)
    ]
    calls = sum(1 for cell in cells if _CALLS.search(cell))
    return make_finding(
        table,
        "formulas",
        bad,
        level="care" if calls else "note",
        examples=[cell[:WIDTH] for cell in cells[:5]],
        numbers={"calls": calls},
        calls=calls,
    )


def check_control_characters(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find control characters, signs that turn the direction of writing, and zero-width signs."""
    control, hidden = (view_of(table).holding(form, _RAW) for form in (CONTROL, HIDDEN))
    bad = control | hidden
    seen = table.frame["text_raw"][bad].head(5)
    return make_finding(
        table,
        "control-characters",
        bad,
        numbers={"control": int(control.sum()), "hidden": int(hidden.sum())},
        examples=[HIDDEN.sub("·", CONTROL.sub("·", text)) for text in seen],
    )


def check_personal(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find rows with likely personal data, and count them by kind; the examples are masked."""
    known: dict[str, frozenset[str]] = {}
    kinds: Counter[str] = Counter()
    rows: list[int] = []
    examples: list[str] = []
    for row, text in enumerate(table.frame["text"]):
        if text not in known:
            known[text] = frozenset(span.kind for span in find_personal_data(text))
        if here := known[text]:
            rows.append(row)
            if len(examples) < MOST_EXAMPLES and here - kinds.keys():
                examples.append(_around_mask(mask_personal_data(text)))
            kinds.update(sorted(here))
    if not rows:
        return []
    of, kept = len(table.frame), rows[:MOST_ROWS]
    listed = ", ".join(f"{kind} in {number:,}" for kind, number in kinds.most_common())
    found = Finding(
        "personal-data",
        "note" if set(kinds) == {"name"} and len(rows) < 0.01 * of else "care",
        len(rows),
        of,
        *sentences("personal-data", len(rows), of, kinds=listed),
        rows=tuple(table.frame["line"].iloc[kept].tolist()),
        examples=tuple(examples),
        numbers={**kinds, "index": kept},
    )
    return [found]


def _around_mask(text: str) -> str:
    """Return at most WIDTH characters of `text` on one line that show its first mask."""
    flat = " ".join(text.split())
    at = max(0, flat.find("[") - WIDTH // 2) if len(flat) > WIDTH else 0
    part = ("…" if at else "") + flat[at:]
    return part if len(part) <= WIDTH else part[: WIDTH - 1] + "…"
