"""How much room text takes, reckoned without a browser: enough to choose a type size and to cut
what is too long.

Widths are those of a common sans serif, rounded up a little, so that what is said to fit does fit
in most typefaces.
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
CLOSING = set(
    "、。，．）］」』】〉》・：；！？ー〜％"
)  # no line begins with one of these (JIS X 4051)
SPACES = re.compile(r"[\t\n\r\f\v ]+")


def clean(text: object, limit: int = LONGEST) -> str:
    """Text from data on one line, without characters that XML forbids or that turn the reading
    direction, at most `limit` long.

    Spaces that do not break are kept: they hold a number and its unit together.
    """
    line = SPACES.sub(" ", str(text))
    line = "".join(c for c in line if unicodedata.category(c) not in DROPPED).strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"


@cache
def advance(char: str) -> float:
    """Width of one character in em."""
    if unicodedata.combining(char):
        return 0.0
    if unicodedata.east_asian_width(char) in "WF":
        return 1.0
    if char in NARROW:
        return 0.33
    if char in BROAD:
        return 0.95
    return 0.70 if char.isupper() else 0.585 if char.isascii() else 0.75


def extent(text: str, size: float = 1.0, bold: bool = False) -> float:
    """Width of `text` on one line, in the unit of `size`."""
    return sum(map(advance, text)) * size * (1.07 if bold else 1.0)


def wrap(text: str, width: float, size: float = 1.0, bold: bool = False) -> list[str]:
    """`text` in lines of at most `width`: broken at spaces and between wide characters, inside a
    word only if it must be.
    """
    lines, line, used, room = [], "", 0.0, width / size / (1.07 if bold else 1.0)
    for part in _parts(text):
        if used + extent(part.rstrip()) <= room:
            line, used = line + part, used + extent(part)
            continue
        lines, line = ([*lines, line.rstrip()] if line.strip() else lines), part.lstrip()
        while (used := extent(line)) > room and len(line) > 1:
            head = _head(line, room)
            lines, line = [*lines, line[:head]], line[head:]
    return [*lines, line.rstrip()] if line.strip() else lines or [""]


def cut(
    text: str, width: float, size: float = 1.0, lines: int = 1, bold: bool = False
) -> list[str]:
    """`text` in at most `lines` lines; the last ends in … when something is left out."""
    broken = wrap(text, width, size, bold)
    if len(broken) <= lines:
        return broken
    last = broken[lines - 1]
    while last and extent(last + "…", size, bold) > width:
        last = last[:-1]
    return [*broken[: lines - 1], last.rstrip() + "…"]


def height(
    texts: Sequence[str], width: float, size: float, leading: float = 1.3, clamp: int = 99
) -> float:
    """Height of paragraphs one under another, in the unit of `size`."""
    return sum(min(len(wrap(text, width, size)), clamp) for text in texts) * size * leading


def first(texts: Sequence[str], most: int) -> tuple[tuple[str, ...], int]:
    """(the first `most` of them, how many are left out). Never leaves out only one: it would take
    no more room than saying so.
    """
    kept = tuple(texts) if len(texts) <= most + 1 else tuple(texts[:most])
    return kept, len(texts) - len(kept)


def more(count: int) -> str:
    """How a list says that it was cut, in any language."""
    return f"… +{count}"


def _parts(text: str) -> list[str]:
    """Pieces between which a line may be broken; a space stays with the piece before it."""
    parts, word = [], ""
    for char in text:
        if char in CLOSING and (word or parts):
            parts, word = (
                ([*parts, word + char], "") if word else ([*parts[:-1], parts[-1] + char], "")
            )
        elif advance(char) == 1.0:
            parts, word = [*parts, word, char] if word else [*parts, char], ""
        elif char == " ":
            parts, word = [*parts, word + char], ""
        else:
            word += char
    return [*parts, word] if word else parts


def _head(line: str, room: float) -> int:
    """How many characters of `line` fit in `room`; at least one."""
    used, count = 0.0, 0
    for char in line:
        used += advance(char)
        if used > room:
            break
        count += 1
    return max(count, 1)
