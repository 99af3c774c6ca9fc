"""Arrays over a table that several checks share, computed once, and the making of findings."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from fedkit.data.read_rows import RawTable
from fedkit.data.splits import TEST_SHARE
from fedkit.quality.finding import MOST_EXAMPLES, MOST_ROWS, WIDTH, Finding
from fedkit.quality.personal import mask_personal_data

_END = " .,;:!?。、．，！？…"


def comparison_key(text: str) -> str:
    """Return a text without differences in width, case, white space and final punctuation."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).rstrip(_END)


class TableView:
    """Arrays over a table's rows, shape (rows,) each, computed when first used.

    texts, labels, clients: int64 codes of equal values (in order of first appearance), -1 where the
    cell is empty. splits: names. keys: `comparison_key` of every text. usable: bool, a row with a
    text and a label (and a client, if the table has one).
    """

    def __init__(self, table: RawTable) -> None:
        self.frame = table.frame
        self.single = table.single

    @cached_property
    def texts(self) -> np.ndarray:
        return factorize_cells(self.frame["text"])[0]

    @cached_property
    def first_rows(self) -> np.ndarray:
        """Positions of the first row of each text, shape (different texts,)."""
        rows = np.flatnonzero((self.texts >= 0) & ~pd.Series(self.texts).duplicated().to_numpy())
        return rows  # codes are in order of appearance

    @cached_property
    def keys(self) -> np.ndarray:
        return np.array([comparison_key(text) for text in self.frame["text"]], dtype=object)

    @cached_property
    def same(self) -> tuple[np.ndarray, np.ndarray]:
        """Codes of the keys, int64, shape (rows,), and the different keys."""
        return factorize_cells(self.keys)

    @cached_property
    def labels(self) -> np.ndarray:
        return factorize_cells(self.frame["label"])[0]

    @cached_property
    def label_names(self) -> np.ndarray:
        return factorize_cells(self.frame["label"])[1]

    @cached_property
    def clients(self) -> np.ndarray:
        return factorize_cells(self.frame["client"])[0]

    @cached_property
    def client_names(self) -> np.ndarray:
        return factorize_cells(self.frame["client"])[1]

    @cached_property
    def splits(self) -> np.ndarray:
        return self.frame["split"].to_numpy(dtype=object)

    @cached_property
    def train(self) -> np.ndarray:
        return self.splits == "train"

    @cached_property
    def usable(self) -> np.ndarray:
        has_client = self.clients >= 0 if len(self.client_names) else True
        return (self.texts >= 0) & (self.labels >= 0) & (has_client | ~self.train)

    @cached_property
    def num_test(self) -> int:
        """Number of test rows: in the split, or to be split off a single file."""
        if not self.single:
            return int((self.usable & (self.splits == "test")).sum())
        once = self.usable & ~pd.Series(self.texts).duplicated().to_numpy()
        return int(np.ceil(TEST_SHARE * once.sum()))

    @cached_property
    def lengths(self) -> np.ndarray:
        """Characters of each text, int64."""
        return np.fromiter(map(len, self.frame["text"]), np.int64, len(self.frame))

    @cached_property
    def near(self) -> dict[int, Any]:
        """Cache of `duplicates.near_duplicates` by seed, which three checks use."""
        return {}


def factorize_cells(cells: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return int64 codes of equal cells (-1: empty), and the different cells in order."""
    values = np.array(cells, dtype=object)
    values[values == ""] = None
    found, names = pd.factorize(values)
    return found.astype(np.int64), np.asarray(names, dtype=object)


def view_of(table: RawTable) -> TableView:
    """Return the view of `table`, which is kept with the table."""
    return table.__dict__.setdefault("_view", TableView(table))


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


def level_of(number: float, of: float, care: float, stop: float = 2.0) -> str:
    """Return the level of `number` of `of` rows: from which share on it is 'care' or 'stop'."""
    part = number / max(of, 1)
    return "stop" if part >= stop else "care" if part >= care else "note"


def make_finding(
    table: RawTable,
    kind: str,
    level: str,
    bad: np.ndarray,
    what: str,
    why: str,
    mend: str,
    of: int | None = None,
    examples: Sequence[str] | None = None,
    numbers: Mapping[str, Any] | None = None,
    mended: bool = False,
    sampled: bool = False,
    count: int | None = None,
) -> Finding:
    """Return a Finding about the rows `bad`.

    bad: bool, shape (rows,), or positions of rows; the first MOST_ROWS are kept. examples: None
    takes the texts of these rows. numbers: gets `by_split` (rows per split, where there are
    several) and `index` (positions in `table.frame` of the rows kept) added.
    """
    at = np.flatnonzero(bad) if bad.dtype == bool else np.asarray(bad, dtype=np.int64)
    kept = at[:MOST_ROWS]
    shown = list(table.frame["text_raw"].iloc[kept[:50]]) if examples is None else list(examples)
    shown = [line for line in dict.fromkeys(map(excerpt, shown)) if line][:MOST_EXAMPLES]
    extra = dict(numbers or {}) | {"index": kept.tolist()}
    if not table.single:
        extra["by_split"] = {
            k: int(n) for k, n in table.frame["split"].iloc[at].value_counts().items()
        }
    rows = tuple(table.frame["line"].iloc[kept].tolist())
    total = len(at) if count is None else count
    return Finding(
        kind,
        level,
        total,
        len(table.frame) if of is None else of,
        what,
        why,
        mend,
        rows,
        tuple(shown),
        extra,
        mended,
        sampled,
    )
