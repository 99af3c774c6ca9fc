"""Checks of names of labels and clients that differ only in spelling."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import pandas as pd

from fedkit.core.formatting import count_noun, quote, quoted_list
from fedkit.data.cleaning import clean_label, find_merged
from fedkit.data.load import RawTable
from fedkit.quality.finding import CheckOptions, Finding, factorize_cells, make_finding, view_of

# Signs that look alike, drawn together: Cyrillic and Greek with Latin, kana with kanji, dashes
# (Unicode TS 39, "confusables").
_ALIKE = (
    "aаα eе oоο0 pрρ cс yу xхχ iіι l1| kκк hһ tτ jј sѕ dԁ bв mм カ力 ロ口 ニ二 エ工 ト卜 タ夕"
    " ハ八 ー一―—–‐− へヘ べベ ぺペ"
)
# old and new forms of one kanji, which registered names keep apart: asked, never merged
_KANJI = (
    "高髙 崎﨑嵜 辺邊邉 斉斎齋齊 浜濱濵 沢澤 広廣 国國 島嶋嶌 桜櫻 徳德 真眞 瀬瀨 恵惠 竜龍 条條"
    " 栄榮 円圓 寛寬 吉𠮷 鉄鐵 会會 学學 県縣 区區 駅驛 静靜 関關 蔵藏 黒黑 渋澁 滝瀧 万萬"
)
_LOOKS, _VARIANTS = (
    str.maketrans({sign: group[0] for group in groups.split() for sign in group[1:]})
    for groups in (_ALIKE, _KANJI)
)
_BETWEEN = re.compile(r"(?<=\w)[\s_\-‐‑–—/.,:&']+(?=\w)|_")
_MEANT = re.compile("[/.,:&'①-⓿²³¹]")  # signs by which real classes differ: Q&A and QA, ① and 1
_ACCENT = re.compile("[\u0300-\u036f]")
_THOUSANDS = re.compile(r"(?<=\d)[,.' ](?=\d{3}(?!\d))")
_LEADING_ZEROS = re.compile(r"(?<![\d.,])0+(?=\d)")
MOST_NAMES = 2_000  # names among which typos are searched
SLIP = 0.1  # a misspelling has at most this share of the rows of the right spelling


def fold_spelling(name: str) -> str:
    """Return a name without width, case, separators and look-alikes."""
    plain = unicodedata.normalize("NFKC", clean_label(name)).casefold().strip(" .,:;")
    return _BETWEEN.sub(lambda found: _gap(plain, found), plain).translate(_LOOKS)


def fold_meaning(name: str) -> str:
    """Return `fold_spelling` without accents, old kanji, leading zeros and signs of thousands."""
    bare = _ACCENT.sub("", unicodedata.normalize("NFKD", clean_label(name).translate(_VARIANTS)))
    return fold_spelling(_LEADING_ZEROS.sub("", _THOUSANDS.sub("", bare)))


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
    names, sizes = count_names(table.frame[role], view_of(table).train)
    yield from _merged(table, role)
    same, asked = find_variants(names, sizes)
    others = [name for name in names if name not in same and name not in asked]
    slips = find_typos(others, {name: int(size) for name, size in zip(names, sizes)})
    for which, found in (("same", same), ("asked", asked), ("slip", slips)):
        pairs = [f"{quote(odd, 30)} → {quote(usual, 30)}" for odd, usual in found.items()]
        yield from make_finding(
            table,
            f"{role}-spellings.{which}",
            table.frame[role].isin(found).to_numpy(),
            level="care",
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


def _merged(table: RawTable, role: str) -> Iterable[Finding]:
    """Find spellings that reading makes equal."""
    raw = table.frame[f"{role}_raw"]
    found = find_merged(raw, table.frame[role])
    return make_finding(
        table,
        f"{role}-spellings.merged",
        raw.str.strip().isin(found).to_numpy(),
        level="note",
        examples=[f"{quote(odd, 30)} → {quote(name, 30)}" for odd, name in found.items()],
        numbers={"reason": "read alike", "spellings": len(found)},
        names=count_noun(len(found), f"{role} spelling"),
    )


def find_variants(names: np.ndarray, sizes: np.ndarray) -> tuple[dict[str, str], dict[str, str]]:
    """Return {name: more frequent name} of spellings to merge, and of those to ask about.

    sizes: training rows of each name. Merged is a name with at most a share SLIP of the other's
    rows that differs in case, blanks, hyphens and look-alikes only; two frequent names may be two
    classes. Of equally frequent names the first is kept.
    """
    order = sorted(range(len(names)), key=lambda i: (-sizes[i], i))
    same: dict[str, str] = {}
    asked: dict[str, str] = {}
    usual: dict[str, int] = {}  # folded name -> the most frequent name
    for i in order:
        best = usual.setdefault(fold_meaning(names[i]) or names[i], i)
        if best == i:
            continue
        alike = fold_spelling(names[i]) == fold_spelling(names[best])
        meant = (
            len({"".join(_MEANT.findall(n.strip(" .,:;"))) for n in (names[i], names[best])}) > 1
        )
        rare = sizes[i] <= SLIP * sizes[best]
        (same if alike and rare and not meant else asked)[names[i]] = names[best]
    return same, asked


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
