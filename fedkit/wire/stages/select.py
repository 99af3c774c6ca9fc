"""Stages that send fewer numbers: the largest, a random choice, thin matrices, or a sketch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fedkit.core.errors import PayloadError
from fedkit.wire.layout import Slot, TensorLayout
from fedkit.wire.stages.stage import Arrays, Context, Stage

BIASED = "not linear: cannot go under secure aggregation; biased: best after ef or ef21"


def count_kept(share: float, size: int) -> int:
    """Return how many of `size` values are sent: their share, at least one if there are any."""
    return min(size, max(1, round(share * size)))


class SharedValues(Stage):
    """Base of the stages that send a share of the values."""

    role = "select"
    share: float

    def problem(self) -> str:
        if 1e-4 <= self.share <= 1:
            return ""
        return f"share is {self.share:g}; it must be from 0.0001 to 1, for example 0.05"


@dataclass(frozen=True)
class TopK(SharedValues):
    """The largest values by magnitude, and a 0/1 mask of where they are (Aji & Heafield, 2017).

    Over all tensors together. A contraction: ||x - C(x)||^2 <= (1 - k/n) ||x||^2.
    """

    share: float = 0.05
    expands = False
    symbols = True
    needs = BIASED

    def slots(self, layout: TensorLayout) -> list[Slot]:
        return [Slot(count_kept(self.share, layout.size)), Slot(layout.size, alphabet=2)]

    def compress(self, flat: np.ndarray, layout: TensorLayout, context: Context) -> Arrays:
        k = count_kept(self.share, len(flat))
        mask = np.zeros(len(flat), np.uint8)
        if k:
            mask[np.argpartition(np.abs(flat), len(flat) - k)[-k:]] = 1
        return [flat[mask.view(bool)], mask]

    def decompress(self, arrays: Arrays, layout: TensorLayout, context: Context) -> np.ndarray:
        values, mask = arrays
        if int(mask.sum()) != len(values):
            raise PayloadError(f"{int(mask.sum())} positions for {len(values)} values")
        flat = np.zeros(layout.size, np.float32)
        flat[mask.view(bool)] = values
        return flat


@dataclass(frozen=True)
class RandK(SharedValues):
    """A random choice of values, the same for every sender of a round, so that no positions travel
    (Konecny et al., 2016).

    Scaled by n/k, which makes it unbiased; under error feedback not, which makes it a contraction.
    """

    share: float = 0.05
    linear = unbiased = True
    needs = "linear: messages of one round can be summed, under secure aggregation too"

    def slots(self, layout: TensorLayout) -> list[Slot]:
        return [Slot(count_kept(self.share, layout.size))]

    def _positions(self, size: int, context: Context) -> np.ndarray:
        if not size:
            return np.zeros(0, np.int64)
        rng = np.random.default_rng([context.seed, context.round])
        return rng.choice(size, count_kept(self.share, size), replace=False, shuffle=False)

    def compress(self, flat: np.ndarray, layout: TensorLayout, context: Context) -> Arrays:
        values = flat[self._positions(len(flat), context)]
        if context.feedback or not len(flat):
            return [values]
        return [values * np.float32(len(flat) / len(values))]

    def decompress(self, arrays: Arrays, layout: TensorLayout, context: Context) -> np.ndarray:
        flat = np.zeros(layout.size, np.float32)
        flat[self._positions(len(flat), context)] = arrays[0]
        return flat


@dataclass(frozen=True)
class LowRank(Stage):
    """Each matrix as two thin ones, its best approximation of rank r (truncated SVD); other tensors
    as they are.

    Matrix (m, n) -> (m, r) and (r, n), where these have fewer values. PowerSGD (Vogels et al.,
    2019) approximates the same iteratively. The left factor holds the eigenvectors of A A^T, so
    left @ right is a projection of A.
    """

    r: int = 4
    role = "select"
    expands = False
    needs = BIASED

    def problem(self) -> str:
        return "" if self.r >= 1 else f"r is {self.r}; it must be at least 1"

    def _is_factored(self, shape: tuple[int, ...]) -> bool:
        return len(shape) == 2 and self.r * (shape[0] + shape[1]) < shape[0] * shape[1]

    def _factor_layout(self, layout: TensorLayout) -> TensorLayout:
        """Return the shapes that are sent: left factors, right factors, the rest.

        Tensors of one kind are sent together, so that they share the scales of quantisation.
        """
        thin = [shape for _, shape in layout.shapes if self._is_factored(shape)]
        rest = [shape for _, shape in layout.shapes if not self._is_factored(shape)]
        sent = [*((m, self.r) for m, _ in thin), *((self.r, n) for _, n in thin), *rest]
        return TensorLayout(tuple(("", shape) for shape in sent))

    def slots(self, layout: TensorLayout) -> list[Slot]:
        return [Slot(self._factor_layout(layout).size)]

    def compress(self, flat: np.ndarray, layout: TensorLayout, context: Context) -> Arrays:
        left, right, rest = [], [], []
        for matrix in layout.split_arrays(flat):
            if self._is_factored(matrix.shape):
                a, b = low_rank_factors(matrix, self.r)
                left.append(a.ravel())
                right.append(b.ravel())
            else:
                rest.append(matrix.ravel())
        return [np.concatenate([np.zeros(0, np.float32), *left, *right, *rest])]

    def decompress(self, arrays: Arrays, layout: TensorLayout, context: Context) -> np.ndarray:
        pieces = list(self._factor_layout(layout).split_arrays(arrays[0]))
        count = sum(self._is_factored(shape) for _, shape in layout.shapes)
        products = iter([a @ b for a, b in zip(pieces[:count], pieces[count:])])
        rest = iter(pieces[2 * count :])
        kinds = [products if self._is_factored(shape) else rest for _, shape in layout.shapes]
        rows = [next(kind).ravel() for kind in kinds]
        return np.concatenate([np.zeros(0, np.float32), *rows])


def low_rank_factors(matrix: np.ndarray, r: int) -> tuple[np.ndarray, np.ndarray]:
    """Return factors (m, r) and (r, n) whose product is the best approximation of rank r.

    By the eigenvectors of A A^T or, where it is smaller, A^T A.
    """
    if len(matrix) > matrix.shape[1]:
        right, left = low_rank_factors(matrix.T, r)
        return left.T, right.T
    wide = matrix.astype(np.float64)
    basis = np.linalg.eigh(wide @ wide.T)[1][:, : -r - 1 : -1]
    return basis.astype(np.float32), (basis.T @ wide).astype(np.float32)


@dataclass(frozen=True)
class Sketch(SharedValues):
    """A count sketch: `rows` tables in which values that share a cell add up; the median over the
    rows is the estimate.

    Charikar et al., 2002; for federated learning FetchSGD (Rothchild et al., 2020). The sum of
    sketches is the sketch of the sum. share: cells of all rows / values. Under error feedback the
    cells change each round, so that no value stays hidden, and the estimate is divided by 1 +
    (pi/2) n / cells, which makes it a contraction on average.
    """

    share: float = 0.2
    rows: int = 5
    linear = True
    needs = "linear until it is read: sums of sketches can be read; good for a few large values"

    def problem(self) -> str:
        if not 1 <= self.rows <= 99:
            return f"rows is {self.rows}; it must be from 1 to 99"
        return super().problem()

    def _width(self, size: int) -> int:
        return count_kept(self.share / self.rows, size)

    def _cells(self, size: int, context: Context) -> tuple[np.ndarray, np.ndarray]:
        seeds = (context.seed, context.round) if context.feedback else (context.seed,)
        return sketch_cells(seeds, self.rows, self._width(size), size)

    def slots(self, layout: TensorLayout) -> list[Slot]:
        return [Slot(self.rows * self._width(layout.size))]

    def compress(self, flat: np.ndarray, layout: TensorLayout, context: Context) -> Arrays:
        places, signs = self._cells(len(flat), context)
        weights, cells_in_all = (signs * flat).ravel(), self.rows * self._width(len(flat))
        return [np.bincount(places.ravel(), weights, cells_in_all).astype(np.float32)]

    def decompress(self, arrays: Arrays, layout: TensorLayout, context: Context) -> np.ndarray:
        places, signs = self._cells(layout.size, context)
        flat = column_medians(arrays[0][places] * signs)
        cells_in_all = max(1, len(arrays[0]))
        if not context.feedback:
            return flat
        return flat / np.float32(1 + np.pi / 2 * layout.size / cells_in_all)


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
