"""Arrays over a table that several checks share, computed once."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from fedkit.data.cleaning import TEST_SHARE
from fedkit.data.load import RawTable

_END = " .,;:!?。、．，！？…"


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


def draw_sample(rows: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Return at most `size` of the rows, in order."""
    if len(rows) <= size:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, size, replace=False))
