"""The room that text takes, estimated without a browser, to choose type sizes and to cut.

Widths are those of a common sans serif, rounded up a little, so that text fits in most typefaces.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache

LONGEST = 700  # characters of one sentence; what is longer is no sentence
# control and bidi characters, surrogates, what is no character
DROPPED = {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"}
NARROW, BROAD = set("iljtfrI.,:;'|!()[]-/ \u00a0\u202f·"), set("mwMW@%—…+=<>→")
# no line begins with one of these (JIS X 4051)
CLOSING = set("、。，．）］」』】〉》・：；！？ー〜％")
SPACES = re.compile(r"[\t\n\r\f\v ]+")


def slide_text(text: object, limit: int = LONGEST) -> str:
    """Return text from data on one line of at most `limit` characters.

    Characters that XML forbids or that change the reading direction are left out. No-break spaces
    stay: they hold a number and its unit together.
    """
    line = SPACES.sub(" ", str(text))
    line = "".join(c for c in line if unicodedata.category(c) not in DROPPED).strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"


@cache
def char_width(char: str) -> float:
    """Return the width of one character in em."""
    if unicodedata.combining(char):
        return 0.0
    if unicodedata.east_asian_width(char) in "WF":
        return 1.0
    if char in NARROW:
        return 0.33
    if char in BROAD:
        return 0.95
    return 0.70 if char.isupper() else 0.585 if char.isascii() else 0.75


def text_width(text: str, size: float = 1.0, bold: bool = False) -> float:
    """Return the width of `text` on one line, in the unit of `size`."""
    return sum(map(char_width, text)) * size * (1.07 if bold else 1.0)


def wrap_lines(text: str, width: float, size: float = 1.0, bold: bool = False) -> list[str]:
    """Break `text` into lines of at most `width`, at spaces and between wide characters.

    A word is broken only if it does not fit on a line.
    """
    lines, line, used, room = [], "", 0.0, width / size / (1.07 if bold else 1.0)
    for part in breakable_parts(text):
        if used + text_width(part.rstrip()) <= room:
            line, used = line + part, used + text_width(part)
            continue
        lines, line = ([*lines, line.rstrip()] if line.strip() else lines), part.lstrip()
        while (used := text_width(line)) > room and len(line) > 1:
            head = _head(line, room)
            lines, line = [*lines, line[:head]], line[head:]
    return [*lines, line.rstrip()] if line.strip() else lines or [""]


def cut_lines(
    text: str, width: float, size: float = 1.0, lines: int = 1, bold: bool = False
) -> list[str]:
    """Break `text` into at most `lines` lines; the last ends in … when something is left out."""
    broken = wrap_lines(text, width, size, bold)
    if len(broken) <= lines:
        return broken
    last = broken[lines - 1]
    while last and text_width(last + "…", size, bold) > width:
        last = last[:-1]
    return [*broken[: lines - 1], last.rstrip() + "…"]


def first_items(texts: Sequence[str], most: int) -> tuple[tuple[str, ...], int]:
    """Return (the first `most` items, how many are left out).

    One item is never left out alone: saying so would take as much room.
    """
    kept = tuple(texts) if len(texts) <= most + 1 else tuple(texts[:most])
    return kept, len(texts) - len(kept)


def more_mark(count: int) -> str:
    """Return the mark that a list was cut, in any language."""
    return f"… +{count}"


def breakable_parts(text: str) -> list[str]:
    """Return the pieces between which a line may break; a space stays with the piece before it."""
    parts, word = [], ""
    for char in text:
        if char in CLOSING and (word or parts):
            parts = [*parts, word + char] if word else [*parts[:-1], parts[-1] + char]
            word = ""
        elif char_width(char) == 1.0:
            parts, word = [*parts, word, char] if word else [*parts, char], ""
        elif char == " ":
            parts, word = [*parts, word + char], ""
        else:
            word += char
    return [*parts, word] if word else parts


def _head(line: str, room: float) -> int:
    """Return how many characters of `line` fit in `room`; at least one."""
    used, count = 0.0, 0
    for char in line:
        used += char_width(char)
        if used > room:
            break
        count += 1
    return max(count, 1)
