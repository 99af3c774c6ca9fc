"""Cache of hidden states below the lowest trained layer, which training does not change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from fedkit.models.fast.packing import Tokens, concatenated_ranges

CACHE_BYTES = 512 * 1024**2  # texts beyond it are computed again when needed


class FeatureCache:
    """Cache of rows of width d by text (token ids), at most `budget` rows.

    Keeps the first texts that are asked for, or those that are planned. compute: texts -> rows of
    all of them, text after text. count: number of a text's tokens -> number of its rows.
    """

    def __init__(
        self,
        compute: Callable[[list[Tokens]], Tensor],
        count: Callable[[int], int],
        device: torch.device,
        budget: int,
    ):
        self.compute, self.count, self.device, self.budget = compute, count, device, budget
        self.group_of: dict[Tokens, list[Tokens]] | None = None
        self.starts: dict[Tokens, int]
        self.rows: Tensor | None
        self.used: int
        self.clear()

    def clear(self) -> None:
        self.starts, self.rows, self.used = {}, None, 0

    def plan(self, groups: Iterable[Sequence[Tokens]]) -> None:
        """Keep the texts of the first `groups` that fit, each group computed as a batch of its own.

        The last bits of a text's rows depend on its batch. Planned, they do not depend on what was
        asked before, and a run that was stopped and resumed has the same. No other text is kept.
        """
        self.clear()
        self.group_of, rows = {}, 0
        for group in groups:
            new = [t for t in dict.fromkeys(group) if t not in self.group_of]
            rows += sum(self.count(len(t)) for t in new)
            if rows > self.budget:
                return
            self.group_of |= dict.fromkeys(new, new)

    def get(self, texts: Sequence[Tokens]) -> Tensor:
        """Return the rows of `texts`, one text after another: (sum of counts, d)."""
        fresh, begin = None, {}
        missing, planned = self._missing(texts), self.group_of or {}
        for group in {id(g): g for t in missing if (g := planned.get(t))}.values():
            self._keep(group, self.compute(group), self.budget)
        if missing := self._missing(missing):
            fresh = self.compute(missing)
            begin = self._keep(missing, fresh, self.budget if self.group_of is None else 0)
        counts = np.array([self.count(len(t)) for t in texts])
        kept = np.array([t in self.starts for t in texts])
        starts = np.array([self.starts[t] if k else begin[t] for t, k in zip(texts, kept)])
        if self.rows is not None and kept.all():
            return self.rows[self._index(starts, counts)]
        assert fresh is not None
        out, places = fresh.new_empty(counts.sum(), fresh.shape[1]), np.cumsum(counts) - counts
        for which, source in ((kept, self.rows), (~kept, fresh)):
            if source is not None and which.any():
                out[self._index(places[which], counts[which])] = source[
                    self._index(starts[which], counts[which])
                ]
        return out

    def _missing(self, texts: Iterable[Tokens]) -> list[Tokens]:
        return [t for t in dict.fromkeys(texts) if t not in self.starts]

    def _keep(self, texts: list[Tokens], fresh: Tensor, most: int) -> dict[Tokens, int]:
        """Keep new texts up to `most` rows in all; return {text: its first row in `fresh`}."""
        ends = np.cumsum([self.count(len(t)) for t in texts])
        starts = np.concatenate([[0], ends[:-1]])
        fit = int(np.searchsorted(self.used + ends, most, side="right"))
        if fit:
            rows = int(ends[fit - 1])
            held = self._reserve(self.used + rows, fresh)
            held[self.used : self.used + rows] = fresh[:rows]
            self.starts.update(zip(texts[:fit], (self.used + starts[:fit]).tolist()))
            self.used += rows
        return dict(zip(texts, starts.tolist()))

    def _reserve(self, end: int, like: Tensor) -> Tensor:
        """Return the rows with room for `end`, at least doubling, so that growing is cheap."""
        if self.rows is not None and end <= len(self.rows):
            return self.rows
        room = 0 if self.rows is None else len(self.rows)
        grown = like.new_empty(max(end, min(2 * room, self.budget)), like.shape[1])
        if self.rows is not None and self.used:
            grown[: self.used] = self.rows[: self.used]
        self.rows = grown
        return grown

    def _index(self, starts: np.ndarray, counts: np.ndarray) -> Tensor:
        return torch.from_numpy(concatenated_ranges(starts, counts)).to(self.device)
