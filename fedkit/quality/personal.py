"""Find and mask likely personal data in Japanese and English texts.

A search by patterns (personal.toml), check digits and neighbouring words, not a proof of absence:
it knows forms (an e-mail address, a telephone number) and names only in obvious places (田中様,
Mr Smith, 氏名：…). Full-width letters and digits are folded first; positions are those of the given
text.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from fedkit.core.files import read_packaged_table, read_packaged_words

LONGEST = 100_000  # characters of a text that are looked at
BEFORE = 24  # characters before a match in which words are looked for
_FOLD: dict[int, int | str] = {i: i - 0xFEE0 for i in range(0xFF01, 0xFF5F) if chr(i) != "～"}
_FOLD |= dict.fromkeys((0xA0, 0x2002, 0x2003, 0x3000), " ")
_FOLD |= dict.fromkeys((*range(0x2010, 0x2016), 0x2212), "-")


@dataclass(frozen=True)
class Span:
    """text[start:end] is likely personal data of this kind (a key of MASKS)."""

    kind: str
    start: int
    end: int


@lru_cache(maxsize=256)  # a text is searched, counted and masked in turn
def find_personal_data(text: str) -> tuple[Span, ...]:
    """Return all likely personal data in `text`, in order and without overlaps.

    A text without any sign of personal data costs one search.
    """
    folded = text[:LONGEST].translate(_FOLD)
    if not _SIGN.search(folded):
        return ()
    found: list[Span] = []
    taken = bytearray(len(folded))  # 1 for each character of a find
    for kind in _KINDS:
        if kind.sign.search(folded):
            for start, end in kind.search(folded):
                if not any(taken[start:end]):
                    taken[start:end] = b"\1" * (end - start)
                    found.append(Span(kind.name, start, end))
    return tuple(sorted(found, key=lambda span: span.start))


def mask_personal_data(text: str, language: str | None = None) -> str:
    """Return `text` with each find replaced by its kind, such as [email] or [メール]; idempotent.

    language: language of the inserted words, "en" or "ja"; None means "en".
    """
    for _ in range(10):  # a find may show only after its neighbour is masked
        if not (spans := find_personal_data(text)):
            break
        ends = [0, *(span.end for span in spans)]
        parts = (
            f"{text[end : span.start]}[{MASKS[span.kind][language == 'ja']}]"
            for end, span in zip(ends, spans)
        )
        text = "".join(parts) + text[ends[-1] :]
    return text


# --- check digits


def passes_luhn(digits: str) -> bool:
    """Return whether the check digit of a payment card is right (ISO/IEC 7812-1, annex B)."""
    doubled = [int(d) * (1 + i % 2) for i, d in enumerate(reversed(digits))]
    return sum(d - 9 * (d > 9) for d in doubled) % 10 == 0


def is_my_number(digits: str) -> bool:
    """Return whether the check digit of a 12-digit Individual Number (My Number) is right.

    Source: Ordinance of the Ministry of Internal Affairs and Communications No. 85 of 2014
    (平成26年総務省令第85号), article 5: 11 - (sum of P_n * Q_n for n = 1..11, modulo 11), P_n the
    n-th digit from the right before the check digit, Q_n = n + 1 up to n = 6 and n - 5 from n = 7;
    0 where the remainder is 0 or 1.
    """
    if len(digits) != 12 or len(set(digits)) == 1:
        return False
    body = [int(d) for d in reversed(digits[:11])]
    rest = sum(p * (n + 1 if n <= 6 else n - 5) for n, p in enumerate(body, start=1)) % 11
    return int(digits[11]) == (0 if rest <= 1 else 11 - rest)


def is_iban(code: str) -> bool:
    """Return whether an International Bank Account Number is valid (ISO 13616: modulo 97 is 1)."""
    number = "".join(str(int(c, 36)) for c in code[4:] + code[:4])
    return 15 <= len(code) <= 34 and int(number) % 97 == 1


def is_card_number(digits: str) -> bool:
    """Return whether digits are a card number, by issuer's prefix and length and check digit."""
    known = _CONTEXT["card"].match(digits) is not None
    return known and len(set(digits)) > 1 and passes_luhn(digits)


# --- the lists of words and the patterns

_LISTS = {
    name: frozenset(words.split())
    for name, words in read_packaged_words("fedkit.quality", "names_ja.toml").items()
}
_SURNAMES, _GIVEN_ENDS = _LISTS["surnames"], _LISTS["given_end"]
_SPEC: dict[str, Any] = read_packaged_table("fedkit.quality", "personal.toml")
_PARTS = _SPEC["parts"] | {"GIVEN_END": "".join(sorted(_GIVEN_ENDS))}
# kind -> the word put in its place, in English and in Japanese
MASKS: dict[str, tuple[str, str]] = {kind["name"]: tuple(kind["mask"]) for kind in _SPEC["kinds"]}


