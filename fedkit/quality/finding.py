"""The result of a data check: a `Finding`, made of its rows, figures and the words of its kind."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fedkit.core.files import read_packaged_words
from fedkit.core.formatting import count_noun
from fedkit.data.load import RawTable
from fedkit.quality.personal import mask_personal_data

# nothing to do | usable, but look | cannot be used before it is fixed
LEVELS = ("note", "care", "stop")
MOST_ROWS = 1_000  # row numbers that a finding keeps
MOST_EXAMPLES = 5
WIDTH = 80  # characters of an example
WORDS: dict[str, Any] = dict(read_packaged_words("fedkit.quality", "findings.toml"))
_VERBS = {
    "are": "is",
    "have": "has",
    "hold": "holds",
    "look": "looks",
    "repeat": "repeats",
    "stand": "stands",
}
_SINGLE = re.compile(
    rf"^(1 (?:[a-z-]+ ?){{1,4}}(?:\([^)]*\) ?)?(?:of \d[\d,]* )?)({'|'.join(_VERBS)})\b"
)


@dataclass(frozen=True)
class CheckOptions:
    """What the checks need to know besides the rows.

    model: the base model that the data is meant for. max_tokens: its limit in a run. slow: also run
    the checks that need a model and take minutes (suspicious labels). tell: called with progress
    sentences, or None.
    """

    model: str = "minilm"
    max_tokens: int = 64
    seed: int = 0
    slow: bool = True
    tell: Any = None


@dataclass(frozen=True)
class Finding:
    """One problem or fact that a check found.

    kind: its check in `report.CHECKS`. level: one of LEVELS. count: rows concerned, of `of` rows
    looked at (`sampled` is True where a sample was looked at). rows: their line numbers, at most
    MOST_ROWS. what, why, mend: a sentence each on what was found, why it matters and how to fix it.
    examples: at most MOST_EXAMPLES, cut to WIDTH characters, personal data masked. numbers: values
    for programs and plots. mended: True where the cleaned copy no longer has it.
    """

    kind: str
    level: str
    count: int
    of: int
    what: str
    why: str
    mend: str
    rows: tuple[int, ...] = ()
    examples: tuple[str, ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)
    mended: bool = False
    sampled: bool = False

    def __post_init__(self) -> None:
        assert self.level in LEVELS, self.level
        assert len(self.rows) <= MOST_ROWS and len(self.examples) <= MOST_EXAMPLES, self.kind


def make_finding(
    table: RawTable,
    key: str,
    bad: np.ndarray,
    of: int | None = None,
    level: str | None = None,
    count: int | None = None,
    examples: Iterable[str] | None = None,
    numbers: Mapping[str, Any] | None = None,
    sampled: bool = False,
    **figures: Any,
) -> list[Finding]:
    """Return the finding about the rows `bad` in a list, which is empty if there are none.

    key: of its words in findings.toml. bad: bool, shape (rows,), or positions of rows; the first
    MOST_ROWS are kept. of: rows looked at; None: all. level: None: by the share of rows, see
    `level_of`. count: rows concerned, where `bad` does not list them all. examples: None takes the
    texts of these rows. numbers: gets `by_split` (rows per split, where there are several) and
    `index` (positions in `table.frame` of the rows kept) added. figures: for the words.
    """
    at = np.flatnonzero(bad) if bad.dtype == bool else np.asarray(bad, dtype=np.int64)
    if not len(at) and count is None:
        return []
    kept, number = at[:MOST_ROWS], len(at) if count is None else count
    total = len(table.frame) if of is None else of
    shown = table.frame["text_raw"].iloc[kept[:50]] if examples is None else examples
    shown = [line for line in dict.fromkeys(map(excerpt, shown)) if line]
    extra = dict(numbers or {}) | {"index": kept.tolist()}
    if not table.single:
        sizes = table.frame["split"].iloc[at].value_counts()
        extra["by_split"] = {split: int(size) for split, size in sizes.items()}
    found = Finding(
        key.partition(".")[0],
        level or level_of(key, number, total),
        number,
        total,
        *sentences(key, number, total, **figures),
        rows=tuple(table.frame["line"].iloc[kept].tolist()),
        examples=tuple(shown[:MOST_EXAMPLES]),
        numbers=extra,
        mended=words_of(key).get("mended", False),
        sampled=sampled,
    )
    return [found]


def words_of(key: str) -> dict[str, Any]:
    """Return the entry of findings.toml for a kind of finding, or kind.variant."""
    kind, _, variant = key.partition(".")
    return WORDS[kind][variant] if variant else WORDS[kind]


def level_of(key: str, number: float, of: float) -> str:
    """Return the level of `number` of `of` rows, by the shares that findings.toml says."""
    words, part = words_of(key), number / max(of, 1)
    if part >= words.get("stop", 2):
        return "stop"
    return "care" if part >= words.get("care", 2) else "note"


def sentences(key: str, number: int, of: int, **figures: Any) -> tuple[str, str, str]:
    """Return what was found, why it matters and how to mend it, with the figures filled in."""
    words = words_of(key)
    figures = {
        "number": number,
        "rows": count_noun(number, words.get("noun", "row")),
        "share": format_share(number, of),
        **figures,
    }
    said = dict(figures)
    for name, phrase in words.get("if", {}).items():
        yes, no = phrase if isinstance(phrase, list) else (phrase, "")
        said[name] = (yes if figures.get(name) else no).format(**figures)
    what, why, mend = (as_sentence(words[part].format(**said)) for part in ("what", "why", "mend"))
    return what, why, mend


def as_sentence(words: str) -> str:
    """Return `words` with a capital letter, a full stop, and a singular verb where it is one."""
    words = _SINGLE.sub(lambda found: found[1] + _VERBS[found[2]], words)
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", "!", "?", "。")) else ".")


def excerpt(text: str) -> str:
    """Return `text` on one line of at most WIDTH characters, with personal data masked."""
    line = mask_personal_data(" ".join(text[: 4 * WIDTH].split()))
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


def format_share(number: float, of: float) -> str:
    """Return a share in percent: '3 %', '0.4 %', 'less than 0.1 %'."""
    percent = 100 * number / max(of, 1)
    if 0 < percent < 0.1:
        return "less than 0.1 %"
    return f"{percent:.0f} %" if percent >= 10 or percent == round(percent) else f"{percent:.1f} %"
