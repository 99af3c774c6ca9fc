"""The result of a data check, a `Finding`, and what the checks share: arrays over a table."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from fedkit.core.files import read_packaged_table
from fedkit.core.formatting import count_noun
from fedkit.data.cleaning import TEST_SHARE
from fedkit.data.load import RawTable
from fedkit.quality.personal import mask_personal_data

# nothing to do | usable, but look | cannot be used before it is fixed
LEVELS = ("note", "care", "stop")
MOST_ROWS = 1_000  # row numbers that a finding keeps
MOST_EXAMPLES = 5
WIDTH = 80  # characters of an example
WORDS: dict[str, Any] = read_packaged_table("fedkit.quality", "findings.toml")
_END = " .,;:!?。、．，！？…"
_VERBS = {verb: f"{verb}s" for verb in ("differ", "hold", "look", "repeat", "stand")}
_VERBS |= {"are": "is", "have": "has"}
_SINGLE = re.compile(
    r"^(1 (?:[a-z-]+ ?){1,4}(?:\([^)]*\) ?)?(?:of \d[\d,]* |in \d[\d,]* rows )?)"
    rf"({'|'.join(_VERBS)})\b"
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
    bad: np.ndarray | None = None,
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
    MOST_ROWS are kept; None: it is not about single rows. of: rows looked at; None: all. level:
    None: by the share of rows, see `level_of`. count: rows concerned, where `bad` does not list
    them all. examples: None takes the texts of these rows. numbers: gets `by_split` (rows per
    split, where there are several) and `index` (positions in `table.frame` of the rows kept) added.
    figures: for the words, which may use the numbers too.
    """
    bad = np.zeros(0, np.int64) if bad is None else bad
    at = np.flatnonzero(bad) if bad.dtype == bool else bad.astype(np.int64)
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
        *sentences(key, number, total, **{**(numbers or {}), **figures}),
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


# --- arrays over a table, which several checks share


class TableView:
    """Arrays over a table's rows, shape (rows,) each, computed when first used.

    texts, labels, clients: int64 codes of equal values (in order of first appearance), -1 where the
    cell is empty; label_names, client_names: the different values. splits: names. keys:
    `comparison_key` of every text; same: their codes, and the different keys. usable: bool, a row
    with a text and a label (and a client, if the table has one).
    """

    def __init__(self, table: RawTable) -> None:
        self.frame = table.frame
        self.single = table.single
        self.near: dict[int, Any] = {}  # of `duplicates.near_duplicates`, by seed
        self.splits = self.frame["split"].to_numpy(dtype=object)
        self.train = self.splits == "train"
        self.texts = factorize_cells(self.frame["text"])[0]
        self.labels, self.label_names = factorize_cells(self.frame["label"])
        self.clients, self.client_names = factorize_cells(self.frame["client"])
        has_client = self.clients >= 0 if len(self.client_names) else True
        self.usable = (self.texts >= 0) & (self.labels >= 0) & (has_client | ~self.train)
        self.in_train = self.usable & self.train

    @cached_property
    def repeated(self) -> np.ndarray:
        """Rows whose exact text is in an earlier row: bool."""
        return pd.Series(self.texts).duplicated().to_numpy()

    @cached_property
    def first_rows(self) -> np.ndarray:
        """Positions of the first row of each text, shape (different texts,)."""
        return np.flatnonzero((self.texts >= 0) & ~self.repeated)  # codes are in this order

    @cached_property
    def train_texts(self) -> np.ndarray:
        return np.unique(self.texts[self.train])

    @cached_property
    def keys(self) -> np.ndarray:
        return np.array([comparison_key(text) for text in self.frame["text"]], dtype=object)

    @cached_property
    def same(self) -> tuple[np.ndarray, np.ndarray]:
        return factorize_cells(self.keys)

    @cached_property
    def label_sizes(self) -> np.ndarray:
        """Usable training rows of each label, int64, shape (labels,)."""
        return np.bincount(self.labels[self.in_train], minlength=len(self.label_names))

    @cached_property
    def num_test(self) -> int:
        """Number of test rows: in the split, or to be split off a single file."""
        if not self.single:
            return int((self.usable & (self.splits == "test")).sum())
        return int(np.ceil(TEST_SHARE * (self.usable & ~self.repeated).sum()))

    @cached_property
    def lengths(self) -> np.ndarray:
        """Characters of each text, int64."""
        return np.fromiter(map(len, self.frame["text"]), np.int64, len(self.frame))

    def cells(self, role: str) -> np.ndarray:
        """Return a column of the frame as an array of strings."""
        return self.frame[role].to_numpy(dtype=object)

    def holding(
        self, form: re.Pattern[str], roles: Iterable[str], start: bool = False
    ) -> np.ndarray:
        """Return whether `form` is in (or starts) any of a row's cells: bool, shape (rows,)."""
        look = form.match if start else form.search
        found = np.zeros(len(self.frame), dtype=bool)
        for role in roles:
            cells = self.frame[role].tolist()
            if role.startswith("text"):  # labels and clients recur: each is searched once
                found |= np.fromiter((look(cell) is not None for cell in cells), bool, len(cells))
            else:
                known = {cell: look(cell) is not None for cell in set(cells)}
                found |= np.fromiter(map(known.__getitem__, cells), bool, len(cells))
        return found


def view_of(table: RawTable) -> TableView:
    """Return the view of `table`, which is kept with the table."""
    if "_view" not in table.__dict__:
        table.__dict__["_view"] = TableView(table)
    return table.__dict__["_view"]


def comparison_key(text: str) -> str:
    """Return a text without differences in width, case, white space and final punctuation."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).rstrip(_END)


def factorize_cells(cells: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return int64 codes of equal cells (-1: empty), and the different cells in order."""
    values = np.array(cells, dtype=object)
    values[values == ""] = None
    found, names = pd.factorize(values)
    return found.astype(np.int64), np.asarray(names, dtype=object)


def draw_sample(rows: np.ndarray, size: int, seed: int | np.random.Generator) -> np.ndarray:
    """Return at most `size` of the rows, in order."""
    if len(rows) <= size:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, size, replace=False))