def _pattern(form: str) -> re.Pattern[str]:
    """Compile a form with its <PARTS> filled in."""
    while (found := re.search("<([A-Z_]{3,})>", form)) is not None:
        form = form.replace(found[0], _PARTS[found[1]])
    return re.compile(form.replace("\n", ""))


_SIGN = _pattern(_SPEC["sign"])
_CONTEXT = {name: _pattern(form) for name, form in _SPEC["context"].items()}
_PLACES = frozenset("県市区町村郡駅店社部課係局内外側城港寺大")

# --- whether a match counts: `fits` in personal.toml


def _digits(m: re.Match[str]) -> str:
    return re.sub(r"\D", "", m[0])


def _is_ipv4(m: re.Match[str]) -> bool:
    parts = [int(part) for part in m[0].split(".")]
    masks = parts[0] in (0, 127, 255) or max(parts) < 10
    return max(parts) < 256 and not masks


def _is_ipv6(m: re.Match[str]) -> bool:
    if m[0].count(":") < 7 and ("::" not in m[0] or not re.search("[A-Fa-f]", m[0])):
        return False
    try:
        return not ipaddress.IPv6Address(m[0]).is_loopback
    except ValueError:
        return False


def _surname_start(m: re.Match[str]) -> int | None:
    """Return where a name begins in kanji before an honorific (m[1], m[2]); None: there is none."""
    run = m[1]
    for start in range(len(run)):
        for long in (3, 2):
            given = run[start + long :]
            fits = not given or (len(given) <= 3 and given[-1] in _GIVEN_ENDS)
            if run[start : start + long] in _SURNAMES and fits:
                return start
    other = run in _LISTS["not_names"] or run[-2:] in _LISTS["not_names"]
    may_be_name = not other and run[-1] not in _LISTS["not_name_ends"]
    polite = m[2] in ("様", "さん") and 2 <= len(run) <= 3
    return 0 if run in _SURNAMES or (polite and may_be_name) else None


def _is_full_name(m: re.Match[str]) -> bool:
    """Return whether kanji are a listed surname and a given name, and no place, office or shop.

    A given name is two or three kanji that end as given names do.
    """
    for long in (2, 3):
        given = m[0][long:].strip()
        ends = 2 <= len(given) <= 3 and given[-1] in _GIVEN_ENDS
        if m[0][:long] in _SURNAMES and ends and given[0] not in _PLACES:
            return True
    return False


_FITS: dict[str, Callable[[re.Match[str]], bool]] = {
    "iban": lambda m: is_iban(m[0].replace(" ", "")),
    "card": lambda m: is_card_number(_digits(m)),
    "my_number": lambda m: is_my_number(_digits(m)),
    "ipv4": _is_ipv4,
    "ipv6": _is_ipv6,
    "before_honorific": lambda m: _surname_start(m) is not None,
    "katakana_name": lambda m: not m[1].endswith(tuple(_LISTS["not_katakana"])),
    "labelled_name": lambda m: not _CONTEXT["not_named"].search(m[1].replace(" ", "")),
    "full_name": _is_full_name,
    "own_name": lambda m: m[1] in _SURNAMES and (len(m[1]) > 1 or "申します" in m[0]),
    "titled_name": lambda m: m[1].split()[-1] not in _LISTS["not_english"],
    "english_name": lambda m: _LISTS["not_english"].isdisjoint(
        next(value for value in m.groups() if value).split()
    ),
}


class _Kind:
    """A kind of personal data, as personal.toml describes it."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.name, self.sign = spec["name"], _pattern(spec["sign"])
        self.forms = [(_pattern(form["form"]), form) for form in spec["forms"]]

    def search(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield the start and end of each find in folded text."""
        for pattern, form in self.forms:
            for m in pattern.finditer(text):
                if _counts(form, m, text[max(0, m.start() - BEFORE) : m.start()]):
                    groups = enumerate(m.groups(), start=1)
                    start, end = m.span(next((i for i, v in groups if v and v.strip()), 0))
                    skip = _surname_start(m) if form.get("fits") == "before_honorific" else 0
                    yield start + (skip or 0), end


def _counts(form: dict[str, Any], m: re.Match[str], before: str) -> bool:
    """Return whether a match, which stands after `before`, is what its form looks for."""
    return (
        ("fits" not in form or _FITS[form["fits"]](m))
        and ("digits" not in form or len(_digits(m)) in form["digits"])
        and ("holds" not in form or _finds(form, "holds", m[0]))
        and ("needs" not in form or _finds(form, "needs", before))
        and (not _finds(form, "unless", before) or _finds(form, "but", before))
    )


def _finds(form: dict[str, Any], key: str, text: str) -> bool:
    return key in form and _CONTEXT[form[key]].search(text) is not None


_KINDS = [_Kind(spec) for spec in _SPEC["kinds"]]
