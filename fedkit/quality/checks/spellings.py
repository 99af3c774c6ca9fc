"""Checks of names of labels and clients that differ only in spelling."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from fedkit.core.formatting import count_noun, quote, quoted_list
from fedkit.data.load import RawTable
from fedkit.quality.finding import CheckOptions, Finding, factorize_cells, make_finding

# Signs that look alike, drawn together: Cyrillic and Greek with Latin, kana with kanji, dashes
# (Unicode TS 39, "confusables").
_ALIKE = (
    "aаα eе oоο0 pрρ cс yу xхχ iіι l1| kκк hһ tτ jј sѕ dԁ bв mм カ力 ロ口 ニ二 エ工 ト卜 タ夕"
    " ハ八 ー一―—–‐− へヘ べベ ぺペ"
)
_LOOKS = str.maketrans({sign: group[0] for group in _ALIKE.split() for sign in group[1:]})
_BETWEEN = re.compile(r"(?<=\w)[\s_\-‐‑–—/.,:&']+(?=\w)|_")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
MOST_NAMES = 2_000  # names among which typos are searched
SLIP = 0.1  # a typo has at most this share of the rows of the right spelling


def fold_spelling(name: str) -> str:
    """Return a name without width, case, separators, invisible signs and look-alikes."""
    plain = _INVISIBLE.sub("", unicodedata.normalize("NFKC", name)).casefold().strip(" .,:;")
    return _BETWEEN.sub(lambda found: _gap(plain, found), plain).translate(_LOOKS)


def _gap(name: str, found: re.Match) -> str:
    """Return a blank between two digits (1.5 is not 15), else nothing."""
    inside = found.start() > 0 and found.end() < len(name)
    return (
        " " if inside and name[found.start() - 1].isdigit() and name[found.end()].isdigit() else ""
    )


def check_label_spellings(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find labels that are spelled in several ways."""
    return _spellings(table, "label")


def check_client_spellings(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find clients whose name is spelled in several ways."""
    return _spellings(table, "client")


def _spellings(table: RawTable, role: str) -> Iterable[Finding]:
    codes, names = factorize_cells(table.frame[role])
    if not len(names):
        return
    sizes = np.bincount(codes[codes >= 0], minlength=len(names))
    yield from _merged(table, role)
    same = find_variants(names, sizes)
    others = [name for name in names if name not in same]
    slips = find_typos(others, {name: int(size) for name, size in zip(names, sizes)})
    for which, found in (("same", same), ("slip", slips)):
        pairs = [f"{quote(odd, 30)} → {quote(usual, 30)}" for odd, usual in found.items()]
        bad = np.isin(codes, [i for i, name in enumerate(names) if name in found])
        yield from make_finding(
            table,
            f"{role}-spellings.{which}",
            bad,
            level="care",
            examples=pairs,
            numbers={"reason": which, "unify": dict(list(found.items())[:200])},
            names=count_noun(len(found), f"{role} name"),
            pairs=", ".join(pairs[:3]),
            odd=quoted_list(found, 3),
        )


def _merged(table: RawTable, role: str) -> Iterable[Finding]:
    """Find spellings that reading makes equal (NFKC, spaces at the ends)."""
    raw, clean = table.frame[f"{role}_raw"], table.frame[role]
    pairs = {(r, c) for r, c in zip(raw, clean) if r != c and c}
    shared = {c for r, c in pairs} & set(raw)
    different = sorted(r for r, c in pairs if c in shared)
    return make_finding(
        table,
        f"{role}-spellings.merged",
        raw.isin(different).to_numpy(),
        level="note",
        examples=[ascii(name)[1:-1] if name.isascii() else name for name in different],
        numbers={"reason": "read alike", "spellings": len(different)},
        names=count_noun(len(different), f"{role} spelling"),
    )


def find_variants(names: np.ndarray, sizes: np.ndarray) -> dict[str, str]:
    """Return {name: more frequent name that folds to the same}; of equals the first is kept."""
    groups: dict[str, list[int]] = defaultdict(list)
    for i, name in enumerate(names):
        groups[fold_spelling(name) or name].append(i)
    best = {key: max(indices, key=lambda i: (sizes[i], -i)) for key, indices in groups.items()}
    return {
        names[i]: names[best[key]]
        for key, indices in groups.items()
        for i in indices
        if i != best[key]
    }


def find_typos(names: list[str], sizes: dict[str, int]) -> dict[str, str]:
    """Return {rare name: name one edit away that is at least ten times as frequent}.

    An edit is a letter more, less or other, or two neighbours swapped. Names of fewer than six
    letters and names that differ in a digit are left alone.
    """
    if len(names) > MOST_NAMES:
        return {}
    folded = {name: fold_spelling(name) for name in names}
    holes: dict[str, set[str]] = defaultdict(set)
    for name in names:
        for hole in _holes(folded[name]):
            holes[hole].add(name)
    found = {}
    for name in names:
        near = {
            other
            for hole in _holes(folded[name])
            for other in holes[hole]
            if sizes[name] <= SLIP * sizes[other]
        }
        fits = [other for other in near if _slip(folded[name], folded[other])]
        if fits:
            found[name] = max(fits, key=lambda other: (sizes[other], other))
    return found


def _holes(name: str) -> set[str]:
    """Return the name and its forms with one non-digit left out; names one edit apart share one."""
    if len(name) < 6:
        return set()
    return {name} | {name[:i] + name[i + 1 :] for i in range(len(name)) if not name[i].isdigit()}


def _slip(one: str, other: str) -> bool:
    """Return whether one edit or one swap of neighbours leads from one to the other."""
    if abs(len(one) - len(other)) > 1 or sorted(filter(str.isdigit, one)) != sorted(
        filter(str.isdigit, other)
    ):
        return False
    short, long = sorted((one, other), key=len)
    start = next((i for i, (a, b) in enumerate(zip(short, long)) if a != b), len(short))
    if len(short) < len(long):
        return short[start:] == long[start + 1 :]
    swapped = (
        short[start : start + 2][::-1] == long[start : start + 2]
        and short[start + 2 :] == long[start + 2 :]
    )
    return swapped or short[start + 1 :] == long[start + 1 :]
