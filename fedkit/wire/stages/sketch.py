"""The stage that sends sums of many values, from which the large ones can be estimated.

Methods: as in select.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from fedkit.wire.layout import Slot, StageInfo, TensorLayout
from fedkit.wire.stages.select import count_kept, share_problem


@dataclass(frozen=True)
class Sketch:
    """A count sketch: `rows` tables in which values that share a cell add up; the median over the
    rows is the estimate.

    Charikar et al., 2002; for federated learning FetchSGD (Rothchild et al., 2020). The sum of
    sketches is the sketch of the sum. share: cells of all rows / values. Under error feedback the
    cells change each round, so that no value stays hidden, and the estimate is divided by 1 +
    (pi/2) n / cells, which makes it a contraction on average.
    """

    share: float = 0.2
    rows: int = 5
    role: ClassVar[str] = "select"
    linear: ClassVar[bool] = True
    unbiased: ClassVar[bool] = False
    lossless: ClassVar[bool] = False
    symbols: ClassVar[bool] = False
    needs: ClassVar[str] = (
        "linear until it is read: sums of sketches can be read; good for a few large values"
    )

    def problem(self) -> str:
        if not 1 <= self.rows <= 99:
            return f"rows is {self.rows}; it must be from 1 to 99"
        return share_problem(self.share)

    def _width(self, size: int) -> int:
        return count_kept(self.share / self.rows, size)

    def _cells(self, size: int, info: StageInfo) -> tuple[np.ndarray, np.ndarray]:
        seeds = (info.seed, info.round) if info.feedback else (info.seed,)
        return sketch_cells(seeds, self.rows, self._width(size), size)

    def slots(self, layout: TensorLayout) -> list[Slot]:
        return [Slot(self.rows * self._width(layout.size))]

    def compress(self, flat: np.ndarray, layout: TensorLayout, info: StageInfo) -> list[np.ndarray]:
        places, signs = self._cells(len(flat), info)
        weights, cells_in_all = (signs * flat).ravel(), self.rows * self._width(len(flat))
        return [np.bincount(places.ravel(), weights, cells_in_all).astype(np.float32)]

    def decompress(
        self, arrays: list[np.ndarray], layout: TensorLayout, info: StageInfo
    ) -> np.ndarray:
        places, signs = self._cells(layout.size, info)
        flat = column_medians(arrays[0][places] * signs)
        cells_in_all = max(1, len(arrays[0]))
        return (
            flat / np.float32(1 + np.pi / 2 * layout.size / cells_in_all) if info.feedback else flat
        )


@lru_cache(maxsize=1)
def sketch_cells(
    seeds: tuple[int, ...], rows: int, width: int, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return each value's cell in each row's table and its sign (+1 or -1), shapes (rows, size)."""
    rng = np.random.default_rng(seeds)
    places = rng.integers(max(1, width), size=(rows, size)) + np.arange(rows)[:, None] * width
    return places, (2 * rng.integers(2, size=(rows, size), dtype=np.int8) - 1).astype(np.float32)


def column_medians(estimates: np.ndarray) -> np.ndarray:
    """Return the median of each column: shape (rows, n) -> (n,)."""
    ordered, half = np.sort(estimates, axis=0), len(estimates) // 2
    return ordered[half] if len(estimates) % 2 else (ordered[half - 1] + ordered[half]) / 2
