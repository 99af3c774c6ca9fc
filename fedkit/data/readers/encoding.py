"""Which encoding a text file has that is not UTF-8 and that nobody named: cp932, cp1252, or asked.

Both decode most bytes, so decoding proves nothing. Each reading is judged by its strange letters: a
lone Japanese letter inside a Western word ("Geb舫de"), a run of accents where Japanese stands. No
detector is used: they confuse cp932 with similar encodings and change characters silently.
"""

from __future__ import annotations

import io
import re
from codecs import BOM_UTF8
from itertools import islice

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import quote

READINGS = ("cp1252", "cp932", "euc-jp", "cp949", "gb18030", "cp1250", "cp1251", "mac-roman")
_SAMPLE = 10_000  # lines or runs of letters beyond ASCII that are looked at
_RUN = re.compile("[^\0-\x7f]+")
_NEAR = re.compile("[\0-\x7f]{0,9}[^\0-\x7f].*")
_HALF_WIDTH = re.compile("[｡-ﾟ]")
_SIGNS = "’‘“”„–—…•«»¿¡\xa0€£§°®©™·´"  # beside letters
_RARE = frozenset("ƒ†‡ˆ‰‹›˜ŠŽšžŸ¤¦¨¬\xad¯¶¸÷ÐÞðþ")  # in Western text
_LETTERS = "(?:[ß-öø-ÿœµºª]{0,2}|[À-ÖØ-ÞŒ][ß-öø-ÿ]?|[À-ÖØ-ÞŒ]{2}|[²³¹¼½¾±×]?)"
_WESTERN_RUN = re.compile(f"[{_SIGNS}]*{_LETTERS}[{_SIGNS}]*")


def guess_encoding(data: bytes, name: str) -> str:
    """Return utf-8-sig, cp932 or cp1252. Raises FedkitError, which names a line, if none is right.

    name: of the file, for the message.
    """
    try:
        data.decode("utf-8")
        return "utf-8-sig"
    except UnicodeDecodeError as error:
        first = error.start
    lines = list(islice((line for line in io.BytesIO(data) if not line.isascii()), _SAMPLE))
    share = {
        encoding: sum(_decoded(line, encoding) is not None for line in lines) / len(lines)
        for encoding in ("utf-8", "cp932")
    }
    strange = {encoding: _strange_share(data, encoding) for encoding in _STRANGE}
    best = min(strange, key=strange.__getitem__)
    most, most_utf8 = {"cp932": (0.4, 0.2), "cp1252": (0.08, 0.0)}[best]
    if strange[best] <= most and share["utf-8"] <= most_utf8:
        return best
    if share["utf-8"] < 0.2 and share["cp932"] > 0.8 and not data.startswith(BOM_UTF8):
        try:
            data.decode("cp932")
        except UnicodeDecodeError as error:
            first = error.start
    begin = data.rfind(b"\n", 0, first) + 1
    number, line = data.count(b"\n", 0, first) + 1, data[begin:].split(b"\n", 1)[0].strip()
    read = [(encoding, _decoded(line, encoding)) for encoding in READINGS]
    near = [(encoding, _NEAR.findall(text)[0]) for encoding, text in read if text]
    shown = ", ".join(f"{quote(text, 24)} in {encoding}" for encoding, text in near)
    raise FedkitError(
        f"{quote(name)} is neither UTF-8 nor cp932 nor cp1252 from end to end (of its lines beyond"
        f" ASCII, {share['utf-8']:.0%} are UTF-8): line {number:,} reads {shown}; name the right"
        " one with --encoding, or mend that line"
    )


def _decoded(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _strange_share(data: bytes, encoding: str) -> float:
    """Return which part of the letters beyond ASCII is strange in this reading; 1: unreadable."""
    if (text := _decoded(data, encoding)) is None:
        return 1.0
    count, strange, number = _STRANGE[encoding], 0.0, 0
    for found in islice(_RUN.finditer(text), _SAMPLE):
        start, end = found.span()
        number += end - start
        strange += count(text[start - 1 : start] if start else "", found[0], text[end : end + 1])
    return strange / max(number, 1)


def _count_strange_japanese(before: str, run: str, after: str) -> float:
    """Count rare kanji, private letters, and lone letters inside or beside a Western word."""
    letters = [letter.encode("cp932", "replace") for letter in run]
    half = bool(_HALF_WIDTH.search(run))
    lone = len(run) == 1 and (half or (letters[0][-1] < 0x80 and letters[0][0] != 0x81))
    if lone and (half or before.islower() or after.islower()):
        return 1
    rare = sum(letter[0] >= 0xE0 or letter[0] in (0x80, 0xA0) for letter in letters)
    marks = sum(map(run.count, "､･"))  # in EUC-JP the first byte of each kana
    if half and (rare or 4 * marks > len(run)):
        return len(run)
    return rare + (0.3 if lone and (before.isalpha() or after.isalpha()) else 0)


def _count_strange_western(before: str, run: str, after: str) -> float:
    """Count rare signs, runs of many accents, and capitals or signs inside a word."""
    inside = before.isalpha() and after.isalpha()
    if (
        not _WESTERN_RUN.fullmatch(run)
        or (before.islower() and run[0].isupper())
        or (inside and len(run) == 1 and not run.isalpha() and run not in "’´·\xa0‘–—…")
    ):
        return len(run)
    return sum(letter in _RARE for letter in run)


_STRANGE = {"cp932": _count_strange_japanese, "cp1252": _count_strange_western}
