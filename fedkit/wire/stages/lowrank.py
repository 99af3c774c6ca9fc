"""The stage that sends each matrix as two thin ones. Methods: as in select.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedkit.wire.layout import Slot, StageInfo, TensorLayout


@dataclass(frozen=True)
class LowRank:
    """Each matrix as two thin ones, its best approximation of rank r (truncated SVD); other tensors
    as they are.

    Matrix (m, n) -> (m, r) and (r, n), where these have fewer values. PowerSGD (Vogels et al.,
    2019) approximates the same iteratively. The left factor holds the eigenvectors of A A^T, so
    left @ right is a projection of A.
    """

    r: int = 4
    role: ClassVar[str] = "select"
    linear: ClassVar[bool] = False
    unbiased: ClassVar[bool] = False
    expands: ClassVar[bool] = False  # ||C(x)|| <= ||x||
    lossless: ClassVar[bool] = False
    symbols: ClassVar[bool] = False
    needs: ClassVar[str] = (
        "not linear: cannot go under secure aggregation; biased: best after ef or ef21"
    )

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

    def compress(self, flat: np.ndarray, layout: TensorLayout, info: StageInfo) -> list[np.ndarray]:
        left, right, rest = [], [], []
        for matrix in layout.split_arrays(flat):
            if self._is_factored(matrix.shape):
                a, b = low_rank_factors(matrix, self.r)
                left.append(a.ravel())
                right.append(b.ravel())
            else:
                rest.append(matrix.ravel())
        return [np.concatenate([np.zeros(0, np.float32), *left, *right, *rest])]

    def decompress(
        self, arrays: list[np.ndarray], layout: TensorLayout, info: StageInfo
    ) -> np.ndarray:
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
