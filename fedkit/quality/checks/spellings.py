"""Checks of names of labels and clients that differ only in spelling."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import pandas as pd

from fedkit.core.formatting import count_noun, quote, quoted_list
from fedkit.data.cleaning import SIGNS, clean_label, find_merged
from fedkit.data.load import RawTable
from fedkit.quality.finding import CheckOptions, Finding, factorize_cells, make_finding, view_of

_LOOKS, _OLD = (
    str.maketrans({sign: group[0] for group in SIGNS[key].split() for sign in group[1:]})
    for key in ("alike", "kanji")
)
_BETWEEN = re.compile(r"(?<=\w)[\s_\-—/.,:&']+(?=\w)|[\s_]")
_BETWEEN_DIGITS = re.compile(r"(?<=\d)[\s_\-—/.,:&']+(?=\d)")  # 1.5 is not 15
_MEANT = re.compile("[/.,:&'①-⓿²³¹]")  # signs by which real classes differ: Q&A and QA, ① and 1
_ACCENT = re.compile("[\u0300-\u036f]|(?<=[ァ-ヺ\u3099\u309a])ー$")  # and the long vowel at the end
_THOUSANDS = re.compile(r"(?<=\d)[,.' ](?=\d{3}(?!\d))")
_LEADING_ZEROS = re.compile(r"(?<![\d.,])0+(?=\d)")
MOST_NAMES = 2_000  # names among which typos are searched
SLIP = 0.1  # a misspelling has at most this share of the rows of the right spelling


def fold_spelling(name: str) -> str:
    """Return a name without width, case, separators and look-alikes."""
    plain = unicodedata.normalize("NFKC", clean_label(name)).casefold().strip(" .,:;")
    return _BETWEEN.sub("", _BETWEEN_DIGITS.sub("·", plain)).translate(_LOOKS)


def fold_meaning(name: str) -> str:
    """Return `fold_spelling` without accents, old kanji, leading zeros and signs of thousands."""
    bare = _ACCENT.sub("", unicodedata.normalize("NFKD", clean_label(name).translate(_OLD)))
    return fold_spelling(_LEADING_ZEROS.sub("", _THOUSANDS.sub("", bare)))


def check_spellings(role: str, table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find labels or clients (`role`) whose name is spelled in several ways."""
    names, sizes = count_names(table.frame[role], view_of(table).train)
    merged, rows = find_merged(table.frame, role)
    same, asked = find_variants(names, sizes)
    others = [name for name in names if name not in same | asked]
    slips = find_typos(others, {name: int(size) for name, size in zip(names, sizes)})
    kinds = {"merged": merged, "same": same, "asked": asked, "slip": slips}
    for which, found in kinds.items():
        pairs = [f"{quote(odd, 30)} → {quote(usual, 30)}" for odd, usual in found.items()]
        yield from make_finding(
            table,
            f"{role}-spellings.{which}",
            (rows if which == "merged" else table.frame[role].isin(found)).to_numpy(),
            level="note" if which == "merged" else "care",
            examples=pairs,
            numbers={"reason": which, "unify": dict(list(found.items())[:200])},
            names=count_noun(len(found), f"{role} name"),
            pairs=", ".join(pairs[:3]),
            odd=quoted_list(found, 3),
        )


def count_names(cells: pd.Series, train: pd.Series | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the different names of a column that are not blank, and the training rows of each."""
    codes, names = factorize_cells(cells)
    return names, np.bincount(codes[(codes >= 0) & np.asarray(train)], minlength=len(names))


def find_variants(names: np.ndarray, sizes: np.ndarray) -> tuple[dict[str, str], dict[str, str]]:
    """Return {name: more frequent name} of spellings to merge, and of those to ask about.

    sizes: training rows of each name. Merged is a name that differs in blanks, or that has at most
    a share SLIP of the other's rows and differs in case, hyphens and look-alikes; two frequent
    names may be two classes. Of equally frequent names the first is kept.
    """
    order = sorted(range(len(names)), key=lambda i: (-sizes[i], i))
    same: dict[str, str] = {}
    asked: dict[str, str] = {}
    usual: dict[str, int] = {}  # folded name -> the most frequent name
    for i in order:
        best = usual.setdefault(fold_meaning(names[i]) or names[i], i)
        if best == i:
            continue
        one, other = names[i], names[best]
        slip = sizes[i] <= SLIP * sizes[best] or one.replace(" ", "") == other.replace(" ", "")
        (same if slip and _class_of(one) == _class_of(other) else asked)[one] = other
    return same, asked


def _class_of(name: str) -> tuple[str, list[str]]:
    return fold_spelling(name), _MEANT.findall(name.strip(" .,:;"))


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
    if sorted(filter(str.isdigit, one)) != sorted(filter(str.isdigit, other)):
        return False
    short, long = sorted((one, other), key=len)
    start = next((i for i, (a, b) in enumerate(zip(short, long)) if a != b), len(short))
    short, long = short[start:], long[start:]
    swapped = short[:2][::-1] == long[:2] and short[2:] == long[2:]
    return swapped or long[1:] in (short, short[1:])
